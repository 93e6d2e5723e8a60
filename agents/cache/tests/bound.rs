//! The folder stays within its budget, whatever is done to it, and a crash in the middle leaves a usable cache.

mod common;

use std::{
    env, fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use common::{DIR_VARIABLE, generations, no_memory, noise};
use quire_cache::{CacheStore, MIN_DISK_BYTES};

const BUDGET: u64 = MIN_DISK_BYTES;
/// How often the budget is written: a debug build does less in the same time.
const TIMES: u64 = if cfg!(debug_assertions) { 1 } else { 4 };

fn folder_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// Runs `work` while another thread watches the folder; returns the greatest size seen.
fn greatest_size_during(dir: &Path, work: impl FnOnce()) -> u64 {
    let done = Arc::new(AtomicBool::new(false));
    let greatest = Arc::new(AtomicU64::new(0));
    let watcher = thread::spawn({
        let (done, greatest, dir) = (Arc::clone(&done), Arc::clone(&greatest), dir.to_owned());
        move || {
            while !done.load(Relaxed) {
                greatest.fetch_max(folder_bytes(&dir), Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        }
    });
    work();
    done.store(true, Relaxed);
    watcher.join().unwrap();
    greatest.load(Relaxed).max(folder_bytes(dir))
}

#[test]
fn overwriting_many_times_the_budget_stays_within_it() {
    let dir = tempfile::tempdir().unwrap();
    let greatest = greatest_size_during(dir.path(), || {
        let store = CacheStore::open(dir.path(), BUDGET).unwrap();
        let cache = store.cache::<Vec<u8>>("c", no_memory());
        let puts = BUDGET * TIMES / 3_000;
        for n in 0..puts {
            cache.put(&(n % 150).to_be_bytes(), &noise(n, 3_000));
        }
        // 150 entries of 3 kB are live, all put since the young generation was opened: none may be lost or old.
        for n in puts - 150..puts {
            assert_eq!(cache.get(&(n % 150).to_be_bytes()), Some(noise(n, 3_000)), "put {n} of {puts}");
        }
        assert_eq!(store.rebuilds(), 0);
    });
    assert!(greatest <= BUDGET, "{greatest} bytes for a budget of {BUDGET}");
}

#[test]
fn ever_new_keys_stay_within_the_budget_and_evictions_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let greatest = greatest_size_during(dir.path(), || {
        let store = CacheStore::open(dir.path(), BUDGET).unwrap();
        let cache = store.cache::<Vec<u8>>("c", no_memory());
        for n in 0..BUDGET * TIMES / 3 / 500 {
            cache.put(&n.to_be_bytes(), &noise(n, 500));
        }
        assert!(store.stats()[0].evictions > 1_000, "{:?}", store.stats());
    });
    assert!(greatest <= BUDGET, "{greatest} bytes for a budget of {BUDGET}");
}

#[test]
fn two_thousand_overwrites_of_big_values_stay_within_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let budget = 4 * BUDGET;
    let greatest = greatest_size_during(dir.path(), || {
        let store = CacheStore::open(dir.path(), budget).unwrap();
        let cache = store.cache::<Vec<u8>>("c", no_memory());
        let puts = 80 * TIMES;
        for n in 0..puts {
            cache.put(&(n % 7).to_be_bytes(), &noise(n, 300_000));
        }
        assert_eq!(cache.get(&((puts - 1) % 7).to_be_bytes()), Some(noise(puts - 1, 300_000)));
    });
    assert!(greatest <= budget, "{greatest} bytes for a budget of {budget}");
}

#[test]
fn writers_on_several_threads_never_read_an_older_value() {
    let dir = tempfile::tempdir().unwrap();
    let store = CacheStore::open(dir.path(), BUDGET).unwrap();
    let cache = store.cache::<(u64, Vec<u8>)>("c", no_memory());
    let greatest = greatest_size_during(dir.path(), || {
        thread::scope(|scope| {
            for writer in 0..4u64 {
                let cache = cache.clone();
                scope.spawn(move || {
                    for n in 0..BUDGET * TIMES / 5 / 2_000 {
                        let key = [writer, n % 40].map(u64::to_be_bytes).concat();
                        cache.put(&key, &(n, noise(n, 2_000)));
                        let found = cache.get(&key);
                        assert_eq!(found.map(|(found, _)| found), Some(n), "writer {writer}");
                    }
                });
            }
        });
    });
    assert!(greatest <= BUDGET, "{greatest} bytes for a budget of {BUDGET}");
    assert_eq!(store.rebuilds(), 0);
}

#[test]
fn many_small_values_stay_within_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let greatest = greatest_size_during(dir.path(), || {
        let store = CacheStore::open(dir.path(), BUDGET).unwrap();
        let cache = store.cache::<u64>("c", no_memory());
        for n in 0..20_000 * TIMES {
            cache.put(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(), &n);
        }
    });
    assert!(greatest <= BUDGET, "{greatest} bytes for a budget of {BUDGET}");
}

#[test]
fn what_is_in_use_outlives_what_is_only_put() {
    let dir = tempfile::tempdir().unwrap();
    let store = CacheStore::open(dir.path(), BUDGET).unwrap();
    let memo = store.cache::<u64>("memo", no_memory());
    let results = store.cache::<Vec<u8>>("results", no_memory());
    for n in 0..500u64 {
        memo.put(&n.to_be_bytes(), &n);
    }
    for n in 0..BUDGET * 2 / 2_000 {
        results.put(&n.to_be_bytes(), &noise(n, 2_000));
        if n % 200 == 0 {
            assert_eq!((0..500u64).filter(|n| memo.get(&n.to_be_bytes()) == Some(*n)).count(), 500);
        }
    }
    let evictions = |cache: usize| store.stats()[cache].evictions;
    assert_eq!(evictions(0), 0);
    assert!(evictions(1) > 1_000, "{:?}", store.stats());
    assert!(generations(dir.path()).unwrap().0 > 4);
}

#[test]
fn short_lives_stay_within_the_budget_together() {
    let dir = tempfile::tempdir().unwrap();
    for life in 0..25 * TIMES {
        let store = CacheStore::open(dir.path(), BUDGET).unwrap();
        let cache = store.cache::<Vec<u8>>("c", no_memory());
        for n in 0..50 {
            cache.put(&[life, n].map(u64::to_be_bytes).concat(), &noise(life * 100 + n, 4_000));
        }
        drop((store, cache));
        assert!(folder_bytes(dir.path()) <= BUDGET, "life {life}");
    }
    assert!(generations(dir.path()).unwrap().0 > 4 || cfg!(debug_assertions));
}

/// Not a test by itself: the process that [`a_kill_at_any_moment_leaves_a_usable_cache`] kills.
#[test]
fn child_writes_until_it_is_killed() {
    let Ok(dir) = env::var(DIR_VARIABLE) else { return };
    let store = CacheStore::open(Path::new(&dir), BUDGET).unwrap();
    let cache = store.cache::<(u64, Vec<u8>)>("c", no_memory());
    for n in 0u64.. {
        cache.put(&(n % 3_000).to_be_bytes(), &(n, noise(n, 4_000)));
    }
}

/// Whether an old generation is being deleted, or the next one made.
fn in_a_turn(dir: &Path) -> bool {
    matches!(generations(dir), Some((2.., None)))
}

#[test]
fn a_kill_at_any_moment_leaves_a_usable_cache() {
    let dir = tempfile::tempdir().unwrap();
    let mut in_the_middle = 0;
    for round in 0..12u64 {
        let mut child = common::start("child_writes_until_it_is_killed", dir.path());
        // Every other round waits for a turn of the generations, the others for some time.
        let start = Instant::now();
        let enough = Duration::from_millis(50 + 37 * round);
        while (round % 2 == 0 && !in_a_turn(dir.path()) && start.elapsed() < Duration::from_secs(20))
            || (round % 2 == 1 && start.elapsed() < enough)
        {
            thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        in_the_middle += usize::from(in_a_turn(dir.path()));
        let store = CacheStore::open(dir.path(), BUDGET).unwrap();
        let cache = store.cache::<(u64, Vec<u8>)>("c", no_memory());
        let mut found = 0;
        for (key, (n, bytes)) in cache.scan() {
            assert_eq!(
                (key.as_slice(), bytes),
                (&(n % 3_000).to_be_bytes()[..], noise(n, 4_000)),
                "round {round}"
            );
            found += 1;
        }
        assert!(found >= 50 || round == 1, "round {round}: {found} entries left");
        assert_eq!(store.rebuilds(), 0, "round {round}");
        cache.put(b"alive", &(0, Vec::new()));
        assert_eq!(cache.get(b"alive"), Some((0, Vec::new())));
        cache.remove(b"alive");
        assert!(store.bytes_on_disk() <= BUDGET);
    }
    assert!(in_the_middle > 0, "no kill hit a turn");
}
