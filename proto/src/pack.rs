//! Packs: immutable, content-addressed objects with the results of one parcel.
//!
//! A pack is its entries' bytes one after the other, without header: who refers to an entry holds a
//! [`PackSlice`]. The content address is the BLAKE3 digest of the whole, so damage cannot pass unseen.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Digest;

/// Where an entry's bytes lie: a range of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PackSlice {
    /// Content address of the pack.
    pub pack: Digest,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub len: u64,
}

/// Collects entries into one pack.
#[derive(Debug, Default)]
pub struct PackBuilder {
    bytes: Vec<u8>,
    ranges: Vec<(u64, u64)>,
}

impl PackBuilder {
    /// Adds an entry; returns its position for [`FinishedPack::slice`].
    pub fn add(&mut self, entry: &[u8]) -> usize {
        let offset = self.bytes.len() as u64;
        self.bytes.extend_from_slice(entry);
        self.ranges.push((offset, entry.len() as u64));
        self.ranges.len() - 1
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Seals the pack.
    #[must_use]
    pub fn finish(self) -> FinishedPack {
        FinishedPack { digest: Digest::of(&self.bytes), bytes: self.bytes.into(), ranges: self.ranges }
    }
}

/// A sealed pack, ready to be put into the store.
#[derive(Debug, Clone)]
pub struct FinishedPack {
    /// Content address.
    pub digest: Digest,
    /// The whole.
    pub bytes: Bytes,
    ranges: Vec<(u64, u64)>,
}

impl FinishedPack {
    /// Where entry number `position` lies; `None` if there is no such entry.
    #[must_use]
    pub fn slice(&self, position: usize) -> Option<PackSlice> {
        self.ranges.get(position).map(|&(offset, len)| PackSlice { pack: self.digest, offset, len })
    }

    /// All slices in order.
    pub fn slices(&self) -> impl Iterator<Item = PackSlice> + '_ {
        self.ranges.iter().map(|&(offset, len)| PackSlice { pack: self.digest, offset, len })
    }
}
