//! Attempts, where the server's count of deliveries is not that of attempts.
//!
//! The server counts deliveries and forgets nothing of that in a crash, so every delivery is presumed to have been
//! started. Whoever gives one back unstarted writes down how many attempts there were up to it. So the hot path, one
//! delivery that is started and acknowledged, costs nothing, and a crash loop counts.

use async_nats::HeaderMap;
use quire_proto::codec;
use serde::{Deserialize, Serialize};

use super::{fault::Fault, lane::Lane, link::Link, names};
use crate::{Queue, Revision};

/// Up to the delivery `delivered` there were so many attempts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Note {
    /// Which stream it is of those that had this name.
    stream: u64,
    delivered: u64,
    attempts: u32,
}

/// The server's error for a note that someone else has just written.
const WRONG_REVISION: [u64; 2] = [10_071, 10_164];
/// How often a note is tried.
const TRIES: usize = 3;

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
    pub(super) async fn of(&self, lane: &Lane, sequence: u64, delivered: u64) -> u32 {
        let presumed = u32::try_from(delivered).unwrap_or(u32::MAX);
        if delivered <= 1 {
            return presumed;
        }
        let Ok(Some((note, _))) = self.read(lane, sequence).await else { return presumed };
        // A note on this delivery or a later one is about another message.
        let Some(since) = note.delivered.checked_add(1).and_then(|next| delivered.checked_sub(next)) else {
            return presumed;
        };
        let since = u32::try_from(since).unwrap_or(u32::MAX).saturating_add(1);
        note.attempts.saturating_add(since).max(1)
    }

    async fn read(&self, lane: &Lane, sequence: u64) -> Result<Option<(Note, Revision)>, Fault> {
        let subject = key(lane.queue, sequence);
        let Some(stored) = super::buckets::last(&self.link, names::ATTEMPTS, &subject).await? else {
            return Ok(None);
        };
        let of_stream = |note: &Note| lane.incarnation() == 0 || note.stream == lane.incarnation();
        let note = codec::decode::<Note>(&stored.data).ok().filter(of_stream);
        Ok(Some((note.unwrap_or(Note { stream: 0, delivered: 0, attempts: 0 }), stored.revision)))
    }

    /// Writes down that there were so many attempts up to the delivery `delivered`, unless a later one was written of.
    pub(super) async fn write(
        &self,
        lane: &Lane,
        sequence: u64,
        delivered: u64,
        attempts: u32,
    ) -> Result<(), Fault> {
        let note = Note { stream: lane.incarnation(), delivered, attempts };
        let body = codec::encode(&note).map_err(|error| Fault::Strange(error.to_string()))?;
        let mut known = Revision::default();
        for _ in 0..TRIES {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Expected-Last-Subject-Sequence", known.0.to_string());
            let subject = key(lane.queue, sequence);
            match self.link.ask::<serde_json::Value>(subject, Some(headers), body.clone().into()).await {
                Err(Fault::Refused { code, .. }) if WRONG_REVISION.contains(&code) => {}
                done => return done.map(drop),
            }
            match self.read(lane, sequence).await? {
                Some((later, _)) if later.delivered > delivered => return Ok(()),
                found => known = found.map_or_else(Revision::default, |(_, revision)| revision),
            }
        }
        Err(Fault::Strange("others write the same note".to_owned()))
    }
}

fn key(queue: Queue, sequence: u64) -> String {
    names::key(names::ATTEMPTS, &format!("{queue}.{sequence}"))
}
