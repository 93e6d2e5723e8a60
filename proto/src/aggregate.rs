//! Aggregates: what all accepted records of a catalogue give together, seen by every page of it.

use serde::{Deserialize, Serialize};

use crate::{Digest, PackSlice};

/// What one record gives to one aggregate, where it gives anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Position of the aggregate in the catalogue.
    pub aggregate: u16,
    /// Its outputs.
    pub outputs: Outputs,
}

/// Outputs of an expression as canonical JSON texts, joined by commas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outputs {
    /// Few bytes: here.
    Here(String),
    /// In a pack.
    Packed {
        /// Digest of the text.
        digest: Digest,
        /// Where it lies.
        from: PackSlice,
    },
}

impl Outputs {
    /// Longest text, in bytes, that stands in the record's row itself.
    pub const MOST_HERE: usize = 1024;

    /// Digest of the text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Here(text) => Digest::of(text.as_bytes()),
            Self::Packed { digest, .. } => *digest,
        }
    }

    /// Where the text lies, if not here.
    #[must_use]
    pub const fn packed(&self) -> Option<&PackSlice> {
        match self {
            Self::Here(_) => None,
            Self::Packed { from, .. } => Some(from),
        }
    }

    /// Bytes of the text.
    #[must_use]
    pub const fn len(&self) -> u64 {
        match self {
            Self::Here(text) => text.len() as u64,
            Self::Packed { from, .. } => from.len,
        }
    }

    /// Whether there is no text.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An aggregate as whoever makes pages finds it: a JSON array with the outputs of all records in the order of their keys.
///
/// What a catalogue's own figures are called and how large they are travels in the same way, behind the aggregates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregateRef {
    /// Its identity: equal digests, equal content.
    pub used: UsedAggregate,
    /// Where the JSON lies.
    pub from: PackSlice,
}

/// An aggregate that a page was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UsedAggregate {
    /// Position in the catalogue.
    pub aggregate: u16,
    /// Digest of what it was then.
    pub digest: Digest,
}
