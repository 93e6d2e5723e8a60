//! Exact order statistics without keeping the values: each pass over them fixes the next bits of every answer.

/// Bits that one pass fixes.
const BITS: u32 = 11;

/// The values of the given ranks (0 is the smallest), each rank below the number of values. Six passes;
/// 16 KiB a rank, however many values there are.
pub(crate) fn order_statistics<I: Iterator<Item = f64>>(values: impl Fn() -> I, ranks: &[u64]) -> Vec<f64> {
    let mut searches: Vec<Search> = ranks.iter().map(|&rank| Search::new(rank)).collect();
    let mut fixed = 0;
    while fixed < u64::BITS {
        let bits = BITS.min(u64::BITS - fixed);
        searches.iter_mut().for_each(|search| search.counts.fill(0));
        for key in values().map(ordered) {
            searches.iter_mut().for_each(|search| search.count(key, fixed, bits));
        }
        searches.iter_mut().for_each(|search| search.choose(bits));
        fixed += bits;
    }
    searches.iter().map(|search| unordered(search.prefix)).collect()
}

struct Search {
    /// Rank among the values that begin with `prefix`.
    rank: u64,
    /// The bits known so far.
    prefix: u64,
    /// How many values go on with each of the next bits.
    counts: Vec<u64>,
}

impl Search {
    fn new(rank: u64) -> Self {
        Self { rank, prefix: 0, counts: vec![0; 1 << BITS] }
    }

    fn count(&mut self, key: u64, fixed: u32, bits: u32) {
        let known = key.checked_shr(u64::BITS - fixed).unwrap_or(0);
        if known == self.prefix {
            let next = (key << fixed) >> (u64::BITS - bits);
            self.counts[next as usize] += 1;
        }
    }

    fn choose(&mut self, bits: u32) {
        let mut next = 0;
        while next + 1 < 1 << bits && self.rank >= self.counts[next] {
            self.rank -= self.counts[next];
            next += 1;
        }
        self.prefix = (self.prefix << bits) | next as u64;
    }
}

/// A number whose order among unsigned ones is that of `value` among floats.
pub(crate) fn ordered(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

/// The value that [`ordered`] gave.
pub(crate) fn unordered(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_of_the_sorted_values(mut values in prop::collection::vec(-1e300..1e300_f64, 1..40)) {
            let ranks: Vec<u64> = (0..values.len() as u64).step_by(7).collect();
            let found = order_statistics(|| values.iter().copied(), &ranks);
            values.sort_by(f64::total_cmp);
            let expected: Vec<f64> = values.into_iter().step_by(7).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn zeros_and_equal_values_have_their_ranks() {
        let values = [3.0, 0.0, -1.0, 3.0, 3.0];
        assert_eq!(order_statistics(|| values.into_iter(), &[0, 1, 2, 4]), [-1.0, 0.0, 3.0, 3.0]);
    }
}
