//! Which messages a queue has seen lately: bounded by time and by count.

use std::time::Duration;

use quire_proto::Digest;
use tokio::time::Instant;

/// Ids seen within a window, in two generations: the elder is dropped as a whole, so nothing is ever taken out one by
/// one. By count, at least half of `max` and at most `max` of the latest ids are remembered.
pub(super) struct Dedup {
    window: u64,
    max: usize,
    young: Generation,
    old: Generation,
    /// When the young generation began, in milliseconds since `base`.
    began: u64,
    base: Instant,
}

impl Dedup {
    pub(super) fn new(window: Duration, max: usize) -> Self {
        let (young, old) = (Generation::default(), Generation::default());
        Self { window: millis(window), max, young, old, began: 0, base: Instant::now() }
    }

    /// Whether `id` was seen within the window.
    pub(super) fn has_seen(&self, id: &Digest, now: Instant) -> bool {
        let now = self.since_base(now);
        let lately = |at: u64| now.saturating_sub(at) < self.window;
        let hash = hash(id);
        self.young.get(hash, id).is_some_and(lately) || self.old.get(hash, id).is_some_and(lately)
    }

    /// Remembers `id`, which was not seen.
    pub(super) fn remember(&mut self, id: Digest, now: Instant) {
        if self.max == 0 || self.window == 0 {
            return;
        }
        let now = self.since_base(now);
        let full = self.young.ids.len() >= self.max.div_ceil(2);
        if full || now.saturating_sub(self.began) >= self.window {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            self.began = now;
        }
        self.young.insert(id, now);
    }

    fn since_base(&self, at: Instant) -> u64 {
        millis(at.saturating_duration_since(self.base))
    }
}

/// A set of ids that only grows. The ids lie in a row, and the table that finds them is small: what a queue touches at
/// random for each message should stay in the processor's cache.
#[derive(Default)]
struct Generation {
    /// With the millisecond in which they were seen.
    ids: Vec<(Digest, u64)>,
    /// Open addressing; a power of two and at least twice as many as there are ids.
    slots: Vec<Slot>,
}

/// Where an id lies.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// Bits of the hash that its place does not tell.
    tag: u32,
    /// Position in `ids`, counted from 1; 0 if the slot is empty.
    position: u32,
}

/// Slots of the smallest table.
const FEWEST: usize = 64;

impl Generation {
    fn get(&self, hash: u64, id: &Digest) -> Option<u64> {
        let mut at = self.place(hash)?;
        loop {
            let slot = self.slots.get(at)?;
            let position = (slot.position as usize).checked_sub(1)?;
            if slot.tag == tag(hash) {
                let (found, seen) = self.ids.get(position)?;
                if found == id {
                    return Some(*seen);
                }
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    fn insert(&mut self, id: Digest, now: u64) {
        self.ids.push((id, now));
        if self.ids.len() * 2 > self.slots.len() {
            self.grow();
        } else {
            self.enter(hash(&id), self.ids.len());
        }
    }

    /// Forgets all, and gives memory back that was not needed this time.
    fn clear(&mut self) {
        if self.slots.len() > FEWEST && self.ids.len() * 8 < self.slots.len() {
            *self = Self::default();
        }
        self.ids.clear();
        self.slots.fill(Slot::default());
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(FEWEST);
        self.slots = vec![Slot::default(); slots];
        for position in 1..=self.ids.len() {
            if let Some((id, _)) = self.ids.get(position - 1) {
                self.enter(hash(id), position);
            }
        }
    }

    fn enter(&mut self, hash: u64, position: usize) {
        let Some(mut at) = self.place(hash) else { return };
        let mask = self.slots.len() - 1;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.position == 0 {
                *slot = Slot { tag: tag(hash), position: u32::try_from(position).unwrap_or(0) };
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// The slot where the search begins: the lower bits of the hash.
    fn place(&self, hash: u64) -> Option<usize> {
        Some(hash as usize & self.slots.len().checked_sub(1)?)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The upper half of the hash.
const fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A digest is its own hash; its words are folded so that made-up ids (a counter in one corner) spread as well.
fn hash(id: &Digest) -> u64 {
    let mut folded = 0_u64;
    for word in id.as_bytes().chunks_exact(8) {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        folded = (folded.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    folded ^ (folded >> 29)
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
        for number in 0..5_000 {
            dedup.remember(id(number), now);
            assert!(dedup.young.ids.len() + dedup.old.ids.len() <= 100);
            for latest in number.saturating_sub(49)..=number {
                assert!(dedup.has_seen(&id(latest), now));
            }
        }
        assert!(dedup.young.slots.len() + dedup.old.slots.len() <= 512);
    }

    #[tokio::test(start_paused = true)]
    async fn ids_that_look_alike_are_told_apart() {
        let mut dedup = Dedup::new(Duration::from_secs(3_600), 10_000);
        let now = Instant::now();
        let ids = (0..32).flat_map(|place| {
            (0..=255).map(move |value| {
                let mut bytes = [0; 32];
                bytes[place] = value;
                Digest::from_bytes(bytes)
            })
        });
        let mut known = std::collections::HashSet::new();
        for id in ids {
            assert_eq!(dedup.has_seen(&id, now), !known.insert(id));
            dedup.remember(id, now);
        }
    }
}
