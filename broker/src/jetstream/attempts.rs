//! Attempts, where the server's count of deliveries is not that of attempts.
//!
//! The server counts deliveries and forgets nothing of that in a crash, so every delivery is presumed to have been
//! started. Whoever gives one back unstarted writes down how many attempts there were up to it. So the hot path, one
//! delivery that is started and acknowledged, costs nothing, and a crash loop counts.

use quire_proto::codec;
use serde::{Deserialize, Serialize};

use super::{fault::Fault, link::Link, names};
use crate::Queue;

/// Up to the delivery `delivered` there were so many attempts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Note {
    delivered: u64,
    attempts: u32,
}

/// The notes of all queues.
#[derive(Clone)]
pub(super) struct Attempts {
    link: Link,
}

impl Attempts {
    pub(super) const fn new(link: Link) -> Self {
        Self { link }
    }

    /// Which attempt a delivery is if it is started. What cannot be learned is counted in favour of ending.
    pub(super) async fn of(&self, queue: Queue, sequence: u64, delivered: u64) -> u32 {
        let presumed = u32::try_from(delivered).unwrap_or(u32::MAX);
        if delivered <= 1 {
            return presumed;
        }
        let Ok(Some(note)) = self.read(queue, sequence).await else { return presumed };
        let since = delivered.saturating_sub(note.delivered);
        note.attempts.saturating_add(u32::try_from(since).unwrap_or(u32::MAX)).max(1)
    }

    async fn read(&self, queue: Queue, sequence: u64) -> Result<Option<Note>, Fault> {
        let subject = key(queue, sequence);
        let value = super::buckets::last(&self.link, names::ATTEMPTS, &subject).await?;
        Ok(value.and_then(|stored| codec::decode(&stored.data).ok()))
    }

    /// Writes down that there were so many attempts up to the delivery `delivered`.
    pub(super) async fn write(
        &self,
        queue: Queue,
        sequence: u64,
        delivered: u64,
        attempts: u32,
    ) -> Result<(), Fault> {
        let note = Note { delivered, attempts };
        let body = codec::encode(&note).map_err(|error| Fault::Strange(error.to_string()))?;
        let _: serde_json::Value = self.link.ask(key(queue, sequence), None, body.into()).await?;
        Ok(())
    }
}

fn key(queue: Queue, sequence: u64) -> String {
    names::key(names::ATTEMPTS, &format!("{queue}.{sequence}"))
}
