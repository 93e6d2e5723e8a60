//! One queue in memory: what waits, what is on lease, what is delayed, and who waits for room. Locked by its owner.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use super::{dedup::Dedup, flights::Flights};
use crate::{
    InProcessOptions, Message, QueueInfo,
    delivery::{Token, Word},
    message::Batch,
};

/// A message in a queue.
pub(super) struct Entry {
    pub(super) message: Arc<Message>,
    /// Its place in the order of the queue.
    pub(super) sequence: u64,
    pub(super) published: Instant,
    /// Deliveries that were started.
    pub(super) started: u32,
    pub(super) delivered: bool,
}

/// The part of a lane that must be free before waiting publishers are let in again: one in so many.
const SLACK: usize = 64;

/// Whose turn it is to publish: headroom first, then first come, first served.
pub(super) type Turn = (bool, u64);

struct Waiting {
    waker: Waker,
    size: usize,
}

/// The state of a queue.
pub(super) struct Lane {
    options: InProcessOptions,
    /// Never delivered, in order.
    fresh: VecDeque<Entry>,
    /// Handed out before and back again, by sequence: all of them come before `fresh`.
    returned: BTreeMap<u64, Entry>,
    delayed: BTreeMap<(Instant, u64), Entry>,
    flights: Flights,
    dedup: Dedup,
    waiting: BTreeMap<Turn, Waiting>,
    /// Whether waiting publishers are let in. A lane that has run full lets them in again when a part of it is free, so
    /// that a publisher and a consumer at the limit do not take turns message by message.
    flowing: bool,
    next_sequence: u64,
    next_turn: u64,
    bytes: usize,
    pub(super) paused: bool,
    counts: QueueInfo,
}

impl Lane {
    pub(super) fn new(options: InProcessOptions) -> Self {
        Self {
            options,
            fresh: VecDeque::new(),
            returned: BTreeMap::new(),
            delayed: BTreeMap::new(),
            flights: Flights::new(),
            dedup: Dedup::new(options.dedup_window, options.dedup_max),
            waiting: BTreeMap::new(),
            flowing: true,
            next_sequence: 0,
            next_turn: 0,
            bytes: 0,
            paused: false,
            counts: QueueInfo::default(),
        }
    }

    /// Messages that can be handed out, were the lane not paused.
    pub(super) fn depth(&self) -> usize {
        self.fresh.len() + self.returned.len()
    }

    pub(super) fn deliverable(&self) -> bool {
        !self.paused && self.depth() > 0
    }

    pub(super) const fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// When something next happens by itself.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let delayed = self.delayed.first_key_value().map(|((at, _), _)| *at);
        match (self.flights.first_deadline(), delayed) {
            (Some(lease), Some(delay)) => Some(lease.min(delay)),
            (one, other) => one.or(other),
        }
    }

    /// Takes from `batch` while there is room; whether all was taken.
    pub(super) fn push(&mut self, batch: &mut Batch, headroom: bool, now: Instant) -> bool {
        while let Some(message) = batch.peek() {
            if self.dedup.has_seen(&message.id, now) {
                batch.advance();
                batch.taken.duplicates += 1;
                self.counts.duplicates += 1;
                continue;
            }
            if !self.fits(message.size(), headroom) {
                self.flowing = false;
                return false;
            }
            if let Some(message) = batch.advance() {
                self.append(message, now);
                batch.taken.accepted += 1;
            }
        }
        true
    }

    fn append(&mut self, message: Arc<Message>, now: Instant) {
        self.dedup.remember(message.id, now);
        self.bytes += message.size();
        self.counts.published += 1;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.fresh.push_back(Entry { message, sequence, published: now, started: 0, delivered: false });
    }

    fn fits(&self, size: usize, headroom: bool) -> bool {
        let (messages, bytes) =
            if headroom { (self.options.headroom_messages, self.options.headroom_bytes) } else { (0, 0) };
        self.held() < self.options.max_messages.saturating_add(messages)
            && self.bytes.saturating_add(size) <= self.options.max_bytes.saturating_add(bytes)
    }

    /// Whether a publish may go ahead: no one of its kind or above waits, or it is its turn.
    pub(super) fn may_publish(&self, headroom: bool, turn: Option<Turn>) -> bool {
        match self.waiting.first_key_value() {
            None => true,
            Some((first, _)) => turn == Some(*first) || (headroom && first.0),
        }
    }

    /// Queues up for room, or stays in the queue.
    pub(super) fn wait_for_room(
        &mut self,
        headroom: bool,
        turn: Option<Turn>,
        size: usize,
        waker: Waker,
    ) -> Turn {
        let turn = turn.unwrap_or_else(|| {
            self.next_turn += 1;
            // `false` sorts first, and headroom goes first.
            (!headroom, self.next_turn)
        });
        self.waiting.insert(turn, Waiting { waker, size });
        turn
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn leave(&mut self, turn: Turn) {
        self.waiting.remove(&turn);
    }

    /// The publisher to wake, if there is room for the one whose turn it is.
    pub(super) fn next_publisher(&mut self) -> Option<Waker> {
        if self.waiting.is_empty() {
            return None;
        }
        self.flowing = self.flowing || self.has_slack();
        let ((ordinary, _), waiting) = self.waiting.first_key_value().filter(|_| self.flowing)?;
        self.fits(waiting.size, !ordinary).then(|| waiting.waker.clone())
    }

    /// Whether a small part of the lane is free, or nothing is under way that would make more room.
    fn has_slack(&self) -> bool {
        let messages = self.options.max_messages - self.options.max_messages / SLACK;
        let bytes = self.options.max_bytes - self.options.max_bytes / SLACK;
        (self.held() <= messages && self.bytes <= bytes) || (self.flights.len() == 0 && !self.deliverable())
    }

    fn held(&self) -> usize {
        self.depth() + self.flights.len() + self.delayed.len()
    }

    /// All publishers that wait, for the end.
    pub(super) fn all_publishers(&self) -> Vec<Waker> {
        self.waiting.values().map(|waiting| waiting.waker.clone()).collect()
    }

    /// Hands out at most `max` messages, oldest first.
    pub(super) fn take<T>(
        &mut self,
        max: usize,
        now: Instant,
        mut deliver: impl FnMut(Arc<Message>, u32, Token) -> T,
    ) -> Vec<T> {
        let count = if self.paused { 0 } else { max.min(self.depth()) };
        let deadline = now + self.options.ack_wait;
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            let next = match self.returned.pop_first() {
                Some((_, entry)) => Some(entry),
                None => self.fresh.pop_front(),
            };
            let Some(mut entry) = next else { break };
            self.counts.redelivered += u64::from(entry.delivered);
            entry.delivered = true;
            let (message, attempt) = (Arc::clone(&entry.message), entry.started.saturating_add(1));
            let token = self.flights.insert(entry, deadline);
            taken.push(deliver(message, attempt, token));
        }
        taken
    }

    /// Takes the word of a holder.
    pub(super) fn tell(&mut self, token: Token, word: Word, now: Instant) {
        match word {
            Word::Progress => self.flights.renew(token, now + self.options.ack_wait),
            Word::Start => {
                self.flights.renew(token, now + self.options.ack_wait);
                if let Some(flight) = self.flights.get_mut(token)
                    && !std::mem::replace(&mut flight.started, true)
                {
                    flight.entry.started = flight.entry.started.saturating_add(1);
                }
            }
            Word::Ack | Word::Term => self.settle(token, word),
            Word::Forgotten => self.give_back(token, Duration::ZERO, now),
            Word::Nak(delay) => self.give_back(token, delay, now),
        }
    }

    /// Forgets a message.
    pub(super) fn settle(&mut self, token: Token, word: Word) {
        // A word that comes after the end of the lease still counts while no one else has the message.
        let flight = self.flights.remove(token).map(|flight| flight.entry);
        let Some(entry) = flight.or_else(|| self.returned.remove(&token.1)) else { return };
        self.bytes = self.bytes.saturating_sub(entry.message.size());
        if word == Word::Ack {
            self.counts.acked += 1;
        } else {
            self.counts.terminated += 1;
        }
    }

    fn give_back(&mut self, token: Token, delay: Duration, now: Instant) {
        let Some(flight) = self.flights.remove(token) else { return };
        let entry = flight.entry;
        if delay.is_zero() {
            self.returned.insert(entry.sequence, entry);
        } else {
            // A delay beyond the reach of the clock is an ordinary long one.
            let at = now.checked_add(delay).unwrap_or(now + Duration::from_secs(86_400 * 365));
            self.delayed.insert((at, entry.sequence), entry);
        }
    }

    /// Ends leases and delays whose time is over.
    pub(super) fn tick(&mut self, now: Instant) {
        while let Some(flight) = self.flights.expire(now) {
            self.returned.insert(flight.entry.sequence, flight.entry);
        }
        while let Some(first) = self.delayed.first_entry() {
            if first.key().0 > now {
                break;
            }
            let entry = first.remove();
            self.returned.insert(entry.sequence, entry);
        }
    }

    pub(super) fn info(&self, now: Instant) -> QueueInfo {
        let returned = self.returned.first_key_value().map(|(_, entry)| entry.published);
        let oldest = returned.or_else(|| self.fresh.front().map(|entry| entry.published));
        QueueInfo {
            depth: self.depth(),
            in_flight: self.flights.len(),
            delayed: self.delayed.len(),
            bytes: self.bytes,
            oldest_age: oldest.map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
            paused: self.paused,
            ..self.counts
        }
    }
}
