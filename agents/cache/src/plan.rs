//! What a rewrite keeps: the youngest entries first, counted without holding them all in memory.
//!
//! Ages fall into buckets of about 9 %. A first pass adds up bytes per cache and bucket, [`Plan::decide`] finds
//! the bucket where the room ends, a second pass asks [`Plan::keeps`] entry by entry.

use crate::{entry::now, generation::Listed};

const BUCKETS: usize = 520;
/// What an entry costs beside its key and value.
const OVERHEAD_BYTES: u64 = 64;

/// Room for the youngest bytes: all of the buckets before `bucket`, and `rest` bytes of that one.
#[derive(Debug, Clone, Copy)]
struct Cut {
    bucket: usize,
    rest: u64,
}

#[derive(Debug)]
struct CachePlan {
    bytes: Vec<u64>,
    most: u64,
    cut: Cut,
}

/// The plan of one rewrite.
#[derive(Debug)]
pub(crate) struct Plan {
    now: u64,
    most: u64,
    cut: Cut,
    caches: Vec<CachePlan>,
}

impl Plan {
    pub(crate) fn new(most: u64) -> Self {
        Self { now: now(), most, cut: Cut { bucket: BUCKETS, rest: 0 }, caches: Vec::new() }
    }

    /// Adds a cache of which at most `most` bytes are kept; returns its number.
    pub(crate) fn cache(&mut self, most: u64) -> usize {
        self.caches.push(CachePlan { bytes: vec![0; BUCKETS], most, cut: self.cut });
        self.caches.len() - 1
    }

    /// First pass: counts an entry.
    pub(crate) fn count(&mut self, cache: usize, entry: &Listed, recent: bool) {
        let bucket = self.bucket(entry, recent);
        if let Some(bytes) = self.caches.get_mut(cache).and_then(|cache| cache.bytes.get_mut(bucket)) {
            *bytes += entry.bytes + OVERHEAD_BYTES;
        }
    }

    /// Between the passes: finds where the room ends.
    pub(crate) fn decide(&mut self) {
        let mut all = vec![0; BUCKETS];
        for cache in &mut self.caches {
            cache.cut = cut(&cache.bytes, cache.most);
            for (bucket, (all, bytes)) in all.iter_mut().zip(&cache.bytes).enumerate() {
                *all += match bucket.cmp(&cache.cut.bucket) {
                    std::cmp::Ordering::Less => *bytes,
                    std::cmp::Ordering::Equal => cache.cut.rest.min(*bytes),
                    std::cmp::Ordering::Greater => 0,
                };
            }
        }
        self.cut = cut(&all, self.most);
    }

    /// Second pass: whether an entry is kept. Call once an entry.
    pub(crate) fn keeps(&mut self, cache: usize, entry: &Listed, recent: bool) -> bool {
        let bucket = self.bucket(entry, recent);
        let bytes = entry.bytes + OVERHEAD_BYTES;
        let Some(cache) = self.caches.get_mut(cache) else { return false };
        cache.cut.admits(bucket, bytes) && self.cut.admits(bucket, bytes)
    }

    fn bucket(&self, entry: &Listed, recent: bool) -> usize {
        if recent {
            return 0;
        }
        let age = self.now.saturating_sub(entry.stamp).saturating_add(1) as f64;
        1 + (age.log2() * 8.0) as usize
    }
}

impl Cut {
    fn admits(&mut self, bucket: usize, bytes: u64) -> bool {
        if bucket == self.bucket && bytes <= self.rest {
            self.rest -= bytes;
            return true;
        }
        bucket < self.bucket
    }
}

fn cut(bytes: &[u64], most: u64) -> Cut {
    let mut rest = most;
    for (bucket, bytes) in bytes.iter().enumerate() {
        match rest.checked_sub(*bytes) {
            Some(left) => rest = left,
            None => return Cut { bucket, rest },
        }
    }
    Cut { bucket: BUCKETS, rest: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(stamp: u64) -> Listed {
        Listed { key: vec![0; 36], stamp, bytes: 36 }
    }

    #[test]
    fn the_youngest_entries_are_kept_and_those_used_before_all_others() {
        let mut plan = Plan::new(250);
        let start = plan.now;
        let entries: Vec<Listed> = [100_000, 0, 10_000, 1_000].map(|age| entry(start - age)).into();
        let recent = |entry: &Listed| entry.stamp == start - 100_000;
        let cache = plan.cache(u64::MAX);
        entries.iter().for_each(|entry| plan.count(cache, entry, recent(entry)));
        plan.decide();
        let kept: Vec<bool> = entries.iter().map(|entry| plan.keeps(cache, entry, recent(entry))).collect();
        assert_eq!(kept, [true, true, false, false]);
    }

    #[test]
    fn entries_of_one_age_fill_the_room_and_one_cache_keeps_to_its_share() {
        let mut plan = Plan::new(1_000);
        let (small, large) = (plan.cache(300), plan.cache(u64::MAX));
        let entry = entry(plan.now - 5);
        for cache in [small, large] {
            (0..50).for_each(|_| plan.count(cache, &entry, false));
        }
        plan.decide();
        let kept = |plan: &mut Plan, cache| (0..50).filter(|_| plan.keeps(cache, &entry, false)).count();
        assert_eq!(kept(&mut plan, small), 3);
        assert_eq!(kept(&mut plan, large), 7);
    }

    #[test]
    fn any_stamp_has_a_bucket() {
        let plan = Plan::new(0);
        for stamp in [0, 1, plan.now, u64::MAX] {
            assert!(plan.bucket(&entry(stamp), false) < BUCKETS);
        }
    }
}
