//! What several of the tests need.

#![allow(dead_code, reason = "not every test needs everything")]

use std::{
    env, fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use quire_cache::CacheOptions;

/// Names the folder to a process that a test starts, and kills.
pub(crate) const DIR_VARIABLE: &str = "QUIRE_CACHE_TEST_DIR";

/// Memory holds nothing, so that every get shows what the disk has.
pub(crate) fn no_memory() -> CacheOptions {
    CacheOptions { memory_bytes: 0, ..CacheOptions::default() }
}

/// Bytes that no store can make smaller, different for every `seed`.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Starts the test `name` of this file as a process of its own, with a folder to write to.
pub(crate) fn start(name: &str, dir: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", name])
        .env(DIR_VARIABLE, dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The numbers of the young and the old generation.
pub(crate) fn generations(dir: &Path) -> Option<(u64, Option<u64>)> {
    let text = fs::read_to_string(dir.join("current")).ok()?;
    let mut words = text.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()))
}
