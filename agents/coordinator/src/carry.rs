//! Brings together what was judged in this run and what the last manifest knows of items that were not.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use crate::{
    RunError,
    decide::{Candidate, Origin},
    gather::Gathered,
    listing::Listing,
    manifest_io::{self, Committed, EntryReader, RejectReader},
    runs::Sorted,
    shelf::Shelf,
    workspace::Workspace,
};
use quire_proto::{
    ItemId, Judged, Verdict,
    manifest::{Entry, RejectRow},
};

/// How failures of a whole source begin, in reports.
pub const OF_SOURCE: &str = "source ";
/// Most failures told one by one.
const MAX_FAILURES: usize = 20;

/// Everything that the decision needs.
pub(crate) struct Carried {
    pub(crate) candidates: Sorted<Candidate>,
    /// Items that could not be processed and of which nothing is known: dead, without a row.
    pub(crate) lost: u64,
    /// Whether every source was listed completely.
    pub(crate) complete: bool,
    /// Why the run is partial.
    pub(crate) failures: Vec<String>,
}

/// Reads verdicts and the last manifest's rows.
pub(crate) fn carry(
    gathered: Gathered,
    base: Option<&Committed>,
    shelf: &Shelf,
    workspace: &Workspace,
) -> Result<Carried, RunError> {
    let complete = gathered.is_complete();
    let mut candidates = gathered.candidates;
    for slice in &gathered.verdicts {
        workspace.check()?;
        let verdicts: Vec<Verdict> = manifest_io::decode(&shelf.store().get_slice(slice)?, "verdicts")?;
        for verdict in verdicts {
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
        let rejects = RejectReader::new(shelf, manifest.rejects.clone()).map(|row| row.map(of_reject));
        for (number, row) in entries.chain(rejects).enumerate() {
            let mut row = row?;
            if number.is_multiple_of(1024) {
                workspace.check()?;
            }
            if let Some(origin) = fates.of(&row.item) {
                row.origin = origin;
                candidates.push(row).map_err(RunError::Spill)?;
            }
        }
    }
    Ok(Carried { candidates: candidates.finish(), lost: fates.lost(), complete, failures: fates.failures() })
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

    /// Each counts as one item, as nobody knows better.
    fn lost(&self) -> u64 {
        self.failed().filter(|(subject, _)| !self.found.contains(subject)).count() as u64
    }

    fn failures(&self) -> Vec<String> {
        let listings = self.sources.iter().filter_map(|(source, listing)| {
            let reason = match &listing.failure {
                Some(reason) => reason,
                None if listing.listed => return None,
                None => "not listed",
            };
            Some(format!("{OF_SOURCE}{source}: {reason}; nothing of it is removed"))
        });
        let mut failures: Vec<String> = listings.collect();
        failures
            .extend(self.failed().take(MAX_FAILURES).map(|(subject, reason)| format!("{subject}: {reason}")));
        let more = self.failed().count().saturating_sub(MAX_FAILURES);
        if more > 0 {
            failures.push(format!("{more} more items could not be processed"));
        }
        failures
    }
}
