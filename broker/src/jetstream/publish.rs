//! Publishing: every message is answered by its stream, or sent again under the same id.

use std::{future::poll_fn, task::Poll, time::Duration};

use async_nats::HeaderMap;
use bytes::Bytes;
use futures_util::future::maybe_done;
use serde::Deserialize;
use tokio::{
    sync::{Mutex, Semaphore, watch},
    task::coop::unconstrained,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{
    Layout, apply,
    fault::Fault,
    gauge::{Gauge, Load},
    link::Link,
    names,
    phase::{self, Phase},
    wire,
};
use crate::{Message, PublishError, Queue, message::Batch};

/// Messages of one call on their way at once, and of one queue.
const BATCH: usize = 256;
pub(super) const WINDOW: usize = 1_000;
/// How long one who cannot wait for room may wait for his turn to look.
const TURN: Duration = Duration::from_millis(100);
/// Pause before the room of a full queue is looked at again, and before what failed is sent again.
const PAUSE: Duration = Duration::from_millis(20);
/// The server's errors for a stream or a disk without room.
const NO_ROOM: [u64; 3] = [10_077, 10_047, 10_023];
/// The stream of the subject is not the one that is there.
const STREAM_NOT_FOUND: u64 = 10_059;
/// An id that no message has.
const NEVER: &str = "none";

/// The stream's answer to a message.
#[derive(Deserialize)]
pub(super) struct Stored {
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) duplicate: bool,
}

/// The way into one queue.
pub(super) struct Publisher {
    pub(super) queue: Queue,
    pub(super) link: Link,
    pub(super) gauge: Gauge,
    /// Ordinary publishers wait for room in line, so that they are served in turn.
    pub(super) line: Mutex<()>,
    /// Messages that may be on their way: more of them starve the consumers of the same stream.
    pub(super) window: Semaphore,
    pub(super) request_timeout: Duration,
    pub(super) creates: Option<Layout>,
}

/// A message on its way.
struct Parcel {
    message: Message,
    load: Load,
    sent_before: bool,
}

/// How long to wait for room, and for the broker.
#[derive(Clone, Copy)]
struct Limits {
    headroom: bool,
    room: Instant,
    broker: Instant,
}

impl Publisher {
    /// Takes all of `batch`.
    pub(super) async fn publish(
        &self,
        batch: &mut Batch,
        headroom: bool,
        deadline: Duration,
        phase: watch::Receiver<Phase>,
    ) -> Result<(), PublishError> {
        let now = Instant::now();
        let limits =
            Limits { headroom, room: now + deadline, broker: now + deadline.max(self.request_timeout) };
        let all = async {
            while batch.peek().is_some() {
                self.publish_some(batch, limits).await?;
            }
            Ok(())
        };
        tokio::select! {
            biased;
            () = phase::ended(phase) => Err(PublishError::Closed),
            done = all => done,
        }
    }

    async fn publish_some(&self, batch: &mut Batch, limits: Limits) -> Result<(), PublishError> {
        let parcels = if limits.headroom {
            self.admit(batch, limits).await?
        } else {
            let line = timeout_at(limits.room.max(Instant::now() + TURN), self.line.lock()).await;
            let _line = line.map_err(|_| PublishError::Full { queue: self.queue })?;
            self.admit(batch, limits).await?
        };
        let mut waiting = Admitted { gauge: &self.gauge, parcels };
        while !waiting.parcels.is_empty() {
            self.send(&mut waiting, batch, limits).await?;
        }
        Ok(())
    }

    /// Waits for room for the next message, and takes as many more as have room now.
    async fn admit(&self, batch: &mut Batch, limits: Limits) -> Result<Vec<Parcel>, PublishError> {
        let mut asked = None;
        let mut parcels = Vec::new();
        let mut looked = false;
        while let Some(message) = batch.peek() {
            let load = Load::of(message.size());
            if parcels.len() < BATCH && self.gauge.admit(load, limits.headroom, looked) {
                parcels.extend(batch.advance().map(|message| Parcel { message, load, sent_before: false }));
                continue;
            }
            if !parcels.is_empty() {
                break;
            }
            if !looked || !self.gauge.is_settled() {
                looked = self.look(limits).await?;
                if looked && self.gauge.admit(load, limits.headroom, true) {
                    parcels.extend(batch.advance().map(|message| Parcel {
                        message,
                        load,
                        sent_before: false,
                    }));
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
        Ok(parcels)
    }

    /// Looks for room; whether anything was learned.
    async fn look(&self, limits: Limits) -> Result<bool, PublishError> {
        match self.persist(limits, || self.gauge.look(&self.link)).await {
            Ok(()) => Ok(true),
            // Who may not look is told by the stream itself.
            Err(Fault::Denied { .. }) => Ok(true),
            Err(fault) => Err(fault.into_publish()),
        }
    }

    /// Whether the stream has seen the message's id: it answers that before it looks at the id of the message before,
    /// and that is never what is asked for here, so nothing is stored.
    async fn is_known(&self, message: &Message, limits: Limits) -> Result<bool, PublishError> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", names::message_id(&message.id));
        headers.insert("Nats-Expected-Last-Msg-Id", NEVER);
        let subject = names::subject(self.queue, message);
        let ask = || self.link.ask::<Stored>(subject.clone(), Some(headers.clone()), Bytes::new());
        match self.persist(limits, ask).await {
            Ok(stored) => Ok(stored.duplicate),
            Err(Fault::Refused { .. }) => Ok(false),
            Err(fault) => Err(fault.into_publish()),
        }
    }

    /// Sends what waits, in order, and keeps what has to be sent again.
    async fn send(
        &self,
        waiting: &mut Admitted<'_>,
        batch: &mut Batch,
        limits: Limits,
    ) -> Result<(), PublishError> {
        let answers = self.send_in_order(&waiting.parcels).await;
        let mut again = None;
        let parcels = std::mem::take(&mut waiting.parcels);
        for (mut parcel, answer) in parcels.into_iter().zip(answers) {
            match answer {
                Ok(stored) => {
                    self.gauge.answered(parcel.load);
                    // A repeat of our own is no duplicate: it is how we learn that the first was stored.
                    let duplicate = stored.duplicate && !parcel.sent_before;
                    self.gauge.count(duplicate);
                    batch.taken.duplicates += usize::from(duplicate);
                    batch.taken.accepted += usize::from(!duplicate);
                }
                Err(fault) => {
                    parcel.sent_before |= fault == Fault::Lost;
                    waiting.parcels.push(parcel);
                    again.get_or_insert(fault);
                }
            }
        }
        match again {
            Some(fault) => self.before_repeat(fault, limits).await,
            None => Ok(()),
        }
    }

    /// Sends all, then waits for the answers.
    async fn send_in_order(&self, parcels: &[Parcel]) -> Vec<Result<Stored, Fault>> {
        let mut sends = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            // Polled once it is on its way, or in line for that; but not if this task's budget ended just then.
            let mut send = Box::pin(maybe_done(unconstrained(self.send_one(&parcel.message))));
            poll_fn(|context| Poll::Ready(send.as_mut().poll(context).is_ready())).await;
            sends.push(send);
        }
        let mut answers = Vec::with_capacity(sends.len());
        for mut send in sends {
            send.as_mut().await;
            answers.push(send.as_mut().take_output().unwrap_or(Err(Fault::Lost)));
        }
        answers
    }

    async fn send_one(&self, message: &Message) -> Result<Stored, Fault> {
        let _place = self.window.acquire().await.map_err(|_| Fault::Lost)?;
        let subject = names::subject(self.queue, message);
        self.link.ask(subject, Some(wire::headers(message)), message.payload.clone()).await
    }

    /// Waits until it is worth while to send again what failed like this; or says that it is not.
    async fn before_repeat(&self, fault: Fault, limits: Limits) -> Result<(), PublishError> {
        let now = Instant::now();
        match fault {
            Fault::Refused { code, .. } if NO_ROOM.contains(&code) => {
                if now >= limits.room {
                    return Err(PublishError::Full { queue: self.queue });
                }
                sleep_until(limits.room.min(now + PAUSE)).await;
                Ok(())
            }
            Fault::TooLarge => {
                let limit = self.link.client().max_payload();
                Err(PublishError::TooLarge { bytes: limit.saturating_add(1), limit })
            }
            fault => self.outlast(fault, limits.broker).await.map_err(Fault::into_publish),
        }
    }

    /// Waits until the broker may be there again; or gives up.
    async fn outlast(&self, fault: Fault, deadline: Instant) -> Result<(), Fault> {
        let fault = match fault {
            Fault::NoResponders { .. } | Fault::Refused { code: STREAM_NOT_FOUND, .. } => {
                self.named(fault).await
            }
            other => other,
        };
        if !fault.passes() || Instant::now() >= deadline {
            return Err(fault);
        }
        sleep(PAUSE).await;
        timeout_at(deadline, self.link.wait_up()).await.map_err(|_| Fault::Lost)
    }

    /// Tells a missing stream from a server that is not ready; creates it in development.
    async fn named(&self, fault: Fault) -> Fault {
        match (apply::diagnose(&self.link, self.queue).await, &self.creates) {
            (Err(missing @ Fault::Missing { .. }), Some(layout)) => {
                match apply::apply(&self.link, layout).await {
                    Ok(_) => Fault::Lost,
                    Err(_) => missing,
                }
            }
            (Err(missing @ Fault::Missing { .. }), None) => missing,
            _ if fault.passes() => fault,
            _ => Fault::Lost,
        }
    }

    async fn persist<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        limits: Limits,
        mut call: impl FnMut() -> F,
    ) -> Result<T, Fault> {
        loop {
            match call().await {
                Err(fault @ (Fault::Lost | Fault::NoResponders { .. }))
                | Err(fault @ Fault::Refused { code: STREAM_NOT_FOUND, .. }) => {
                    self.outlast(fault, limits.broker).await?;
                }
                done => return done,
            }
        }
    }
}

/// Messages whose place is taken; given back however the publish ends.
struct Admitted<'a> {
    gauge: &'a Gauge,
    parcels: Vec<Parcel>,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        for parcel in &self.parcels {
            self.gauge.answered(parcel.load);
        }
    }
}
