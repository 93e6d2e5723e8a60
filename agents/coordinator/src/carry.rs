//! Brings together what was judged in this run and what the last manifest knows of items that were not.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use crate::{
    Loss, RunError,
    decide::{Candidate, Origin},
    gather::Gathered,
    listing::Listing,
    losses::Losses,
    manifest_io::{self, Committed, EntryReader, RejectReader},
    runs::Sorted,
    scope::Scope,
    shelf::Shelf,
    workspace::Workspace,
};
use quire_proto::{
    ItemId, Judged, PackSlice, Verdict,
    manifest::{Entry, RejectRow},
};

/// Everything that the decision needs.
pub(crate) struct Carried {
    pub(crate) candidates: Sorted<Candidate>,
    /// Items that could not be processed and of which nothing is known: dead, without a row.
    pub(crate) lost: u64,
    /// Whether every source was listed completely.
    pub(crate) complete: bool,
    /// Why the run is partial.
    pub(crate) failures: Vec<String>,
    /// What the run looks at, in the end; `None`: everything.
    pub(crate) scope: Option<Scope>,
}

/// Reads verdicts and the last manifest's rows. A run of some keys holds all that is not in its `scope`. Tells what could
/// not be had.
pub(crate) fn carry(
    mut gathered: Gathered,
    base: Option<&Committed>,
    scope: Option<&Scope>,
    shelf: &Shelf,
    workspace: &Workspace,
    lost: &mut dyn FnMut(&Loss<'_>),
) -> Result<Carried, RunError> {
    let complete = gathered.is_complete();
    let scope = match scope {
        Some(scope) => Some(narrowed(scope, &mut gathered, shelf, workspace)?),
        None => None,
    };
    let is_looked_at = |item: &ItemId| scope.as_ref().is_none_or(|scope| scope.has(item));
    let mut candidates = workspace.record_runs();
    if scope.is_none() {
        candidates = gathered.candidates;
    } else {
        for row in gathered.candidates.finish().into_rows().map_err(RunError::Spill)? {
            let row = row.map_err(RunError::Spill)?;
            if is_looked_at(&row.item) {
                candidates.push(row).map_err(RunError::Spill)?;
            }
        }
    }
    for slice in &gathered.verdicts {
        let verdicts = verdicts(slice, shelf, workspace)?;
        for verdict in verdicts.into_iter().filter(|verdict| is_looked_at(&verdict.item)) {
            candidates.push(Candidate::fresh(verdict)).map_err(RunError::Spill)?;
        }
    }
    let mut fates = Fates {
        sources: gathered.sources,
        unchanged: gathered.unchanged,
        dead: gathered.dead,
        found: HashSet::new(),
    };
    if let Some(base) = base {
        let manifest = &base.manifest;
        shelf.load(&manifest.entries);
        let entries =
            EntryReader::new(shelf, manifest.entries.clone()).map(|row| row.map(|entry| of_entry(&entry)));
        let rejects = RejectReader::new(shelf, manifest.rejects.clone());
        // Those that are held go into the next manifest as they are, past the decision.
        let rejects = rejects
            .filter(|row| row.as_ref().map_or(true, |row| is_looked_at(&row.item)))
            .map(|row| row.map(of_reject));
        for (number, row) in entries.chain(rejects).enumerate() {
            let mut row = row?;
            if number.is_multiple_of(1024) {
                workspace.check()?;
            }
            let fate = if is_looked_at(&row.item) { fates.of(&row.item) } else { Some(Origin::Held) };
            if let Some(origin) = fate {
                row.origin = origin;
                candidates.push(row).map_err(RunError::Spill)?;
            }
        }
    }
    fates.tell(lost);
    scope.iter().for_each(|scope| scope.tell_missing(lost));
    let missing = scope.iter().flat_map(Scope::missing);
    let failures = fates.failures().into_iter().chain(missing).collect();
    Ok(Carried { candidates: candidates.finish(), lost: fates.lost(), complete, failures, scope })
}

/// The scope with the locations at which sought keys were found; what was gathered of others is dropped.
fn narrowed(
    scope: &Scope,
    gathered: &mut Gathered,
    shelf: &Shelf,
    workspace: &Workspace,
) -> Result<Scope, RunError> {
    let mut scope = scope.clone();
    scope.take_found(&mut |visit| each_verdict(gathered, shelf, workspace, visit))?;
    scope.narrow(gathered);
    Ok(scope)
}

/// Shows every verdict to `visit`.
pub(crate) fn each_verdict(
    gathered: &Gathered,
    shelf: &Shelf,
    workspace: &Workspace,
    visit: &mut dyn FnMut(&Verdict),
) -> Result<(), RunError> {
    for slice in &gathered.verdicts {
        verdicts(slice, shelf, workspace)?.iter().for_each(&mut *visit);
    }
    Ok(())
}

fn verdicts(slice: &PackSlice, shelf: &Shelf, workspace: &Workspace) -> Result<Vec<Verdict>, RunError> {
    workspace.check()?;
    manifest_io::decode(&shelf.store().get_slice(slice)?, "verdicts")
}

fn of_entry(entry: &Entry) -> Candidate {
    let judged = Judged::Record(Arc::clone(&entry.record));
    Candidate { item: entry.item.clone(), content: entry.content, origin: Origin::Kept, judged }
}

/// A reject that was right by itself is decided again: its holder may be gone.
fn of_reject(row: RejectRow) -> Candidate {
    let judged = match row.record {
        Some(record) => Judged::Record(record),
        None => {
            // What it would claim is looked at again: whoever holds it now is told instead.
            let own = row.problems.into_iter().filter(|problem| problem.holder.is_none()).collect();
            Judged::Rejected { key: row.key, problems: own, claims: row.claims }
        }
    };
    Candidate { item: row.item, content: row.content, origin: Origin::Kept, judged }
}

/// What becomes of the last manifest's rows.
struct Fates {
    sources: BTreeMap<String, Listing>,
    unchanged: HashSet<ItemId>,
    dead: BTreeMap<String, String>,
    /// Of `failed` and `dead`: those that the last manifest knows, as `source:location` with `#ordinal` where it has one.
    found: HashSet<String>,
}

impl Fates {
    /// How the item's row lives on; `None` if it does not, unless there is a new verdict.
    fn of(&mut self, item: &ItemId) -> Option<Origin> {
        let listing = self.sources.get(item.source.as_ref())?;
        if listing.unchanged.contains(item.location.as_ref()) || self.unchanged.contains(item) {
            return Some(Origin::Kept);
        }
        if listing.failed.contains_key(item.location.as_ref()) {
            self.found.insert(format!("{}:{}", item.source, item.location));
            return Some(Origin::Dead);
        }
        let kept = listing.failure.is_some().then_some(Origin::Kept);
        if self.dead.is_empty() {
            return kept;
        }
        let subject = format!("{}:{item}", item.source);
        if self.dead.contains_key(&subject) {
            self.found.insert(subject);
            return Some(Origin::Dead);
        }
        kept
    }

    fn failed(&self) -> impl Iterator<Item = (String, &str)> {
        let failed = self.sources.iter().flat_map(|(source, listing)| {
            listing
                .failed
                .iter()
                .map(move |(location, reason)| (format!("{source}:{location}"), reason.as_str()))
        });
        failed.chain(self.dead.iter().map(|(subject, reason)| (subject.clone(), reason.as_str())))
    }

    fn tell(&self, lost: &mut dyn FnMut(&Loss<'_>)) {
        for (source, why) in self.unlisted() {
            lost(&Loss::Source { source, why });
        }
        for (subject, why) in self.failed() {
            lost(&Loss::Item { subject: &subject, why });
        }
    }

    /// Sources that were not listed completely, and why not.
    fn unlisted(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources.iter().filter_map(|(source, listing)| match &listing.failure {
            Some(reason) => Some((source.as_str(), reason.as_str())),
            None if listing.listed => None,
            None => Some((source.as_str(), "not listed")),
        })
    }

    /// Each counts as one item, as nobody knows better.
    fn lost(&self) -> u64 {
        self.failed().filter(|(subject, _)| !self.found.contains(subject)).count() as u64
    }

    fn failures(&self) -> Vec<String> {
        let listings = self
            .unlisted()
            .map(|(source, reason)| format!("source {source}: {reason}; nothing of it is removed"));
        let mut losses = Losses::default();
        self.failed().for_each(|(subject, reason)| losses.add(&subject, &subject, reason));
        listings.chain(losses.told("items")).collect()
    }
}
