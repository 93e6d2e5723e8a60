//! What the first phase brings: listings, unchanged items, verdicts. A set: order and repeats do not matter.

use std::collections::{BTreeMap, HashSet};

use quire_proto::{ItemId, Outcome, PackSlice, Settlement, StageName, Verdict};

use crate::{RunError, decide::Candidate, listing::Listing, runs::SortedRuns, workspace::Workspace};

/// All that settlements of the first phase said.
pub(crate) struct Gathered {
    /// Of the sources that are listed: the slot of a listing is the position of its source.
    names: Vec<String>,
    pub(crate) sources: BTreeMap<String, Listing>,
    /// Verdicts of the readers, on items that they could not take apart.
    pub(crate) candidates: SortedRuns<Candidate>,
    /// Verdicts of the validators.
    pub(crate) verdicts: Vec<PackSlice>,
    /// Items that were read and had not changed.
    pub(crate) unchanged: HashSet<ItemId>,
    /// Items that no validator could process, as `source:location#ordinal`, with the error.
    pub(crate) dead: BTreeMap<String, String>,
}

impl Gathered {
    pub(crate) fn new(names: impl Iterator<Item = String>, workspace: &Workspace) -> Self {
        let names: Vec<String> = names.collect();
        let sources = names.iter().map(|name| (name.clone(), Listing::default())).collect();
        Self {
            names,
            sources,
            candidates: workspace.record_runs(),
            verdicts: Vec::new(),
            unchanged: HashSet::new(),
            dead: BTreeMap::new(),
        }
    }

    /// Takes a settlement of the source at `position`.
    pub(crate) fn take(&mut self, position: u32, settlement: Settlement) -> Result<(), RunError> {
        let Some(name) = self.names.get(position as usize) else { return Ok(()) };
        let source = self.sources.entry(name.clone()).or_default();
        match settlement.outcome {
            Outcome::Listed { unchanged, failure, .. } => {
                source.unchanged = unchanged.into_iter().map(String::into_boxed_str).collect();
                source.failure = failure;
                source.listed = true;
            }
            Outcome::Read { unchanged, rejected, failed, .. } => {
                self.unchanged.extend(unchanged);
                source.failed.extend(failed);
                for verdict in rejected {
                    self.reject(verdict)?;
                }
            }
            Outcome::Validated { verdicts, .. } => self.verdicts.push(verdicts),
            Outcome::Dead { error, subjects, .. } if settlement.stage == StageName::Fetch => {
                for subject in subjects {
                    match subject.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix(':')) {
                        Some(location) => {
                            source.failed.insert(location.to_owned(), error.clone());
                        }
                        None => source.failure = Some(error.clone()),
                    }
                }
            }
            Outcome::Dead { error, subjects, .. } => {
                self.dead.extend(subjects.into_iter().map(|subject| (subject, error.clone())));
            }
            Outcome::Split
            | Outcome::InputLost { .. }
            | Outcome::NoRoom { .. }
            | Outcome::Indexed { .. }
            | Outcome::Rendered { .. }
            | Outcome::Published { .. } => {}
        }
        Ok(())
    }

    fn reject(&mut self, verdict: Verdict) -> Result<(), RunError> {
        self.candidates.push(Candidate::fresh(verdict)).map_err(RunError::Spill)
    }

    /// Whether an item that the last manifest has may still be what it was: it is unchanged, or nobody could look.
    pub(crate) fn may_have(&self, item: &ItemId) -> bool {
        let Some(listing) = self.sources.get(item.source.as_ref()) else { return true };
        let location = item.location.as_ref();
        listing.failure.is_some()
            || listing.unchanged.contains(location)
            || listing.failed.contains_key(location)
            || self.unchanged.contains(item)
            || self.dead.contains_key(&format!("{}:{item}", item.source))
    }

    /// Locations that could not be read, and items that could not be judged.
    pub(crate) fn unread(&self) -> usize {
        self.sources.values().map(|source| source.failed.len()).sum::<usize>() + self.dead.len()
    }

    /// Whether every source was listed completely.
    pub(crate) fn is_complete(&self) -> bool {
        self.unlisted() == 0
    }

    /// Sources that were not listed completely.
    pub(crate) fn unlisted(&self) -> usize {
        self.sources.values().filter(|source| !source.listed || source.failure.is_some()).count()
    }

    /// Whether nothing came but listings of unchanged locations.
    pub(crate) fn is_quiet(&self) -> bool {
        let quiet = self.verdicts.is_empty() && self.unchanged.is_empty() && self.dead.is_empty();
        quiet
            && self.candidates.len() == 0
            && self.is_complete()
            && self.sources.values().all(|source| source.failed.is_empty())
    }
}
