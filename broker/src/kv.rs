//! Buckets: small shared state with compare-and-set.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    KvError,
    backend::{Backend, Expect, WatchBackend},
};

/// Which bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Runs and their epochs.
    Runs,
    /// Leases.
    Leases,
    /// Settings that change while agents run.
    Config,
    /// What may be lost at any time: full, the bucket forgets its oldest keys instead of refusing new ones.
    Cache,
}

impl Bucket {
    /// All buckets.
    pub const ALL: [Self; 4] = [Self::Runs, Self::Leases, Self::Config, Self::Cache];

    /// The bucket's name at the broker.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Leases => "leases",
            Self::Config => "config",
            Self::Cache => "cache",
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When a key was last changed. Grows with every change in a bucket, also across deletions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A change of a key, as a watch sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// Its value now, or `None` if it was deleted.
    pub value: Option<Bytes>,
    /// The revision of the change.
    pub revision: Revision,
}

/// A key and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Bytes,
    /// When it was last changed.
    pub revision: Revision,
}

/// A bucket's handle. Cheap to clone.
#[derive(Clone)]
pub struct Kv {
    backend: Arc<dyn Backend>,
    bucket: Bucket,
}

/// Keys that are read at once.
const READS: usize = 32;
/// Longest key.
const MAX_KEY: usize = 256;

impl Kv {
    pub(crate) const fn new(backend: Arc<dyn Backend>, bucket: Bucket) -> Self {
        Self { backend, bucket }
    }

    /// Which bucket this is.
    #[must_use]
    pub const fn bucket(&self) -> Bucket {
        self.bucket
    }

    /// The value of a key and its revision.
    ///
    /// # Errors
    /// [`KvError`], also for a key of a form that is not allowed.
    pub async fn get(&self, key: &str) -> Result<Option<(Bytes, Revision)>, KvError> {
        check_key(key)?;
        self.backend.get(self.bucket, key).await
    }

    /// Writes a key that is not there.
    ///
    /// # Errors
    /// [`KvError::Exists`] if it is.
    pub async fn create(&self, key: &str, value: impl Into<Bytes>) -> Result<Revision, KvError> {
        self.write(key, value.into(), Expect::Absent).await
    }

    /// Writes a key that is at the revision `expected`.
    ///
    /// # Errors
    /// [`KvError::Conflict`] if it is not.
    pub async fn update(
        &self,
        key: &str,
        value: impl Into<Bytes>,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        self.write(key, value.into(), Expect::At(expected)).await
    }

    /// Writes a key, whatever is there.
    ///
    /// # Errors
    /// [`KvError`].
    pub async fn put(&self, key: &str, value: impl Into<Bytes>) -> Result<Revision, KvError> {
        self.write(key, value.into(), Expect::Anything).await
    }

    /// Deletes a key; one that is not there is no error.
    ///
    /// # Errors
    /// [`KvError`].
    pub async fn delete(&self, key: &str) -> Result<(), KvError> {
        check_key(key)?;
        self.backend.delete(self.bucket, key, Expect::Anything).await
    }

    /// Deletes a key that is at the revision `expected`.
    ///
    /// # Errors
    /// [`KvError::Conflict`] if it is not.
    pub async fn delete_at(&self, key: &str, expected: Revision) -> Result<(), KvError> {
        check_key(key)?;
        self.backend.delete(self.bucket, key, Expect::At(expected)).await
    }

    /// The keys that start with `prefix`, sorted; all of them with an empty prefix.
    ///
    /// # Errors
    /// [`KvError`].
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, KvError> {
        self.backend.keys(self.bucket, prefix).await
    }

    /// The keys that start with `prefix` with their values, sorted by key. They need not all have been there at one moment.
    ///
    /// # Errors
    /// [`KvError`].
    pub async fn entries(&self, prefix: &str) -> Result<Vec<Entry>, KvError> {
        let keys = self.keys(prefix).await?;
        let read = |key: String| async move {
            let found = self.backend.get(self.bucket, &key).await?;
            Ok(found.map(|(value, revision)| Entry { key, value, revision }))
        };
        let entries = stream::iter(keys).map(read).buffered(READS);
        entries.try_filter_map(|entry| std::future::ready(Ok(entry))).try_collect().await
    }

    /// Watches the keys that start with `prefix`: first what is there, then every key that changes. Several changes of
    /// one key may come as the last of them.
    ///
    /// # Errors
    /// [`KvError`].
    pub async fn watch(&self, prefix: &str) -> Result<Watch, KvError> {
        Ok(Watch { inner: self.backend.watch(self.bucket, prefix).await? })
    }

    async fn write(&self, key: &str, value: Bytes, expect: Expect) -> Result<Revision, KvError> {
        check_key(key)?;
        self.backend.write(self.bucket, key, value, expect).await
    }
}

impl fmt::Debug for Kv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kv").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

/// A running watch; dropping it ends it.
pub struct Watch {
    inner: Box<dyn WatchBackend>,
}

impl Watch {
    /// Waits for the next change. Cancel-safe.
    ///
    /// # Errors
    /// [`KvError::Lagged`] if it fell too far behind, [`KvError::Closed`] at the end.
    pub async fn next(&mut self) -> Result<Change, KvError> {
        self.inner.next().await
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// The form of keys that every backend can hold.
fn check_key(key: &str) -> Result<(), KvError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=/.".contains(&byte);
    let good = (1..=MAX_KEY).contains(&key.len())
        && key.bytes().all(allowed)
        && !key.starts_with('.')
        && !key.ends_with('.')
        && !key.contains("..");
    if good { Ok(()) } else { Err(KvError::Key { key: key.chars().take(MAX_KEY).collect() }) }
}
