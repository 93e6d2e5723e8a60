//! From values to bins: five by default, each with a colour.

use serde::{Deserialize, Serialize};

use crate::{
    error::LARGEST,
    quantile::{order_statistics, ordered, unordered},
};

/// Most bins of a scale: more cannot be told apart.
pub const MOST_BINS: usize = 9;

/// How the range of the values is cut into bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Bins of equal width.
    #[default]
    Linear,
    /// Bins whose width grows with the distance from the smallest value: equal widths of `ln(1 + v - smallest)`.
    Log,
    /// Bins with equally many values; thresholds are values that occur (nearest rank).
    Quantile,
}

/// Where each bin ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// One more than there are bins, not falling.
    thresholds: Vec<f64>,
    /// The greatest value of each bin but the last; infinite where there is no such bin.
    greatest: [f64; MOST_BINS - 1],
}

impl Scale {
    /// Bins of equal width between `low` and `high`: the bin of a value follows from its share of the range. If both are equal,
    /// everything is in the middle: the range becomes ±0.1, and for values so great that this is nothing, ± what is something.
    #[must_use]
    pub fn linear(low: f64, high: f64, bins: usize) -> Self {
        let (low, high) = widened(low, high);
        let span = high - low;
        Self::by_share(bins, |value| (value - low) / span, |share| low + share * span)
    }

    /// Bins of equal width in `ln(1 + v - low)`.
    #[must_use]
    pub fn log(low: f64, high: f64, bins: usize) -> Self {
        let (low, high) = widened(low, high);
        let span = (high - low).ln_1p();
        let share = |value: f64| (value - low).max(0.0).ln_1p() / span;
        Self::by_share(bins, share, |share| low + (share * span).exp_m1())
    }

    /// Bins with equally many of `values`, which are gone through several times; memory does not grow with their number.
    pub fn quantile<I: Iterator<Item = f64>>(values: impl Fn() -> I, bins: usize) -> Self {
        let bins = bins.clamp(2, MOST_BINS);
        let count = values().count() as u64;
        let rank = |step: usize| (count * step as u64).div_ceil(bins as u64).saturating_sub(1);
        let ranks: Vec<u64> = (0..=bins).map(rank).collect();
        let thresholds = if count == 0 { vec![0.0; bins + 1] } else { order_statistics(values, &ranks) };
        let mut greatest = [f64::INFINITY; MOST_BINS - 1];
        greatest[..bins - 1].copy_from_slice(&thresholds[1..bins]);
        Self { thresholds, greatest }
    }

    /// Bins whose ends are equal shares of something that does not fall as values grow.
    fn by_share(bins: usize, share_of: impl Fn(f64) -> f64, threshold: impl Fn(f64) -> f64) -> Self {
        let bins = bins.clamp(2, MOST_BINS);
        let share = |step: usize| step as f64 / bins as f64;
        let mut greatest = [f64::INFINITY; MOST_BINS - 1];
        for (step, greatest) in (1..bins).zip(&mut greatest) {
            // What the formula says of every number, found once: no division for each value.
            *greatest = last_where(|value| share_of(value) <= share(step));
        }
        Self { thresholds: (0..=bins).map(|step| threshold(share(step))).collect(), greatest }
    }

    /// The bin of a value, counted from 0; values outside are in the first or the last.
    #[must_use]
    #[inline]
    pub fn bin(&self, value: f64) -> usize {
        self.greatest.iter().map(|&greatest| usize::from(value > greatest)).sum()
    }

    /// Number of bins.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.thresholds.len() - 1
    }

    /// Where bins begin and end: one more than there are bins, from small to great.
    #[must_use]
    pub fn thresholds(&self) -> &[f64] {
        &self.thresholds
    }
}

/// The greatest number for which `holds`, which holds up to some number and not beyond it; halving finds it in 64 steps.
fn last_where(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (ordered(-LARGEST), ordered(LARGEST));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(unordered(middle)) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    unordered(low)
}

/// A range that is not empty.
fn widened(low: f64, high: f64) -> (f64, f64) {
    let (low, high) = if low <= high { (low, high) } else { (high, low) };
    if low < high {
        return (low, high);
    }
    let half = (low.abs() * 1e-12).max(0.1);
    (low - half, high + half)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bin_holds_its_upper_end() {
        let scale = Scale::linear(0.0, 10.0, 5);
        let bins: Vec<usize> =
            [-5.0, 0.0, 2.0, 2.1, 4.0, 6.0, 8.0, 8.5, 10.0, 99.0].map(|value| scale.bin(value)).into();
        assert_eq!(bins, [0, 0, 0, 1, 1, 2, 3, 4, 4, 4]);
        assert_eq!(scale.thresholds(), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
    }

    #[test]
    fn one_value_is_in_the_middle() {
        for value in [0.0, -7.0, 5.0, 1e300, -1e18] {
            assert_eq!(Scale::linear(value, value, 5).bin(value), 2, "{value}");
            assert_eq!(Scale::log(value, value, 5).bins(), 5);
        }
        assert_eq!(Scale::linear(5.0, 5.0, 5).thresholds()[0], 4.9);
    }

    proptest! {
        #[test]
        fn bins_are_those_of_the_share(low in -1e4..1e4_f64, span in 1e-3..1e4_f64, at in -0.1..1.1_f64) {
            let (scale, high) = (Scale::linear(low, low + span, 5), low + span);
            let value = low + at * span;
            let share = (value - low) / (high - low);
            let expected = [0.2, 0.4, 0.6, 0.8].iter().filter(|&&end| share > end).count();
            prop_assert_eq!(scale.bin(value), expected);
        }
    }

    #[test]
    fn logarithmic_bins_grow() {
        let scale = Scale::log(-1.0, 1e5 - 2.0, 5);
        let widths: Vec<f64> = scale.thresholds().windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(widths.windows(2).all(|pair| pair[1] > 9.0 * pair[0]), "{widths:?}");
        assert_eq!([-9.0, -1.0, 5.0, 50.0, 5e4, 1e9].map(|value| scale.bin(value)), [0, 0, 0, 1, 4, 4]);
    }

    #[test]
    fn quantile_bins_hold_equally_many() {
        let values: Vec<f64> = (0..1000).map(|at| f64::from(at * at % 997) - 500.0).collect();
        let scale = Scale::quantile(|| values.iter().copied(), 5);
        let mut counts = [0; 5];
        values.iter().for_each(|&value| counts[scale.bin(value)] += 1);
        assert!(counts.iter().all(|count| (195..=205).contains(count)), "{counts:?}");
        assert_eq!(Scale::quantile(std::iter::empty, 5).bins(), 5);
    }

    #[test]
    fn the_range_may_be_given_the_other_way_round() {
        assert_eq!(Scale::linear(3.0, 1.0, 5), Scale::linear(1.0, 3.0, 5));
    }
}
