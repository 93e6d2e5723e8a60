//! Records that are dead: what a run makes the rest of a catalogue of instead.
//!
//! Whether a record's pages and document can be made shows only once the decision is over: others may have been given a
//! link to it, or a claim that it holds. A dead record counts as it was when it last could be made, or as not there if it
//! never could. So the decision is taken again without the new verdicts of such records, and what comes out otherwise is
//! made again, until nothing more dies. What stays as it was is not made twice.

use std::collections::{BTreeMap, BTreeSet};

use quire_proto::{Digest, ItemId};

use crate::{Loss, losses::Losses};

/// Packs with bodies of dead records that are kept for those who look at their letters.
const MAX_PACKS: usize = 1_000;

/// A record whose pages or document could not be made.
#[derive(Debug, Clone)]
pub(crate) struct Death {
    pub(crate) item: ItemId,
    pub(crate) key: String,
    /// Digest of the body.
    pub(crate) body: Digest,
    /// The pack that has it.
    pub(crate) pack: Digest,
    /// Digest of everything that its pages depend on.
    pub(crate) inputs: Digest,
    pub(crate) error: String,
    /// Whether the verdict is another than the last manifest's, so that what was decided by it does not hold.
    pub(crate) is_new: bool,
}

/// All records of a run that died.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dead {
    deaths: BTreeMap<ItemId, Death>,
    /// Items whose new verdicts do not count.
    replaced: BTreeSet<ItemId>,
    /// Packs that have their bodies.
    packs: BTreeSet<Digest>,
    /// The first item that died with a key.
    by_key: BTreeMap<String, ItemId>,
}

impl Dead {
    /// Takes what died in a round; whether anything has to be decided again.
    pub(crate) fn add(&mut self, deaths: Vec<Death>) -> bool {
        let before = self.replaced.len();
        for mut death in deaths {
            self.packs.insert(death.pack);
            if death.is_new {
                self.replaced.insert(death.item.clone());
            }
            self.by_key.entry(death.key.clone()).or_insert_with(|| death.item.clone());
            if let Some(first) = self.deaths.get(&death.item) {
                // Its last verdict cannot be made either: what is to be told is what is wrong with the new one.
                (death.key, death.error) = (first.key.clone(), first.error.clone());
            }
            self.deaths.insert(death.item.clone(), death);
        }
        self.replaced.len() > before
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
    pub(crate) fn error(&self, item: &ItemId, body: &Digest, inputs: &Digest) -> Option<&str> {
        let death = self.deaths.get(item)?;
        ((&death.body, &death.inputs) == (body, inputs)).then_some(death.error.as_str())
    }

    /// Packs that have the bodies, and `others`, ascending; not more than [`MAX_PACKS`].
    pub(crate) fn packs(&self, others: &[Digest]) -> Vec<Digest> {
        let packs: BTreeSet<Digest> = self.packs.iter().chain(others).take(MAX_PACKS).copied().collect();
        packs.into_iter().collect()
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
