//! A histogram of durations: constant memory, at most 3 % error.

use std::time::Duration;

/// Buckets a power of two: the error of a reading is at most half a bucket, 1/32.
const STEPS: u64 = 16;
/// Powers of two beyond the first `STEPS` microseconds: up to 2^40 µs, twelve days.
const POWERS: usize = 36;
const BUCKETS: usize = STEPS as usize * (POWERS + 1);

/// Counts durations in microseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum_us: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, sum_us: 0, max_us: 0 }
    }
}

/// What a histogram says, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Summary {
    /// Durations counted.
    pub count: u64,
    /// Mean.
    pub mean_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Longest.
    pub max_ms: f64,
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket_of(us)) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
        self.max_us = self.max_us.max(us);
    }

    /// Adds what another histogram has counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
        self.count = self.count.saturating_add(other.count);
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    /// The buckets that hold anything, with their counts: what [`Histogram::from_filled`] takes.
    pub fn filled(&self) -> impl Iterator<Item = (usize, u64)> {
        self.buckets.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// Sum and maximum, in microseconds.
    #[must_use]
    pub const fn sum_and_max_us(&self) -> (u64, u64) {
        (self.sum_us, self.max_us)
    }

    /// A histogram from the parts of another. A bucket that there is not counts as the last one.
    pub fn from_filled(filled: impl IntoIterator<Item = (usize, u64)>, sum_us: u64, max_us: u64) -> Self {
        let mut histogram = Self { sum_us, max_us, ..Self::default() };
        for (bucket, count) in filled {
            if let Some(bucket) = histogram.buckets.get_mut(bucket.min(BUCKETS - 1)) {
                *bucket = bucket.saturating_add(count);
            }
            histogram.count = histogram.count.saturating_add(count);
        }
        histogram
    }

    /// Durations counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// All durations together.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    /// The duration that a share of `quantile` (0 to 1) does not exceed.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank, rounded up"
    )]
    pub fn quantile(&self, quantile: f64) -> Duration {
        let rank = (self.count as f64 * quantile.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen = count.saturating_add(seen);
            if seen >= rank {
                return Duration::from_micros(middle_of(index).min(self.max_us));
            }
        }
        Duration::from_micros(self.max_us)
    }

    /// Count, mean, percentiles and maximum.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for people's eyes")]
    pub fn summary(&self) -> Summary {
        if self.count == 0 {
            return Summary::default();
        }
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        Summary {
            count: self.count,
            mean_ms: self.sum_us as f64 / self.count as f64 / 1e3,
            p50_ms: ms(self.quantile(0.50)),
            p95_ms: ms(self.quantile(0.95)),
            p99_ms: ms(self.quantile(0.99)),
            max_ms: self.max_us as f64 / 1e3,
        }
    }
}

/// The first `STEPS` buckets are a microsecond wide; then each power of two has `STEPS` buckets.
fn bucket_of(us: u64) -> usize {
    let power = (us / STEPS).checked_ilog2().map_or(0, |log| log + 1);
    let step = if power == 0 { us } else { (us >> (power - 1)) - STEPS };
    let index = u64::from(power) * STEPS + step;
    usize::try_from(index).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

fn middle_of(index: usize) -> u64 {
    let (power, step) = (index as u64 / STEPS, index as u64 % STEPS);
    if power == 0 {
        return step;
    }
    let width = 1 << (power - 1);
    (STEPS + step) * width + width / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_reads_back_within_three_percent() {
        for us in (0..4000).chain([10_000, 123_456, 1_000_000, 59_999_999, 3_600_000_000]) {
            let read = middle_of(bucket_of(us));
            assert!(read.abs_diff(us) * 32 <= us, "{us} µs reads as {read} µs");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_of_a_known_series() {
        let mut histogram = Histogram::default();
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }
        let summary = histogram.summary();
        assert_eq!((summary.count, summary.max_ms), (1000, 1000.0));
        assert!((summary.mean_ms - 500.5).abs() < 0.01);
        assert!((summary.p50_ms - 500.0).abs() < 16.0, "{summary:?}");
        assert!((summary.p99_ms - 990.0).abs() < 32.0, "{summary:?}");
    }

    #[test]
    fn parts_make_the_same_histogram_and_wild_ones_do_no_harm() {
        let mut histogram = Histogram::default();
        for us in [1, 17, 17, 90_000, 12_345_678] {
            histogram.record(Duration::from_micros(us));
        }
        let (sum, max) = histogram.sum_and_max_us();
        let again = Histogram::from_filled(histogram.filled(), sum, max);
        assert_eq!((again.summary(), again.sum()), (histogram.summary(), histogram.sum()));
        let wild = Histogram::from_filled([(usize::MAX, u64::MAX), (0, 1)], 0, 7);
        assert_eq!((wild.count(), wild.quantile(1.0)), (u64::MAX, Duration::from_micros(7)));
    }

    #[test]
    fn merging_is_counting_together() {
        let (mut left, mut right) = (Histogram::default(), Histogram::default());
        left.record(Duration::from_millis(1));
        right.record(Duration::from_millis(9));
        left.merge(&right);
        assert_eq!((left.count(), left.sum()), (2, Duration::from_millis(10)));
        assert_eq!(Histogram::default().summary(), Summary::default());
    }
}
