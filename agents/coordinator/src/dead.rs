//! Records that are dead: what a run makes the rest of a catalogue of instead.
//!
//! Whether a record's pages and document can be made shows only once the decision is over: others may have been given a
//! link to it, or a claim that it holds. A dead record counts as it was when it last could be made, or as not there if it
//! never could. So the decision is taken again without the new verdicts of such records, and what comes out otherwise is
//! made again, until nothing more dies. What stays as it was is not made twice.
//!
//! One that dies beside another may have died of what that one's new verdict shows. So of those that die in a round, only
//! those go that looked at no other of them; the rest is tried again without these.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use quire_proto::{Digest, ItemId, manifest::DeadBody};

use crate::{
    Loss,
    losses::{Losses, unnamed},
};

/// Bodies of dead records that are kept for those who look at their letters.
const MAX_BODIES: usize = 1_000;

/// A record whose pages or document could not be made.
#[derive(Debug, Clone)]
pub(crate) struct Death {
    pub(crate) item: ItemId,
    pub(crate) key: String,
    /// What was to be made of it.
    pub(crate) of: Tried,
    /// The pack that has the body.
    pub(crate) pack: Digest,
    /// Why, without the record's name.
    pub(crate) error: Arc<str>,
    /// Whether the verdict is another than the last manifest's, so that what was decided by it does not hold.
    pub(crate) is_new: bool,
    /// Whether it gives other shares to aggregates than it did.
    pub(crate) gives: bool,
    /// Keys of the records that it looked up.
    pub(crate) seen: Vec<String>,
    /// Whether its document is missing.
    pub(crate) unindexed: bool,
}

/// All that pages and document of a record are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tried {
    /// Digest of the body.
    pub(crate) body: Digest,
    /// Digest of everything that its pages depend on, but aggregates.
    pub(crate) inputs: Digest,
    /// Digest of the aggregates.
    pub(crate) together: Digest,
}

/// The records of a run that died.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dead {
    deaths: BTreeMap<ItemId, Death>,
    /// Items whose new verdicts do not count.
    replaced: BTreeSet<ItemId>,
    /// The first item that died with a key.
    by_key: BTreeMap<String, ItemId>,
    /// Keys of those that died and could be made later.
    revived: BTreeSet<String>,
    errors: HashSet<Arc<str>>,
}

impl Dead {
    /// Takes what died in a round; whether anything has to be decided again.
    pub(crate) fn add(&mut self, deaths: Vec<Death>) -> bool {
        let before = self.replaced.len();
        let causes: Vec<ItemId> = self.causes(&deaths).map(|death| death.item.clone()).collect();
        self.replaced.extend(causes);
        let mut last = std::mem::take(&mut self.deaths);
        for mut death in deaths {
            self.revived.remove(&death.key);
            self.by_key.entry(death.key.clone()).or_insert_with(|| death.item.clone());
            death.error = self.known(&death.error);
            if let Some(first) = last.remove(&death.item).filter(|_| !death.is_new) {
                // Its last verdict cannot be made either: what is to be told is what is wrong with the new one.
                (death.key, death.error) = (first.key, first.error);
            }
            self.deaths.insert(death.item.clone(), death);
        }
        for (item, death) in last {
            if self.replaced.contains(&item) {
                self.deaths.insert(item, death);
            } else {
                self.revived.insert(death.key);
            }
        }
        self.replaced.len() > before
    }

    /// Of those with new verdicts, the ones that did not look at another of them; all, if there are none.
    fn causes<'a>(&self, deaths: &'a [Death]) -> impl Iterator<Item = &'a Death> + use<'a> {
        let new: Vec<&Death> = deaths.iter().filter(|death| death.is_new).collect();
        let keys: HashSet<&str> = new.iter().map(|death| death.key.as_str()).collect();
        let some_give = new.iter().any(|death| death.gives);
        let is_cause = |death: &Death| {
            let looks = death.seen.iter().any(|key| *key != death.key && keys.contains(key.as_str()));
            !looks && (death.gives || !some_give)
        };
        let some = new.iter().any(|death| is_cause(death));
        let causes: Vec<&Death> = new.into_iter().filter(|death| !some || is_cause(death)).collect();
        causes.into_iter()
    }

    /// Errors of many records have few texts.
    fn known(&mut self, error: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.errors.get(error) {
            return Arc::clone(known);
        }
        self.errors.insert(Arc::clone(error));
        Arc::clone(error)
    }

    /// Whether the new verdict on this item does not count.
    pub(crate) fn replaces(&self, item: &ItemId) -> bool {
        self.replaced.contains(item)
    }

    /// Whether a record with this key died.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// The first item that died with this key, if its verdict does not count.
    pub(crate) fn item_of(&self, key: &str) -> Option<&ItemId> {
        self.by_key.get(key).filter(|item| self.replaces(item))
    }

    /// How many verdicts do not count.
    pub(crate) fn replaced(&self) -> u64 {
        self.replaced.len() as u64
    }

    /// Why exactly this could not be made, if it was tried.
    pub(crate) fn error(&self, item: &ItemId, tried: &Tried) -> Option<&Arc<str>> {
        let death = self.deaths.get(item)?;
        (death.of == *tried).then_some(&death.error)
    }

    /// Whether every record's document is that of its body.
    pub(crate) fn are_indexed(&self) -> bool {
        self.deaths.values().all(|death| !death.unindexed)
    }

    /// The packs that have their bodies, and those of `others`, ascending by item; some of them, if there are many.
    pub(crate) fn bodies(&self, others: impl Iterator<Item = DeadBody>) -> Vec<DeadBody> {
        let own = self.deaths.values().map(|death| DeadBody { item: death.item.clone(), pack: death.pack });
        let mut bodies: Vec<DeadBody> = own.chain(others).take(MAX_BODIES).collect();
        bodies.sort_by(|one, other| one.item.cmp(&other.item));
        bodies.dedup();
        bodies
    }

    /// Keys of those that died in a round and could be made in the end.
    pub(crate) fn into_revived(self) -> BTreeSet<String> {
        self.revived
    }

    /// Tells each of them.
    pub(crate) fn tell(&self, lost: &mut dyn FnMut(&Loss<'_>)) {
        for Death { key, error, .. } in self.deaths.values() {
            lost(&Loss::Record { key, why: error });
        }
    }

    /// What is to be said of them, by key.
    pub(crate) fn failures(&self) -> Vec<String> {
        let mut deaths: Vec<&Death> = self.deaths.values().collect();
        deaths.sort_by(|one, other| one.key.cmp(&other.key));
        let mut losses = Losses::default();
        for Death { key, item, error, .. } in deaths {
            losses.add(&format!("{key} ({item})"), key, error);
        }
        losses.told("records")
    }
}

/// An error as it is kept: those of one cause are the same.
pub(crate) fn cause(error: &str, key: &str) -> Arc<str> {
    unnamed(error, key).into()
}
