//! Watches of a bucket, and lists of its keys: both go through its stream with a consumer of their own.

use std::{collections::BTreeSet, time::Duration};

use async_nats::jetstream::kv::{self, Operation};
use futures_util::StreamExt as _;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    apply,
    connection::Tie,
    fault::Fault,
    link::Link,
    phase::{self, Phase},
};
use crate::{
    Bucket, Change, KvError, Revision,
    backend::{Boxed, WatchBackend},
};

/// Pause before a watch that was cut off begins anew.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a list of keys may take, and how often it is tried.
const LIST: Duration = Duration::from_secs(10);
const TRIES: usize = 3;

/// A watch that outlives connections: it goes on after the last change that it told.
pub(super) struct BucketWatch {
    link: Link,
    bucket: Bucket,
    prefix: String,
    phase: watch::Receiver<Phase>,
    running: Option<(Tie, kv::Watch)>,
    told: u64,
    /// Up to here deletions are not news.
    began: u64,
}

impl BucketWatch {
    pub(super) async fn begin(
        link: Link,
        bucket: Bucket,
        prefix: &str,
        phase: watch::Receiver<Phase>,
    ) -> Result<Self, KvError> {
        let mut watch =
            Self { link, bucket, prefix: prefix.to_owned(), phase, running: None, told: 0, began: 0 };
        watch.open().await.map_err(Fault::into_kv)?;
        Ok(watch)
    }

    async fn open(&mut self) -> Result<(), Fault> {
        let tie = self.link.tie()?;
        let store = open(&self.link, self.bucket).await?;
        let filter = filter(&self.prefix);
        if self.told == 0 {
            let status = store.status().await.map_err(|_| Fault::Lost)?;
            self.began = status.info.state.last_sequence;
            let watch = store.watch_with_history(&filter).await;
            self.running = Some((tie, watch.map_err(|_| Fault::Lost)?));
        } else {
            let from = store.watch_from_revision(&filter, self.told + 1).await;
            self.running = Some((tie, from.map_err(|_| Fault::Lost)?));
        }
        Ok(())
    }

    async fn next_change(&mut self) -> Result<Change, KvError> {
        loop {
            let Some((tie, running)) = &mut self.running else {
                self.link.wait_up().await;
                match self.open().await {
                    Ok(()) => continue,
                    Err(fault) if fault.passes() => {
                        sleep(PAUSE).await;
                        continue;
                    }
                    Err(fault) => return Err(fault.into_kv()),
                }
            };
            let entry = tokio::select! {
                entry = running.next() => entry,
                () = self.link.untied(tie) => None,
            };
            match entry {
                Some(Ok(entry)) => {
                    if let Some(change) = self.news(entry) {
                        return Ok(change);
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(bucket = %self.bucket, %error, "a watch begins anew");
                    self.running = None;
                }
                None => self.running = None,
            }
        }
    }

    fn news(&mut self, entry: kv::Entry) -> Option<Change> {
        if entry.revision <= self.told {
            return None;
        }
        self.told = entry.revision;
        let value = (entry.operation == Operation::Put).then_some(entry.value);
        let news = value.is_some() || entry.revision > self.began;
        let change = Change { key: entry.key, value, revision: Revision(entry.revision) };
        (news && change.key.starts_with(&self.prefix)).then_some(change)
    }
}

impl WatchBackend for BucketWatch {
    fn next(&mut self) -> Boxed<'_, Result<Change, KvError>> {
        Box::pin(async move {
            let phase = self.phase.clone();
            tokio::select! {
                biased;
                () = phase::ended(phase) => Err(KvError::Closed),
                change = self.next_change() => change,
            }
        })
    }
}

/// The keys that start with `prefix`, sorted.
pub(super) async fn keys(link: &Link, bucket: Bucket, prefix: &str) -> Result<Vec<String>, KvError> {
    let mut fault = Fault::Lost;
    for _ in 0..TRIES {
        match timeout(LIST, list(link, bucket, prefix)).await {
            Ok(Ok(keys)) => return Ok(keys),
            Ok(Err(error)) if !error.passes() => return Err(error.into_kv()),
            Ok(Err(error)) => fault = error,
            Err(_) => fault = Fault::Lost,
        }
        sleep(PAUSE).await;
    }
    Err(fault.into_kv())
}

async fn list(link: &Link, bucket: Bucket, prefix: &str) -> Result<Vec<String>, Fault> {
    link.wait_up().await;
    let store = open(link, bucket).await?;
    let mut found = BTreeSet::new();
    let mut keys = store.keys().await.map_err(|_| Fault::Lost)?;
    while let Some(key) = keys.next().await {
        let key = key.map_err(|_| Fault::Lost)?;
        if key.starts_with(prefix) {
            found.insert(key);
        }
    }
    Ok(found.into_iter().collect())
}

async fn open(link: &Link, bucket: Bucket) -> Result<kv::Store, Fault> {
    match link.tie()?.context().get_key_value(bucket.as_str()).await {
        Ok(store) => Ok(store),
        Err(_) => {
            apply::diagnose_bucket(link, bucket.as_str()).await?;
            Err(Fault::Lost)
        }
    }
}

/// What the server can tell apart: whole words between points.
fn filter(prefix: &str) -> String {
    match prefix.rsplit_once('.') {
        Some((words, _)) if !words.is_empty() => format!("{words}.>"),
        _ => ">".to_owned(),
    }
}
