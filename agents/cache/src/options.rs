//! What a cache may use, and why a folder cannot be opened.

use std::{io, path::PathBuf, time::Duration};

/// Longest key, in bytes; a longer one is never found and never kept.
pub const MAX_KEY_BYTES: usize = 4 * 1024;
/// Largest encoded value, in bytes; a larger one is kept in memory only, and so is one larger than a 32nd of the
/// folder's budget.
pub const MAX_VALUE_BYTES: usize = 4 * 1024 * 1024;
/// Smallest budget of a folder: below it the store underneath cannot work.
pub const MIN_DISK_BYTES: u64 = 16 * 1024 * 1024;

/// Limits of one named cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheOptions {
    /// Most bytes of encoded values and keys held in memory.
    pub memory_bytes: u64,
    /// How long a value counts; `None`: until it is pushed out.
    pub ttl: Option<Duration>,
    /// Whether values are shared with other processes, where the store has a shared level.
    pub shared: bool,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self { memory_bytes: 16 * 1024 * 1024, ttl: None, shared: false }
    }
}

/// Why a cache folder cannot be used at all. Damage is not among the reasons: it is healed.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Another process (or another store in this one) uses the folder.
    #[error("the cache folder {} is in use by another process", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder cannot be made or written.
    #[error("cannot {doing} the cache folder {}", dir.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The folder.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
