//! The part of a catalogue that a run of some keys looks at.
//!
//! What the last manifest knows under a key names the locations to look at; a key that it does not know, or that is not
//! there any more, may be at any location. A location is looked at as a whole, since the position of its items says which is which. All else is *held*:
//! it stays as the last manifest has it, and nothing that is looked at takes a claim from it.

use std::collections::{BTreeMap, BTreeSet};

use quire_proto::{ItemId, Judged, Verdict, manifest::RejectRow};

use crate::{
    RunError,
    gather::Gathered,
    manifest_io::{Committed, EntryReader, RejectReader},
    shelf::Shelf,
};

/// Keys of one run, at most.
pub const MAX_KEYS: usize = 1_000;

/// What a run of some keys looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// By source.
    locations: BTreeMap<String, BTreeSet<String>>,
    /// Keys that no location is known for.
    sought: BTreeSet<String>,
    /// Where the last manifest has the others.
    placed: BTreeMap<String, BTreeSet<ItemId>>,
    /// Locations and items beside those that could not be read or judged.
    unread: usize,
}

impl Scope {
    /// The places of `keys` in the last manifest.
    pub(crate) fn find(keys: &BTreeSet<String>, base: &Committed, shelf: &Shelf) -> Result<Self, RunError> {
        let mut scope = Self { sought: keys.clone(), ..Self::default() };
        for entry in EntryReader::new(shelf, base.manifest.entries.clone()) {
            let entry = entry?;
            scope.place(keys, &entry.record.key, &entry.item);
        }
        for reject in RejectReader::new(shelf, base.manifest.rejects.clone()) {
            let RejectRow { item, key, .. } = reject?;
            if let Some(key) = key {
                scope.place(keys, &key, &item);
            }
        }
        Ok(scope)
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
        verdicts: &mut VerdictsOf<'_>,
    ) -> Result<bool, RunError> {
        let mut moved: BTreeSet<&String> = BTreeSet::new();
        for (key, items) in &self.placed {
            if items.iter().all(|item| !gathered.may_have(item)) {
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

    fn add(&mut self, item: &ItemId) {
        let locations = self.locations.entry(item.source.to_string()).or_default();
        locations.insert(item.location.to_string());
    }

    /// Whether the item is looked at.
    pub(crate) fn has(&self, item: &ItemId) -> bool {
        self.has_location(&item.source, &item.location)
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
            if let Some(key) = key_of(verdict).filter(|key| self.sought.contains(*key)) {
                found.insert(key.clone());
                items.push(verdict.item.clone());
            }
        })?;
        items.iter().for_each(|item| self.add(item));
        self.sought.retain(|key| !found.contains(key));
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

    /// What is to be said of keys that are nowhere, and never were: one that was is a record that is removed.
    pub(crate) fn missing(&self) -> impl Iterator<Item = String> + '_ {
        let unknown = self.sought.iter().filter(|key| !self.placed.contains_key(*key));
        let unread = match self.unread {
            0 => String::new(),
            count => format!(", as far as they could be read: {count} could not"),
        };
        unknown.map(move |key| format!("no item of the sources has the key {key}{unread}"))
    }
}

/// Shows all verdicts of a run to a visitor.
pub(crate) type VerdictsOf<'a> = dyn FnMut(&mut dyn FnMut(&Verdict)) -> Result<(), RunError> + 'a;

fn key_of(verdict: &Verdict) -> Option<&String> {
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

/// Keys as they are asked for.
pub(crate) fn check_keys(keys: &BTreeSet<String>) -> Result<(), String> {
    if keys.len() > MAX_KEYS {
        return Err(format!(
            "a run of keys has at most {MAX_KEYS}, not {}: start one of the whole catalogue",
            keys.len()
        ));
    }
    if keys.contains("") {
        return Err("an empty text is no key".to_owned());
    }
    Ok(())
}
