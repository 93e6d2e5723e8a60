//! What a cache folder costs a build: filling, closing, opening, reading. `cargo run --release --example cache_cost`.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use quire_cache::{CacheOptions, CacheStore};
use serde::{Deserialize, Serialize};

/// Like the memo of one file.
#[derive(Serialize, Deserialize, Clone)]
struct Memo {
    size: u64,
    modified_ns: u64,
    digest: [u64; 4],
}

fn main() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let files = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(2_000u64);
    let time = |what: &str, work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        println!("{what:<28}{:>10.2} ms", ms(start.elapsed()));
    };
    let mut store = None;
    time("open, new", &mut || store = Some(open(dir.path())));
    time("fill", &mut || fill(store.as_ref().expect("open"), files));
    time("flush", &mut || store.as_ref().expect("open").flush());
    time("close", &mut || store = None);
    for _ in 0..3 {
        time("open", &mut || store = Some(open(dir.path())));
        time("first get", &mut || read(store.as_ref().expect("open"), 1));
        time("get all", &mut || read(store.as_ref().expect("open"), files));
        println!("{:>36} bytes", store.as_ref().expect("open").bytes_on_disk());
        time("close", &mut || store = None);
    }
}

fn open(dir: &Path) -> CacheStore {
    CacheStore::open(dir, 256 << 20).expect("the folder opens")
}

fn fill(store: &CacheStore, files: u64) {
    let memo = store.cache::<Memo>("memo", CacheOptions::default());
    let results = store.cache::<String>("results", CacheOptions::default());
    for n in 0..files {
        memo.put(key(n).as_bytes(), &Memo { size: n, modified_ns: n, digest: [n; 4] });
    }
    for n in 0..files / 16 {
        results.put(&n.to_be_bytes(), &"r".repeat(12_000));
    }
}

fn read(store: &CacheStore, files: u64) {
    let memo = store.cache::<Memo>("memo", CacheOptions::default());
    let found = (0..files).filter_map(|n| memo.get(key(n).as_bytes())).count();
    assert_eq!(found as u64, files);
}

fn key(n: u64) -> String {
    format!("models/defs/some_model_of_a_finding_{n:06}.fm.json")
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
