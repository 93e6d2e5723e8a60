//! Watches of a bucket, and lists of its keys: both go through its stream with a consumer of their own.

use std::{collections::BTreeSet, time::Duration};

use async_nats::jetstream::kv::{self, Operation};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    time::{sleep, timeout},
};

use super::{
    apply,
    connection::{self, Tie},
    fault::Fault,
    link::Link,
    names,
    phase::{self, Phase},
};
use crate::{
    Bucket, Change, KvError, Revision,
    backend::{Boxed, WatchBackend},
};

/// Pause before a watch that was cut off begins anew.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a quiet watch looks whether its bucket is still the same.
const LOOK: Duration = Duration::from_secs(5);
/// How long a list of keys may take, and how often it is tried.
const LIST: Duration = Duration::from_secs(10);
const TRIES: usize = 3;

#[derive(Deserialize)]
struct BucketInfo {
    #[serde(default)]
    created: String,
    state: BucketState,
}

#[derive(Deserialize)]
struct BucketState {
    #[serde(rename = "last_seq")]
    last_sequence: u64,
}

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
    /// When the bucket was made.
    created: String,
    /// Whether deletions were forgotten, and that is still to be told.
    lagged: bool,
}

impl BucketWatch {
    pub(super) async fn begin(
        link: Link,
        bucket: Bucket,
        prefix: &str,
        phase: watch::Receiver<Phase>,
    ) -> Result<Self, KvError> {
        let mut watch = Self {
            link,
            bucket,
            prefix: prefix.to_owned(),
            phase,
            running: None,
            told: 0,
            began: 0,
            created: String::new(),
            lagged: false,
        };
        watch.open().await.map_err(Fault::into_kv)?;
        Ok(watch)
    }

    /// Begins, or goes on after the last change that was told. A bucket that was made anew in between has forgotten
    /// deletions: then it begins anew, too, and says so.
    async fn open(&mut self) -> Result<(), Fault> {
        let tie = self.link.tie()?;
        let (link, bucket) = (self.link.clone(), self.bucket);
        let info = stream_info(&link, bucket).await?;
        let anew = self.told > 0 && (info.created != self.created || info.state.last_sequence < self.told);
        if anew {
            (self.told, self.lagged) = (0, true);
        }
        let (filter, told) = (filter(&self.prefix), self.told);
        let watch = unless_denied(&link, bucket, async {
            let store = open(&link, bucket).await?;
            let watch = match told {
                0 => store.watch_with_history(&filter).await,
                _ => store.watch_from_revision(&filter, told + 1).await,
            };
            watch.map_err(|_| Fault::Lost)
        });
        let watch = watch.await?;
        if told == 0 {
            self.began = info.state.last_sequence;
        }
        self.created = info.created;
        self.running = Some((tie, watch));
        Ok(())
    }

    async fn next_change(&mut self) -> Result<Change, KvError> {
        loop {
            if std::mem::take(&mut self.lagged) {
                return Err(KvError::Lagged);
            }
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
                // The client would wait for ever in a bucket that was made anew.
                () = sleep(LOOK) => match stream_info(&self.link, self.bucket).await {
                    Ok(info) if info.created == self.created => continue,
                    Err(fault) if fault.passes() => continue,
                    _ => None,
                },
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
    unless_denied(link, bucket, async {
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
    })
    .await
}

async fn stream_info(link: &Link, bucket: Bucket) -> Result<BucketInfo, Fault> {
    let call = format!("STREAM.INFO.{}", names::bucket_stream(bucket.as_str()));
    match link.api(&call, &json!({})).await {
        Err(fault) if fault.is_stream_not_found() => Err(Fault::Missing { what: format!("bucket {bucket}") }),
        done => done,
    }
}

/// The client makes consumers by itself and waits for answers that do not come if it may not.
async fn unless_denied<T>(
    link: &Link,
    bucket: Bucket,
    call: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let stream = names::bucket_stream(bucket.as_str()).to_lowercase();
    let mut denials = link.denials();
    let denied = async {
        loop {
            match denials.recv().await {
                Ok(what) if refuses(&what, &stream) => return what,
                Err(RecvError::Closed) => std::future::pending().await,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
            }
        }
    };
    tokio::select! {
        biased;
        done = call => done,
        what = denied => Err(Fault::Denied { what }),
    }
}

/// Whether a refusal is of a request about `stream`.
fn refuses(what: &str, stream: &str) -> bool {
    let words = connection::subject(what).map(|subject| subject.split('.'));
    words.is_some_and(|mut words| {
        words.by_ref().take(2).eq(["$js", "api"]) && words.any(|word| word == stream)
    })
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
