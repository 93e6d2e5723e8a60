//! When to come back: exponential pauses, jittered by the parcel's id, and the count of pauses that an upstream asked for.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use quire_proto::Digest;

/// Parcels whose delays are remembered; beyond that, delays count as attempts.
const MAX_REMEMBERED: usize = 65_536;

/// Pauses between attempts: `first`, doubled each time, at most `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Pause after the first attempt.
    pub first: Duration,
    /// Longest pause.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), max: Duration::from_secs(10) }
    }
}

impl Backoff {
    /// The pause after attempt number `attempt` (from 1) at the parcel `id`: between half and all of the full one.
    /// The jitter comes from the id, so that nothing here is random.
    #[must_use]
    pub fn pause(&self, id: &Digest, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(20);
        let full = self.first.saturating_mul(1 << doublings).min(self.max);
        let byte = id.as_bytes().get(attempt as usize % 32).copied().unwrap_or_default();
        full / 2 + full * u32::from(byte) / 510
    }
}

/// How often each parcel was put off here because an upstream asked for less, so that it is not put off for ever. Another
/// replica counts by itself.
#[derive(Debug, Default)]
pub(crate) struct Delays(Mutex<HashMap<Digest, u32>>);

impl Delays {
    /// Counts a delay; the number of delays so far, this one included, or `None` where no more are remembered.
    pub(crate) fn add(&self, id: &Digest) -> Option<u32> {
        let mut delays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if delays.len() >= MAX_REMEMBERED && !delays.contains_key(id) {
            return None;
        }
        let count = delays.entry(*id).or_default();
        *count += 1;
        Some(*count)
    }

    /// The parcel is settled.
    pub(crate) fn forget(&self, id: &Digest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_repeat_exactly() {
        let backoff = Backoff::default();
        for id in (0..50_u8).map(|byte| Digest::of(&[byte])) {
            for attempt in 1..40 {
                let full = (Duration::from_millis(100) * 2_u32.pow((attempt - 1).min(20))).min(backoff.max);
                let pause = backoff.pause(&id, attempt);
                assert!(pause >= full / 2 && pause <= full, "{pause:?} after attempt {attempt}");
                assert_eq!(pause, backoff.pause(&id, attempt));
            }
        }
    }

    #[test]
    fn parcels_that_failed_together_come_back_apart() {
        let backoff = Backoff::default();
        let pauses: std::collections::BTreeSet<_> =
            (0..20_u8).map(|byte| backoff.pause(&Digest::of(&[byte]), 1)).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}
