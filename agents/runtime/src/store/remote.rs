//! The store in a bucket: the same names as in a folder are its keys.

use std::{collections::BTreeMap, io, time::SystemTime};

use bytes::Bytes;
use quire_proto::Digest;

use super::{
    StoreError,
    bucket::{Bucket, Labels},
    name::{self, BLOBS},
};

/// Largest object that is read.
const MAX_OBJECT: u64 = 1 << 30;
/// Blobs looked for or removed at a time.
const AT_ONCE: usize = 256;

#[derive(Debug)]
pub(super) struct Remote {
    bucket: Bucket,
}

impl Remote {
    pub(super) const fn new(bucket: Bucket) -> Self {
        Self { bucket }
    }

    pub(super) const fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Writes it even if it is there: that takes one request, as looking does, and mends it where it is damaged.
    pub(super) fn put_blob(&self, digest: &Digest, bytes: &Bytes) -> Result<(), StoreError> {
        self.bucket
            .put(&name::of_blob(digest), bytes, &Labels::default())
            .map_err(|error| StoreError::io("writing blob", digest.to_hex(), error))
    }

    pub(super) fn get_blob(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        self.bucket
            .get(&name::of_blob(digest), MAX_OBJECT)
            .map_err(|error| StoreError::io("reading blob", digest.to_hex(), error))
    }

    pub(super) fn blob_bytes(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        match self.bucket.look(&name::of_blob(digest)) {
            Ok(found) => Ok(found.map(|found| found.bytes)),
            Err(error) => Err(StoreError::io("looking for blob", digest.to_hex(), error)),
        }
    }

    /// Whether these blobs are there and have so many bytes or more.
    pub(super) fn have(&self, blobs: &BTreeMap<Digest, u64>) -> Result<bool, StoreError> {
        let keys: Vec<String> = blobs.keys().map(name::of_blob).collect();
        let mut wanted = blobs.values();
        for keys in keys.chunks(AT_ONCE) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let found = self.bucket.look_all(&keys);
            let found = found.map_err(|error| StoreError::io("looking for blobs", BLOBS, error))?;
            let mut pairs = found.iter().zip(&mut wanted);
            if pairs.any(|(found, wanted)| found.as_ref().is_none_or(|found| found.bytes < *wanted)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes a blob that was found damaged, unless somebody has mended it meanwhile. Somebody may do so between looking
    /// and removing: then it is missing, which its next reader says, and made again once more.
    pub(super) fn remove_damaged(&self, digest: &Digest) -> Result<(), StoreError> {
        if self.get_blob(digest)?.is_some_and(|bytes| Digest::of(&bytes) != *digest) {
            self.remove_blob(digest)?;
        }
        Ok(())
    }

    pub(super) fn remove_blob(&self, digest: &Digest) -> Result<bool, StoreError> {
        self.bucket
            .remove(&name::of_blob(digest))
            .map_err(|error| StoreError::io("removing blob", digest.to_hex(), error))
    }

    pub(super) fn remove_blobs(&self, digests: &[Digest]) -> Result<(), StoreError> {
        let keys: Vec<String> = digests.iter().map(name::of_blob).collect();
        for keys in keys.chunks(AT_ONCE) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let removed = self.bucket.remove_all(&keys);
            removed.map_err(|error| StoreError::io("removing blobs", BLOBS, error))?;
        }
        Ok(())
    }

    pub(super) fn blobs(
        &self,
    ) -> impl Iterator<Item = Result<(Digest, u64, SystemTime), StoreError>> + use<> {
        let failed = |error: io::Error| StoreError::io("listing", BLOBS, error);
        let (listing, refused) = match self.bucket.list(BLOBS) {
            Ok(listing) => (Some(listing), None),
            Err(error) => (None, Some(Err(failed(error)))),
        };
        let blobs = listing.into_iter().flatten().filter_map(move |object| {
            let object = match object {
                Ok(object) => object,
                Err(error) => return Some(Err(failed(error))),
            };
            let digest = object.key.rsplit('/').next()?.parse().ok()?;
            // What only looks like one is none of ours.
            (object.key == name::of_blob(&digest)).then_some(Ok((digest, object.bytes, object.written)))
        });
        blobs.chain(refused)
    }

    pub(super) fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let bytes = Bytes::copy_from_slice(bytes);
        self.bucket
            .create(name::check(name)?, &bytes)
            .map_err(|error| StoreError::io("creating", name, error))
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let bytes = Bytes::copy_from_slice(bytes);
        self.bucket
            .put(name::check(name)?, &bytes, &Labels::default())
            .map_err(|error| StoreError::io("writing", name, error))
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.bucket
            .get(name::check(name)?, MAX_OBJECT)
            .map_err(|error| StoreError::io("reading", name, error))
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.bucket
            .children(name::check(prefix.trim_end_matches('/'))?)
            .map_err(|error| StoreError::io("listing", prefix, error))
    }

    pub(super) fn remove(&self, name: &str) -> Result<bool, StoreError> {
        self.bucket.remove(name::check(name)?).map_err(|error| StoreError::io("removing", name, error))
    }
}
