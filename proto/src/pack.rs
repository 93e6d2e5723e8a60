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
    /// Joined once, when all are known: a buffer that grows would be copied again and again.
    entries: Vec<Vec<u8>>,
    len: usize,
}

impl PackBuilder {
    /// Adds an entry; returns its position for [`FinishedPack::slice`].
    pub fn add(&mut self, entry: Vec<u8>) -> usize {
        self.len += entry.len();
        self.entries.push(entry);
        self.entries.len() - 1
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Seals the pack.
    #[must_use]
    pub fn finish(mut self) -> FinishedPack {
        let mut ranges = Vec::with_capacity(self.entries.len());
        let mut offset = 0;
        for entry in &self.entries {
            ranges.push((offset, entry.len() as u64));
            offset += entry.len() as u64;
        }
        let bytes = match self.entries.as_mut_slice() {
            [only] => std::mem::take(only),
            entries => entries.concat(),
        };
        FinishedPack { digest: Digest::of(&bytes), bytes: bytes.into(), ranges }
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
