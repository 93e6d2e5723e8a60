//! Who is left alone for a while, and how many jobs go together.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// First pause after trouble that is not a job's fault, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Trouble in a row makes pauses longer.
#[derive(Debug, Default)]
pub(super) struct Pause {
    times: u32,
    until: Option<Instant>,
}

impl Pause {
    /// Begins the next pause; how long it is.
    pub(super) fn begin(&mut self) -> Duration {
        let pause = PAUSES.0.saturating_mul(1 << self.times.min(16)).min(PAUSES.1);
        self.times += 1;
        self.until = Some(Instant::now() + pause);
        pause
    }

    /// There was no trouble.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_on(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }
}

/// Jobs whose source is away: each has its pause, others go on.
#[derive(Debug, Default)]
pub(super) struct Held(HashMap<String, Pause>);

impl Held {
    /// Holds a job.
    pub(super) fn hold(&mut self, name: &str) {
        self.0.entry(name.to_owned()).or_default().begin();
    }

    /// The job's source has answered.
    pub(super) fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Pause::is_on)
    }

    /// Jobs that were held and have not been done since.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

/// How many jobs go together: fewer after a run that failed as a whole, so that the job at fault is found.
#[derive(Debug)]
pub(super) struct Size {
    most: usize,
    now: usize,
}

impl Size {
    pub(super) fn new(most: usize) -> Self {
        Self { most, now: most }
    }

    pub(super) const fn now(&self) -> usize {
        self.now
    }

    /// A run of so many failed.
    pub(super) fn less(&mut self, failed: usize) {
        self.now = (failed / 4).clamp(1, self.most);
    }

    /// A run went well.
    pub(super) fn more(&mut self) {
        self.now = self.now.saturating_mul(4).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_sizes_shrink_until_all_is_well() {
        let mut pause = Pause::default();
        assert!(!pause.is_on());
        let lengths: Vec<u64> = (0..8).map(|_| pause.begin().as_secs()).collect();
        assert_eq!(lengths, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(pause.is_on());
        pause.end();
        assert!(!pause.is_on());
        let mut size = Size::new(500);
        let mut sizes = Vec::new();
        while size.now() > 1 {
            size.less(size.now());
            sizes.push(size.now());
        }
        assert_eq!(sizes, [125, 31, 7, 1]);
        (0..9).for_each(|_| size.more());
        assert_eq!(size.now(), 500);
    }
}
