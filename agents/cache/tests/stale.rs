//! What was overwritten or removed never comes back from the old generation: not in one life, not after a clean
//! close, not after a kill of what was flushed.

mod common;

use std::{
    env, fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use common::{DIR_VARIABLE, generations, no_memory, noise};
use quire_cache::{Cache, CacheStore, MIN_DISK_BYTES};

const BUDGET: u64 = MIN_DISK_BYTES;
/// Keys whose every change is known.
const KEYS: u64 = 60;
/// Bytes put beside each change: a few hundred changes turn the generations.
const FILLER_BYTES: usize = 16_000;
/// Values of one piece and of several, in turn for the same key.
const LENGTHS: [usize; 3] = [20, 30_000, 3_000];

type Value = (u64, Vec<u8>);

/// Change number `step`: puts or removes one of the keys.
fn change(cache: &Cache<Value>, filler: &Cache<Vec<u8>>, step: u64) {
    let key = (step % KEYS).to_be_bytes();
    match length(step) {
        Some(len) => cache.put(&key, &(step, noise(step, len))),
        None => cache.remove(&key),
    }
    filler.put(&step.to_be_bytes(), &noise(step, FILLER_BYTES));
}

/// How long the value is that `step` puts; `None`: it removes. No two keys change at the same pace.
fn length(step: u64) -> Option<usize> {
    let (key, times) = (step % KEYS, step / KEYS);
    if (times + key).is_multiple_of(4) {
        return None;
    }
    LENGTHS.get(((times + key / 7) % 3) as usize).copied()
}

/// The last change of `key` up to `step`.
fn last_change(key: u64, step: u64) -> Option<u64> {
    step.checked_sub((step + KEYS - key) % KEYS)
}

/// What is found under `key` is what a change put that was made after `sure` or is the last up to it.
fn check(key: u64, found: &Value, sure: u64) {
    let (step, bytes) = found;
    assert_eq!(step % KEYS, key, "the value of another key");
    assert_eq!(
        Some(bytes),
        length(*step).map(|len| noise(*step, len)).as_ref(),
        "key {key}: not what was put"
    );
    assert!(Some(*step) >= last_change(key, sure), "key {key}: step {step} is found again after step {sure}");
}

fn check_all(cache: &Cache<Value>, sure: u64) -> usize {
    let by_get = (0..KEYS).filter_map(|key| Some((key, cache.get(&key.to_be_bytes())?)));
    let by_scan = cache.scan().map(|(key, value)| (u64::from_be_bytes(key.try_into().unwrap()), value));
    let found: Vec<_> = by_scan.chain(by_get).collect();
    found.iter().for_each(|(key, value)| check(*key, value, sure));
    found.len()
}

#[test]
fn turns_and_reopenings_bring_nothing_back() {
    let dir = tempfile::tempdir().unwrap();
    let steps = if cfg!(debug_assertions) { 900 } else { 3_600 };
    let mut found = 0;
    for life in 0..6 {
        let store = CacheStore::open(dir.path(), BUDGET).unwrap();
        let (cache, filler) = (store.cache("c", no_memory()), store.cache("filler", no_memory()));
        for step in life * steps / 6..(life + 1) * steps / 6 {
            change(&cache, &filler, step);
            // Half of the keys are used now and then: those move to the young generation.
            if step % 5 == 0
                && let Some(value) = cache.get(&(step * 7 % (KEYS / 2)).to_be_bytes())
            {
                check(step * 7 % (KEYS / 2), &value, step);
            }
            if step % 50 == 0 {
                found += check_all(&cache, step);
            }
        }
        assert_eq!(store.rebuilds(), 0);
    }
    assert!(found > 800, "only {found} values were looked at");
    assert!(generations(dir.path()).unwrap().0 > 4, "the generations hardly turned");
}

/// Not a test by itself: the process that [`a_kill_brings_nothing_back_that_was_flushed_away`] kills.
#[test]
fn child_changes_until_it_is_killed() {
    let Ok(dir) = env::var(DIR_VARIABLE) else { return };
    let sure_file = Path::new(&dir).with_extension("sure");
    let start: u64 = fs::read_to_string(&sure_file).map_or(0, |text| text.parse().unwrap());
    let store = CacheStore::open(Path::new(&dir), BUDGET).unwrap();
    let (cache, filler) = (store.cache("c", no_memory()), store.cache("filler", no_memory()));
    for step in start + 1.. {
        change(&cache, &filler, step);
        if step % 64 == 0 {
            store.flush();
            fs::write(sure_file.with_extension("new"), step.to_string()).unwrap();
            fs::rename(sure_file.with_extension("new"), &sure_file).unwrap();
        }
    }
}

#[test]
fn a_kill_brings_nothing_back_that_was_flushed_away() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("cache");
    let (mut found, mut turns) = (0, 0);
    for round in 0..10u64 {
        let before = generations(&dir);
        let mut child = common::start("child_changes_until_it_is_killed", &dir);
        // Every other round is killed soon after, or in the middle of, a turn of the generations.
        let start = Instant::now();
        let enough = Duration::from_millis(60 + 43 * round);
        while (round % 2 == 0 && generations(&dir) == before && start.elapsed() < Duration::from_secs(20))
            || (round % 2 == 1 && start.elapsed() < enough)
        {
            thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        turns += u32::from(generations(&dir) != before);
        let sure = fs::read_to_string(dir.with_extension("sure")).map_or(0, |text| text.parse().unwrap());
        let store = CacheStore::open(&dir, BUDGET).unwrap();
        found += check_all(&store.cache("c", no_memory()), sure);
        assert_eq!(store.rebuilds(), 0, "round {round}");
    }
    assert!(turns >= 5, "only {turns} turns");
    assert!(found > 200, "only {found} values were looked at");
}
