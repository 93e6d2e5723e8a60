//! Carries the words of holders to the server, in order.
//!
//! A word is one small message without an answer: if it is lost with a connection, the lease runs out and the
//! message comes again, which is harmless. While there is no connection, words wait, for as long as they are true.
//! What has to be written down before its word is said holds up no other word.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;

use super::{attempts::Attempts, errands::Chore, lane::Lane, link::Link};

/// Notes that are written at once.
const NOTES: usize = 16;
/// How often a lane is looked through is this part of its leases.
const SWEEPS: u32 = 16;
const SHORTEST_SWEEP: Duration = Duration::from_millis(5);

/// Says what one lane has to say.
pub(super) struct Settler {
    pub(super) lane: Arc<Lane>,
    pub(super) link: Link,
    pub(super) attempts: Attempts,
}

impl Settler {
    /// Runs until the task is aborted.
    pub(super) async fn run(self) {
        let words = async {
            loop {
                self.lane.errand.notified().await;
                self.say_all().await;
            }
        };
        let chores = async {
            loop {
                self.lane.chore.notified().await;
                self.link.wait_up().await;
                self.write_all().await;
            }
        };
        let sweeps = async {
            loop {
                self.lane.sweep();
                sleep((self.lane.ack_wait() / SWEEPS).max(SHORTEST_SWEEP)).await;
            }
        };
        tokio::join!(words, chores, sweeps);
    }

    /// Says all there is to say, waiting for the connection.
    async fn say_all(&self) {
        loop {
            self.link.wait_up().await;
            let Some(errand) = self.lane.next_errand() else { return };
            let Ok(tie) = self.link.tie() else {
                self.lane.put_back(errand);
                // The connection went just now, or its answers may not be heard: then words would not help either.
                sleep(SHORTEST_SWEEP * 10).await;
                continue;
            };
            // Fails only if the connection's task has ended: then the lease runs out.
            let _ = tie.client.publish(errand.reply, errand.word.into()).await;
        }
    }

    /// Writes down what there is, several messages at once but each in its order.
    async fn write_all(&self) {
        let mut messages: BTreeMap<u64, Vec<Chore>> = BTreeMap::new();
        for chore in self.lane.chores() {
            messages.entry(chore.sequence).or_default().push(chore);
        }
        let each = stream::iter(messages.into_values());
        each.for_each_concurrent(NOTES, |chores| async {
            for chore in chores {
                self.write(chore).await;
            }
        })
        .await;
        self.lane.end_chores();
    }

    async fn write(&self, chore: Chore) {
        let queue = self.lane.queue;
        let written = self.attempts.write(&self.lane, chore.sequence, chore.delivered, chore.attempts).await;
        if let Err(error) = written {
            tracing::warn!(%queue, %error, "a delivery that was not started will count as an attempt");
        }
        if let Some(errand) = chore.then {
            self.lane.pass_on(errand);
        }
    }
}
