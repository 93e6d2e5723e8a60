//! One named cache: typed values, memory first, then disk, then what others share.

use std::{
    any::Any,
    fmt,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use moka::{notification::RemovalCause, sync::Cache as Memory};
use quire_proto::codec;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    CacheOptions, CacheStats, MAX_VALUE_BYTES, SharedLevel,
    disk::{Disk, Found},
    entry::{self, now},
    shared,
    stats::Counters,
    store::Shared,
};

/// What an entry in memory costs beside its key and its value.
const OVERHEAD_BYTES: u64 = 96;
/// Most shared values that are carried up at once.
const MAX_WARMED: usize = 100_000;
/// How many entries a scan takes from the disk at once.
const SCAN_PAGE: usize = 256;

/// A named cache of values of one type. A cheap handle: clones share everything.
pub struct Cache<V> {
    inner: Arc<Inner<V>>,
}

impl<V> Clone for Cache<V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

struct Inner<V> {
    name: &'static str,
    ttl: Option<Duration>,
    memory: Memory<Box<[u8]>, Held<V>>,
    disk: Option<Arc<Disk>>,
    shared: Option<Shared>,
    memory_bytes: u64,
    counters: Arc<Counters>,
}

/// A value in memory.
#[derive(Debug, Clone)]
struct Held<V> {
    value: V,
    stamp: u64,
    bytes: u32,
}

/// What the store needs of a cache without knowing its type.
pub(crate) trait AnyCache: Send + Sync {
    fn stats(&self) -> CacheStats;
    fn forget(&self);
    /// Forgets what is shared.
    fn forget_shared(&self) -> Result<(), String>;
    fn warm(&self) -> u64;
    fn as_any(&self) -> &dyn Any;
}

impl<V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Cache<V> {
    pub(crate) fn new(
        name: &'static str,
        options: CacheOptions,
        disk: Option<Arc<Disk>>,
        shared: Shared,
        counters: Arc<Counters>,
    ) -> Self {
        let evictions = Arc::clone(&counters);
        #[allow(clippy::borrowed_box, reason = "the weigher is called with a reference to the stored key")]
        let weigh = |key: &Box<[u8]>, held: &Held<V>| {
            let bytes = key.len() as u64 + u64::from(held.bytes) + OVERHEAD_BYTES;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let mut builder = Memory::builder()
            .max_capacity(options.memory_bytes)
            .weigher(weigh)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    Counters::add(&evictions.evictions);
                }
            });
        if let Some(ttl) = options.ttl {
            builder = builder.time_to_live(ttl);
        }
        let memory = builder.build();
        let CacheOptions { ttl, memory_bytes, shared: is_shared } = options;
        let shared = is_shared.then_some(shared);
        Self { inner: Arc::new(Inner { name, ttl, memory, disk, shared, memory_bytes, counters }) }
    }

    /// The cache's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.inner.name
    }

    /// The value last put under `key`, if it is still here and still counts.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<V> {
        self.find(key, true)
    }

    /// [`Self::get`]; only if `stay`, what is found counts as used.
    fn find(&self, key: &[u8], stay: bool) -> Option<V> {
        let inner = &*self.inner;
        if let Some(held) = inner.memory.get(key)
            && !self.expired(held.stamp)
        {
            Counters::add(&inner.counters.hits_l1);
            return Some(held.value);
        }
        if let Some(value) = self.find_on_disk(key, stay) {
            Counters::add(&inner.counters.hits_l2);
            return Some(value);
        }
        let value = self.find_shared(key);
        Counters::add(if value.is_some() { &inner.counters.hits_l3 } else { &inner.counters.misses });
        value
    }

    /// [`Self::get`] for many keys, answers in their order.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Vec<Option<V>> {
        keys.into_iter().map(|key| self.get(key.as_ref())).collect()
    }

    /// Keeps `value` under `key`, in place of what was there.
    pub fn put(&self, key: &[u8], value: &V) {
        let inner = &*self.inner;
        let stamp = now();
        let encoded = match codec::encode(value) {
            Ok(encoded) => encoded,
            Err(error) => {
                tracing::warn!(cache = inner.name, %error, "value cannot be encoded for the cache");
                Counters::add(&inner.counters.refused);
                return self.remove(key);
            }
        };
        let bytes = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
        let _lock = self.lock(key);
        inner.memory.insert(key.into(), Held { value: value.clone(), stamp, bytes });
        if let Some(disk) = &inner.disk
            && !disk.put(inner.name, key, stamp, &encoded)
        {
            Counters::add(&inner.counters.refused);
        }
        if let Some((level, shared)) = self.shared(key)
            && let Some(sealed) = entry::seal(inner.name, key, stamp, &encoded)
        {
            level.put(shared, sealed);
        }
    }

    /// [`Self::put`] for many entries.
    pub fn put_many<'v, K: AsRef<[u8]>>(&self, entries: impl IntoIterator<Item = (K, &'v V)>)
    where
        V: 'v,
    {
        for (key, value) in entries {
            self.put(key.as_ref(), value);
        }
    }

    /// Forgets what is under `key`.
    pub fn remove(&self, key: &[u8]) {
        let _lock = self.lock(key);
        self.inner.memory.invalidate(key);
        if let Some(disk) = &self.inner.disk {
            disk.remove(self.inner.name, key);
        }
        if let Some((level, shared)) = self.shared(key) {
            level.remove(shared);
        }
    }

    /// All entries that still count, sorted by key, read page by page. Entries put meanwhile may be missed.
    /// To be seen here is no use: an entry is not kept any longer for it.
    pub fn scan(&self) -> impl Iterator<Item = (Vec<u8>, V)> + '_ {
        let mut keys = Vec::<Vec<u8>>::new().into_iter();
        let mut after: Option<Vec<u8>> = None;
        let mut done = false;
        std::iter::from_fn(move || {
            loop {
                for key in keys.by_ref() {
                    if let Some(value) = self.find(&key, false) {
                        return Some((key, value));
                    }
                }
                if done {
                    return None;
                }
                let page = self.keys_after(after.as_deref());
                done = page.is_empty() || self.inner.disk.is_none();
                after = page.last().cloned();
                keys = page.into_iter();
            }
        })
    }

    fn keys_after(&self, after: Option<&[u8]>) -> Vec<Vec<u8>> {
        if let Some(disk) = &self.inner.disk {
            return disk.keys_after(self.inner.name, after, SCAN_PAGE);
        }
        let mut keys: Vec<_> = self.inner.memory.iter().map(|(key, _)| key.to_vec()).collect();
        keys.sort_unstable();
        keys
    }

    fn find_on_disk(&self, key: &[u8], stay: bool) -> Option<V> {
        let inner = &*self.inner;
        let disk = inner.disk.as_ref()?;
        let _lock = self.lock(key);
        let (stamp, encoded, ages) = match disk.get(inner.name, key) {
            (Found::Value { stamp, bytes }, ages) => (stamp, bytes, ages),
            (Found::Nothing | Found::Removed, _) => return None,
            (Found::Damaged, _) => {
                Counters::add(&inner.counters.damaged);
                disk.remove(inner.name, key);
                return None;
            }
        };
        if self.expired(stamp) {
            disk.remove(inner.name, key);
            return None;
        }
        let Ok(value) = codec::decode::<V>(&encoded) else {
            // The bytes are those that were put, but of another shape: an older version of the program.
            Counters::add(&inner.counters.damaged);
            disk.remove(inner.name, key);
            return None;
        };
        if stay && ages {
            disk.put(inner.name, key, stamp, &encoded);
        }
        let bytes = u32::try_from(encoded.len().min(MAX_VALUE_BYTES)).unwrap_or(u32::MAX);
        inner.memory.insert(key.into(), Held { value: value.clone(), stamp, bytes });
        Some(value)
    }

    /// The shared level and the key there.
    fn shared(&self, key: &[u8]) -> Option<(&Arc<dyn SharedLevel>, String)> {
        let level = self.inner.shared.as_ref()?.get()?;
        Some((level, shared::key_of(self.inner.name, key)?))
    }

    /// What others have put under `key`; it is carried up into memory and onto the disk.
    fn find_shared(&self, key: &[u8]) -> Option<V> {
        let inner = &*self.inner;
        let (level, shared) = self.shared(key)?;
        let sealed = level.get(&shared)?;
        let found = entry::open(inner.name, key, &sealed)
            .and_then(|(stamp, encoded)| Some((stamp, encoded, codec::decode::<V>(encoded).ok()?)));
        let Some((stamp, encoded, value)) = found.filter(|(stamp, ..)| !self.expired(*stamp)) else {
            Counters::add(&inner.counters.damaged);
            level.remove(shared);
            return None;
        };
        let _lock = self.lock(key);
        let bytes = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
        inner.memory.insert(key.into(), Held { value: value.clone(), stamp, bytes });
        if let Some(disk) = &inner.disk {
            disk.put(inner.name, key, stamp, encoded);
        }
        Some(value)
    }

    /// Carries shared values onto the disk and into memory, then those on disk into memory, as far as there is room.
    fn carry_up(&self) -> u64 {
        let inner = &*self.inner;
        let mut carried = 0;
        if let Some(level) = inner.shared.as_ref().and_then(|shared| shared.get()) {
            let keys = level.keys(&shared::prefix(inner.name), MAX_WARMED);
            let keys = keys.iter().filter_map(|key| shared::parse(inner.name, key));
            carried += keys.filter(|key| self.find(key, true).is_some()).count() as u64;
        }
        for _ in self.scan() {
            inner.memory.run_pending_tasks();
            if inner.memory.weighted_size() >= inner.memory_bytes / 8 * 7 {
                break;
            }
            carried += 1;
        }
        carried
    }

    /// Nothing else happens to the key on disk while this is held. In memory alone, every change is one step.
    fn lock(&self, key: &[u8]) -> Option<MutexGuard<'_, ()>> {
        self.inner.disk.as_ref()?.locks.lock(self.inner.name, key)
    }

    /// Whether a value of that stamp is too old; one from the future is, too: the clock was set back.
    fn expired(&self, stamp: u64) -> bool {
        self.inner.ttl.is_some_and(|ttl| u128::from(now().abs_diff(stamp)) > ttl.as_millis())
    }
}

impl<V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> AnyCache for Cache<V> {
    fn stats(&self) -> CacheStats {
        self.inner.memory.run_pending_tasks();
        let memory = &self.inner.memory;
        self.inner.counters.snapshot(self.inner.name, memory.entry_count(), memory.weighted_size())
    }

    fn forget(&self) {
        self.inner.memory.invalidate_all();
    }

    fn forget_shared(&self) -> Result<(), String> {
        let level = self.inner.shared.as_ref().and_then(|shared| shared.get());
        level.map_or(Ok(()), |level| level.clear(&shared::prefix(self.inner.name)))
    }

    fn warm(&self) -> u64 {
        self.carry_up()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
