//! Which keys were used since the folder was opened, roughly: a rewrite keeps those first.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

const WORDS: usize = 1 << 14;

/// A Bloom filter of 2^20 bits: never forgets a key, now and then takes one for used that was not.
#[derive(Debug)]
pub(crate) struct Recent {
    words: Box<[AtomicU64]>,
}

impl Recent {
    pub(crate) fn new() -> Self {
        Self { words: (0..WORDS).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(crate) fn note(&self, name: &str, key: &[u8]) {
        for (word, bit) in places(name, key) {
            if let Some(word) = self.words.get(word) {
                word.fetch_or(bit, Relaxed);
            }
        }
    }

    pub(crate) fn knows(&self, name: &str, key: &[u8]) -> bool {
        places(name, key)
            .iter()
            .all(|&(word, bit)| self.words.get(word).is_some_and(|word| word.load(Relaxed) & bit != 0))
    }
}

fn places(name: &str, key: &[u8]) -> [(usize, u64); 2] {
    let mut hasher = DefaultHasher::new();
    (name, key).hash(&mut hasher);
    let hash = hasher.finish();
    [hash, hash >> 32].map(|hash| ((hash >> 6) as usize % WORDS, 1 << (hash & 63)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noted_key_is_known_and_most_others_are_not() {
        let recent = Recent::new();
        for n in 0..10_000u32 {
            recent.note("memo", &n.to_be_bytes());
        }
        assert!((0..10_000u32).all(|n| recent.knows("memo", &n.to_be_bytes())));
        let wrong = (10_000..20_000u32).filter(|n| recent.knows("memo", &n.to_be_bytes())).count();
        assert!(wrong < 100, "{wrong}");
    }
}
