//! Locks by key: who changes a key in memory and on disk, or carries it from one to the other, is alone with it.
//!
//! Without them, a reader could take a value from the disk, be overtaken by a writer, and then put the older value
//! into memory or into the young generation.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// More than there are threads; keys share them.
const LOCKS: usize = 64;

#[derive(Debug)]
pub(crate) struct KeyLocks([Mutex<()>; LOCKS]);

impl KeyLocks {
    pub(crate) fn new() -> Self {
        Self([const { Mutex::new(()) }; LOCKS])
    }

    /// Waits until nobody else has the key.
    pub(crate) fn lock(&self, name: &str, key: &[u8]) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        (name, key).hash(&mut hasher);
        let lock = self.0.get(hasher.finish() as usize % LOCKS)?;
        Some(lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until nobody else has any key.
    pub(crate) fn lock_all(&self) -> Vec<MutexGuard<'_, ()>> {
        self.0.iter().map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}
