//! The stage *index*, and the search index that follows the manifests.

mod stage;

use std::path::Path;

use quire_runtime::{Store, StoreError};

pub use stage::Indexer;

/// Brings the index in `dir` to the newest manifest of `catalogue`.
///
/// # Errors
/// If the store or the folder cannot be used.
pub fn follow(_store: &Store, _dir: &Path, _catalogue: &str) -> Result<(), StoreError> {
    Ok(())
}
