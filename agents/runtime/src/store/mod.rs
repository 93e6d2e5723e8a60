//! The object store that agents share: packs and bundles by content address, manifests by name.
//!
//! [`Store`] is the handle; the one backend so far is a local folder ([`local`]). All calls block: use
//! them from [`crate::Context::compute`] or from a blocking thread.

mod local;
mod memory;

use std::{io, path::Path, sync::Arc, time::SystemTime};

use bytes::Bytes;
use quire_proto::{Digest, PackSlice, pack::FinishedPack};

use local::LocalFolder;
use memory::RecentBlobs;

/// Bytes of recent blobs that are kept in memory, unless said otherwise.
const RECENT_BYTES: usize = 16 * 1024 * 1024;

/// Why the store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused.
    #[error("{doing} {name}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which object.
        name: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No such blob.
    #[error("blob {0} is not in the store")]
    Missing(Digest),
    /// The bytes are not those of the digest.
    #[error("blob {0} is damaged")]
    Damaged(Digest),
    /// A slice reaches beyond the end of its pack.
    #[error("slice {offset}+{len} reaches beyond the {bytes} bytes of pack {pack}")]
    OutOfRange {
        /// The pack.
        pack: Digest,
        /// First byte asked for.
        offset: u64,
        /// Number of bytes asked for.
        len: u64,
        /// Bytes that there are.
        bytes: u64,
    },
    /// Not a name of this store.
    #[error("not a name in the store: {0:?}")]
    Name(String),
}

impl StoreError {
    /// Whether an object that should be there is missing or not what it was: it has to be made again.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Damaged(_) | Self::OutOfRange { .. })
    }

    /// Whether the same call may succeed later. A damaged or missing object has to be made again first.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Io { .. })
    }

    fn io(doing: &'static str, name: impl Into<String>, source: io::Error) -> Self {
        Self::Io { doing, name: name.into(), source }
    }
}

/// A handle of the store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    folder: Arc<LocalFolder>,
    recent: Arc<RecentBlobs>,
}

impl Store {
    /// Opens the store in `dir`, making the folder if there is none.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder cannot be made.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, RECENT_BYTES)
    }

    /// Opens the store in `dir` with `recent_bytes` of memory for recent blobs.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder cannot be made.
    pub fn open_with(dir: &Path, recent_bytes: usize) -> Result<Self, StoreError> {
        let folder = Arc::new(LocalFolder::open(dir)?);
        Ok(Self { folder, recent: Arc::new(RecentBlobs::new(recent_bytes)) })
    }

    /// Stores a pack. Idempotent: nothing is written if it is there already.
    ///
    /// The file appears whole (temporary file and rename) but is not forced to the disk: after a power
    /// cut it may be short. That is found when it is read, and the pack is made again.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn put_pack(&self, pack: &FinishedPack) -> Result<(), StoreError> {
        self.put_blob(&pack.digest, &pack.bytes)
    }

    /// Stores bytes under their digest, as [`Store::put_pack`] does. The caller vouches for the digest;
    /// a wrong one is found by the first reader.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn put_blob(&self, digest: &Digest, bytes: &Bytes) -> Result<(), StoreError> {
        self.folder.put_blob(digest, bytes)?;
        self.recent.put(digest, bytes);
        Ok(())
    }

    /// The bytes of a blob, from memory if it was used lately, else read and verified.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Damaged`] (the file is gone then, if it could be removed), [`StoreError::Io`].
    pub fn get_blob(&self, digest: &Digest) -> Result<Bytes, StoreError> {
        if let Some(bytes) = self.recent.get(digest) {
            return Ok(bytes);
        }
        let bytes = self.folder.get_blob(digest)?.ok_or(StoreError::Missing(*digest))?;
        if Digest::of(&bytes) != *digest {
            match self.folder.remove_damaged(digest) {
                Ok(()) => tracing::warn!(blob = %digest, "damaged blob removed"),
                // It is damaged all the same, and found so by its next reader.
                Err(error) => tracing::warn!(blob = %digest, %error, "damaged blob cannot be removed"),
            }
            return Err(StoreError::Damaged(*digest));
        }
        self.recent.put(digest, &bytes);
        Ok(bytes)
    }

    /// The bytes of a slice, without copying them out of their pack.
    ///
    /// # Errors
    /// As [`Store::get_blob`], and [`StoreError::OutOfRange`].
    pub fn get_slice(&self, slice: &PackSlice) -> Result<Bytes, StoreError> {
        let pack = self.get_blob(&slice.pack)?;
        let range = usize::try_from(slice.offset).ok().zip(usize::try_from(slice.len).ok());
        range
            .and_then(|(start, len)| Some(start..start.checked_add(len)?))
            .filter(|range| range.end <= pack.len())
            .map(|range| pack.slice(range))
            .ok_or(StoreError::OutOfRange {
                pack: slice.pack,
                offset: slice.offset,
                len: slice.len,
                bytes: pack.len() as u64,
            })
    }

    /// Whether there is a file for this digest; its content is verified only when it is read.
    #[must_use]
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.folder.blob_bytes(digest).is_some()
    }

    /// Whether the slice's pack is there and long enough, which a file cut short by a power cut is not.
    #[must_use]
    pub fn has_slice(&self, slice: &PackSlice) -> bool {
        let end = slice.offset.checked_add(slice.len);
        self.folder.blob_bytes(&slice.pack).zip(end).is_some_and(|(bytes, end)| end <= bytes)
    }

    /// Removes a blob; says whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove_blob(&self, digest: &Digest) -> Result<bool, StoreError> {
        self.recent.remove(digest);
        self.folder.remove_blob(digest)
    }

    /// All blobs with their size in bytes and the time when they were written, in no particular order.
    pub fn blobs(&self) -> impl Iterator<Item = Result<(Digest, u64, SystemTime), StoreError>> + use<> {
        self.folder.blobs()
    }

    /// Creates a named object if there is none, atomically and durably: of several callers, in whatever
    /// process, one gets `true`, and nobody ever sees half of it.
    ///
    /// # Errors
    /// [`StoreError::Name`], [`StoreError::Io`].
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        self.folder.create(name, bytes)
    }

    /// Writes a named object, replacing it atomically and durably.
    ///
    /// # Errors
    /// [`StoreError::Name`], [`StoreError::Io`].
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.folder.put(name, bytes)
    }

    /// The bytes of a named object, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Name`], [`StoreError::Io`].
    pub fn read(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.folder.read(name)
    }

    /// What lies directly under `prefix` (`manifests/findings` → `1`, `10`, `2`): last parts of the names,
    /// sorted as text. Empty if there is nothing.
    ///
    /// # Errors
    /// [`StoreError::Name`], [`StoreError::Io`].
    pub fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.folder.list(prefix)
    }

    /// Removes a named object; says whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Name`], [`StoreError::Io`].
    pub fn remove(&self, name: &str) -> Result<bool, StoreError> {
        self.folder.remove(name)
    }
}
