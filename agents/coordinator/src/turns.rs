//! Whose turn it is: one run of a catalogue at a time, and so many of all.
//!
//! Runs of one catalogue go one after the other, in the order in which they came: the later one compares with what the
//! earlier one committed, so that both end, nothing is done twice and none overtakes the other. Runs of some keys have a
//! queue of their own, and those of them that are critical another one: they do not wait for one of everything, nor these
//! for others of some keys, but whoever commits and publishes does so alone. Runs of several catalogues share a number of places. One place more is kept for critical runs, which never wait for others to
//! end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use quire_proto::Lane;
use tokio::sync::{Mutex as Turnstile, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::RunError;

/// By catalogue, and by what runs of it queue up for.
type Turnstiles = HashMap<(String, Queue), Arc<Turnstile<()>>>;

/// Hands out turns.
pub(crate) struct Turns {
    turnstiles: Mutex<Turnstiles>,
    places: Arc<Semaphore>,
    critical: Arc<Semaphore>,
}

/// What runs of one catalogue queue up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Queue {
    /// To be the run of everything.
    Whole,
    /// To be the run of some keys.
    Keys,
    /// To be the run of some keys that someone waits for.
    Critical,
    /// To go on without runs of some keys, or with one.
    BesideKeys,
    /// The same of those that someone waits for.
    BesideCritical,
    /// To commit and publish.
    Commit,
}

impl Queue {
    /// What a run queues up for. One that someone waits for does not wait for others of some keys.
    pub(crate) fn of(is_whole: bool, lane: Lane) -> Self {
        match (is_whole, lane) {
            (true, _) => Self::Whole,
            (false, Lane::Critical) => Self::Critical,
            (false, _) => Self::Keys,
        }
    }

    /// What a run of this queue holds as long as it goes on.
    pub(crate) const fn held(self) -> &'static [Self] {
        match self {
            Self::Keys => &[Self::BesideKeys],
            Self::Critical => &[Self::BesideCritical],
            _ => &[],
        }
    }

    /// What it takes so that nobody overtakes it any more, in the one order that everybody takes them in.
    pub(crate) const fn taken(self) -> &'static [Self] {
        match self {
            Self::Whole => &[Self::BesideKeys, Self::BesideCritical],
            Self::Keys => &[Self::BesideCritical],
            _ => &[],
        }
    }
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
            turnstiles: Mutex::default(),
            places: Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS))),
            critical: Arc::new(Semaphore::new(1)),
        }
    }

    /// A turn for a run; `waits` is called if it has to wait for it.
    pub(crate) async fn take(
        &self,
        catalogue: &str,
        queue: Queue,
        lane: Lane,
        cancelled: &CancellationToken,
        waits: impl FnOnce(),
    ) -> Result<Turn, RunError> {
        let turnstile = self.turnstile(catalogue, queue);
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

    /// Lets a run go on without those that could overtake it, or one of those go on. Whoever asks has its place: so
    /// nobody who waits here is waited for elsewhere.
    pub(crate) async fn beside(
        &self,
        catalogue: &str,
        queues: &[Queue],
        cancelled: &CancellationToken,
    ) -> Result<Vec<OwnedMutexGuard<()>>, RunError> {
        let mut held = Vec::with_capacity(queues.len());
        for queue in queues {
            held.push(self.alone(catalogue, *queue, cancelled).await?);
        }
        Ok(held)
    }

    /// Has no other run of the catalogue commit and publish.
    pub(crate) async fn commit(
        &self,
        catalogue: &str,
        cancelled: &CancellationToken,
    ) -> Result<OwnedMutexGuard<()>, RunError> {
        self.alone(catalogue, Queue::Commit, cancelled).await
    }

    async fn alone(
        &self,
        catalogue: &str,
        queue: Queue,
        cancelled: &CancellationToken,
    ) -> Result<OwnedMutexGuard<()>, RunError> {
        tokio::select! {
            biased;
            () = cancelled.cancelled() => Err(RunError::Interrupted),
            turn = self.turnstile(catalogue, queue).lock_owned() => Ok(turn),
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

    fn turnstile(&self, catalogue: &str, queue: Queue) -> Arc<Turnstile<()>> {
        let mut turnstiles = self.turnstiles.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is at those that only this map has.
        turnstiles.retain(|_, turnstile| Arc::strong_count(turnstile) > 1);
        Arc::clone(turnstiles.entry((catalogue.to_owned(), queue)).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn take(turns: &Turns, catalogue: &str, lane: Lane) -> Option<Turn> {
        let cancelled = CancellationToken::new();
        let taking = turns.take(catalogue, Queue::Whole, lane, &cancelled, || {});
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
        assert_eq!(turns.turnstiles.lock().unwrap().len(), 2);
        assert!(take(&turns, "e", Lane::Low).await.is_some());
        assert!(turns.turnstiles.lock().unwrap().len() <= 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_so_and_may_go() {
        let turns = Turns::new(1);
        let cancelled = CancellationToken::new();
        let mut waited = false;
        let held = turns.take("a", Queue::Whole, Lane::Normal, &cancelled, || waited = true).await.unwrap();
        assert!(!waited);
        let waiting = turns.take("a", Queue::Whole, Lane::Normal, &cancelled, || cancelled.cancel());
        assert!(matches!(waiting.await, Err(RunError::Interrupted)));
        drop(held);
    }
}
