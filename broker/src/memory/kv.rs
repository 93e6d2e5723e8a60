//! Buckets in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    Bucket, Change, KvError, Revision,
    backend::{Boxed, Expect, WatchBackend},
};

/// Largest value.
const MAX_VALUE: usize = 1 << 20;
/// Largest bucket: values and keys.
const MAX_BUCKET: usize = 64 << 20;
/// Deletions that a bucket remembers for watches that are behind.
const MAX_DELETED: usize = 4096;

/// All buckets of a broker.
pub(super) struct Buckets(BTreeMap<&'static str, Arc<BucketState>>, Arc<BucketState>);

impl Buckets {
    pub(super) fn new() -> Self {
        let state = |bucket| Arc::new(BucketState::new(bucket == Bucket::Cache));
        let buckets = Bucket::ALL.map(|bucket| (bucket.as_str(), state(bucket)));
        Self(buckets.into_iter().collect(), state(Bucket::Runs))
    }

    pub(super) fn of(&self, bucket: Bucket) -> &Arc<BucketState> {
        self.0.get(bucket.as_str()).unwrap_or(&self.1)
    }

    pub(super) fn close(&self) {
        for bucket in self.0.values() {
            bucket.latest.send_modify(|latest| latest.closed = true);
        }
    }
}

/// One bucket and who watches it.
pub(super) struct BucketState {
    keys: Mutex<Keys>,
    latest: watch::Sender<Latest>,
}

#[derive(Clone, Copy, Default)]
struct Latest {
    revision: u64,
    closed: bool,
}

#[derive(Default)]
struct Keys {
    values: BTreeMap<String, (Bytes, u64)>,
    /// Every key by its last change, deleted ones too: what a watch goes through.
    changes: BTreeMap<u64, String>,
    /// The deletions among `changes`: their revisions by key, and in order.
    deleted: BTreeMap<String, u64>,
    deletions: BTreeSet<u64>,
    /// The last deletion that was forgotten.
    forgotten: u64,
    revision: u64,
    bytes: usize,
    /// Whether the oldest keys go when there is no room.
    forgets: bool,
}

impl BucketState {
    /// An empty bucket; if it `forgets`, it makes room by forgetting its oldest keys.
    fn new(forgets: bool) -> Self {
        let keys = Keys { forgets, ..Keys::default() };
        Self { keys: Mutex::new(keys), latest: watch::Sender::new(Latest::default()) }
    }

    pub(super) fn get(&self, key: &str) -> Option<(Bytes, Revision)> {
        self.lock().values.get(key).map(|(value, revision)| (value.clone(), Revision(*revision)))
    }

    pub(super) fn keys(&self, prefix: &str) -> Vec<String> {
        let keys = self.lock();
        let from = keys.values.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.map(|(key, _)| key).take_while(|key| key.starts_with(prefix)).cloned().collect()
    }

    pub(super) fn write(&self, key: &str, value: Bytes, expect: Expect) -> Result<Revision, KvError> {
        if value.len() > MAX_VALUE {
            return Err(KvError::TooLarge { bytes: value.len(), limit: MAX_VALUE });
        }
        let mut keys = self.lock();
        keys.check(key, expect)?;
        let revision = keys.write(key, value)?;
        self.tell(keys, revision);
        Ok(Revision(revision))
    }

    pub(super) fn delete(&self, key: &str, expect: Expect) -> Result<(), KvError> {
        let mut keys = self.lock();
        keys.check(key, expect)?;
        if let Some(revision) = keys.delete(key) {
            self.tell(keys, revision);
        }
        Ok(())
    }

    pub(super) fn watch(self: &Arc<Self>, prefix: &str) -> MemoryWatch {
        let began = self.lock().revision;
        MemoryWatch {
            bucket: Arc::clone(self),
            prefix: prefix.to_owned(),
            seen: 0,
            began,
            latest: self.latest.subscribe(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Under the lock, so that watches see revisions grow.
    fn tell(&self, keys: MutexGuard<'_, Keys>, revision: u64) {
        self.latest.send_modify(|latest| latest.revision = revision);
        drop(keys);
    }
}

impl Keys {
    fn check(&self, key: &str, expect: Expect) -> Result<(), KvError> {
        let found = self.values.get(key).map(|(_, revision)| Revision(*revision));
        match (expect, found) {
            (Expect::Absent, Some(found)) => Err(KvError::Exists { key: key.to_owned(), found }),
            (Expect::At(expected), found) if found != Some(expected) => {
                Err(KvError::Conflict { key: key.to_owned(), expected, found })
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, key: &str, value: Bytes) -> Result<u64, KvError> {
        let before = self.values.get(key).map_or(0, |(value, _)| key.len() + value.len());
        let bytes = self.bytes - before + key.len() + value.len();
        if bytes > MAX_BUCKET && !self.forgets {
            return Err(KvError::Full);
        }
        self.bytes = bytes;
        let revision = self.change(key);
        self.values.insert(key.to_owned(), (value, revision));
        while self.bytes > MAX_BUCKET {
            self.forget_oldest();
        }
        Ok(revision)
    }

    /// Nobody is told: what may be lost at any time is not watched for its loss.
    fn forget_oldest(&mut self) {
        let Some((oldest, key)) = self.changes.pop_first() else { return };
        self.deletions.remove(&oldest);
        self.deleted.remove(&key);
        if let Some((value, _)) = self.values.remove(&key) {
            self.bytes -= key.len() + value.len();
        }
    }

    fn delete(&mut self, key: &str) -> Option<u64> {
        let (value, _) = self.values.get(key)?;
        self.bytes -= key.len() + value.len();
        let revision = self.change(key);
        self.values.remove(key);
        self.deleted.insert(key.to_owned(), revision);
        self.deletions.insert(revision);
        if self.deletions.len() > MAX_DELETED
            && let Some(oldest) = self.deletions.pop_first()
        {
            if let Some(key) = self.changes.remove(&oldest) {
                self.deleted.remove(&key);
            }
            self.forgotten = oldest;
        }
        Some(revision)
    }

    /// Gives `key` the next revision.
    fn change(&mut self, key: &str) -> u64 {
        let value = self.values.get(key).map(|(_, revision)| *revision);
        if let Some(before) = value.or_else(|| self.deleted.remove(key)) {
            self.changes.remove(&before);
            self.deletions.remove(&before);
        }
        self.revision += 1;
        self.changes.insert(self.revision, key.to_owned());
        self.revision
    }
}

/// A watch: goes through the changes after the last one that it has seen.
pub(super) struct MemoryWatch {
    bucket: Arc<BucketState>,
    prefix: String,
    seen: u64,
    /// Deletions up to here are not news.
    began: u64,
    latest: watch::Receiver<Latest>,
}

impl MemoryWatch {
    fn next_now(&mut self) -> Result<Option<Change>, KvError> {
        let keys = self.bucket.lock();
        if keys.forgotten > self.seen.max(self.began) {
            return Err(KvError::Lagged);
        }
        for (revision, key) in keys.changes.range((Bound::Excluded(self.seen), Bound::Unbounded)) {
            self.seen = *revision;
            let value = keys.values.get(key).map(|(value, _)| value.clone());
            let news = value.is_some() || *revision > self.began;
            if news && key.starts_with(&self.prefix) {
                return Ok(Some(Change { key: key.clone(), value, revision: Revision(*revision) }));
            }
        }
        Ok(None)
    }
}

impl WatchBackend for MemoryWatch {
    fn next(&mut self) -> Boxed<'_, Result<Change, KvError>> {
        Box::pin(async move {
            loop {
                let closed = self.latest.borrow_and_update().closed;
                if let Some(change) = self.next_now()? {
                    return Ok(change);
                }
                if closed || self.latest.changed().await.is_err() {
                    return Err(KvError::Closed);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_clean(bucket: &BucketState) {
        let keys = bucket.lock();
        assert_eq!(keys.deleted.len(), keys.deletions.len());
        assert_eq!(keys.changes.len(), keys.values.len() + keys.deleted.len());
        assert!(keys.deleted.len() <= MAX_DELETED);
    }

    #[tokio::test]
    async fn deletions_are_remembered_up_to_a_limit_and_no_watch_misses_one_unknowingly() {
        let bucket = Arc::new(BucketState::new(false));
        let (mut quick, mut slow) = (bucket.watch(""), bucket.watch(""));
        for number in 0..MAX_DELETED + 10 {
            let key = format!("k{number}");
            bucket.write(&key, Bytes::from_static(b"x"), Expect::Absent).unwrap();
            bucket.delete(&key, Expect::Anything).unwrap();
            let change = quick.next().await.unwrap();
            assert_eq!((change.key, change.value), (key, None));
        }
        is_clean(&bucket);
        assert!(matches!(slow.next().await, Err(KvError::Lagged)));
        // A new watch has nothing to miss.
        bucket.write("k1", Bytes::from_static(b"y"), Expect::Absent).unwrap();
        assert_eq!(bucket.watch("").next().await.unwrap().key, "k1");
        is_clean(&bucket);
    }

    #[test]
    fn a_bucket_counts_what_it_holds() {
        let bucket = BucketState::new(false);
        for size in [10, 500, 0] {
            bucket.write("key", Bytes::from(vec![0; size]), Expect::Anything).unwrap();
            assert_eq!(bucket.lock().bytes, 3 + size);
        }
        bucket.delete("key", Expect::Anything).unwrap();
        assert_eq!(bucket.lock().bytes, 0);
    }
}
