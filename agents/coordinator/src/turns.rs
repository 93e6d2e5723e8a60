//! Whose turn it is: one run of a catalogue at a time, and so many of all.
//!
//! Runs of one catalogue go one after the other, in the order in which they came: the later one compares with what the
//! earlier one committed, so that both end, nothing is done twice and none overtakes the other. Runs of several
//! catalogues share a number of places. One place more is kept for critical runs, which never wait for others to end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use quire_proto::Lane;
use tokio::sync::{Mutex as Turnstile, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::RunError;

/// Hands out turns.
pub(crate) struct Turns {
    catalogues: Mutex<HashMap<String, Arc<Turnstile<()>>>>,
    places: Arc<Semaphore>,
    critical: Arc<Semaphore>,
}

/// A run's turn; it ends when this is dropped.
pub(crate) struct Turn {
    _catalogue: OwnedMutexGuard<()>,
    _place: OwnedSemaphorePermit,
}

impl Turns {
    /// At least one run at once.
    pub(crate) fn new(places: usize) -> Self {
        Self {
            catalogues: Mutex::default(),
            places: Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS))),
            critical: Arc::new(Semaphore::new(1)),
        }
    }

    /// A turn for a run; `waits` is called if it has to wait for it.
    pub(crate) async fn take(
        &self,
        catalogue: &str,
        lane: Lane,
        cancelled: &CancellationToken,
        waits: impl FnOnce(),
    ) -> Result<Turn, RunError> {
        let turnstile = self.turnstile(catalogue);
        let mut taking = std::pin::pin!(async {
            // First the catalogue's: who waits for that keeps no place from others.
            let catalogue = turnstile.lock_owned().await;
            Turn { _catalogue: catalogue, _place: self.place(lane).await }
        });
        tokio::select! {
            biased;
            () = cancelled.cancelled() => return Err(RunError::Interrupted),
            turn = &mut taking => return Ok(turn),
            () = std::future::ready(()) => waits(),
        }
        tokio::select! {
            biased;
            () = cancelled.cancelled() => Err(RunError::Interrupted),
            turn = taking => Ok(turn),
        }
    }

    async fn place(&self, lane: Lane) -> OwnedSemaphorePermit {
        // Neither is ever closed, so neither wait fails.
        let shared = Arc::clone(&self.places).acquire_owned();
        let kept = Arc::clone(&self.critical).acquire_owned();
        tokio::select! {
            biased;
            Ok(place) = shared => place,
            Ok(place) = kept, if lane == Lane::Critical => place,
            else => std::future::pending().await,
        }
    }

    fn turnstile(&self, catalogue: &str) -> Arc<Turnstile<()>> {
        let mut catalogues = self.catalogues.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is at those that only this map has.
        catalogues.retain(|_, turnstile| Arc::strong_count(turnstile) > 1);
        Arc::clone(catalogues.entry(catalogue.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn take(turns: &Turns, catalogue: &str, lane: Lane) -> Option<Turn> {
        let cancelled = CancellationToken::new();
        let taking = turns.take(catalogue, lane, &cancelled, || {});
        tokio::time::timeout(Duration::from_secs(1), taking).await.ok().and_then(Result::ok)
    }

    #[tokio::test(start_paused = true)]
    async fn runs_of_one_catalogue_take_turns_and_all_share_places() {
        let turns = Turns::new(2);
        let first = take(&turns, "a", Lane::Normal).await.unwrap();
        assert!(take(&turns, "a", Lane::Normal).await.is_none());
        let second = take(&turns, "b", Lane::Normal).await.unwrap();
        assert!(take(&turns, "c", Lane::High).await.is_none());
        let critical = take(&turns, "c", Lane::Critical).await.unwrap();
        assert!(take(&turns, "d", Lane::Critical).await.is_none());
        drop((first, critical));
        assert!(take(&turns, "a", Lane::Low).await.is_some());
        drop(second);
        // Those for which nobody waits any more are forgotten.
        assert_eq!(turns.catalogues.lock().unwrap().len(), 2);
        assert!(take(&turns, "e", Lane::Low).await.is_some());
        assert!(turns.catalogues.lock().unwrap().len() <= 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_so_and_may_go() {
        let turns = Turns::new(1);
        let cancelled = CancellationToken::new();
        let mut waited = false;
        let held = turns.take("a", Lane::Normal, &cancelled, || waited = true).await.unwrap();
        assert!(!waited);
        let waiting = turns.take("a", Lane::Normal, &cancelled, || cancelled.cancel());
        assert!(matches!(waiting.await, Err(RunError::Interrupted)));
        drop(held);
    }
}
