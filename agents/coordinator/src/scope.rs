//! The part of a catalogue that a run of some keys looks at.
//!
//! What the last manifest knows under a key names the locations to look at; a key that it does not know, or that is not
//! there any more, may be at any location. A location is looked at as a whole, since the position of its items says which is which. All else is *held*:
//! it stays as the last manifest has it, and nothing that is looked at takes a claim from it.

use std::collections::{BTreeMap, BTreeSet};

use quire_catalogue::Catalogue;
use quire_proto::{ItemId, Judged, RecordCounts, Verdict, manifest::RejectRow};

use crate::{
    Loss, Part, RunError,
    gather::Gathered,
    manifest_io::{Committed, EntryReader, RejectReader},
    shelf::Shelf,
};

/// What a run of some keys looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// By source.
    locations: BTreeMap<String, BTreeSet<String>>,
    /// Keys that no location is known for.
    sought: BTreeSet<String>,
    /// Keys that the last manifest does not know, of which the sources themselves tell where they are if they are.
    told: BTreeSet<String>,
    /// Where the last manifest has the others.
    placed: BTreeMap<String, BTreeSet<ItemId>>,
    /// Locations and items beside those that could not be read or judged.
    unread: usize,
}

impl Scope {
    /// The places of what `part` asks for that the last manifest knows, or the sources themselves. `None` if there is no
    /// manifest and these do not tell.
    pub(crate) fn find(
        part: &Part,
        base: Option<&Committed>,
        catalogue: &Catalogue,
        shelf: &Shelf,
    ) -> Result<Option<Self>, RunError> {
        let mut scope = Self { sought: part.keys.clone(), ..Self::default() };
        for (source, location) in &part.locations {
            scope.locations.entry(source.clone()).or_default().insert(location.clone());
        }
        if let Some(base) = base {
            scope.find_in(&part.keys, base, shelf)?;
        }
        for key in std::mem::take(&mut scope.sought) {
            match catalogue.places_of(&key) {
                Some(places) => {
                    for (source, location) in places {
                        scope.locations.entry(source).or_default().insert(location);
                    }
                    scope.told.insert(key);
                }
                None => drop(scope.sought.insert(key)),
            }
        }
        if !scope.told.is_empty() {
            for (source, location) in catalogue.common_places() {
                scope.locations.entry(source).or_default().insert(location);
            }
        }
        let is_told = scope.sought.is_empty() && part.locations.is_empty();
        Ok((base.is_some() || is_told).then_some(scope))
    }

    fn find_in(&mut self, keys: &BTreeSet<String>, base: &Committed, shelf: &Shelf) -> Result<(), RunError> {
        let mut wanted = keys.iter().peekable();
        for chunk in &base.manifest.entries {
            // Chunks are sorted by key: many have none of these.
            let mut is_here = false;
            while wanted.next_if(|key| **key <= chunk.last).is_some() {
                is_here = true;
            }
            if is_here {
                for entry in shelf.entries(chunk)?.iter() {
                    self.place(keys, &entry.record.key, &entry.item);
                }
            }
        }
        for reject in RejectReader::new(shelf, base.manifest.rejects.clone()) {
            let RejectRow { item, key, .. } = reject?;
            if let Some(key) = key {
                self.place(keys, &key, &item);
            }
        }
        Ok(())
    }

    fn place(&mut self, keys: &BTreeSet<String>, key: &str, item: &ItemId) {
        if keys.contains(key) {
            self.sought.remove(key);
            self.placed.entry(key.to_owned()).or_default().insert(item.clone());
            self.add(item);
        }
    }

    /// Seeks what is not where the last manifest has it; whether there is any.
    pub(crate) fn seek_moved(
        &mut self,
        gathered: &Gathered,
        catalogue: &Catalogue,
        verdicts: &mut VerdictsOf<'_>,
    ) -> Result<bool, RunError> {
        let mut moved: BTreeSet<&String> = BTreeSet::new();
        for (key, items) in &self.placed {
            let is_told = catalogue.places_of(key).is_some();
            if !is_told && items.iter().all(|item| !gathered.may_have(item)) {
                moved.insert(key);
            }
        }
        verdicts(&mut |verdict| {
            if let Some(key) = key_of(verdict) {
                moved.remove(key);
            }
        })?;
        self.sought.extend(moved.iter().map(|key| (*key).clone()));
        Ok(!moved.is_empty())
    }

    /// Whether all that is looked at is known, and listed as the last manifest has it.
    pub(crate) fn is_unchanged(&self, gathered: &Gathered) -> bool {
        self.sought.is_empty()
            && self.told.is_empty()
            && gathered.is_quiet()
            && self.locations.iter().all(|(source, locations)| {
                let listed = gathered.sources.get(source);
                listed.is_some_and(|listed| {
                    locations.iter().all(|location| listed.unchanged.contains(location.as_str()))
                })
            })
    }

    /// What is looked at, if nothing of it has changed.
    pub(crate) fn count(&self, base: &Committed, shelf: &Shelf) -> Result<RecordCounts, RunError> {
        let mut counts = RecordCounts::default();
        for entry in EntryReader::new(shelf, base.manifest.entries.clone()) {
            counts.unchanged += u64::from(self.has(&entry?.item));
        }
        for reject in RejectReader::new(shelf, base.manifest.rejects.clone()) {
            counts.rejected += u64::from(self.has(&reject?.item));
        }
        counts.seen = counts.unchanged + counts.rejected;
        Ok(counts)
    }

    fn add(&mut self, item: &ItemId) {
        let locations = self.locations.entry(item.source.to_string()).or_default();
        locations.insert(item.location.to_string());
    }

    /// Whether the item is looked at.
    pub(crate) fn has(&self, item: &ItemId) -> bool {
        self.has_location(&item.source, &item.location)
    }

    /// Source and location of all that is looked at.
    pub(crate) fn places(&self) -> BTreeSet<(String, String)> {
        let of = |(source, locations): (&String, &BTreeSet<String>)| {
            locations.iter().map(|location| (source.clone(), location.clone())).collect::<Vec<_>>()
        };
        self.locations.iter().flat_map(of).collect()
    }

    fn has_location(&self, source: &str, location: &str) -> bool {
        self.locations.get(source).is_some_and(|locations| locations.contains(location))
    }

    /// Which of `sources` have to be listed, and which of their locations; `None`: all.
    pub(crate) fn listed(&self, sources: Vec<String>) -> Vec<(String, Option<Vec<String>>)> {
        let all = !self.sought.is_empty();
        let only = |source: &String| {
            self.locations.get(source).map(|locations| locations.iter().cloned().collect::<Vec<_>>())
        };
        let asked = sources.into_iter().filter_map(|source| match only(&source) {
            _ if all => Some((source, None)),
            only => only.map(|only| (source, Some(only))),
        });
        asked.collect()
    }

    /// Takes all locations at which sought keys were found: the decision chooses.
    pub(crate) fn take_found(&mut self, verdicts: &mut VerdictsOf<'_>) -> Result<(), RunError> {
        let (mut found, mut items) = (BTreeSet::new(), Vec::new());
        verdicts(&mut |verdict| {
            if let Some(key) =
                key_of(verdict).filter(|key| self.sought.contains(*key) || self.told.contains(*key))
            {
                found.insert(key.clone());
                items.push(verdict.item.clone());
            }
        })?;
        items.iter().for_each(|item| self.add(item));
        self.sought.retain(|key| !found.contains(key));
        self.told.retain(|key| !found.contains(key));
        Ok(())
    }

    /// Drops what is said of locations that are not looked at.
    pub(crate) fn narrow(&mut self, gathered: &mut Gathered) {
        let before = gathered.unread();
        for (source, listing) in &mut gathered.sources {
            listing.failed.retain(|location, _| self.has_location(source, location));
        }
        let has = |subject: &str| {
            self.locations.iter().any(|(source, locations)| {
                let item = subject.strip_prefix(source.as_str()).and_then(|rest| rest.strip_prefix(':'));
                item.and_then(|item| item.rsplit_once('#')).is_some_and(|(at, _)| locations.contains(at))
                    || item.is_some_and(|item| locations.contains(item))
            })
        };
        gathered.dead.retain(|subject, _| has(subject));
        self.unread = before - gathered.unread();
    }

    /// Keys that are nowhere, and never were: one that was is a record that is removed.
    fn unknown(&self) -> impl Iterator<Item = &String> {
        self.sought.iter().chain(&self.told).filter(|key| !self.placed.contains_key(*key))
    }

    pub(crate) fn tell_missing(&self, lost: &mut dyn FnMut(&Loss<'_>)) {
        self.unknown().for_each(|key| lost(&Loss::Key { key, unread: self.unread }));
    }

    /// What is to be said of keys that are nowhere.
    pub(crate) fn missing(&self) -> impl Iterator<Item = String> + '_ {
        let unknown = self.unknown();
        let unread = match self.unread {
            0 => String::new(),
            count => format!(", as far as they could be read: {count} could not"),
        };
        unknown.map(move |key| format!("no item of the sources has the key {key}{unread}"))
    }
}

/// Shows all verdicts of a run to a visitor.
pub(crate) type VerdictsOf<'a> = dyn FnMut(&mut dyn FnMut(&Verdict)) -> Result<(), RunError> + 'a;

/// The key of what was judged, if it could be had.
pub(crate) fn key_of(verdict: &Verdict) -> Option<&String> {
    match &verdict.judged {
        Judged::Record(record) => Some(&record.key),
        Judged::Rejected { key, .. } => key.as_ref(),
    }
}

/// Rejects of the last manifest that a run holds, on their way into the next.
pub(crate) struct HeldRejects {
    rows: std::iter::Peekable<Box<dyn Iterator<Item = Result<RejectRow, RunError>>>>,
}

impl HeldRejects {
    /// Those of `base` outside `scope`; none for a run of the whole catalogue.
    pub(crate) fn of(scope: Option<&Scope>, base: Option<&Committed>, shelf: &Shelf) -> Self {
        let rows: Box<dyn Iterator<Item = _>> = match (scope, base) {
            (Some(scope), Some(base)) => {
                let scope = scope.clone();
                let rows = RejectReader::new(shelf, base.manifest.rejects.clone());
                Box::new(rows.filter(move |row| row.as_ref().map_or(true, |row| !scope.has(&row.item))))
            }
            _ => Box::new(std::iter::empty()),
        };
        Self { rows: rows.peekable() }
    }

    /// Gives `take` those that come before `item`; all that are left without one.
    pub(crate) fn before(
        &mut self,
        item: Option<&ItemId>,
        take: &mut dyn FnMut(RejectRow) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let comes = |row: &Result<RejectRow, RunError>| {
            row.as_ref().map_or(true, |row| item.is_none_or(|item| row.item < *item))
        };
        while let Some(row) = self.rows.next_if(comes) {
            take(row?)?;
        }
        Ok(())
    }
}
