//! Brings settlements to the run that waits for them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quire_proto::{RunId, Settlement, codec};
use quire_runtime::broker::{Broker, Delivery, PullError, Queue};
use tokio::{sync::mpsc, task::JoinHandle};

/// Settlements on their way to one run.
const QUEUED: usize = 4_096;
/// Settlements taken from the broker at once.
const PULLED: usize = 256;
/// Between attempts to reach a broker that is away.
const PAUSE: Duration = Duration::from_millis(200);

type Runs = Arc<Mutex<HashMap<RunId, mpsc::Sender<Settlement>>>>;

/// Pulls settlements until it is dropped.
pub(crate) struct Router {
    runs: Runs,
    task: JoinHandle<()>,
}

impl Router {
    pub(crate) fn start(broker: Broker) -> Self {
        let runs = Runs::default();
        let task = tokio::spawn(route(broker, Arc::clone(&runs)));
        Self { runs, task }
    }

    /// The settlements of a run, from now on.
    pub(crate) fn subscribe(&self, run: &RunId) -> Subscription {
        let (sender, settlements) = mpsc::channel(QUEUED);
        lock(&self.runs).insert(run.clone(), sender);
        Subscription { runs: Arc::clone(&self.runs), run: run.clone(), settlements }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.task.abort();
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

async fn route(broker: Broker, runs: Runs) {
    loop {
        match broker.pull(Queue::Settled, PULLED).await {
            Ok(deliveries) => {
                for delivery in deliveries {
                    hand_over(delivery, &runs).await;
                }
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

/// A settlement is acknowledged once its run has it: what a run knows is lost with it, and planned again.
async fn hand_over(delivery: Delivery, runs: &Runs) {
    match codec::decode::<Settlement>(&delivery.message.payload) {
        Ok(settlement) => {
            let sender = lock(runs).get(&settlement.run).cloned();
            // Late settlements of runs that ended are nobody's; so are those of a run that ends now.
            if let Some(sender) = sender {
                let _ = sender.send(settlement).await;
            }
            delivery.ack();
        }
        Err(error) => {
            tracing::error!(error = %error, "a settlement cannot be decoded; what it settled is planned again");
            delivery.term();
        }
    }
}
