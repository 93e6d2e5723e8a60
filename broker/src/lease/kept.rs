//! A lease that renews itself, and tells when it is lost.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use super::Lease;
use crate::{LeaseError, Revision};

/// A lease is renewed when this part of its time has passed.
const RENEWALS: u32 = 3;
/// Pause before a renewal that failed is tried again: this part of the time.
const RETRIES: u32 = 16;

/// A lease that is renewed in the background. Dropped, it runs out; [`Self::release`] gives it up at once.
#[derive(Debug)]
pub struct KeptLease {
    key: String,
    token: Revision,
    /// Until when it is held for sure; nothing once it is lost.
    held: watch::Receiver<Option<Instant>>,
    release: mpsc::Sender<oneshot::Sender<Result<(), LeaseError>>>,
    _keeper: AbortOnDropHandle<()>,
}

impl KeptLease {
    pub(super) fn start(lease: Lease) -> Self {
        let (sender, held) = watch::channel(Some(lease.deadline()));
        let (release, released) = mpsc::channel(1);
        let (key, token) = (lease.key.clone(), lease.token);
        let keeper = AbortOnDropHandle::new(tokio::spawn(keep(lease, sender, released)));
        Self { key, token, held, release, _keeper: keeper }
    }

    /// As [`Lease::token`].
    #[must_use]
    pub const fn token(&self) -> Revision {
        self.token
    }

    /// The lease's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// As [`Lease::deadline`]; `None` once it is lost.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        *self.held.borrow()
    }

    /// Whether it is held for sure at this moment.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.deadline().is_some_and(|deadline| Instant::now() < deadline)
    }

    /// Waits until it is lost: someone else has taken over, or could have, since no renewal got through in time. Never
    /// ends while it is held. Can be called as often as wanted, also after it was lost.
    pub async fn lost(&self) {
        // Without its sender no one renews it.
        let _ = self.held.clone().wait_for(Option::is_none).await;
    }

    /// Gives the lease up. The next holder need not wait.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if it was not held any more.
    pub async fn release(self) -> Result<(), LeaseError> {
        let lost = || LeaseError::Lost { key: self.key.clone() };
        let (answer, released) = oneshot::channel();
        self.release.send(answer).await.map_err(|_| lost())?;
        released.await.unwrap_or_else(|_| Err(lost()))
    }
}

/// Renews until the lease is released or lost.
async fn keep(
    mut lease: Lease,
    held: watch::Sender<Option<Instant>>,
    mut release: mpsc::Receiver<oneshot::Sender<Result<(), LeaseError>>>,
) {
    let mut pause = lease.ttl / RENEWALS;
    loop {
        tokio::select! {
            biased;
            answer = release.recv() => {
                held.send_replace(None);
                if let Some(answer) = answer {
                    let _ = answer.send(lease.release().await);
                }
                return;
            }
            () = sleep(pause) => {}
        }
        pause = match timeout_at(lease.deadline(), lease.renew()).await {
            Ok(Ok(deadline)) => {
                held.send_replace(Some(deadline));
                lease.ttl / RENEWALS
            }
            Ok(Err(error @ LeaseError::Lost { .. })) => return end(&held, &error),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a lease is not renewed yet");
                if Instant::now() >= lease.deadline() {
                    return end(&held, &error);
                }
                (lease.ttl / RETRIES).max(Duration::from_millis(1))
            }
            Err(_) => {
                sleep_until(lease.deadline()).await;
                return end(&held, &LeaseError::Lost { key: lease.key.clone() });
            }
        };
    }
}

fn end(held: &watch::Sender<Option<Instant>>, error: &LeaseError) {
    tracing::warn!(%error, "a lease is lost");
    held.send_replace(None);
}
