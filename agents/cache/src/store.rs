//! The folder: opened once, shared by all named caches.

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Cache, CacheError, CacheOptions, CacheStats, SharedLevel, cache::AnyCache, disk::Disk, stats::Counters,
};

/// The shared level, once there is one.
pub(crate) type Shared = Arc<OnceLock<Arc<dyn SharedLevel>>>;

/// One cache folder (or none: memory only) and the named caches in it. A cheap handle.
///
/// The folder is released when the last handle to the store and its caches is dropped.
#[derive(Clone)]
pub struct CacheStore {
    inner: Arc<Inner>,
}

struct Inner {
    disk: Option<Arc<Disk>>,
    shared: Shared,
    caches: Mutex<BTreeMap<&'static str, Arc<dyn AnyCache>>>,
}

impl CacheStore {
    /// Opens the folder `dir`, which will not grow beyond `disk_budget` bytes.
    ///
    /// Returns at once: reading what is there goes on in the background, the first use waits for it.
    ///
    /// # Errors
    /// [`CacheError::Locked`] while another process uses the folder, [`CacheError::Io`] if it cannot be made.
    /// Damage is no error: the folder is built anew.
    pub fn open(dir: &Path, disk_budget: u64) -> Result<Self, CacheError> {
        Ok(Self::with(Some(Disk::open(dir, disk_budget)?)))
    }

    /// A store that keeps everything in memory, within the memory limits of its caches.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::with(None)
    }

    fn with(disk: Option<Arc<Disk>>) -> Self {
        Self { inner: Arc::new(Inner { disk, shared: Shared::default(), caches: Mutex::default() }) }
    }

    /// Has caches whose options say so share their values through `level`, from now on. The first level stays.
    pub fn share(&self, level: Arc<dyn SharedLevel>) {
        let _ = self.inner.shared.set(level);
    }

    /// The cache `name`; the same one for the same name and type, then with the options of the first call.
    #[must_use]
    pub fn cache<V>(&self, name: &'static str, options: CacheOptions) -> Cache<V>
    where
        V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    {
        let mut caches = self.caches();
        if let Some(known) = caches.get(name).and_then(|cache| cache.as_any().downcast_ref::<Cache<V>>()) {
            return known.clone();
        }
        let counters = Arc::new(Counters::default());
        if let Some(disk) = &self.inner.disk {
            disk.register(name, &counters);
        }
        let cache =
            Cache::new(name, options, self.inner.disk.clone(), Arc::clone(&self.inner.shared), counters);
        caches.insert(name, Arc::new(cache.clone()));
        cache
    }

    /// The counters of all caches, by name.
    #[must_use]
    pub fn stats(&self) -> Vec<CacheStats> {
        self.caches().values().map(|cache| cache.stats()).collect()
    }

    /// Empties one cache, or all of them, in memory, on disk and where it is shared. Blocks.
    ///
    /// # Errors
    /// In words, why what is shared is not empty; memory and disk are.
    pub fn clear(&self, name: Option<&str>) -> Result<(), String> {
        let is_meant = |known: &str| name.is_none_or(|name| name == known);
        let meant: Vec<Arc<dyn AnyCache>> = {
            let caches = self.caches();
            caches.iter().filter(|(known, _)| is_meant(known)).map(|(_, cache)| Arc::clone(cache)).collect()
        };
        // First what the others would be filled from again.
        let shared: Vec<String> = meant.iter().filter_map(|cache| cache.forget_shared().err()).collect();
        // Nobody may carry a value from the disk into memory meanwhile.
        let _locks = self.inner.disk.as_ref().map(|disk| disk.locks.lock_all());
        if let Some(disk) = &self.inner.disk {
            disk.clear(name);
        }
        meant.iter().for_each(|cache| cache.forget());
        shared.into_iter().next().map_or(Ok(()), Err)
    }

    /// Brings what lies in lower levels up into the higher ones, as far as there is room there; how many values. Blocks.
    #[must_use]
    pub fn warm(&self, name: Option<&str>) -> u64 {
        let caches: Vec<Arc<dyn AnyCache>> = {
            let caches = self.caches();
            let wanted = caches.iter().filter(|(known, _)| name.is_none_or(|name| name == **known));
            wanted.map(|(_, cache)| Arc::clone(cache)).collect()
        };
        caches.iter().map(|cache| cache.warm()).sum()
    }

    /// Writes out what is only in memory so far. Never needed for correctness.
    pub fn flush(&self) {
        if let Some(disk) = &self.inner.disk {
            disk.flush();
        }
    }

    /// Bytes that the folder takes.
    #[must_use]
    pub fn bytes_on_disk(&self) -> u64 {
        self.inner.disk.as_ref().map_or(0, |disk| disk.bytes())
    }

    /// How often the folder was built anew because of damage since this store was opened.
    #[must_use]
    pub fn rebuilds(&self) -> u32 {
        self.inner.disk.as_ref().map_or(0, |disk| disk.rebuilds())
    }

    fn caches(&self) -> MutexGuard<'_, BTreeMap<&'static str, Arc<dyn AnyCache>>> {
        self.inner.caches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CacheStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheStore").field("disk", &self.inner.disk).finish_non_exhaustive()
    }
}
