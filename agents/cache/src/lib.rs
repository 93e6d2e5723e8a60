//! A typed, counted, checksummed and bounded cache: L1 in memory, L2 on disk, L3 with other processes ([`SharedLevel`]).
//!
//! A cache is disposable: [`Cache::get`] and [`Cache::put`] never fail towards their caller, a damaged value
//! is dropped and counted, a damaged folder is moved aside and built anew. Deleting the folder costs time,
//! never output. One [`CacheStore`] owns one folder and hands out the named caches in it. This is the only
//! crate that knows which store lies underneath.
//!
//! Deliberately absent: transactions, iteration in a meaningful order, and any promise that a value put is
//! still there a moment later.

mod cache;
mod disk;
mod entry;
mod folder;
mod generation;
mod locks;
mod options;
mod pair;
mod room;
mod seal;
mod shared;
mod stats;
mod store;

pub use cache::Cache;
pub use options::{CacheError, CacheOptions, MAX_KEY_BYTES, MAX_VALUE_BYTES, MIN_DISK_BYTES};
pub use shared::SharedLevel;
pub use stats::CacheStats;
pub use store::CacheStore;
