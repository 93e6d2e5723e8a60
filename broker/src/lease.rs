//! Leases: who may act alone, with a token that tells a later holder from an earlier one.
//!
//! A lease is a key. Its holder renews it by compare-and-set; whoever wants it watches it, and takes it over by
//! compare-and-set when it has not changed for as long as its holder promised. Only durations on the watcher's own
//! clock count, so no two machines need to agree on the time.

mod kept;

pub use kept::KeptLease;

use std::time::Duration;

use bytes::Bytes;
use quire_proto::codec;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{Kv, KvError, LeaseError, Revision};

/// What the key says.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    holder: String,
    ttl_ms: u64,
}

/// A lease that is held. Dropping it does not release it: it runs out.
#[derive(Debug)]
pub struct Lease {
    kv: Kv,
    key: String,
    value: Bytes,
    /// Of the last renewal.
    revision: Revision,
    /// Of the taking.
    token: Revision,
    ttl: Duration,
    deadline: Instant,
}

impl Lease {
    /// Takes the lease `key`, waiting for its holder to release it or to fall silent for its time to live. The caller
    /// bounds the wait. Cancel-safe, but for a lease taken at the very moment: that one runs out.
    ///
    /// # Errors
    /// [`LeaseError::Kv`] if the bucket fails.
    pub async fn acquire(kv: &Kv, key: &str, ttl: Duration, holder: &str) -> Result<Self, LeaseError> {
        let failed = |source| LeaseError::Kv { key: key.to_owned(), source };
        let value = claim(key, ttl, holder)?;
        let mut watch = kv.watch(key).await.map_err(failed)?;
        loop {
            let Some((seen, revision)) = kv.get(key).await.map_err(failed)? else {
                let began = Instant::now();
                match kv.create(key, value.clone()).await {
                    Ok(revision) => return Ok(Self::held(kv, key, value, revision, ttl, began)),
                    Err(KvError::Exists { .. }) => continue,
                    Err(source) => return Err(failed(source)),
                }
            };
            if silent(&mut watch, key, revision, promised(&seen, ttl)).await.map_err(failed)? {
                let began = Instant::now();
                match kv.update(key, value.clone(), revision).await {
                    Ok(revision) => return Ok(Self::held(kv, key, value, revision, ttl, began)),
                    Err(KvError::Conflict { .. }) => {}
                    Err(source) => return Err(failed(source)),
                }
            }
        }
    }

    /// Takes the lease `key` if no one has it.
    ///
    /// # Errors
    /// [`LeaseError::Held`] if someone has it, be it for long: only [`Self::acquire`] takes over from the silent.
    pub async fn try_acquire(kv: &Kv, key: &str, ttl: Duration, holder: &str) -> Result<Self, LeaseError> {
        let failed = |source| LeaseError::Kv { key: key.to_owned(), source };
        let value = claim(key, ttl, holder)?;
        let began = Instant::now();
        match kv.create(key, value.clone()).await {
            Ok(revision) => Ok(Self::held(kv, key, value, revision, ttl, began)),
            Err(KvError::Exists { .. }) => {
                let seen = kv.get(key).await.map_err(failed)?;
                let holder = seen.and_then(|(bytes, _)| codec::decode::<Claim>(&bytes).ok());
                let holder = holder.map_or_else(|| "someone".to_owned(), |claim| claim.holder);
                Err(LeaseError::Held { key: key.to_owned(), holder })
            }
            Err(source) => Err(failed(source)),
        }
    }

    /// The fencing token: every later holder's is greater. It stays the same for as long as the lease is held.
    #[must_use]
    pub const fn token(&self) -> Revision {
        self.token
    }

    /// The lease's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Until when no one else can have it, by this process's clock: the time to live from the moment when the last
    /// renewal was begun. After that the holder must not act.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Says that the holder is alive. To be called well within the time to live.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if someone else has taken over: the holder must stop at once.
    pub async fn renew(&mut self) -> Result<Instant, LeaseError> {
        let began = Instant::now();
        match self.kv.update(&self.key, self.value.clone(), self.revision).await {
            Ok(revision) => {
                self.revision = revision;
                self.deadline = began + self.ttl;
                Ok(self.deadline)
            }
            Err(KvError::Conflict { .. }) => Err(LeaseError::Lost { key: self.key.clone() }),
            Err(source) => Err(LeaseError::Kv { key: self.key.clone(), source }),
        }
    }

    /// Has the lease renewed in the background until it is released, lost or dropped. Needs a runtime.
    #[must_use]
    pub fn keep(self) -> KeptLease {
        KeptLease::start(self)
    }

    /// Gives the lease up. The next holder need not wait.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if it was not held any more.
    pub async fn release(self) -> Result<(), LeaseError> {
        match self.kv.delete_at(&self.key, self.revision).await {
            Ok(()) => Ok(()),
            Err(KvError::Conflict { .. }) => Err(LeaseError::Lost { key: self.key }),
            Err(source) => Err(LeaseError::Kv { key: self.key, source }),
        }
    }

    fn held(kv: &Kv, key: &str, value: Bytes, revision: Revision, ttl: Duration, began: Instant) -> Self {
        let key = key.to_owned();
        Self { kv: kv.clone(), key, value, revision, token: revision, ttl, deadline: began + ttl }
    }
}

fn claim(key: &str, ttl: Duration, holder: &str) -> Result<Bytes, LeaseError> {
    let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    let claim = Claim { holder: holder.to_owned(), ttl_ms };
    codec::encode(&claim).map(Bytes::from).map_err(|error| {
        let source = KvError::Unavailable(Box::new(error));
        LeaseError::Kv { key: key.to_owned(), source }
    })
}

/// How long the holder may be silent by its own word. A value that is no claim gets our own time.
fn promised(value: &[u8], ttl: Duration) -> Duration {
    codec::decode::<Claim>(value).map_or(ttl, |claim| Duration::from_millis(claim.ttl_ms))
}

/// Whether `key` stays at `revision` for `time`.
async fn silent(
    watch: &mut crate::Watch,
    key: &str,
    revision: Revision,
    time: Duration,
) -> Result<bool, KvError> {
    let changed = async {
        loop {
            let change = watch.next().await?;
            if change.key == key && change.revision > revision {
                return Ok(());
            }
        }
    };
    match tokio::time::timeout(time, changed).await {
        Ok(changed) => changed.map(|()| false),
        Err(_) => Ok(true),
    }
}
