//! Recent blobs in memory, least recently used first out, bounded in bytes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use quire_proto::Digest;

/// Keeps what was put or read lately, so that the next stage need not read the disk.
#[derive(Debug)]
pub(super) struct RecentBlobs {
    limit: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    blobs: HashMap<Digest, (Bytes, u64)>,
    by_use: BTreeMap<u64, Digest>,
    bytes: usize,
    uses: u64,
}

impl RecentBlobs {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::default() }
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<Bytes> {
        let mut inner = self.lock();
        let now = inner.next_use();
        let (bytes, used) = inner.blobs.get_mut(digest)?;
        let (bytes, before) = (bytes.clone(), std::mem::replace(used, now));
        inner.by_use.remove(&before);
        inner.by_use.insert(now, *digest);
        Some(bytes)
    }

    /// A blob of more than a quarter of the limit is not kept: it would push out everything else.
    pub(super) fn put(&self, digest: &Digest, bytes: &Bytes) {
        if bytes.len() > self.limit / 4 {
            return;
        }
        let mut inner = self.lock();
        inner.remove(digest);
        let now = inner.next_use();
        inner.bytes += bytes.len();
        inner.blobs.insert(*digest, (bytes.clone(), now));
        inner.by_use.insert(now, *digest);
        while inner.bytes > self.limit {
            let Some((_, oldest)) = inner.by_use.first_key_value() else { break };
            let oldest = *oldest;
            inner.remove(&oldest);
        }
    }

    pub(super) fn remove(&self, digest: &Digest) {
        self.lock().remove(digest);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    fn remove(&mut self, digest: &Digest) {
        if let Some((bytes, used)) = self.blobs.remove(digest) {
            self.bytes -= bytes.len();
            self.by_use.remove(&used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(byte: u8) -> (Digest, Bytes) {
        let bytes = Bytes::from(vec![byte; 100]);
        (Digest::of(&bytes), bytes)
    }

    #[test]
    fn the_least_recently_used_goes_first_and_the_limit_holds() {
        let recent = RecentBlobs::new(450);
        let blobs: Vec<_> = (0..5).map(blob).collect();
        for (digest, bytes) in &blobs[..4] {
            recent.put(digest, bytes);
        }
        assert!(recent.get(&blobs[0].0).is_some());
        recent.put(&blobs[4].0, &blobs[4].1);
        assert!(recent.get(&blobs[1].0).is_none(), "the least recently used was kept");
        assert!(recent.get(&blobs[0].0).is_some());
        assert!(recent.lock().bytes <= 450);
    }

    #[test]
    fn putting_a_blob_twice_counts_it_once() {
        let recent = RecentBlobs::new(1000);
        let (digest, bytes) = blob(1);
        recent.put(&digest, &bytes);
        recent.put(&digest, &bytes);
        assert_eq!(recent.lock().bytes, 100);
        recent.remove(&digest);
        let inner = recent.lock();
        assert_eq!((inner.bytes, inner.by_use.len()), (0, 0));
    }
}
