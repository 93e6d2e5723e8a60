//! The object store that agents share: packs and bundles by content address, manifests by name.
//!
//! [`Store`] is the handle; its backends are a folder ([`folder`]) and a bucket of S3's protocol ([`remote`] over
//! [`bucket`]), under one contract suite. All calls block: use them from [`crate::Context::compute`] or from a blocking
//! thread.

mod bucket;
mod error;
mod folder;
mod memory;
mod name;
mod remote;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::SystemTime};

use bytes::Bytes;
use quire_proto::{Digest, PackSlice, pack::FinishedPack};

use folder::LocalFolder;
use memory::RecentBlobs;
use remote::Remote;

pub use bucket::{Bucket, BucketTrouble, Labels, Listed, Listing, Look, S3Settings, StorePlace};
pub use error::StoreError;

/// Bytes of recent blobs that are kept in memory, unless said otherwise.
const RECENT_BYTES: usize = 16 * 1024 * 1024;

/// A handle of the store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    backend: Backend,
    recent: Arc<RecentBlobs>,
}

/// Where it lies.
#[derive(Debug, Clone)]
enum Backend {
    Folder(Arc<LocalFolder>),
    Bucket(Arc<Remote>),
}

/// Does the same with either backend.
macro_rules! backend {
    ($store:expr, $it:ident => $done:expr) => {
        match &$store.backend {
            Backend::Folder($it) => $done,
            Backend::Bucket($it) => $done,
        }
    };
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
        Ok(Self::new(Backend::Folder(Arc::new(LocalFolder::open(dir)?)), recent_bytes))
    }

    /// The store in `bucket`. Nothing is asked of the server: [`Bucket::probe`] tells whether it does.
    #[must_use]
    pub fn in_bucket(bucket: Bucket) -> Self {
        Self::new(Backend::Bucket(Arc::new(Remote::new(bucket))), RECENT_BYTES)
    }

    fn new(backend: Backend, recent_bytes: usize) -> Self {
        Self { backend, recent: Arc::new(RecentBlobs::new(recent_bytes)) }
    }

    /// Its folder, if it lies in one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.backend {
            Backend::Folder(folder) => Some(folder.dir()),
            Backend::Bucket(_) => None,
        }
    }

    /// Its bucket, if it lies in one.
    #[must_use]
    pub fn bucket(&self) -> Option<&Bucket> {
        match &self.backend {
            Backend::Folder(_) => None,
            Backend::Bucket(remote) => Some(remote.bucket()),
        }
    }

    /// Stores a pack. Idempotent; in a folder, nothing is written if it is there already.
    ///
    /// It appears whole, but in a folder it is not forced to the disk: after a power cut it may be short. That is found
    /// when it is read, and the pack is made again.
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
        backend!(self, it => it.put_blob(digest, bytes))?;
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
        let bytes = backend!(self, it => it.get_blob(digest))?.ok_or(StoreError::Missing(*digest))?;
        if Digest::of(&bytes) != *digest {
            match backend!(self, it => it.remove_damaged(digest)) {
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

    /// Whether there is an object for this digest; its content is verified only when it is read.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn has_blob(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(backend!(self, it => it.blob_bytes(digest))?.is_some())
    }

    /// Whether the slice's pack is there and long enough, which a file cut short by a power cut is not.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn has_slice(&self, slice: &PackSlice) -> Result<bool, StoreError> {
        let bytes = backend!(self, it => it.blob_bytes(&slice.pack))?;
        let end = slice.offset.checked_add(slice.len);
        Ok(bytes.zip(end).is_some_and(|(bytes, end)| end <= bytes))
    }

    /// Whether [`Store::has_slice`] holds for all of them. A pack is looked for once, and in a bucket many at a time.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn has_slices<'a>(
        &self,
        slices: impl IntoIterator<Item = &'a PackSlice>,
    ) -> Result<bool, StoreError> {
        let mut ends = BTreeMap::new();
        for slice in slices {
            let Some(end) = slice.offset.checked_add(slice.len) else { return Ok(false) };
            let known = ends.entry(slice.pack).or_insert(end);
            *known = end.max(*known);
        }
        backend!(self, it => it.have(&ends))
    }

    /// Removes a blob; says whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove_blob(&self, digest: &Digest) -> Result<bool, StoreError> {
        self.recent.remove(digest);
        backend!(self, it => it.remove_blob(digest))
    }

    /// Removes blobs, those that are there; in a bucket many at a time.
    ///
    /// # Errors
    /// [`StoreError::Io`]; some may be removed.
    pub fn remove_blobs(&self, digests: &[Digest]) -> Result<(), StoreError> {
        digests.iter().for_each(|digest| self.recent.remove(digest));
        match &self.backend {
            Backend::Folder(folder) => {
                digests.iter().try_for_each(|digest| folder.remove_blob(digest).map(drop))
            }
            Backend::Bucket(remote) => remote.remove_blobs(digests),
        }
    }

    /// All blobs with their size in bytes and the time when they were written, in no particular order.
    pub fn blobs(&self) -> impl Iterator<Item = Result<(Digest, u64, SystemTime), StoreError>> + use<> {
        let (folder, remote) = match &self.backend {
            Backend::Folder(folder) => (Some(folder.blobs()), None),
            Backend::Bucket(remote) => (None, Some(remote.blobs())),
        };
        folder.into_iter().flatten().chain(remote.into_iter().flatten())
    }

    /// Creates a named object if there is none, atomically and durably: of several callers, in whatever
    /// process, one gets `true`, and nobody ever sees half of it.
    ///
    /// # Errors
    /// [`StoreError::Name`], [`StoreError::Io`].
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        backend!(self, it => it.create(name, bytes))
    }

    /// Writes a named object, replacing it atomically and durably.
    ///
    /// # Errors
    /// [`StoreError::Name`], [`StoreError::Io`].
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        backend!(self, it => it.put(name, bytes))
    }

    /// The bytes of a named object, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Name`], [`StoreError::Io`].
    pub fn read(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        backend!(self, it => it.read(name))
    }

    /// What lies directly under `prefix` (`manifests/findings` → `1`, `10`, `2`): last parts of the names,
    /// sorted as text. Empty if there is nothing.
    ///
    /// # Errors
    /// [`StoreError::Name`], [`StoreError::Io`].
    pub fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        backend!(self, it => it.list(prefix))
    }

    /// Removes a named object; says whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Name`], [`StoreError::Io`].
    pub fn remove(&self, name: &str) -> Result<bool, StoreError> {
        backend!(self, it => it.remove(name))
    }
}
