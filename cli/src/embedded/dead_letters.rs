//! What becomes of dead letters in one process.

use quire_runtime::broker::{Broker, Delivery, Queue};
use tokio::task::JoinHandle;

/// Dead letters that are taken at once.
const TOGETHER: usize = 64;

/// Takes dead letters and forgets them: a run's report and the site tell what died and why, nobody replays anything here, and
/// a queue that nobody reads would be full after many runs.
pub(super) struct DeadLetterSink(JoinHandle<()>);

impl DeadLetterSink {
    pub(super) fn start(broker: Broker) -> Self {
        Self(tokio::spawn(async move {
            while let Ok(letters) = broker.pull(Queue::Dead, TOGETHER).await {
                letters.into_iter().for_each(Delivery::ack);
            }
        }))
    }
}

impl Drop for DeadLetterSink {
    fn drop(&mut self) {
        self.0.abort();
    }
}
