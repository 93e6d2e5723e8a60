//! Buckets: small state in a stream each, changed by compare-and-set at its leader.

use std::time::Duration;

use async_nats::HeaderMap;
use base64::{Engine as _, prelude::BASE64_STANDARD as STANDARD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    apply,
    fault::{Fault, NO_MESSAGE},
    layout::MAX_VALUE,
    link::Link,
    names,
    publish::Stored,
};
use crate::{Bucket, KvError, Revision, backend::Expect};

/// What a change is recognised by.
const ID: &str = "Nats-Msg-Id";
/// What marks a deletion.
const OPERATION: &str = "KV-Operation";
/// The server's error for a condition that does not hold.
const WRONG_REVISION: [u64; 2] = [10_071, 10_164];
/// Pause between attempts, and how long they go on.
const PAUSE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);

/// A key as the leader has it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) data: Bytes,
    pub(super) revision: Revision,
    pub(super) deleted: bool,
    /// The id of the change.
    id: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    message: RawMessage,
}

#[derive(Deserialize)]
struct RawMessage {
    seq: u64,
    #[serde(default)]
    data: String,
    #[serde(default)]
    hdrs: String,
}

/// The last message of a subject, by the leader's word; deletions too.
pub(super) async fn last(link: &Link, bucket: &str, subject: &str) -> Result<Option<Entry>, Fault> {
    let call = format!("STREAM.MSG.GET.{}", names::bucket_stream(bucket));
    match link.api::<Found>(&call, &json!({ "last_by_subj": subject })).await {
        Ok(Found { message }) => {
            let headers = decoded(&message.hdrs)?;
            Ok(Some(Entry {
                data: decoded(&message.data)?.into(),
                revision: Revision(message.seq),
                deleted: header(&headers, OPERATION).is_some_and(|done| done == "DEL" || done == "PURGE"),
                id: header(&headers, ID),
            }))
        }
        Err(Fault::Refused { code: NO_MESSAGE, .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, Fault> {
    STANDARD.decode(text).map_err(|error| Fault::Strange(error.to_string()))
}

/// The value of a header in its raw form.
fn header(headers: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(headers);
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    values.next().map(|(_, value)| value.trim().to_owned())
}

/// All buckets.
pub(super) struct Buckets {
    link: Link,
}

impl Buckets {
    pub(super) const fn new(link: Link) -> Self {
        Self { link }
    }

    pub(super) const fn link(&self) -> &Link {
        &self.link
    }

    pub(super) async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<(Bytes, Revision)>, KvError> {
        let entry = self.entry(bucket, key).await.map_err(Fault::into_kv)?;
        Ok(entry.filter(|entry| !entry.deleted).map(|entry| (entry.data, entry.revision)))
    }

    async fn entry(&self, bucket: Bucket, key: &str) -> Result<Option<Entry>, Fault> {
        let subject = names::key(bucket.as_str(), key);
        self.persist(bucket, || last(&self.link, bucket.as_str(), &subject)).await
    }

    pub(super) async fn write(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        expect: Expect,
    ) -> Result<Revision, KvError> {
        if value.len() > MAX_VALUE {
            return Err(KvError::TooLarge { bytes: value.len(), limit: MAX_VALUE });
        }
        self.change(bucket, key, value, expect, false).await
    }

    pub(super) async fn delete(&self, bucket: Bucket, key: &str, expect: Expect) -> Result<(), KvError> {
        if expect == Expect::Anything && self.get(bucket, key).await?.is_none() {
            return Ok(());
        }
        self.change(bucket, key, Bytes::new(), expect, true).await.map(drop)
    }

    async fn change(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        expect: Expect,
        delete: bool,
    ) -> Result<Revision, KvError> {
        let before = match expect {
            Expect::Anything => None,
            Expect::At(revision) => Some(self.unless_deleted(bucket, key, revision).await?),
            Expect::Absent => Some(self.absent(bucket, key).await?),
        };
        let mut headers = HeaderMap::new();
        let id = Link::unique();
        headers.insert(ID, id.as_str());
        if delete {
            headers.insert(OPERATION, "DEL");
        }
        if let Some(Revision(revision)) = before {
            headers.insert("Nats-Expected-Last-Subject-Sequence", revision.to_string());
        }
        let subject = names::key(bucket.as_str(), key);
        let store = || self.link.ask::<Stored>(subject.clone(), Some(headers.clone()), value.clone());
        match self.persist(bucket, store).await {
            Ok(stored) => Ok(Revision(stored.seq)),
            Err(Fault::Refused { code, .. }) if WRONG_REVISION.contains(&code) => {
                self.refused(bucket, key, expect, &id).await
            }
            Err(fault) => Err(fault.into_kv()),
        }
    }

    /// A deleted key is at no revision, though its stream has one for it.
    async fn unless_deleted(
        &self,
        bucket: Bucket,
        key: &str,
        expected: Revision,
    ) -> Result<Revision, KvError> {
        let entry = self.entry(bucket, key).await.map_err(Fault::into_kv)?;
        let found = entry.filter(|entry| !entry.deleted).map(|entry| entry.revision);
        if found == Some(expected) {
            return Ok(expected);
        }
        Err(KvError::Conflict { key: key.to_owned(), expected, found })
    }

    /// The revision that an absent key has for the server.
    async fn absent(&self, bucket: Bucket, key: &str) -> Result<Revision, KvError> {
        match self.entry(bucket, key).await.map_err(Fault::into_kv)? {
            None => Ok(Revision(0)),
            Some(entry) if entry.deleted => Ok(entry.revision),
            Some(entry) => Err(KvError::Exists { key: key.to_owned(), found: entry.revision }),
        }
    }

    /// Someone else was faster: who, as far as it can be seen. Or it was this very change, whose answer was lost: the
    /// server looks at the condition before it recognises a repeat.
    async fn refused(
        &self,
        bucket: Bucket,
        key: &str,
        expect: Expect,
        id: &str,
    ) -> Result<Revision, KvError> {
        let entry = self.entry(bucket, key).await.map_err(Fault::into_kv)?;
        if let Some(entry) = &entry
            && entry.id.as_deref() == Some(id)
        {
            return Ok(entry.revision);
        }
        let found = entry.filter(|entry| !entry.deleted).map(|entry| entry.revision);
        let key = key.to_owned();
        Err(match expect {
            Expect::At(expected) => KvError::Conflict { key, expected, found },
            _ => KvError::Exists { key, found: found.unwrap_or_default() },
        })
    }

    /// Repeats what fails for want of a connection, for a while.
    async fn persist<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        bucket: Bucket,
        mut call: impl FnMut() -> F,
    ) -> Result<T, Fault> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if timeout_at(deadline, self.link.wait_up()).await.is_err() {
                return Err(Fault::Lost);
            }
            let mut fault = match call().await {
                Err(fault) if fault.passes() => fault,
                Err(fault) if fault.is_stream_not_found() => {
                    return Err(Fault::Missing { what: format!("bucket {bucket}") });
                }
                done => return done,
            };
            if matches!(fault, Fault::NoResponders { .. })
                && let Err(named) = apply::diagnose_bucket(&self.link, bucket.as_str()).await
            {
                fault = named;
            }
            if !fault.passes() || Instant::now() >= deadline {
                return Err(fault);
            }
            sleep(PAUSE).await;
        }
    }
}
