//! What the newest manifest says of some keys.

use std::collections::{BTreeMap, BTreeSet};

use quire_catalogue::Catalogue;
use quire_proto::{Epoch, ItemId, Problem};
use quire_runtime::Store;

use crate::{
    RunError,
    manifest_io::{self, RejectReader},
    shelf::Shelf,
};

/// What the newest manifest says of a key. One that it does not know has no fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The record is published.
    Published {
        /// Where it comes from.
        item: ItemId,
        /// The epoch that last changed it.
        changed: Epoch,
    },
    /// The record is rejected.
    Rejected {
        /// Where it comes from.
        item: ItemId,
        /// Why.
        problems: Vec<Problem>,
    },
}

impl Fate {
    /// Where the record comes from.
    #[must_use]
    pub const fn item(&self) -> &ItemId {
        match self {
            Self::Published { item, .. } | Self::Rejected { item, .. } => item,
        }
    }
}

/// What became of these keys, by key. Of a key that several items have, the published one counts. Blocks.
///
/// # Errors
/// [`RunError::Store`], [`RunError::Decode`].
pub fn fates(
    store: &Store,
    catalogue: &str,
    keys: &BTreeSet<String>,
) -> Result<BTreeMap<String, Fate>, RunError> {
    let mut fates = BTreeMap::new();
    let Some(committed) = manifest_io::newest(store, catalogue)? else { return Ok(fates) };
    let (manifest, shelf) = (committed.manifest, Shelf::new(store, 0));
    for row in RejectReader::new(&shelf, manifest.rejects.clone()) {
        let row = row?;
        if let Some(key) = row.key.filter(|key| keys.contains(key)) {
            fates.insert(key, Fate::Rejected { item: row.item, problems: row.problems });
        }
    }
    let mut wanted = keys.iter().peekable();
    for chunk in &manifest.entries {
        // Chunks are sorted by key.
        let mut here = BTreeSet::new();
        while let Some(key) = wanted.next_if(|key| **key <= chunk.last) {
            here.insert(key);
        }
        if here.is_empty() {
            continue;
        }
        for entry in shelf.entries(chunk)?.iter().filter(|entry| here.contains(&entry.record.key)) {
            let fate = Fate::Published { item: entry.item.clone(), changed: entry.epoch };
            fates.insert(entry.record.key.clone(), fate);
        }
    }
    Ok(fates)
}

/// Keys of all records that the newest manifest of a catalogue has, published or rejected. Blocks.
///
/// # Errors
/// [`RunError::Store`], [`RunError::Decode`].
pub fn known_keys(store: &Store, catalogue: &str) -> Result<BTreeSet<String>, RunError> {
    let mut keys = BTreeSet::new();
    let Some(committed) = manifest_io::newest(store, catalogue)? else { return Ok(keys) };
    let shelf = Shelf::new(store, 0);
    for chunk in &committed.manifest.entries {
        keys.extend(shelf.entries(chunk)?.iter().map(|entry| entry.record.key.clone()));
    }
    for row in RejectReader::new(&shelf, committed.manifest.rejects) {
        keys.extend(row?.key);
    }
    Ok(keys)
}

/// Whether runs of some keys find what they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// There is a manifest of the same definition.
    Manifest,
    /// There is none, but the sources tell where a key is: what such runs make grows from nothing.
    Sources,
    /// Neither: a run of everything comes first.
    Nothing,
}

/// What runs of some keys of a catalogue find. Blocks.
///
/// # Errors
/// [`RunError::Store`].
pub fn ground(store: &Store, catalogue: &Catalogue) -> Result<Ground, RunError> {
    let epochs = manifest_io::epochs(store, &format!("manifests/{}", catalogue.name()))?;
    let tells = catalogue.places_of("any").is_some();
    let Some(newest) = epochs.last() else {
        return Ok(if tells { Ground::Sources } else { Ground::Nothing });
    };
    let newest = manifest_io::read_manifest(store, catalogue.name(), *newest)?;
    let same = newest.is_some_and(|committed| {
        let manifest = committed.manifest;
        manifest.catalogue.bundle == catalogue.bundle().digest()
            && manifest.validation == catalogue.validation_digest()
    });
    Ok(if same { Ground::Manifest } else { Ground::Nothing })
}
