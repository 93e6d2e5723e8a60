//! Which messages a queue has seen lately: bounded by time and by count.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    time::Duration,
};

use quire_proto::Digest;
use tokio::time::Instant;

type Ids = HashMap<Digest, Instant, BuildHasherDefault<DigestHasher>>;

/// Ids seen within a window, in two generations: the elder is dropped as a whole, so nothing is ever taken out one by
/// one. By count, at least half of `max` and at most `max` of the latest ids are remembered.
pub(super) struct Dedup {
    window: Duration,
    max: usize,
    young: Ids,
    old: Ids,
    /// When the young generation began.
    began: Option<Instant>,
}

impl Dedup {
    pub(super) fn new(window: Duration, max: usize) -> Self {
        Self { window, max, young: Ids::default(), old: Ids::default(), began: None }
    }

    /// Whether `id` was seen within the window.
    pub(super) fn has_seen(&self, id: &Digest, now: Instant) -> bool {
        let lately = |at: &Instant| now.saturating_duration_since(*at) < self.window;
        self.young.get(id).is_some_and(lately) || self.old.get(id).is_some_and(lately)
    }

    /// Remembers `id`, which was not seen.
    pub(super) fn remember(&mut self, id: Digest, now: Instant) {
        if self.max == 0 || self.window.is_zero() {
            return;
        }
        let began = *self.began.get_or_insert(now);
        let full = self.young.len() >= self.max.div_ceil(2);
        if full || now.saturating_duration_since(began) >= self.window {
            self.turn_over(now);
        }
        self.young.insert(id, now);
    }

    /// Makes the young generation the old one. What the old one held is beyond the window or the count.
    fn turn_over(&mut self, now: Instant) {
        std::mem::swap(&mut self.young, &mut self.old);
        if self.young.capacity() > 4 * self.young.len().max(64) {
            // It was once much busier: give the memory back.
            self.young = Ids::default();
        }
        self.young.clear();
        self.began = Some(now);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> Digest {
        Digest::of(&number.to_le_bytes())
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_is_remembered_for_the_window_and_no_longer() {
        let window = Duration::from_secs(10);
        let mut dedup = Dedup::new(window, 1_000);
        for number in 0..100 {
            let now = Instant::now();
            assert!(!dedup.has_seen(&id(number), now));
            dedup.remember(id(number), now);
            tokio::time::advance(Duration::from_millis(700)).await;
            let now = Instant::now();
            let lately = |past: u64| Duration::from_millis((past + 1) * 700) < window;
            for past in 0..=number {
                assert_eq!(dedup.has_seen(&id(number - past), now), lately(past), "{past} before {number}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_ids_are_remembered_than_allowed() {
        let mut dedup = Dedup::new(Duration::from_secs(3_600), 100);
        let now = Instant::now();
        for number in 0..10_000 {
            dedup.remember(id(number), now);
            assert!(dedup.young.len() + dedup.old.len() <= 100);
            for latest in number.saturating_sub(49)..=number {
                assert!(dedup.has_seen(&id(latest), now));
            }
        }
        assert!(dedup.young.capacity() + dedup.old.capacity() < 400);
    }
}
