//! What every cache promises, on disk and in memory.

use std::time::Duration;

use quire_cache::{CacheError, CacheOptions, CacheStore};

const BUDGET: u64 = 16 << 20;

#[test]
fn a_value_is_found_again_after_the_folder_is_reopened() {
    let dir = tempfile::tempdir().unwrap();
    let big = "x".repeat(100_000);
    {
        let store = CacheStore::open(dir.path(), BUDGET).unwrap();
        let cache = store.cache::<String>("memo", CacheOptions::default());
        cache.put(b"a", &"one".into());
        cache.put(b"a", &"two".into());
        cache.put(b"big", &big);
        cache.put(b"gone", &"x".into());
        cache.remove(b"gone");
    }
    let store = CacheStore::open(dir.path(), BUDGET).unwrap();
    let cache = store.cache::<String>("memo", CacheOptions::default());
    assert_eq!(cache.get_many([&b"a"[..], b"big", b"gone"]), [Some("two".into()), Some(big), None]);
    assert_eq!(cache.get(b"a"), Some("two".into()));
    let stats = store.stats();
    assert_eq!((stats[0].hits_l1, stats[0].hits_l2, stats[0].misses), (1, 2, 1));
}

#[test]
fn caches_of_one_folder_do_not_see_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = CacheStore::open(dir.path(), BUDGET).unwrap();
    let one = store.cache::<u32>("one", CacheOptions::default());
    let two = store.cache::<u32>("two", CacheOptions::default());
    one.put(b"k", &1);
    two.put(b"k", &2);
    store.clear(Some("one")).unwrap();
    assert_eq!((one.get(b"k"), two.get(b"k")), (None, Some(2)));
    store.clear(None).unwrap();
    assert_eq!(two.get(b"k"), None);
}

#[test]
fn the_same_name_gives_the_same_cache() {
    let store = CacheStore::in_memory();
    let one = store.cache::<u32>("c", CacheOptions::default());
    one.put(b"k", &1);
    assert_eq!(store.cache::<u32>("c", CacheOptions::default()).get(b"k"), Some(1));
}

#[test]
fn a_scan_sees_every_entry_once_in_the_order_of_the_keys() {
    let dir = tempfile::tempdir().unwrap();
    for store in [CacheStore::open(dir.path(), BUDGET).unwrap(), CacheStore::in_memory()] {
        let cache = store.cache::<u32>("c", CacheOptions::default());
        for i in (0..1_000u32).rev() {
            cache.put(format!("{i:04}").as_bytes(), &i);
        }
        cache.put(b"", &1_000);
        let seen: Vec<u32> = cache.scan().map(|(_, value)| value).collect();
        assert_eq!(seen, std::iter::once(1_000).chain(0..1_000).collect::<Vec<_>>());
    }
}

#[test]
fn keys_that_end_like_piece_numbers_do_not_collide() {
    let dir = tempfile::tempdir().unwrap();
    let store = CacheStore::open(dir.path(), BUDGET).unwrap();
    let options = CacheOptions { memory_bytes: 0, ..CacheOptions::default() };
    let cache = store.cache::<Vec<u8>>("c", options);
    let value = |n: u8| vec![n; 30_000];
    let keys: [&[u8]; 5] = [b"", b"\0", b"\0\0", b"\0\x01", b"\0\0\0\x01"];
    for (n, key) in (0..).zip(keys) {
        cache.put(key, &value(n));
    }
    for (n, key) in (0..).zip(keys) {
        assert_eq!(cache.get(key), Some(value(n)), "{key:?}");
    }
    assert_eq!(cache.scan().count(), keys.len());
}

#[test]
fn a_value_past_its_time_is_a_miss_on_every_level() {
    let dir = tempfile::tempdir().unwrap();
    let options = CacheOptions { ttl: Some(Duration::ZERO), ..CacheOptions::default() };
    let store = CacheStore::open(dir.path(), BUDGET).unwrap();
    let cache = store.cache::<u32>("c", options);
    cache.put(b"k", &1);
    while cache.get(b"k").is_some() {}
    drop((cache, store));
    let store = CacheStore::open(dir.path(), BUDGET).unwrap();
    assert_eq!(store.cache::<u32>("c", options).get(b"k"), None);
}

#[test]
fn memory_stays_within_its_limit_and_evictions_are_counted() {
    let store = CacheStore::in_memory();
    let options = CacheOptions { memory_bytes: 100_000, ..CacheOptions::default() };
    let cache = store.cache::<String>("c", options);
    for i in 0..1_000 {
        cache.put(format!("{i}").as_bytes(), &"x".repeat(1_000));
    }
    let stats = &store.stats()[0];
    assert!(stats.bytes <= 100_000, "{stats:?}");
    assert!(stats.evictions >= 900, "{stats:?}");
}

#[test]
fn a_second_opening_of_the_folder_is_refused_in_clear_words() {
    let dir = tempfile::tempdir().unwrap();
    let first = CacheStore::open(dir.path(), BUDGET).unwrap();
    let error = CacheStore::open(dir.path(), BUDGET).unwrap_err();
    assert!(matches!(error, CacheError::Locked { .. }));
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(first);
    CacheStore::open(dir.path(), BUDGET).unwrap();
}

#[test]
fn a_value_of_another_type_is_dropped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = CacheStore::open(dir.path(), BUDGET).unwrap();
        store.cache::<u32>("c", CacheOptions::default()).put(b"k", &1);
    }
    let store = CacheStore::open(dir.path(), BUDGET).unwrap();
    let cache = store.cache::<String>("c", CacheOptions::default());
    assert_eq!(cache.get(b"k"), None);
    assert_eq!(store.stats()[0].damaged, 1);
}
