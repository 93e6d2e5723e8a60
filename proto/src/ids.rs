//! Derived identities: nothing here is random, so a repeated run repeats its ids.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Digest, DigestBuilder};

/// The number of a run of one catalogue; monotonic per catalogue, the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One pass over a catalogue: `<catalogue>-<epoch>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// The run of `catalogue` at `epoch`.
    #[must_use]
    pub fn new(catalogue: &str, epoch: Epoch) -> Self {
        Self(format!("{catalogue}-{epoch}"))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its catalogue.
    #[must_use]
    pub fn catalogue(&self) -> &str {
        self.0.rsplit_once('-').map_or(&self.0, |(catalogue, _)| catalogue)
    }

    /// Its epoch; `None` if this is no id of a run.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        self.0.rsplit_once('-').and_then(|(_, epoch)| epoch.parse().ok()).map(Epoch)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A catalogue by name and by the content address of its bundle (definition, schema, templates, assets).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CatalogueRef {
    /// The slug of `catalogue:` in `catalogue.yaml`.
    pub name: String,
    /// Where agents find the bundle in the store.
    pub bundle: Digest,
}

/// Identity of a parcel: BLAKE3 of its parent's id and its index, so that a repeat counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ParcelId(Digest);

impl ParcelId {
    /// The id under which a run's plan is announced; parent of all its parcels.
    #[must_use]
    pub fn root(run: &RunId) -> Self {
        Self(DigestBuilder::new("quire root parcel").text(run.as_str()).finish())
    }

    /// The id of this parcel's child number `index` of the kind `kind` (`"read"`, `"validate"` …).
    #[must_use]
    pub fn child(&self, kind: &str, index: u64) -> Self {
        Self(DigestBuilder::new("quire child parcel").digest(&self.0).text(kind).number(index).finish())
    }

    /// The digest behind the id.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

impl fmt::Display for ParcelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
