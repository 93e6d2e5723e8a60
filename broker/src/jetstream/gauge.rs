//! What the server was last heard to say of a queue, and what was sent to it since.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_nats::jetstream::stream::State as StreamState;
use serde_json::json;
use tokio::{sync::Notify, time::Instant};

use super::{
    Layout,
    fault::Fault,
    lane::{Lane, Tally},
    link::Link,
    names,
    terms::{ConsumerInfo, StreamInfo, Terms},
};
use crate::{Queue, QueueFault, QueueInfo};

/// A look that is older than this says nothing about the room that there is.
const FRESH: Duration = Duration::from_millis(500);
/// The same for a large queue that is less than half full: it does not fill in this time unseen.
const CALM: Duration = Duration::from_secs(3);
const LARGE: usize = 1_024;
/// Where so little of a queue is free, one looks before each publish.
const NARROW: usize = 8;
/// Bytes that the server adds to a message, at most, without its headers.
const OVERHEAD: usize = 160;

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

    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_add(other.messages),
            bytes: self.bytes.saturating_add(other.bytes),
        }
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

struct Seen {
    looked: Option<Instant>,
    terms: Terms,
    stored: Load,
    /// Sent since the look, or unanswered when it began.
    sent: Load,
    /// Sent and not answered.
    unanswered: Load,
    info: QueueInfo,
    fault: Option<QueueFault>,
    bytes: usize,
    oldest: Option<Instant>,
    published: u64,
    duplicates: u64,
}

/// A queue's gauge.
pub(super) struct Gauge {
    queue: Queue,
    layout: Layout,
    seen: Mutex<Seen>,
    looking: tokio::sync::Mutex<()>,
    /// Told when there may be room again.
    pub(super) freed: Notify,
}

impl Gauge {
    pub(super) fn new(queue: Queue, layout: &Layout) -> Self {
        let seen = Seen {
            looked: None,
            terms: Terms::of(layout),
            stored: Load::default(),
            sent: Load::default(),
            unanswered: Load::default(),
            info: QueueInfo::default(),
            fault: None,
            bytes: 0,
            oldest: None,
            published: 0,
            duplicates: 0,
        };
        Self {
            queue,
            layout: *layout,
            seen: Mutex::new(seen),
            looking: tokio::sync::Mutex::default(),
            freed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the place of a message, if what is known allows it; `looked` just now.
    pub(super) fn admit(&self, message: Load, headroom: bool, looked: bool) -> bool {
        let mut seen = self.lock();
        let limit = if headroom { seen.terms.most } else { seen.terms.limit };
        let used = seen.stored.plus(seen.sent).plus(message);
        let narrow = limit.messages.saturating_sub(used.messages) < limit.messages / NARROW
            || limit.bytes.saturating_sub(used.bytes) < limit.bytes / NARROW;
        let calm =
            limit.messages >= LARGE && used.messages < limit.messages / 2 && used.bytes < limit.bytes / 2;
        let age = if calm { CALM } else { FRESH };
        let fresh = seen.looked.is_some_and(|at| at.elapsed() < age);
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
        self.lock().terms.replicas
    }

    /// The largest message that the stream takes.
    pub(super) fn max_message_bytes(&self) -> usize {
        let terms = self.lock().terms;
        terms.max_message_bytes.min(terms.limit.bytes)
    }

    /// How long the stream remembers ids.
    pub(super) fn window(&self) -> Duration {
        self.lock().terms.window
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
    pub(super) async fn look(&self, link: &Link) -> Result<u64, Fault> {
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
        seen.terms = Terms::at_server(&info.config, &self.layout);
        seen.note_stream(&info.state);
        Ok(info.incarnation())
    }

    /// Looks at the stream and its consumer, and tells the lane what the server's terms are.
    pub(super) async fn look_closely(&self, link: &Link, lane: &Lane) -> Result<(), Fault> {
        let done = self.look_at_both(link, lane).await;
        let missing = matches!(&done, Err(fault) if fault.is_not_found());
        if missing || done.is_ok() {
            self.lock().fault = missing.then_some(QueueFault::Missing);
        }
        done
    }

    async fn look_at_both(&self, link: &Link, lane: &Lane) -> Result<(), Fault> {
        let call = format!("CONSUMER.INFO.{}.{}", self.queue, names::CONSUMER);
        let consumer = async { link.api::<ConsumerInfo>(&call, &json!({})).await };
        let (stream, consumer) = futures_util::future::join(self.look(link), consumer).await;
        let (incarnation, consumer) = (stream?, consumer?);
        lane.set_terms(consumer.config.ack_wait(), incarnation);
        lane.set_halted(consumer.paused);
        let tally = lane.tally();
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
            fault: tally.fault.or(seen.fault),
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
