//! Carries the words of holders to the server, in order.
//!
//! A word is one small message without an answer: if it is lost with a connection, the lease runs out and the
//! message comes again, which is harmless. While there is no connection, words wait.

use std::sync::Arc;

use super::{attempts::Attempts, lane::Lane, link::Link, words::Errand};

/// Runs the errands of one lane.
pub(super) struct Settler {
    pub(super) lane: Arc<Lane>,
    pub(super) link: Link,
    pub(super) attempts: Attempts,
}

impl Settler {
    /// Runs until the task is aborted.
    pub(super) async fn run(self) {
        loop {
            self.lane.errand.notified().await;
            self.link.wait_up().await;
            self.run_errands().await;
        }
    }

    /// Says all there is to say, as long as the connection is up.
    async fn run_errands(&self) {
        let mut errands = self.lane.errands();
        while self.link.is_up()
            && let Some(errand) = errands.pop_front()
        {
            self.run_errand(errand).await;
        }
        if !errands.is_empty() {
            self.lane.errand.notify_one();
        }
        self.lane.end_errands(errands);
    }

    async fn run_errand(&self, errand: Errand) {
        match errand {
            Errand::Say { reply, word } => {
                // Fails only if the connection's task has ended: then the lease runs out.
                if let Ok(tie) = self.link.tie() {
                    let _ = tie.client.publish(reply, word.into()).await;
                }
            }
            Errand::Remember { sequence, delivered, attempts } => {
                let queue = self.lane.queue;
                if let Err(error) = self.attempts.write(queue, sequence, delivered, attempts).await {
                    tracing::warn!(%queue, %error, "a delivery that was not started will count as an attempt");
                }
            }
        }
    }
}
