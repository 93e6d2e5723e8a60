//! Whatever happens to the files of the folder: it opens again, nothing panics through, no wrong value comes out.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use common::{generations, no_memory, noise};
use quire_cache::CacheStore;

const BUDGET: u64 = 16 << 20;
const ENTRIES: u64 = 120;
/// Folders that are damaged at the same time: most of the time goes into waiting for the disk.
const AT_ONCE: u64 = 4;
/// A debug build does less in the same time.
const ROUNDS: u64 = if cfg!(debug_assertions) { 40 } else { 160 };

/// A small generator of numbers: the same damages in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

fn value(n: u64, version: u64) -> String {
    format!("{n} {version} ").repeat(1 + (n as usize * 37) % 2_500)
}

/// Writes every entry twice, so that damage could bring an older one back: in one generation, or in two.
fn fill(dir: &Path, in_two: bool) {
    let store = CacheStore::open(dir, BUDGET).unwrap();
    let cache = store.cache::<String>("c", no_memory());
    for version in 1..=2 {
        for n in 0..ENTRIES {
            cache.put(&n.to_be_bytes(), &value(n, version));
        }
        store.flush();
        let filler = store.cache::<Vec<u8>>("filler", no_memory());
        for n in 0.. {
            if !in_two || generations(dir) >= Some((2, None)) {
                break;
            }
            filler.put(&u64::to_be_bytes(n), &noise(n, 100_000));
        }
    }
    assert_eq!(generations(dir), Some(if in_two { (2, Some(1)) } else { (1, None) }));
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to)
        } else {
            fs::copy(entry.path(), to).map(drop).unwrap()
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Damages one file; says how.
fn damage(path: &Path, numbers: &mut Numbers) -> String {
    let mut bytes = fs::read(path).unwrap();
    let len = bytes.len() as u64;
    let at = numbers.below(len);
    let how = match numbers.below(7) {
        0 => {
            fs::remove_file(path).unwrap();
            return "removed".into();
        }
        1 => {
            bytes.truncate(at as usize);
            format!("truncated to {at}")
        }
        2 => {
            for _ in 0..64 {
                let at = numbers.below(len) as usize;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << numbers.below(8);
                }
            }
            "64 bits flipped".into()
        }
        3 => {
            let end = (at + 4_096).min(len) as usize;
            bytes[at as usize..end].fill(0);
            format!("zeros from {at}")
        }
        4 => {
            // A block written to the wrong place.
            let from = numbers.below(len.saturating_sub(4_096)) as usize;
            let block = bytes[from..(from + 4_096).min(bytes.len())].to_vec();
            let room = bytes.len() - (at as usize);
            let fits = block.len().min(room);
            bytes[at as usize..][..fits].copy_from_slice(&block[..fits]);
            format!("block from {from} at {at}")
        }
        _ => {
            // Most files have their live bytes at the start.
            let limit = if numbers.below(2) == 0 { len } else { len.min(2_048) };
            let at = numbers.below(limit) as usize;
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << numbers.below(8);
            }
            format!("bit of byte {at} flipped")
        }
    };
    fs::write(path, bytes).unwrap();
    how
}

#[test]
fn hundreds_of_damages_to_a_closed_folder_never_give_any_but_the_last_value() {
    survive(true, false, ROUNDS, 0x5eed);
}

#[test]
fn damages_to_the_young_generation_never_let_the_old_one_show_through() {
    survive(true, true, ROUNDS / 2, 0xfeed);
}

/// A killed process leaves no seal. Then an older value may come back, as after the kill itself.
#[test]
fn hundreds_of_damages_to_an_unsealed_folder_never_give_a_value_that_was_not_put() {
    survive(false, false, ROUNDS, 0xfeed);
    survive(false, true, ROUNDS / 6, 0x5eed);
}

fn survive(sealed: bool, in_two: bool, rounds: u64, seed: u64) {
    let base = tempfile::tempdir().unwrap();
    fill(base.path(), in_two);
    for number in 1..=if in_two { 2 } else { 1 } {
        let seal = base.path().join(format!("gen-{number}/seal"));
        assert!(seal.exists());
        if !sealed {
            fs::remove_file(seal).unwrap();
        }
    }
    let (kept, rebuilt) = thread::scope(|scope| {
        let damaging = |worker| {
            let base = base.path();
            scope.spawn(move || survive_rounds(base, sealed, rounds / AT_ONCE, Numbers(seed + worker)))
        };
        let workers: Vec<_> = (0..AT_ONCE).map(damaging).collect();
        let ends = workers.into_iter().map(|worker| worker.join().unwrap());
        ends.fold((0, 0), |sum, end| (sum.0 + end.0, sum.1 + end.1))
    });
    assert!(kept > ENTRIES * rounds / 8, "only {kept} values survived");
    assert!(rebuilt > 0, "no damage was serious");
}

/// Damages copies of the folder `base`; returns how many values were found and how many folders built anew.
fn survive_rounds(base: &Path, sealed: bool, rounds: u64, mut numbers: Numbers) -> (u64, u32) {
    let right = |n, found: &str| found == value(n, 2) || (!sealed && found == value(n, 1));
    let (mut kept, mut rebuilt) = (0, 0);
    for round in 0..rounds {
        let dir = tempfile::tempdir().unwrap();
        copy_folder(base, dir.path());
        let all = files(dir.path());
        let path = &all[numbers.below(all.len() as u64) as usize];
        let how = damage(path, &mut numbers);
        let what = format!("round {round}: {} {how}", path.strip_prefix(dir.path()).unwrap().display());
        for _ in 0..2 {
            let store = CacheStore::open(dir.path(), BUDGET).unwrap();
            let cache = store.cache::<String>("c", no_memory());
            for n in 0..ENTRIES {
                if let Some(found) = cache.get(&n.to_be_bytes()) {
                    assert!(right(n, &found), "{what}: wrong value for {n}");
                    kept += 1;
                }
            }
            for (key, found) in cache.scan() {
                let n = u64::from_be_bytes(key.try_into().unwrap());
                assert!(right(n, &found), "{what}: wrong value for {n}");
            }
            rebuilt += store.rebuilds();
            // It works again, at the latest after having been built anew.
            for n in 0..3 {
                cache.put(b"new", &value(n, 3));
                if cache.get(b"new") == Some(value(n, 3)) {
                    break;
                }
                assert!(n < 2, "{what}: cannot be used any more");
            }
            cache.remove(b"new");
        }
    }
    (kept, rebuilt)
}
