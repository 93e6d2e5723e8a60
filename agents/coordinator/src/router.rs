//! Brings settlements to the run that waits for them.
//!
//! A settlement of a run that is not of this process may be another leader's, which took over without this process having
//! noticed, or litter of a run that is over. The marks in the store tell: what somebody waits for is given back, a bounded
//! number of times; the rest is forgotten.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quire_proto::{RunId, Settlement, codec};
use quire_runtime::{
    Store,
    broker::{Broker, Delivery, PullError, Queue},
};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{registered::Live, resume, task::on_thread};

/// Settlements on their way to one run.
const QUEUED: usize = 4_096;
/// Settlements taken from the broker at once.
const PULLED: usize = 256;
/// Between attempts to reach a broker that is away.
const PAUSE: Duration = Duration::from_millis(200);
/// Until a settlement of another leader's run is handed out again: to that leader, it is hoped.
const AGAIN: Duration = Duration::from_millis(500);
/// So often. A leader that has lost its lease hears of it long before.
const MAX_ATTEMPTS: u32 = 20;

type Runs = Arc<Mutex<HashMap<RunId, mpsc::Sender<Settlement>>>>;

/// Pulls settlements until it is stopped or dropped.
pub(crate) struct Router {
    runs: Runs,
    stop: DropGuard,
}

impl Router {
    /// `live` are the runs of this process: what they do not wait for, nobody does.
    pub(crate) fn start(broker: Broker, store: Store, live: Live) -> Self {
        let (runs, stop) = (Runs::default(), CancellationToken::new());
        tokio::spawn(route(broker, Arc::clone(&runs), Strangers { store, live }, stop.clone()));
        Self { runs, stop: stop.drop_guard() }
    }

    /// Takes no more settlements: those that no run has are given back at once.
    pub(crate) fn stop(&self) {
        self.stop.token().cancel();
    }

    /// The settlements of a run, from now on.
    pub(crate) fn subscribe(&self, run: &RunId) -> Subscription {
        let (sender, settlements) = mpsc::channel(QUEUED);
        lock(&self.runs).insert(run.clone(), sender);
        Subscription { runs: Arc::clone(&self.runs), run: run.clone(), settlements }
    }
}

/// A run's settlements; dropped, the rest is nobody's.
pub(crate) struct Subscription {
    runs: Runs,
    run: RunId,
    settlements: mpsc::Receiver<Settlement>,
}

impl Subscription {
    /// The next settlement; `None` if the broker is closed. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Settlement> {
        self.settlements.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        lock(&self.runs).remove(&self.run);
    }
}

fn lock(runs: &Runs) -> std::sync::MutexGuard<'_, HashMap<RunId, mpsc::Sender<Settlement>>> {
    runs.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn route(broker: Broker, runs: Runs, strangers: Strangers, stop: CancellationToken) {
    loop {
        let pulled = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            pulled = broker.pull(Queue::Settled, PULLED) => pulled,
        };
        match pulled {
            Ok(deliveries) => {
                let unknown = hand_over(deliveries, &runs, &stop).await;
                if stop.is_cancelled() {
                    return;
                }
                strangers.part_with(unknown).await;
            }
            Err(PullError::Closed) => {
                // Whoever waits sees the end of its channel.
                lock(&runs).clear();
                return;
            }
            // A broker that is away comes back; what is missing or refused there, somebody mends.
            Err(error) => {
                tracing::warn!(
                    error = quire_runtime::chain(&error),
                    "settlements cannot be pulled, trying again"
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Brings settlements to their runs; those of unknown runs come back. What is dropped, as when this process is to stop, is
/// handed out again.
async fn hand_over(
    deliveries: Vec<Delivery>,
    runs: &Runs,
    stop: &CancellationToken,
) -> BTreeMap<RunId, Vec<Delivery>> {
    let mut unknown: BTreeMap<RunId, Vec<Delivery>> = BTreeMap::new();
    for delivery in deliveries {
        if stop.is_cancelled() {
            break;
        }
        let settlement = match codec::decode::<Settlement>(&delivery.message.payload) {
            Ok(settlement) => settlement,
            Err(error) => {
                tracing::error!(error = %error, "a settlement cannot be decoded; what it settled is planned again");
                delivery.term();
                continue;
            }
        };
        let Some(sender) = lock(runs).get(&settlement.run).cloned() else {
            unknown.entry(settlement.run).or_default().push(delivery);
            continue;
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            // Acknowledged once its run has it: what a run knows is lost with it, and planned again. One that ends just
            // now needs it no more.
            _ = sender.send(settlement) => delivery.ack(),
        }
    }
    unknown
}

/// Settlements of runs that do not listen here.
struct Strangers {
    store: Store,
    live: Live,
}

impl Strangers {
    async fn part_with(&self, unknown: BTreeMap<RunId, Vec<Delivery>>) {
        for (run, deliveries) in unknown {
            let awaited = self.is_awaited(&run).await;
            for delivery in deliveries {
                if awaited && delivery.attempt <= MAX_ATTEMPTS {
                    // Counted as an attempt, or it might go on for ever.
                    delivery.start();
                    delivery.nak(AGAIN);
                } else {
                    delivery.ack();
                }
            }
        }
    }

    /// Whether another leader may wait for it.
    async fn is_awaited(&self, run: &RunId) -> bool {
        let (catalogue, Some(epoch)) = (run.catalogue(), run.epoch()) else { return false };
        if self.live.has(catalogue, epoch) {
            return false;
        }
        if catalogue.starts_with('_') {
            // A publication of the site: there are no marks of those.
            return true;
        }
        let (store, catalogue) = (self.store.clone(), catalogue.to_owned());
        // Where the store does not say, it is tried again.
        on_thread(move || resume::is_awaited(&store, &catalogue, epoch)).await.unwrap_or(true)
    }
}

#[cfg(test)]
mod tests;
