//! Manifests in the store, for those who only read them.

use quire_proto::{
    Digest, Epoch,
    codec::{self, CodecError},
    manifest::{Chunk, Entry, FORMAT, Manifest},
};

use crate::{Store, StoreError};

/// Why a manifest could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is there is no manifest, or no rows of one.
    #[error("cannot read {what}")]
    Decode {
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        source: CodecError,
    },
}

/// The epoch of the newest manifest of `catalogue`, if it has one.
///
/// # Errors
/// [`StoreError`].
pub fn newest_epoch(store: &Store, catalogue: &str) -> Result<Option<Epoch>, StoreError> {
    let epochs = store.list(&format!("manifests/{catalogue}"))?;
    Ok(epochs.iter().filter_map(|epoch| epoch.parse().ok()).max().map(Epoch))
}

/// The newest manifest of `catalogue` with the digest of its bytes; `None` if there is none in our format.
///
/// # Errors
/// [`ManifestError`].
pub fn newest(store: &Store, catalogue: &str) -> Result<Option<(Manifest, Digest)>, ManifestError> {
    let Some(epoch) = newest_epoch(store, catalogue)? else { return Ok(None) };
    let Some(bytes) = store.read(&format!("manifests/{catalogue}/{}", epoch.0))? else { return Ok(None) };
    let manifest: Manifest =
        codec::decode(&bytes).map_err(|source| ManifestError::Decode { what: "the manifest", source })?;
    Ok((manifest.format == FORMAT).then(|| (manifest, Digest::of(&bytes))))
}

/// The accepted record of `key`; reads the one chunk that may have it.
///
/// # Errors
/// [`ManifestError`].
pub fn entry(store: &Store, manifest: &Manifest, key: &str) -> Result<Option<Entry>, ManifestError> {
    let at = manifest.entries.partition_point(|chunk| chunk.last.as_str() < key);
    let Some(Chunk { rows, .. }) = manifest.entries.get(at) else { return Ok(None) };
    let rows: Vec<Entry> = codec::decode(&store.get_slice(rows)?)
        .map_err(|source| ManifestError::Decode { what: "the manifest's rows", source })?;
    Ok(rows.into_iter().find(|entry| entry.record.key == key))
}
