//! The decision: which records are accepted, given every item's verdict.
//!
//! Verdicts on new items and the rows of unchanged ones are sorted by item. Who holds a contested claim, and which
//! references hold, follows from that order alone (see [`solve`]), so arrival order, replicas and faults cannot change
//! the outcome. Rows stream through sorted runs; only contested claims and references are held in memory, as numbers.

mod candidate;
mod explain;
mod lookup;
mod solve;
mod stake;
#[cfg(test)]
mod tests;

use std::{borrow::Borrow, collections::BTreeMap};

use quire_proto::{
    ItemId, Judged, Problem, Severity,
    manifest::{RejectRow, SourceState},
};

use crate::{
    RunError,
    listing::SourceStates,
    runs::{Sorted, SortedRuns},
    workspace::Workspace,
};

pub(crate) use candidate::{Accepted, Candidate, Origin, record_weight};
use explain::Explainer;
pub(crate) use explain::Messages;
use lookup::Terms;
pub(crate) use lookup::{Pair, hits};
use solve::{Solution, Standing, solve};
use stake::Stakes;

/// What was decided. Rejects went to the caller's sink.
pub(crate) struct Decided {
    /// Accepted records, ascending by key.
    pub(crate) accepted: Sorted<Accepted>,
    /// Results of look-ups, ascending by the key that looked.
    pub(crate) pairs: Sorted<Pair>,
    /// Items that were decided; those held are not.
    pub(crate) items: u64,
    /// Items rejected (those that are dead are counted apart).
    pub(crate) rejected: u64,
    /// Reasons for which items that were judged in this run are rejected, by rule.
    pub(crate) reasons: BTreeMap<String, u64>,
    /// Rejected items that could not be looked at again.
    pub(crate) dead: u64,
    /// Where the rows come from.
    pub(crate) sources: Vec<SourceState>,
}

/// Decides. `candidates` may hold several rows of an item: the first in their order is the item's verdict.
/// Rejects are given to `reject` ascending by item.
pub(crate) fn decide(
    candidates: Sorted<Candidate>,
    messages: &Messages,
    workspace: &Workspace,
    reject: &mut dyn FnMut(RejectRow) -> Result<(), RunError>,
) -> Result<Decided, RunError> {
    let Taken { stakes, standings, sources, items } = take_stakes(&candidates, workspace)?;
    let groups = stakes.groups()?;
    let solution = solve(&standings, &groups);
    let named = names(&candidates, &groups, &solution, workspace)?;
    let explainer = Explainer::new(&groups, &solution, named, messages);

    let mut verdicts = Verdicts {
        accepted: workspace.record_runs(),
        terms: Terms::new(workspace),
        rejected: 0,
        reasons: BTreeMap::new(),
        dead: 0,
        reject,
    };
    for (number, candidate) in unique(candidates.into_rows().map_err(RunError::Spill)?).enumerate() {
        pause(number, workspace)?;
        verdicts.take(candidate?, number as u32, &solution, &explainer)?;
    }
    let Verdicts { accepted, terms, rejected, reasons, dead, .. } = verdicts;
    let pairs = terms.resolve(workspace)?;
    Ok(Decided { accepted: accepted.finish(), pairs, items, rejected, reasons, dead, sources })
}

/// Where decided rows go.
struct Verdicts<'a> {
    accepted: SortedRuns<Accepted>,
    terms: Terms,
    rejected: u64,
    reasons: BTreeMap<String, u64>,
    dead: u64,
    reject: &'a mut dyn FnMut(RejectRow) -> Result<(), RunError>,
}

impl Verdicts<'_> {
    fn take(
        &mut self,
        candidate: Candidate,
        row: u32,
        solution: &Solution,
        explainer: &Explainer<'_>,
    ) -> Result<(), RunError> {
        let Candidate { item, content, origin, judged } = candidate;
        match judged {
            Judged::Record(record) if solution.accepted(row) => {
                self.terms.add(&record)?;
                let decided = explainer.problems(row, &record);
                let row = Accepted { item, content, origin, record, decided };
                self.accepted.push(row).map_err(RunError::Spill)
            }
            Judged::Record(record) => {
                self.rejected += 1;
                let (key, problems) = (Some(record.key.clone()), explainer.problems(row, &record));
                self.count(origin, &problems);
                let claims = Vec::new();
                (self.reject)(RejectRow { item, content, key, problems, record: Some(record), claims })
            }
            Judged::Rejected { key, mut problems, claims } => {
                *(if origin.is_dead() { &mut self.dead } else { &mut self.rejected }) += 1;
                problems.extend(explainer.conflicts(row, &claims));
                self.count(origin, &problems);
                (self.reject)(RejectRow { item, content, key, problems, record: None, claims })
            }
        }
    }
}

impl Verdicts<'_> {
    /// What was rejected before is not counted again.
    fn count(&mut self, origin: Origin, problems: &[Problem]) {
        let reasons = problems.iter().filter(|problem| problem.severity == Severity::Reject);
        for Problem { rule, .. } in reasons.filter(|_| origin == Origin::Fresh) {
            *self.reasons.entry(rule.clone()).or_default() += 1;
        }
    }
}

/// What the first pass found.
struct Taken {
    stakes: Stakes,
    /// How rows stand.
    standings: Vec<Standing>,
    /// Where they come from.
    sources: Vec<SourceState>,
    /// How many of them are of the run.
    items: u64,
}

/// First pass: every claim and reference, also what rows that are wrong by themselves would claim.
fn take_stakes(candidates: &Sorted<Candidate>, workspace: &Workspace) -> Result<Taken, RunError> {
    let mut stakes = Stakes::new(workspace);
    let (mut standings, mut items) = (Vec::new(), 0);
    let mut sources = SourceStates::default();
    for (number, candidate) in unique(candidates.iter().map_err(RunError::Spill)?).enumerate() {
        let candidate = candidate?;
        pause(number, workspace)?;
        let row =
            u32::try_from(number).map_err(|_| RunError::Spill(std::io::ErrorKind::FileTooLarge.into()))?;
        sources.add(&candidate.item.source, &candidate.item.location);
        let record = candidate.record();
        items += u64::from(candidate.origin != Origin::Held);
        standings.push(match candidate.origin {
            Origin::Held | Origin::Dead => Standing::Held,
            _ if record.is_some() => Standing::Open,
            _ => Standing::Out,
        });
        let references = record.map(|record| record.references.as_slice()).unwrap_or_default();
        stakes.add(row, candidate.claims(), references).map_err(RunError::Spill)?;
    }
    Ok(Taken { stakes, standings, sources: sources.finish(), items })
}

/// Second pass, where anything is contested: what the rows that problems will name are called.
fn names(
    candidates: &Sorted<Candidate>,
    groups: &stake::Groups,
    solution: &Solution,
    workspace: &Workspace,
) -> Result<BTreeMap<u32, explain::Name>, RunError> {
    let wanted = explain::named_rows(groups, solution);
    let mut names = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(names);
    }
    for (number, candidate) in unique(candidates.iter().map_err(RunError::Spill)?).enumerate() {
        let candidate = candidate?;
        pause(number, workspace)?;
        let row = number as u32;
        if let (true, Some(record)) = (wanted.contains(&row), candidate.record()) {
            names.insert(row, explain::Name { key: record.key.clone(), at: candidate.item.to_string() });
        }
    }
    Ok(names)
}

/// One row an item: the first in the candidates' order.
fn unique<C: Borrow<Candidate>>(
    rows: impl Iterator<Item = std::io::Result<C>>,
) -> impl Iterator<Item = Result<C, RunError>> {
    let mut last: Option<ItemId> = None;
    rows.filter_map(move |row| match row {
        Ok(row) if last.as_ref() == Some(&row.borrow().item) => None,
        Ok(row) => {
            last = Some(row.borrow().item.clone());
            Some(Ok(row))
        }
        Err(error) => Some(Err(RunError::Spill(error))),
    })
}

/// Looks every now and then whether the run was cancelled.
fn pause(number: usize, workspace: &Workspace) -> Result<(), RunError> {
    if number.is_multiple_of(4096) { workspace.check() } else { Ok(()) }
}
