//! The third level: shared, promoted, distrusted.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use quire_cache::{CacheOptions, CacheStore, SharedLevel};

/// A level in memory, as any other.
#[derive(Default)]
struct Level(Mutex<BTreeMap<String, Vec<u8>>>);

impl SharedLevel for Level {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(key).cloned()
    }

    fn put(&self, key: String, bytes: Vec<u8>) {
        self.0.lock().unwrap().insert(key, bytes);
    }

    fn remove(&self, key: String) {
        self.0.lock().unwrap().remove(&key);
    }

    fn keys(&self, prefix: &str, most: usize) -> Vec<String> {
        let level = self.0.lock().unwrap();
        level.keys().filter(|key| key.starts_with(prefix)).take(most).cloned().collect()
    }

    fn clear(&self, prefix: &str) -> Result<(), String> {
        self.0.lock().unwrap().retain(|key, _| !key.starts_with(prefix));
        Ok(())
    }
}

const SHARED: CacheOptions = CacheOptions { memory_bytes: 1 << 20, ttl: None, shared: true };
const DISK: u64 = 64 << 20;

fn store(folder: &std::path::Path, level: &Arc<Level>) -> CacheStore {
    let store = CacheStore::open(folder, DISK).unwrap();
    store.share(Arc::<Level>::clone(level));
    store
}

#[test]
fn what_one_process_has_put_another_finds_and_keeps() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let level = Arc::new(Level::default());
    store(one.path(), &level).cache::<String>("results", SHARED).put(b"k", &"value".to_owned());

    let there = store(other.path(), &level);
    let cache = there.cache::<String>("results", SHARED);
    assert_eq!(cache.get(b"k").as_deref(), Some("value"));
    assert_eq!(cache.get(b"k").as_deref(), Some("value"));
    let stats = there.stats().remove(0);
    assert_eq!((stats.hits_l1, stats.hits_l2, stats.hits_l3, stats.misses), (1, 0, 1, 0));
    drop((cache, there));
    // Also without the level, and in a new process: it was carried onto the disk.
    let again = CacheStore::open(other.path(), DISK).unwrap();
    let cache = again.cache::<String>("results", SHARED);
    assert_eq!(cache.get(b"k").as_deref(), Some("value"));
    assert_eq!(again.stats().remove(0).hits_l2, 1);
}

#[test]
fn what_is_damaged_or_another_keys_is_a_miss_and_goes() {
    let level = Arc::new(Level::default());
    let store = CacheStore::in_memory();
    store.share(Arc::<Level>::clone(&level));
    let cache = store.cache::<u64>("results", SHARED);
    cache.put(b"a", &1);
    cache.put(b"b", &2);
    // One that has nothing of its own yet.
    let store = CacheStore::in_memory();
    store.share(Arc::<Level>::clone(&level));
    let cache = store.cache::<u64>("results", SHARED);
    let foreign = level.get("results/61").unwrap();
    level.put("results/62".to_owned(), foreign);
    assert_eq!(cache.get(b"b"), None, "the value of another key");
    let mut bytes = level.get("results/61").unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    level.put("results/61".to_owned(), bytes);
    assert_eq!(cache.get(b"a"), None, "a changed byte");
    assert!(level.keys("", 9).is_empty(), "both are gone");
    assert_eq!(store.stats().remove(0).damaged, 2);
}

#[test]
fn only_caches_that_say_so_share_and_removing_removes_for_all() {
    let level = Arc::new(Level::default());
    let store = CacheStore::in_memory();
    store.share(Arc::<Level>::clone(&level));
    store.cache::<u64>("memo", CacheOptions::default()).put(b"a", &1);
    assert!(level.keys("", 9).is_empty());
    let cache = store.cache::<u64>("results", SHARED);
    cache.put(b"a", &1);
    assert_eq!(level.keys("", 9), ["results/61"]);
    cache.remove(b"a");
    assert!(level.keys("", 9).is_empty());
}

#[test]
fn warming_carries_up_what_others_have_and_what_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let level = Arc::new(Level::default());
    let elsewhere = CacheStore::in_memory();
    elsewhere.share(Arc::<Level>::clone(&level));
    let cache = elsewhere.cache::<u64>("results", SHARED);
    (0..100_u64).for_each(|number| cache.put(&number.to_be_bytes(), &number));

    let here = store(folder.path(), &level);
    let cache = here.cache::<u64>("results", SHARED);
    assert!(here.warm(Some("results")) >= 100);
    assert_eq!(here.warm(Some("memo")), 0);
    let before = here.stats().remove(0);
    assert_eq!(cache.get(&7_u64.to_be_bytes()), Some(7));
    let after = here.stats().remove(0);
    assert_eq!((after.hits_l1, after.hits_l3), (before.hits_l1 + 1, before.hits_l3), "it was in memory");
}
