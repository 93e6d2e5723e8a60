//! The side of a queue where messages come in: what has just arrived, which ids were seen, and who waits for room.
//!
//! The intake keeps its own account of what the queue holds. It learns of settled messages only when it needs to: as
//! long as there is room by its own account, publishers and consumers do not meet.

use std::{
    collections::{BTreeMap, VecDeque},
    task::Waker,
};

use tokio::time::Instant;

use super::dedup::Dedup;
use crate::{InProcessOptions, Message, QueueInfo, message::Batch};

/// A message in a queue.
pub(super) struct Entry {
    pub(super) message: Message,
    /// Its place in the order of the queue.
    pub(super) sequence: u64,
    pub(super) published: Instant,
    /// Deliveries that were started.
    pub(super) started: u32,
    pub(super) delivered: bool,
}

/// Messages and bytes that have left a queue.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Freed {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// Whose turn it is to publish: headroom (`false`) first, then first come, first served.
pub(super) type Turn = (bool, u64);

struct Waiting {
    waker: Waker,
    size: usize,
}

/// The part of a queue that must be free before waiting publishers are let in again: one in so many, but no more
/// messages than `SLACK_MESSAGES`, which take slow consumers only a moment.
const SLACK: usize = 8;
const SLACK_MESSAGES: usize = 128;

/// The state of the side where messages come in.
pub(super) struct Intake {
    options: InProcessOptions,
    pub(super) arriving: VecDeque<Entry>,
    dedup: Dedup,
    waiting: BTreeMap<Turn, Waiting>,
    /// Whether waiting publishers are let in. A queue that has run full lets them in again when a small part of it is
    /// free, so that a publisher and a consumer at the limit do not take turns message by message.
    flowing: bool,
    next_sequence: u64,
    next_turn: u64,
    messages: usize,
    bytes: usize,
    published: u64,
    duplicates: u64,
}

impl Intake {
    pub(super) fn new(options: InProcessOptions) -> Self {
        Self {
            options,
            arriving: VecDeque::new(),
            dedup: Dedup::new(options.dedup_window, options.dedup_max),
            waiting: BTreeMap::new(),
            flowing: true,
            next_sequence: 0,
            next_turn: 0,
            messages: 0,
            bytes: 0,
            published: 0,
            duplicates: 0,
        }
    }

    /// Takes from `batch` while there is room; whether all was taken.
    pub(super) fn push(&mut self, batch: &mut Batch, headroom: bool, now: Instant) -> bool {
        while let Some(message) = batch.peek() {
            if self.dedup.has_seen(&message.id, now) {
                batch.advance();
                batch.taken.duplicates += 1;
                self.duplicates += 1;
                continue;
            }
            let size = message.size();
            if !self.fits(size, headroom) {
                self.flowing = false;
                return false;
            }
            if let Some(message) = batch.advance() {
                self.append(message, size, now);
                batch.taken.accepted += 1;
            }
        }
        true
    }

    fn append(&mut self, message: Message, size: usize, now: Instant) {
        self.dedup.remember(message.id, now);
        self.messages += 1;
        self.bytes += size;
        self.published += 1;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.arriving.push_back(Entry { message, sequence, published: now, started: 0, delivered: false });
    }

    fn fits(&self, size: usize, headroom: bool) -> bool {
        let (messages, bytes) =
            if headroom { (self.options.headroom_messages, self.options.headroom_bytes) } else { (0, 0) };
        self.messages < self.options.max_messages.saturating_add(messages)
            && self.bytes.saturating_add(size) <= self.options.max_bytes.saturating_add(bytes)
    }

    /// Takes note of what has left the queue.
    pub(super) fn free(&mut self, freed: Freed) {
        self.messages = self.messages.saturating_sub(freed.messages);
        self.bytes = self.bytes.saturating_sub(freed.bytes);
    }

    /// Whether a publish may go ahead: no one of its kind or above waits, or it is its turn.
    pub(super) fn may_publish(&self, headroom: bool, turn: Option<Turn>) -> bool {
        match self.waiting.first_key_value() {
            None => true,
            Some((first, _)) => turn == Some(*first) || (headroom && first.0),
        }
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Stands in line for room, or stays in it.
    pub(super) fn wait(&mut self, headroom: bool, turn: Option<Turn>, size: usize, waker: Waker) -> Turn {
        let turn = turn.unwrap_or_else(|| {
            self.next_turn += 1;
            (!headroom, self.next_turn)
        });
        self.waiting.insert(turn, Waiting { waker, size });
        turn
    }

    pub(super) fn leave(&mut self, turn: Turn) {
        self.waiting.remove(&turn);
    }

    /// The publisher to wake, if there is room for the one whose turn it is. `idle`: nothing is under way that would
    /// make more room.
    pub(super) fn next_publisher(&mut self, idle: bool) -> Option<Waker> {
        if self.waiting.is_empty() {
            return None;
        }
        let messages = self.options.max_messages - (self.options.max_messages / SLACK).min(SLACK_MESSAGES);
        let bytes = self.options.max_bytes - self.options.max_bytes / SLACK;
        self.flowing = self.flowing || idle || (self.messages <= messages && self.bytes <= bytes);
        let ((ordinary, _), waiting) = self.waiting.first_key_value().filter(|_| self.flowing)?;
        self.fits(waiting.size, !ordinary).then(|| waiting.waker.clone())
    }

    /// Adds to the outlet's information what the intake knows.
    pub(super) fn complete(&self, info: &mut QueueInfo, now: Instant) {
        if let (0, Some(first)) = (info.depth, self.arriving.front()) {
            info.oldest_age = now.saturating_duration_since(first.published);
        }
        info.depth += self.arriving.len();
        info.bytes = self.bytes;
        info.published = self.published;
        info.duplicates = self.duplicates;
    }

    /// All publishers that wait, for the end.
    pub(super) fn all_publishers(&self) -> Vec<Waker> {
        self.waiting.values().map(|waiting| waiting.waker.clone()).collect()
    }
}
