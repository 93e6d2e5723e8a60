//! Outcomes of pure work, kept across runs: a run that is planned again does nothing twice.

use quire_cache::{Cache, CacheOptions, CacheStore};
use quire_proto::{CatalogueRef, Digest, DigestBuilder, Outcome, PackSlice, Work};

use crate::Store;

/// The cache's name.
pub const RESULTS: &str = "results";
/// Raised when handlers come to give other results for the same work. The release is part of the key as well.
const GENERATION: u64 = 2;

/// Outcomes by [`Work::pure_digest`]. Cheap to clone.
#[derive(Clone)]
pub struct ResultsCache(Option<Cache<Outcome>>);

impl ResultsCache {
    /// Keeps outcomes in `caches`, under the name [`RESULTS`].
    #[must_use]
    pub fn new(caches: &CacheStore) -> Self {
        let options = CacheOptions { shared: true, ..CacheOptions::default() };
        Self(Some(caches.cache(RESULTS, options)))
    }

    /// Keeps nothing.
    #[must_use]
    pub const fn disabled() -> Self {
        Self(None)
    }

    /// The key of `work`, where it is pure and results are kept at all.
    #[must_use]
    pub fn key(&self, work: &Work, catalogue: &CatalogueRef) -> Option<Digest> {
        self.0.as_ref()?;
        let digest = work.pure_digest(catalogue)?;
        let key = DigestBuilder::new("quire result").number(GENERATION).text(env!("CARGO_PKG_VERSION"));
        Some(key.digest(&digest).finish())
    }

    /// The outcome kept under `key`, if every pack that it names is still in the store. Blocks.
    #[must_use]
    pub fn get(&self, key: &Digest, store: &Store) -> Option<Outcome> {
        let cache = self.0.as_ref()?;
        let outcome = cache.get(key.as_bytes())?;
        match store.has_slices(slices(&outcome)) {
            Ok(true) => Some(outcome),
            Ok(false) => {
                cache.remove(key.as_bytes());
                None
            }
            // Nobody knows: made again now, and kept for when the store can be asked.
            Err(error) => {
                tracing::debug!(error = crate::chain(&error), "a result cannot be looked for");
                None
            }
        }
    }

    /// Keeps an outcome. Blocks.
    pub fn put(&self, key: &Digest, outcome: &Outcome) {
        if let Some(cache) = &self.0 {
            cache.put(key.as_bytes(), outcome);
        }
    }
}

impl std::fmt::Debug for ResultsCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ResultsCache").field(&self.0.is_some()).finish()
    }
}

/// What an outcome names in the store.
fn slices(outcome: &Outcome) -> Vec<&PackSlice> {
    match outcome {
        Outcome::Validated { verdicts, bodies } => [verdicts].into_iter().chain(bodies).collect(),
        Outcome::Indexed { documents } => documents.iter().map(|record| &record.document).collect(),
        Outcome::Rendered { pages } => {
            pages.iter().flat_map(|record| &record.files).map(|file| &file.from).collect()
        }
        Outcome::Listed { .. }
        | Outcome::Read { .. }
        | Outcome::Published { .. }
        | Outcome::Split
        | Outcome::InputLost { .. }
        | Outcome::NoRoom { .. }
        | Outcome::Dead { .. } => Vec::new(),
    }
}
