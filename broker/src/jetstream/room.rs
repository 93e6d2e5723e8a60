//! Room: whether a queue takes a message now, by what is known of it or by a look.

use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::{
    fault::Fault,
    gauge::Load,
    names,
    publish::{Limits, Outgoing, PAUSE, Publisher, Stored},
};
use crate::{Message, PublishError, message::Batch};

/// Messages of one call on their way at once.
const BATCH: usize = 256;
/// An id that no message has.
const NEVER: &str = "none";
/// A sequence that no stream comes to.
const NEVER_SEQUENCE: &str = "9007199254740991";

impl Publisher {
    /// Waits for room for the next message, and takes as many more as have room now.
    pub(super) async fn admit(
        &self,
        batch: &mut Batch,
        limits: Limits,
    ) -> Result<Vec<Outgoing>, PublishError> {
        let mut asked = None;
        let mut messages = Vec::new();
        let mut looked = false;
        while let Some(message) = batch.peek() {
            let load = Load::of(message.size());
            if messages.len() < BATCH && self.gauge.admit(load, limits.headroom, looked) {
                messages.extend(batch.advance().map(|message| Outgoing { message, load, sent: None }));
                continue;
            }
            if !messages.is_empty() {
                break;
            }
            if !looked || !self.gauge.is_settled() {
                looked = self.look(limits).await?;
                if looked && self.gauge.admit(load, limits.headroom, true) {
                    messages.extend(batch.advance().map(|message| Outgoing { message, load, sent: None }));
                    continue;
                }
            }
            let id = message.id;
            if asked != Some(id) {
                asked = Some(id);
                if self.is_known(message, limits).await? {
                    batch.advance();
                    batch.taken.duplicates += 1;
                    self.gauge.count(true);
                    continue;
                }
            }
            if Instant::now() >= limits.room {
                return Err(PublishError::Full { queue: self.queue });
            }
            tokio::select! {
                () = self.gauge.freed.notified() => {}
                () = sleep_until(limits.room.min(Instant::now() + PAUSE)) => {}
            }
            looked = false;
        }
        Ok(messages)
    }

    /// Looks for room; whether anything was learned.
    async fn look(&self, limits: Limits) -> Result<bool, PublishError> {
        match self.persist(limits, || self.gauge.look(&self.link)).await {
            Ok(_) => Ok(true),
            // Who may not look is told by the stream itself.
            Err(Fault::Denied { .. }) => Ok(true),
            Err(fault) => Err(fault.into_publish()),
        }
    }

    /// Whether the stream has seen the message's id: it answers that before it looks at a condition that never holds
    /// here, so nothing is stored.
    ///
    /// Which condition that is depends on the server: without replicas it looks at the last sequence before it looks
    /// for repeats; with replicas it looks at the last id only when the message is stored, and every replica that
    /// meets one it cannot store takes its stream for broken. Where the stream may not be looked at, it is not asked.
    async fn is_known(&self, message: &Message, limits: Limits) -> Result<bool, PublishError> {
        let Some(replicas) = self.gauge.replicas() else { return Ok(false) };
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", names::message_id(&message.id));
        if replicas > 1 {
            headers.insert("Nats-Expected-Last-Sequence", NEVER_SEQUENCE);
        } else {
            headers.insert("Nats-Expected-Last-Msg-Id", NEVER);
        }
        let subject = names::subject(self.queue, message);
        let ask = || self.link.ask::<Stored>(subject.clone(), Some(headers.clone()), Bytes::new());
        match self.persist(limits, ask).await {
            Ok(stored) => Ok(stored.duplicate),
            // The stream looked at the condition, so it does not know the id.
            Err(Fault::Refused { .. }) => Ok(false),
            Err(fault) => Err(fault.into_publish()),
        }
    }
}
