//! Publishing: every message is answered by its stream, or sent again under the same id.

use std::{future::poll_fn, task::Poll, time::Duration};

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

/// Messages of one queue on their way at once.
pub(super) const WINDOW: usize = 1_000;
/// How long one who cannot wait for room may wait for his turn to look.
const TURN: Duration = Duration::from_millis(100);
/// Pause before the room of a full queue is looked at again, and before what failed is sent again.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

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
pub(super) struct Outgoing {
    pub(super) message: Message,
    pub(super) load: Load,
    /// When it was first sent without being answered, if it was.
    pub(super) sent: Option<Instant>,
}

/// How long to wait for room, and for the broker.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) headroom: bool,
    pub(super) room: Instant,
    pub(super) broker: Instant,
}

impl Limits {
    /// Ends while the server still knows what was sent: later, a repeat would be stored once more.
    fn recognised(self, messages: &[Outgoing], window: Duration) -> Self {
        let first = messages.iter().filter_map(|outgoing| outgoing.sent).min();
        let end = first.map(|sent| sent + window * 3 / 4);
        Self { broker: end.map_or(self.broker, |end| self.broker.min(end)), ..self }
    }
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
            done = all => {
                if self.queue == Queue::Dead && matches!(done, Err(PublishError::Full { .. })) {
                    tracing::error!("no room for dead letters: parcels that fail wait until some are dropped or replayed");
                }
                done
            }
        }
    }

    async fn publish_some(&self, batch: &mut Batch, limits: Limits) -> Result<(), PublishError> {
        let messages = if limits.headroom {
            self.admit(batch, limits).await?
        } else {
            let line = timeout_at(limits.room.max(Instant::now() + TURN), self.line.lock()).await;
            let _line = line.map_err(|_| PublishError::Full { queue: self.queue })?;
            self.admit(batch, limits).await?
        };
        let mut waiting = Admitted { gauge: &self.gauge, messages };
        while !waiting.messages.is_empty() {
            self.send(&mut waiting, batch, limits).await?;
        }
        Ok(())
    }

    /// Sends what waits, in order, and keeps what has to be sent again.
    async fn send(
        &self,
        waiting: &mut Admitted<'_>,
        batch: &mut Batch,
        limits: Limits,
    ) -> Result<(), PublishError> {
        let began = Instant::now();
        let answers = self.send_in_order(&waiting.messages).await;
        let mut again = None;
        let messages = std::mem::take(&mut waiting.messages);
        for (mut outgoing, answer) in messages.into_iter().zip(answers) {
            match answer {
                Ok(stored) => {
                    self.gauge.answered(outgoing.load);
                    // A repeat of our own is no duplicate: it is how we learn that the first was stored.
                    let duplicate = stored.duplicate && outgoing.sent.is_none();
                    self.gauge.count(duplicate);
                    batch.taken.duplicates += usize::from(duplicate);
                    batch.taken.accepted += usize::from(!duplicate);
                }
                Err(fault) => {
                    if fault == Fault::Lost {
                        outgoing.sent.get_or_insert(began);
                    }
                    waiting.messages.push(outgoing);
                    again.get_or_insert(fault);
                }
            }
        }
        match again {
            Some(fault) => {
                self.before_repeat(fault, limits.recognised(&waiting.messages, self.gauge.window())).await
            }
            None => Ok(()),
        }
    }

    /// Sends all, then waits for the answers.
    async fn send_in_order(&self, messages: &[Outgoing]) -> Vec<Result<Stored, Fault>> {
        let mut sends = Vec::with_capacity(messages.len());
        for outgoing in messages {
            // Polled once it is on its way, or in line for that; but not if this task's budget ended just then.
            let mut send = Box::pin(maybe_done(unconstrained(self.send_one(&outgoing.message))));
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
            fault if fault.is_no_room() => {
                if now >= limits.room {
                    return Err(PublishError::Full { queue: self.queue });
                }
                sleep_until(limits.room.min(now + PAUSE)).await;
                Ok(())
            }
            fault if fault.is_too_large() => {
                let server = self.link.tie().map_or(usize::MAX, |tie| tie.client.max_payload());
                let limit = self.gauge.max_message_bytes().min(server);
                Err(PublishError::TooLarge { bytes: limit.saturating_add(1), limit })
            }
            fault => self.outlast(fault, limits.broker).await.map_err(Fault::into_publish),
        }
    }

    /// Waits until the broker may be there again; or gives up.
    async fn outlast(&self, fault: Fault, deadline: Instant) -> Result<(), Fault> {
        let fault = match fault {
            Fault::NoResponders { .. } => self.named(fault).await,
            fault if fault.is_stream_not_found() => self.named(fault).await,
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

    /// Repeats what fails for want of the broker, until its time is over.
    pub(super) async fn persist<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        limits: Limits,
        mut call: impl FnMut() -> F,
    ) -> Result<T, Fault> {
        loop {
            match call().await {
                Err(fault) if fault.passes() || fault.is_stream_not_found() => {
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
    messages: Vec<Outgoing>,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        for outgoing in &self.messages {
            self.gauge.answered(outgoing.load);
        }
    }
}
