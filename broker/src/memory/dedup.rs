//! Which messages a queue has seen lately: bounded by time and by count.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    time::Duration,
};

use quire_proto::Digest;
use tokio::time::Instant;

/// Ids seen within a window.
pub(super) struct Dedup {
    window: Duration,
    max: usize,
    seen: HashSet<Digest, BuildHasherDefault<DigestHasher>>,
    order: VecDeque<(Instant, Digest)>,
}

impl Dedup {
    pub(super) fn new(window: Duration, max: usize) -> Self {
        Self { window, max, seen: HashSet::default(), order: VecDeque::new() }
    }

    /// Whether `id` was seen within the window.
    pub(super) fn has_seen(&mut self, id: &Digest, now: Instant) -> bool {
        while let Some((at, oldest)) = self.order.front() {
            if now.saturating_duration_since(*at) < self.window {
                break;
            }
            self.seen.remove(oldest);
            self.order.pop_front();
        }
        self.seen.contains(id)
    }

    /// Remembers `id`, which was not seen.
    pub(super) fn remember(&mut self, id: Digest, now: Instant) {
        if self.max == 0 || self.window.is_zero() {
            return;
        }
        if self.order.len() >= self.max
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.seen.insert(id);
        self.order.push_back((now, id));
    }
}

/// A digest is its own hash; its words are folded so that made-up ids (a counter in one corner) spread as well.
#[derive(Default)]
struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.chunks_exact(8) {
            let word = word.try_into().map_or(0, u64::from_le_bytes);
            self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
