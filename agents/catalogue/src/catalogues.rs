//! Catalogues by bundle, so that the agents of a process compile each only once.

use std::sync::{Arc, Mutex, PoisonError};

use quire_proto::Digest;

use crate::{Bundle, BundleError, Catalogue, Diagnostics};

/// Most catalogues that are kept; the one unused for longest goes first.
const MAX_KEPT: usize = 16;

/// A shared, bounded collection of catalogues by the digest of their bundle. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Catalogues {
    /// Most recently used last.
    kept: Arc<Mutex<Vec<(Digest, Catalogue)>>>,
}

/// Why a catalogue cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CataloguesError<E> {
    /// The bundle could not be loaded.
    #[error("cannot load the bundle")]
    Load(#[source] E),
    /// What was loaded is not a bundle.
    #[error("cannot read the bundle")]
    Bundle(#[from] BundleError),
    /// What was loaded is another bundle.
    #[error("bundle has the digest {found}")]
    Digest {
        /// The digest of what was loaded.
        found: Digest,
    },
    /// The bundle's catalogue cannot be used.
    #[error("{} problems in catalogue.yaml", .0.len())]
    Definition(#[source] Diagnostics),
}

impl Catalogues {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The catalogue of the bundle `digest`, encoded by [`Bundle::encode`]; `load` is called if it is not kept.
    ///
    /// # Errors
    /// [`CataloguesError`] if loading fails, or what was loaded is not that bundle or not a catalogue.
    pub fn get<E>(
        &self,
        digest: &Digest,
        load: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Catalogue, CataloguesError<E>> {
        if let Some(kept) = self.kept(digest) {
            return Ok(kept);
        }
        // Loaded outside the lock: two threads may both do it once, none waits for the other's I/O.
        let bundle = Bundle::decode(&load().map_err(CataloguesError::Load)?)?;
        if bundle.digest() != *digest {
            return Err(CataloguesError::Digest { found: bundle.digest() });
        }
        let catalogue = Catalogue::load(bundle).map_err(CataloguesError::Definition)?;
        Ok(self.keep(*digest, catalogue))
    }

    fn kept(&self, digest: &Digest) -> Option<Catalogue> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == digest)?;
        let entry = kept.remove(at);
        let catalogue = entry.1.clone();
        kept.push(entry);
        Some(catalogue)
    }

    /// Keeps a catalogue; if another thread was faster, its copy is returned, so that both compile the same.
    fn keep(&self, digest: Digest, catalogue: Catalogue) -> Catalogue {
        if let Some(kept) = self.kept(&digest) {
            return kept;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.remove(0);
        }
        kept.push((digest, catalogue.clone()));
        catalogue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "catalogue: a\ntitle: A\nsources: [{name: s, files: {include: ['*'], format: json}}]\n\
                        record: {key: .id, title: .id}\n";

    fn bundle() -> Bundle {
        Bundle::new([("catalogue.yaml".to_owned(), YAML.as_bytes().to_vec())].into())
    }

    #[test]
    fn a_catalogue_is_loaded_once() {
        let (catalogues, digest) = (Catalogues::new(), bundle().digest());
        let mut loads = 0;
        for _ in 0..3 {
            let load = || {
                loads += 1;
                Ok::<_, BundleError>(bundle().encode())
            };
            assert_eq!(catalogues.get(&digest, load).unwrap().name(), "a");
        }
        assert_eq!(loads, 1);
    }

    #[test]
    fn another_bundle_is_refused() {
        let found = Catalogues::new().get(&Digest::of(b"other"), || Ok::<_, BundleError>(bundle().encode()));
        assert!(matches!(found, Err(CataloguesError::Digest { .. })));
    }

    #[test]
    fn the_number_of_kept_catalogues_is_bounded() {
        let catalogues = Catalogues::new();
        for number in 0..2 * MAX_KEPT {
            let yaml = format!("{YAML}description: {number}\n");
            let bundle = Bundle::new([("catalogue.yaml".to_owned(), yaml.into_bytes())].into());
            catalogues.get(&bundle.digest(), || Ok::<_, BundleError>(bundle.encode())).unwrap();
        }
        assert_eq!(catalogues.kept.lock().unwrap().len(), MAX_KEPT);
    }
}
