//! How the folder stays within its budget: by turns.
//!
//! Writes go to the young generation. When that has grown beyond [`turn_at`], the old one is deleted, the young one
//! becomes the old one, and an empty young one is opened: what was neither put nor found on disk for that long is
//! gone. sled writes late, and several times what was put. So nothing is believed about the size: after every
//! [`measure_every`] bytes put, while all writers wait, everything is written out and the files are measured.

use std::{
    mem,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    MAX_VALUE_BYTES,
    disk::{Shared, State},
    generation::{Generation, Trouble},
    pair::Pair,
    stats::Counters,
};

/// What a write costs beside its key and value.
const WRITE_BYTES: u64 = 64;

/// Size at which the young generation becomes the old one. Each of the two may be larger by what the bytes of one
/// step become on disk, up to eight times as many (measured): together they fit into the budget with an
/// eighth to spare.
const fn turn_at(budget: u64) -> u64 {
    budget / 16 * 5
}

/// Bytes put between two measurements: a step.
const fn measure_every(budget: u64) -> u64 {
    budget / 64
}

/// Largest value kept on disk: as one that is larger than a step is a step by itself, it must not be much larger.
pub(crate) fn most_value_bytes(budget: u64) -> u64 {
    (MAX_VALUE_BYTES as u64).min(budget / 32)
}

/// Bytes put since the young generation was measured.
#[derive(Debug)]
pub(crate) struct Unmeasured {
    bytes: AtomicU64,
    step: u64,
}

impl Unmeasured {
    /// The first write measures what an earlier process has left.
    pub(crate) const fn new(budget: u64) -> Self {
        let step = measure_every(budget);
        Self { bytes: AtomicU64::new(step), step }
    }

    /// Counts a write of `bytes`, unless that must wait for a measurement.
    pub(crate) fn admit(&self, bytes: u64) -> bool {
        self.bytes.fetch_update(Relaxed, Relaxed, |before| self.with(before, bytes)).is_ok()
    }

    fn admits(&self, bytes: u64) -> bool {
        self.with(self.bytes.load(Relaxed), bytes).is_some()
    }

    /// A write that is larger than a step is a step by itself.
    fn with(&self, before: u64, bytes: u64) -> Option<u64> {
        let after = before + bytes + WRITE_BYTES;
        (before == 0 || after <= self.step).then_some(after)
    }
}

impl Shared {
    /// Has the young generation measured, so that a write of `bytes` is admitted.
    pub(crate) fn make_room(&self, bytes: u64) {
        let mut state = self.state_mut();
        // Of all that wait here, the first does it.
        if state.unmeasured.admits(bytes) {
            return;
        }
        if let Err(trouble) = self.measure(&mut state) {
            self.rebuild(&mut state, &trouble);
        }
        state.unmeasured.bytes.store(0, Relaxed);
    }

    /// While nobody writes: has everything written out, and turns the generations if the young one is full.
    fn measure(&self, state: &mut State) -> Result<(), Trouble> {
        let State { pair: Some(pair), number, .. } = state else { return Ok(()) };
        pair.young.flush()?;
        if self.folder.bytes(pair.young.number()) > turn_at(self.budget) {
            *number += 1;
            self.turn(pair, *number)?;
        }
        Ok(())
    }

    /// Deletes the old generation before the next one takes any room. A kill at any point leaves a pointer to
    /// generations that are whole.
    fn turn(&self, pair: &mut Pair, next: u64) -> Result<(), Trouble> {
        if let Some(old) = pair.old.take() {
            self.folder.point_to(pair.pointer())?;
            self.count_evictions(&old);
            let number = old.number();
            old.close();
            self.folder.remove(number);
        }
        let next = Generation::open(&self.folder, next)?;
        pair.old = Some(mem::replace(&mut pair.young, next));
        Ok(self.folder.point_to(pair.pointer())?)
    }

    fn count_evictions(&self, old: &Generation) {
        let counters = self.counters();
        for (name, count) in old.counts() {
            if let Some(counters) = counters.get(name.as_str()) {
                Counters::add_many(&counters.evictions, count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_admitted_up_to_a_step_and_a_larger_one_by_itself() {
        let unmeasured = Unmeasured::new(64 * 1_000);
        assert!(!unmeasured.admit(0), "what was there before is not measured yet");
        unmeasured.bytes.store(0, Relaxed);
        assert!(unmeasured.admit(600));
        assert!(!unmeasured.admit(600));
        assert!(unmeasured.admit(200));
        unmeasured.bytes.store(0, Relaxed);
        assert!(unmeasured.admit(5_000));
        assert!(!unmeasured.admit(0));
    }
}
