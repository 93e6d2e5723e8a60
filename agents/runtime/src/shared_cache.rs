//! The level of the caches that agents share: a bucket at the broker, which forgets its oldest keys when it is full.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use quire_broker::{Broker, Bucket, Kv, KvError};
use quire_cache::SharedLevel;
use tokio::{runtime::Handle, sync::Semaphore, time::timeout};

/// How long a value is waited for: it is quicker to make it than to wait longer.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long a list of keys is waited for.
const LIST_PATIENCE: Duration = Duration::from_secs(10);
/// How long all keys of a cache may take to go.
const CLEAR_PATIENCE: Duration = Duration::from_secs(60);
/// After a failure nothing is asked for so long.
const PAUSE: Duration = Duration::from_secs(5);
/// Values on their way at once; more are not shared.
const ON_THEIR_WAY: usize = 64;
/// Larger values are not shared.
const MAX_BYTES: usize = 256 << 10;

/// The bucket as a level. Used from blocking threads.
#[derive(Debug)]
pub(crate) struct SharedCache {
    bucket: Kv,
    runtime: Handle,
    room: Arc<Semaphore>,
    away_since: Mutex<Option<Instant>>,
}

impl SharedCache {
    /// Called in the runtime on which it is to work.
    pub(crate) fn new(broker: &Broker) -> Self {
        Self {
            bucket: broker.kv(Bucket::Cache),
            runtime: Handle::current(),
            room: Arc::new(Semaphore::new(ON_THEIR_WAY)),
            away_since: Mutex::default(),
        }
    }

    fn is_away(&self) -> bool {
        let away = *self.away_since.lock().unwrap_or_else(PoisonError::into_inner);
        away.is_some_and(|since| since.elapsed() < PAUSE)
    }

    /// Waits for an answer of the bucket; without one in time, it is left alone for a while.
    fn ask<T>(&self, patience: Duration, question: impl Future<Output = Result<T, KvError>>) -> Option<T> {
        if self.is_away() {
            return None;
        }
        let answer = self.runtime.block_on(async { timeout(patience, question).await });
        let failed = match answer {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => crate::chain(&error),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::debug!(error = failed, "the shared cache is left alone for a while");
        *self.away_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        None
    }

    /// Does something without waiting for it, unless much is on its way already.
    fn send(&self, work: impl Future<Output = Result<(), KvError>> + Send + 'static) {
        if self.is_away() {
            return;
        }
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else { return };
        self.runtime.spawn(async move {
            if let Ok(Err(error)) = timeout(LIST_PATIENCE, work).await {
                tracing::debug!(error = crate::chain(&error), "a value is not shared");
            }
            drop(place);
        });
    }
}

impl SharedLevel for SharedCache {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        let (value, _) = self.ask(PATIENCE, self.bucket.get(key))??;
        Some(value.to_vec())
    }

    fn put(&self, key: String, bytes: Vec<u8>) {
        if bytes.len() <= MAX_BYTES {
            let bucket = self.bucket.clone();
            self.send(async move { bucket.put(&key, bytes).await.map(drop) });
        }
    }

    fn remove(&self, key: String) {
        let bucket = self.bucket.clone();
        self.send(async move { bucket.delete(&key).await });
    }

    fn keys(&self, prefix: &str, most: usize) -> Vec<String> {
        let mut keys = self.ask(LIST_PATIENCE, self.bucket.keys(prefix)).unwrap_or_default();
        keys.truncate(most);
        keys
    }

    /// Asks also if the level was left alone: whoever clears it has to know.
    fn clear(&self, prefix: &str) -> Result<(), String> {
        let all = async {
            let keys = self.bucket.keys(prefix).await?;
            let each = stream::iter(keys).map(Ok);
            each.try_for_each_concurrent(ON_THEIR_WAY, async |key| self.bucket.delete(&key).await).await
        };
        match self.runtime.block_on(async { timeout(CLEAR_PATIENCE, all).await }) {
            Ok(cleared) => cleared.map_err(|error: KvError| crate::chain(&error)),
            Err(_) => Err(format!("it took longer than {} s", CLEAR_PATIENCE.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quire_broker::InProcessOptions;
    use quire_cache::{CacheOptions, CacheStore};

    use super::*;

    #[tokio::test]
    async fn what_one_agent_has_made_another_finds() {
        let broker = Broker::in_process(InProcessOptions::default());
        let options = CacheOptions { shared: true, ..CacheOptions::default() };
        let caches = || {
            let caches = CacheStore::in_memory();
            caches.share(Arc::new(SharedCache::new(&broker)));
            caches
        };
        let (one, other) = (caches(), caches());
        let cache = one.cache::<u64>("results", options);
        tokio::task::spawn_blocking(move || cache.put(b"key", &7)).await.unwrap();
        let bucket = broker.kv(Bucket::Cache);
        let mut watch = bucket.watch("results/").await.unwrap();
        watch.next().await.unwrap();
        let cache = other.cache::<u64>("results", options);
        let found =
            tokio::task::spawn_blocking(move || (cache.get(b"key"), cache.get(b"none"))).await.unwrap();
        assert_eq!(found, (Some(7), None));

        // Who empties one of them empties what is shared: else the other would be answered from there.
        let cleared = caches();
        let (none, kept) = (cleared.cache::<u64>("results", options), caches());
        let kept = kept.cache::<u64>("others", options);
        let left = tokio::task::spawn_blocking(move || {
            kept.put(b"key", &8);
            cleared.clear(Some("results")).unwrap();
            none.get(b"key")
        });
        assert_eq!(left.await.unwrap(), None);
        assert!(bucket.keys("results/").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_broker_that_does_not_answer_is_waited_for_once_and_left_alone_for_a_while() {
        let broker = Broker::in_process(InProcessOptions::default());
        let bucket = broker.kv(Bucket::Cache);
        bucket.put("results/1", Bytes::from_static(b"1")).await.unwrap();
        let level = SharedCache::new(&broker);
        let asked = tokio::task::spawn_blocking(move || {
            let silent = level.ask(Duration::from_millis(1), std::future::pending::<Result<(), KvError>>());
            // Though this one would answer.
            let second = level.ask(PATIENCE, std::future::ready(Ok(())));
            // But not by whoever has to know that it is empty.
            (silent, second, level.keys("results/", 1), level.clear("results/"))
        });
        assert_eq!(asked.await.unwrap(), (None, None, Vec::new(), Ok(())));
        assert!(bucket.keys("results/").await.unwrap().is_empty());
    }
}
