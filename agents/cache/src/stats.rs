//! Counters of one named cache.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a named cache did since it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheStats {
    /// Its name.
    pub name: &'static str,
    /// Values held in memory.
    pub entries: u64,
    /// Bytes held in memory.
    pub bytes: u64,
    /// Found in memory.
    pub hits_l1: u64,
    /// Found on disk.
    pub hits_l2: u64,
    /// Found in the shared level.
    pub hits_l3: u64,
    /// Not found.
    pub misses: u64,
    /// Pushed out of memory, or gone from the disk with the generation they were in (of those put since the
    /// cache was opened).
    pub evictions: u64,
    /// Values dropped because their checksum or shape was wrong.
    pub damaged: u64,
    /// Values or keys too large to be kept on disk.
    pub refused: u64,
}

/// The live counters behind [`CacheStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits_l1: AtomicU64,
    pub(crate) hits_l2: AtomicU64,
    pub(crate) hits_l3: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) evictions: AtomicU64,
    pub(crate) damaged: AtomicU64,
    pub(crate) refused: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        Self::add_many(counter, 1);
    }

    pub(crate) fn add_many(counter: &AtomicU64, many: u64) {
        counter.fetch_add(many, Relaxed);
    }

    pub(crate) fn snapshot(&self, name: &'static str, entries: u64, bytes: u64) -> CacheStats {
        CacheStats {
            name,
            entries,
            bytes,
            hits_l1: self.hits_l1.load(Relaxed),
            hits_l2: self.hits_l2.load(Relaxed),
            hits_l3: self.hits_l3.load(Relaxed),
            misses: self.misses.load(Relaxed),
            evictions: self.evictions.load(Relaxed),
            damaged: self.damaged.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }
}
