//! Brings together what was judged in this run and what the last manifest knows of items that were not.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use crate::{
    Loss, RunError,
    dead::Dead,
    decide::{Candidate, Origin},
    gather::Gathered,
    listing::Listing,
    losses::Losses,
    manifest_io::{self, Committed, EntryReader, RejectReader},
    runs::{Sorted, SortedRuns},
    scope::{Scope, key_of},
    shelf::Shelf,
    workspace::Workspace,
};
use quire_proto::{
    Digest, ItemId, Judged, PackSlice, Verdict,
    manifest::{Entry, Manifest, RejectRow, UNREAD},
};

/// What the first phase found, as far as the run looks at it.
pub(crate) struct Found {
    /// What the run looks at, in the end; `None`: everything.
    pub(crate) scope: Option<Scope>,
    /// Whether every source was listed completely.
    pub(crate) complete: bool,
    sources: BTreeMap<String, Listing>,
    /// Verdicts of the readers.
    rejected: Sorted<Candidate>,
    /// Verdicts of the validators.
    verdicts: Vec<PackSlice>,
    unchanged: HashSet<ItemId>,
    dead: BTreeMap<String, String>,
}

impl Found {
    /// What was gathered; of what a run of some keys does not look at, nothing.
    pub(crate) fn of(
        mut gathered: Gathered,
        scope: Option<&Scope>,
        shelf: &Shelf,
        workspace: &Workspace,
    ) -> Result<Self, RunError> {
        let complete = gathered.is_complete();
        let scope = match scope {
            Some(scope) => Some(narrowed(scope, &mut gathered, shelf, workspace)?),
            None => None,
        };
        let Gathered { sources, candidates, verdicts, unchanged, dead, .. } = gathered;
        Ok(Self { scope, complete, sources, rejected: candidates.finish(), verdicts, unchanged, dead })
    }

    /// Whether the run looks at the item.
    pub(crate) fn looks_at(&self, item: &ItemId) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.has(item))
    }
}

/// Everything that the decision needs.
pub(crate) struct Carried {
    pub(crate) candidates: Sorted<Candidate>,
    /// Items that could not be processed and of which nothing is known: dead, without a row.
    pub(crate) lost: u64,
    /// Why the run is partial.
    pub(crate) failures: Vec<String>,
}

/// Reads verdicts and the last manifest's rows. A run of some keys holds all that is not in its scope. Records that are
/// `dead` count as the last manifest has them. `validation` is that of the definition. Tells what could not be had.
pub(crate) fn carry(
    found: &Found,
    (base, validation): (Option<&Committed>, Digest),
    dead: &Dead,
    shelf: &Shelf,
    workspace: &Workspace,
    lost: &mut dyn FnMut(&Loss<'_>),
) -> Result<Carried, RunError> {
    let mut carrying = Carrying {
        found,
        dead,
        shelf,
        workspace,
        candidates: workspace.record_runs(),
        is_other: base.is_some_and(|base| base.manifest.validation != validation),
        elsewhere: HashSet::new(),
        replaced: 0,
    };
    carrying.verdicts()?;
    let mut fates = Fates::of(found);
    if let Some(base) = base {
        carrying.rows(&base.manifest, &mut fates)?;
    }
    fates.tell(lost);
    found.scope.iter().for_each(|scope| scope.tell_missing(lost));
    let missing = found.scope.iter().flat_map(Scope::missing);
    let failures = fates.failures().into_iter().chain(missing).collect();
    let lost = fates.lost() + dead.replaced() - carrying.replaced;
    Ok(Carried { candidates: carrying.candidates.finish(), lost, failures })
}

/// Candidates as they are collected.
struct Carrying<'a> {
    found: &'a Found,
    dead: &'a Dead,
    shelf: &'a Shelf,
    workspace: &'a Workspace,
    candidates: SortedRuns<Candidate>,
    /// The last manifest's rows are of another definition.
    is_other: bool,
    /// Other items of this run that have the key of a dead record.
    elsewhere: HashSet<ItemId>,
    /// Dead records that count as the last manifest has them.
    replaced: u64,
}

impl Carrying<'_> {
    /// What was judged in this run.
    fn verdicts(&mut self) -> Result<(), RunError> {
        for row in self.found.rejected.iter().map_err(RunError::Spill)? {
            let row = row.map_err(RunError::Spill)?;
            if self.found.looks_at(&row.item) {
                self.push((*row).clone())?;
            }
        }
        for slice in &self.found.verdicts {
            let verdicts = verdicts(slice, self.shelf, self.workspace)?;
            for verdict in verdicts.into_iter().filter(|verdict| self.found.looks_at(&verdict.item)) {
                if self.dead.replaces(&verdict.item) {
                    continue;
                }
                if key_of(&verdict).is_some_and(|key| self.dead.has_key(key)) {
                    self.elsewhere.insert(verdict.item.clone());
                }
                self.push(Candidate::fresh(verdict))?;
            }
        }
        Ok(())
    }

    /// What the last manifest has.
    fn rows(&mut self, manifest: &Manifest, fates: &mut Fates<'_>) -> Result<(), RunError> {
        self.shelf.load(&manifest.entries);
        for (number, entry) in EntryReader::new(self.shelf, manifest.entries.clone()).enumerate() {
            if number.is_multiple_of(1024) {
                self.workspace.check()?;
            }
            self.entry(of_entry(&*entry?), fates)?;
        }
        for (number, row) in RejectReader::new(self.shelf, manifest.rejects.clone()).enumerate() {
            if number.is_multiple_of(1024) {
                self.workspace.check()?;
            }
            let row = row?;
            // Those that are held go into the next manifest as they are, past the decision.
            if self.found.looks_at(&row.item)
                && !self.dead.replaces(&row.item)
                && let Some(origin) = fates.fate(&row.item)
            {
                let origin = if origin == Origin::Dead { Origin::DeadReject } else { origin };
                self.push(Candidate { origin, ..of_reject(row) })?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, row: Candidate, fates: &mut Fates<'_>) -> Result<(), RunError> {
        if !self.found.looks_at(&row.item) {
            return self.push(Candidate { origin: Origin::Held, ..row });
        }
        let is_replaced = self.dead.replaces(&row.item);
        if !is_replaced && let Some(origin) = fates.fate(&row.item) {
            return if origin == Origin::Dead {
                self.push_dead(row)
            } else {
                self.push(Candidate { origin, ..row })
            };
        }
        // Positions are of items, and what has died is a record: it may have been elsewhere.
        if !self.elsewhere.contains(&row.item)
            && let Some(item) = row.record().and_then(|record| self.dead.item_of(&record.key))
        {
            self.replaced += 1;
            return self.push_dead(Candidate { item: item.clone(), content: UNREAD, ..row });
        }
        Ok(())
    }

    /// What the record was. Of another definition, only what says itself what it is can be understood.
    fn push_dead(&mut self, mut row: Candidate) -> Result<(), RunError> {
        if self.is_other
            && let Judged::Record(record) = &mut row.judged
        {
            let record = Arc::make_mut(record);
            record.shares.clear();
            record.terms.clear();
            record.row.fields.clear();
            row.content = UNREAD;
        }
        self.push(Candidate { origin: Origin::Dead, ..row })
    }

    fn push(&mut self, row: Candidate) -> Result<(), RunError> {
        self.candidates.push(row).map_err(RunError::Spill)
    }
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
struct Fates<'a> {
    sources: &'a BTreeMap<String, Listing>,
    unchanged: &'a HashSet<ItemId>,
    dead: &'a BTreeMap<String, String>,
    /// Of `failed` and `dead`: those that the last manifest knows, as `source:location` with `#ordinal` where it has one.
    found: HashSet<String>,
}

impl<'a> Fates<'a> {
    fn of(found: &'a Found) -> Self {
        let Found { sources, unchanged, dead, .. } = found;
        Self { sources, unchanged, dead, found: HashSet::new() }
    }

    /// How the item's row lives on; `None` if it does not, unless there is a new verdict.
    fn fate(&mut self, item: &ItemId) -> Option<Origin> {
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
