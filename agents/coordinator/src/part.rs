//! Which part of a catalogue a run is asked for.

use std::collections::BTreeSet;

use quire_proto::{ItemId, Work};
use serde::{Deserialize, Serialize};

/// Keys and locations of one run, at most.
pub const MAX_KEYS: usize = 1_000;

/// The part of a catalogue that a run is asked for: records by their keys, and whole locations. Empty, it is all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Records of these keys, and those that share a location with them.
    #[serde(default)]
    pub keys: BTreeSet<String>,
    /// Source and location of what may have no key that anybody knows.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub locations: BTreeSet<(String, String)>,
    /// Numbers of the dead letters for the sake of which it is asked for: they go when it is done. They say nothing of what
    /// is looked at.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub letters: BTreeSet<u64>,
}

impl Part {
    /// Records of these keys.
    pub fn of_keys<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self { keys: keys.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// What has to be looked at for this work to be done again; `None`: all of the catalogue.
    pub(crate) fn of(work: &Work) -> Option<Self> {
        let mut part = Self::default();
        match work {
            Work::Read { source, locations, .. } => {
                let places = locations.iter().map(|listed| (source.clone(), listed.location.clone()));
                part.locations.extend(places);
            }
            Work::Validate(items) => part.locations.extend(items.iter().map(|item| place(&item.id))),
            Work::Render(records) => {
                part.locations.extend(records.iter().map(|record| place(&record.item)));
            }
            Work::Index(records) => part.keys.extend(records.iter().map(|record| record.key.clone())),
            Work::List(_) | Work::Publish(_) => {}
        }
        (!part.is_all()).then_some(part)
    }

    /// Whether all of the catalogue is asked for.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.keys.is_empty() && self.locations.is_empty()
    }

    /// All of it, for the sake of the same dead letters.
    #[must_use]
    pub(crate) fn widened(&self) -> Self {
        Self { letters: self.letters.clone(), ..Self::default() }
    }

    /// This part and `other`; both are all, or neither is.
    #[must_use]
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.keys.extend(other.keys);
        self.locations.extend(other.locations);
        self.letters.extend(other.letters);
        self
    }

    /// Whether whoever looks at this part looks at all of `other`, which is no more than a part.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.is_all()
            || !other.is_all()
                && other.keys.is_subset(&self.keys)
                && other.locations.is_subset(&self.locations)
    }

    /// Whether it is more than a run of a part looks at.
    pub(crate) fn is_large(&self) -> bool {
        self.keys.len() + self.locations.len() > MAX_KEYS
    }

    /// Keys as they are asked for.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.is_large() {
            return Err(format!(
                "a run of keys has at most {MAX_KEYS}, not {}: start one of the whole catalogue",
                self.keys.len()
            ));
        }
        if self.keys.contains("") {
            return Err("an empty text is no key".to_owned());
        }
        Ok(())
    }
}

fn place(item: &ItemId) -> (String, String) {
    (item.source.to_string(), item.location.to_string())
}
