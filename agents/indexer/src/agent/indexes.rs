//! The indexes of this process, by catalogue: the follower brings them, queries read them.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

use quire_proto::Epoch;
use tokio::sync::Notify;

use super::Refused;
use crate::{Asked, Query, SearchError, SearchIndex, Shown, Suggestion, ask, ask::check_text};

/// Catalogues that a refusal names.
const MAX_NAMED: usize = 20;
/// Longest name of a catalogue that is looked for, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// So many looks in a row must show an older epoch than the index has before the index goes back to it.
const LOOKS_BACK: u32 = 3;

/// The indexes. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Indexes(Arc<Shared>);

#[derive(Default)]
struct Shared {
    held: RwLock<Held>,
    /// Told when a query finds an index damaged.
    suspected: Notify,
}

#[derive(Default)]
struct Held {
    /// Whether the store has said which catalogues there are.
    listed: bool,
    /// How often it could not.
    listing_failures: u64,
    catalogues: BTreeMap<String, Local>,
}

/// What this process has of one catalogue.
#[derive(Default)]
struct Local {
    index: Option<SearchIndex>,
    /// The greatest epoch that is known to be committed.
    newest: Epoch0,
    /// Since when there has been one that the index does not have.
    behind: Option<Instant>,
    /// Why it could not follow when it was last tried.
    failed: Option<String>,
    failures: u64,
    damaged: bool,
    /// Looks in a row at which the store's newest epoch was older than the index.
    older: u32,
}

/// An epoch, or 0 before there is one.
type Epoch0 = u64;

/// What metrics tell of one catalogue.
pub(super) struct Told {
    pub(super) catalogue: String,
    pub(super) epoch: u64,
    pub(super) documents: u64,
    pub(super) behind_seconds: f64,
    pub(super) failures: u64,
}

/// A catalogue that is to be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) catalogue: String,
    /// The epoch that is waited for.
    pub(super) epoch: Epoch,
    /// Whether what there is cannot be trusted.
    pub(super) damaged: bool,
}

/// What came of a search.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) asked: Asked,
    /// Catalogues that cannot be searched now, and why.
    pub(super) unavailable: BTreeMap<String, String>,
}

impl Local {
    fn epoch(&self) -> u64 {
        self.index.as_ref().map_or(0, |index| index.epoch().0)
    }

    fn is_due(&self) -> bool {
        self.damaged || self.index.is_none() || self.epoch() != self.newest
    }

    fn expect(&mut self, newest: u64) {
        self.newest = newest;
        if self.is_due() {
            self.behind.get_or_insert_with(Instant::now);
        } else {
            self.behind = None;
        }
    }

    /// Takes what the store shows. A file system may show yesterday's folder for a while; a store that was restored
    /// goes on showing it.
    fn listed(&mut self, newest: u64) {
        self.older = if newest < self.epoch() { self.older + 1 } else { 0 };
        let stays = self.older > 0 && self.older < LOOKS_BACK;
        self.expect(if stays { self.epoch() } else { newest });
    }

    fn why_unavailable(&self) -> String {
        self.failed.clone().unwrap_or_else(|| "its index is being made".to_owned())
    }
}

impl Indexes {
    fn read<T>(&self, look: impl FnOnce(&Held) -> T) -> T {
        look(&self.0.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        change(&mut self.0.held.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes an index that was found at the start; what is newest, the store will say.
    pub(super) fn put_found(&self, catalogue: String, index: SearchIndex) {
        let newest = index.epoch().0;
        self.write(|held| {
            held.catalogues.insert(catalogue, Local { index: Some(index), newest, ..Local::default() });
        });
    }

    /// Takes what the store says: the newest epoch of every catalogue. Others are gone.
    pub(super) fn listed(&self, newest: &BTreeMap<String, Epoch>) {
        self.write(|held| {
            held.listed = true;
            held.catalogues.retain(|catalogue, _| newest.contains_key(catalogue));
            for (catalogue, epoch) in newest {
                held.catalogues.entry(catalogue.clone()).or_default().listed(epoch.0);
            }
        });
    }

    /// The store did not say which catalogues there are.
    pub(super) fn not_listed(&self) {
        self.write(|held| held.listing_failures += 1);
    }

    /// Takes a hint that there is a newer epoch; whether that is news.
    pub(super) fn hinted(&self, catalogue: &str, epoch: Epoch) -> bool {
        self.write(|held| {
            let known = held.catalogues.get(catalogue).map_or(0, |local| local.newest);
            if epoch.0 > known {
                held.catalogues.entry(catalogue.to_owned()).or_default().expect(epoch.0);
            }
            epoch.0 > known
        })
    }

    /// What is to be followed, by catalogue.
    pub(super) fn due(&self) -> Vec<Due> {
        self.read(|held| {
            let due = held.catalogues.iter().filter(|(_, local)| local.is_due());
            due.map(|(catalogue, local)| Due {
                catalogue: catalogue.clone(),
                epoch: Epoch(local.newest),
                damaged: local.damaged,
            })
            .collect()
        })
    }

    /// Takes an index that has followed; whether it has the epoch that was waited for.
    pub(super) fn followed(&self, catalogue: &str, index: SearchIndex) -> bool {
        self.write(|held| {
            let Some(local) = held.catalogues.get_mut(catalogue) else { return true };
            (local.damaged, local.older) = (false, 0);
            let newest = local.newest.max(index.epoch().0);
            local.index = Some(index);
            local.expect(newest);
            if !local.is_due() {
                local.failed = None;
            }
            !local.is_due()
        })
    }

    /// Following failed; whether that is the first time, or for another reason than the last.
    pub(super) fn failed(&self, catalogue: &str, why: String) -> bool {
        self.write(|held| {
            let Some(local) = held.catalogues.get_mut(catalogue) else { return false };
            local.failures += 1;
            local.failed.replace(why) != local.failed
        })
    }

    /// Names of all catalogues.
    pub(super) fn names(&self) -> Vec<String> {
        self.read(|held| held.catalogues.keys().cloned().collect())
    }

    /// How often the store could not be listed.
    pub(super) fn listing_failures(&self) -> u64 {
        self.read(|held| held.listing_failures)
    }

    /// What metrics tell.
    pub(super) fn told(&self) -> Vec<Told> {
        let told = |(catalogue, local): (&String, &Local)| Told {
            catalogue: catalogue.clone(),
            epoch: local.epoch(),
            documents: local.index.as_ref().map_or(0, SearchIndex::len),
            behind_seconds: local.behind.map_or(0.0, |since| since.elapsed().as_secs_f64()),
            failures: local.failures,
        };
        self.read(|held| held.catalogues.iter().map(told).collect())
    }

    /// Done when a query has found an index damaged. Cancel-safe.
    pub(super) async fn suspected(&self) {
        self.0.suspected.notified().await;
    }

    /// Searches one catalogue, or all.
    pub(super) fn search(&self, query: &Query<'_>, catalogue: Option<&str>) -> Result<Found, Refused> {
        let (indexes, mut unavailable) = self.pick(catalogue)?;
        let asked = ask(&indexes, query)?;
        for (catalogue, error) in &asked.failed {
            unavailable.insert(catalogue.clone(), self.suspect(catalogue, error));
        }
        match unavailable.iter().next() {
            Some((catalogue, reason)) if asked.answers.is_empty() => {
                Err(Refused::Unavailable(format!("{catalogue} cannot be searched: {reason}")))
            }
            _ => Ok(Found { asked, unavailable }),
        }
    }

    /// Titles of one catalogue, with the epoch they are from.
    pub(super) fn suggest(
        &self,
        text: &str,
        catalogue: &str,
        limit: usize,
    ) -> Result<(Epoch, Vec<Suggestion>), Refused> {
        check_text(text, limit)?;
        let index = self.pick_one(catalogue)?;
        let found = index.suggest(text, limit).map_err(|error| self.damaged(catalogue, &error))?;
        Ok((index.epoch(), found))
    }

    /// A record of one catalogue, with the epoch it is from.
    pub(super) fn get(&self, catalogue: &str, key: &str) -> Result<(Epoch, Shown), Refused> {
        let index = self.pick_one(catalogue)?;
        let found = index.get(key).map_err(|error| self.damaged(catalogue, &error))?;
        let shown =
            found.ok_or_else(|| Refused::NotFound(format!("{catalogue} has no record with this key")))?;
        Ok((index.epoch(), shown))
    }

    /// The index of one catalogue.
    fn pick_one(&self, name: &str) -> Result<SearchIndex, Refused> {
        self.read(|held| match held.catalogues.get(name) {
            Some(Local { index: Some(index), .. }) => Ok(index.clone()),
            Some(local) => {
                let why = local.why_unavailable();
                Err(Refused::Unavailable(format!("{name} cannot be searched: {why}")))
            }
            None => Err(held.unknown(name)),
        })
    }

    /// The indexes to ask, and which of them there are not, with the reason.
    #[allow(clippy::type_complexity, reason = "both halves are for the caller alone")]
    fn pick(
        &self,
        only: Option<&str>,
    ) -> Result<(Vec<(String, SearchIndex)>, BTreeMap<String, String>), Refused> {
        if let Some(name) = only {
            return Ok((vec![(name.to_owned(), self.pick_one(name)?)], BTreeMap::new()));
        }
        self.read(|held| {
            if held.catalogues.is_empty() {
                return Err(held.nothing());
            }
            let (mut indexes, mut unavailable) = (Vec::new(), BTreeMap::new());
            for (name, local) in &held.catalogues {
                match &local.index {
                    Some(index) => indexes.push((name.clone(), index.clone())),
                    None => drop(unavailable.insert(name.clone(), local.why_unavailable())),
                }
            }
            Ok((indexes, unavailable))
        })
    }

    fn damaged(&self, catalogue: &str, error: &SearchError) -> Refused {
        let reason = self.suspect(catalogue, error);
        Refused::Unavailable(format!("{catalogue} cannot be searched: {reason}"))
    }

    /// Has an index that cannot be read made anew; says so.
    fn suspect(&self, catalogue: &str, error: &SearchError) -> String {
        tracing::warn!(
            catalogue,
            error = quire_runtime::chain(error),
            "the index cannot be read and is made anew"
        );
        self.write(|held| {
            if let Some(local) = held.catalogues.get_mut(catalogue) {
                local.damaged = true;
                local.behind.get_or_insert_with(Instant::now);
            }
        });
        self.0.suspected.notify_one();
        "its index is damaged and is being made anew".to_owned()
    }
}

impl Held {
    fn nothing(&self) -> Refused {
        if self.listed {
            Refused::NotFound("there is no catalogue yet: a run makes one".to_owned())
        } else {
            Refused::Unavailable("this indexer has not seen the store yet".to_owned())
        }
    }

    fn unknown(&self, name: &str) -> Refused {
        if !self.listed || self.catalogues.is_empty() {
            return self.nothing();
        }
        let shown: String = name.chars().take(MAX_NAME_BYTES).collect();
        let mut names: Vec<&str> = self.catalogues.keys().map(String::as_str).take(MAX_NAMED).collect();
        if self.catalogues.len() > MAX_NAMED {
            names.push("…");
        }
        Refused::NotFound(format!("no catalogue is named `{shown}`: there are {}", names.join(", ")))
    }
}
