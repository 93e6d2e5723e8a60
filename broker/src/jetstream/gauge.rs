//! What the server was last heard to say of a queue, and what was sent to it since.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_nats::jetstream::stream::State as StreamState;
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::Notify, time::Instant};

use super::{Layout, fault::Fault, lane::Tally, link::Link, names};
use crate::{Queue, QueueInfo};

/// A look that is older than this says nothing about the room that there is.
const FRESH: Duration = Duration::from_millis(500);
/// Where so little of a queue is free, one looks before each publish.
const NARROW: usize = 8;
/// Bytes that the server adds to a message, at most, without its headers.
const OVERHEAD: usize = 160;

#[derive(Deserialize)]
struct StreamInfo {
    config: StreamConfig,
    state: StreamState,
}

/// What a stream is like at the server, as far as publishers need it.
#[derive(Debug, Clone, Copy, Deserialize)]
struct StreamConfig {
    num_replicas: usize,
}

#[derive(Deserialize)]
struct ConsumerInfo {
    num_pending: usize,
    num_ack_pending: usize,
}

/// Messages and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

impl Load {
    /// What a message of this size takes at the server.
    pub(super) const fn of(size: usize) -> Self {
        Self { messages: 1, bytes: size + OVERHEAD }
    }

    const fn plus(self, other: Self) -> Self {
        Self { messages: self.messages + other.messages, bytes: self.bytes + other.bytes }
    }

    const fn minus(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(other.messages),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    const fn fits(self, limit: Self) -> bool {
        self.messages <= limit.messages && self.bytes <= limit.bytes
    }
}

#[derive(Default)]
struct Seen {
    looked: Option<Instant>,
    config: Option<StreamConfig>,
    stored: Load,
    /// Sent since the look, or unanswered when it began.
    sent: Load,
    /// Sent and not answered.
    unanswered: Load,
    info: QueueInfo,
    bytes: usize,
    oldest: Option<Instant>,
    published: u64,
    duplicates: u64,
}

/// A queue's gauge.
pub(super) struct Gauge {
    queue: Queue,
    limit: Load,
    headroom: Load,
    seen: Mutex<Seen>,
    looking: tokio::sync::Mutex<()>,
    /// Told when there may be room again.
    pub(super) freed: Notify,
}

impl Gauge {
    pub(super) fn new(queue: Queue, layout: &Layout) -> Self {
        let limit = Load { messages: layout.max_messages, bytes: layout.max_bytes };
        let headroom = Load { messages: layout.headroom_messages, bytes: layout.headroom_bytes };
        Self {
            queue,
            limit,
            headroom: limit.plus(headroom),
            seen: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            freed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    const fn limit(&self, headroom: bool) -> Load {
        if headroom { self.headroom } else { self.limit }
    }

    /// Takes the place of a message, if what is known allows it; `looked` just now.
    pub(super) fn admit(&self, message: Load, headroom: bool, looked: bool) -> bool {
        let mut seen = self.lock();
        let limit = self.limit(headroom);
        let used = seen.stored.plus(seen.sent).plus(message);
        let narrow = limit.messages.saturating_sub(used.messages) < limit.messages / NARROW
            || limit.bytes.saturating_sub(used.bytes) < limit.bytes / NARROW;
        let fresh = seen.looked.is_some_and(|at| at.elapsed() < FRESH);
        let known = looked || (fresh && !narrow);
        if !known || !used.fits(limit) {
            return false;
        }
        seen.sent = seen.sent.plus(message);
        seen.unanswered = seen.unanswered.plus(message);
        true
    }

    /// Whether all that was sent is answered: then a look tells everything.
    pub(super) fn is_settled(&self) -> bool {
        self.lock().unanswered.messages == 0
    }

    /// How many copies of its messages the stream keeps, as far as it was looked at.
    pub(super) fn replicas(&self) -> Option<usize> {
        self.lock().config.map(|config| config.num_replicas)
    }

    /// A message that was admitted is answered, or given up.
    pub(super) fn answered(&self, message: Load) {
        let mut seen = self.lock();
        seen.unanswered = seen.unanswered.minus(message);
        drop(seen);
        self.freed.notify_waiters();
    }

    pub(super) fn count(&self, duplicate: bool) {
        let mut seen = self.lock();
        if duplicate {
            seen.duplicates += 1;
        } else {
            seen.published += 1;
        }
    }

    /// Looks how full the stream is. One look at a time: an answer that comes late would make forget what was sent
    /// since.
    pub(super) async fn look(&self, link: &Link) -> Result<(), Fault> {
        let _looking = self.looking.lock().await;
        {
            let mut seen = self.lock();
            // Until the answer is there, nothing is known.
            seen.looked = None;
            seen.stored = Load::default();
            seen.sent = seen.unanswered;
        }
        let call = format!("STREAM.INFO.{}", self.queue);
        let info: StreamInfo = link.api(&call, &json!({})).await?;
        let mut seen = self.lock();
        seen.config = Some(info.config);
        seen.note_stream(&info.state);
        Ok(())
    }

    /// Looks at the stream and its consumer.
    pub(super) async fn look_closely(&self, link: &Link, tally: impl Fn() -> Tally) -> Result<(), Fault> {
        let call = format!("CONSUMER.INFO.{}.{}", self.queue, names::CONSUMER);
        let consumer = async { link.api::<ConsumerInfo>(&call, &json!({})).await };
        let (stream, consumer) = futures_util::future::join(self.look(link), consumer).await;
        stream?;
        let (consumer, tally) = (consumer?, tally());
        let mut seen = self.lock();
        seen.info.depth = consumer.num_pending + tally.buffered;
        seen.info.delayed = tally.delayed.min(consumer.num_ack_pending);
        seen.info.in_flight = consumer.num_ack_pending.saturating_sub(tally.buffered + tally.delayed);
        Ok(())
    }

    /// What is known now.
    pub(super) fn info(&self, tally: Tally) -> QueueInfo {
        let seen = self.lock();
        let oldest = seen.oldest.filter(|_| seen.info.depth > 0);
        QueueInfo {
            bytes: seen.bytes,
            oldest_age: oldest.map_or(Duration::ZERO, |at| at.elapsed()),
            paused: tally.paused,
            published: seen.published,
            duplicates: seen.duplicates,
            acked: tally.acked,
            terminated: tally.terminated,
            redelivered: tally.redelivered,
            ..seen.info
        }
    }
}

impl Seen {
    fn note_stream(&mut self, state: &StreamState) {
        let now = Instant::now();
        self.looked = Some(now);
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        self.stored = Load { messages: count(state.messages), bytes: count(state.bytes) };
        self.bytes = self.stored.bytes;
        // By the server's clock; a difference to ours shows here and nowhere else.
        let age = SystemTime::now().duration_since(SystemTime::from(state.first_timestamp));
        let oldest = age.ok().and_then(|age| now.checked_sub(age)).unwrap_or(now);
        self.oldest = (state.messages > 0).then_some(oldest);
    }
}
