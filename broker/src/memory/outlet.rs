//! The side of a queue where messages go out: what can be delivered, what is on lease, what is delayed.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    flights::Flights,
    intake::{Entry, Freed},
};
use crate::{
    Message, QueueInfo,
    delivery::{Token, Word},
};

/// The longest delay of a nak: longer ones are no different to anyone, but could leave the clock's range.
const LONGEST_DELAY: Duration = Duration::from_secs(365 * 86_400);

/// The state of the side where messages go out.
pub(super) struct Outlet {
    ack_wait: Duration,
    /// Never delivered, in order.
    fresh: VecDeque<Entry>,
    /// Handed out before and back again, by sequence: all of them come before `fresh`.
    returned: BTreeMap<u64, Entry>,
    delayed: BTreeMap<(Instant, u64), Entry>,
    flights: Flights,
    /// By this process, and for all of them.
    pub(super) paused: bool,
    pub(super) halted: bool,
    freed: Freed,
    acked: u64,
    terminated: u64,
    redelivered: u64,
}

impl Outlet {
    pub(super) const fn new(ack_wait: Duration) -> Self {
        Self {
            ack_wait,
            fresh: VecDeque::new(),
            returned: BTreeMap::new(),
            delayed: BTreeMap::new(),
            flights: Flights::new(),
            paused: false,
            halted: false,
            freed: Freed { messages: 0, bytes: 0 },
            acked: 0,
            terminated: 0,
            redelivered: 0,
        }
    }

    /// Messages that can be handed out, were the queue not paused, as far as the outlet has them.
    pub(super) fn depth(&self) -> usize {
        self.fresh.len() + self.returned.len()
    }

    /// Whether nothing is handed out.
    pub(super) const fn is_paused(&self) -> bool {
        self.paused || self.halted
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

    /// Takes over what has arrived. The outlet has little left of its own: that goes in front, and the two exchange
    /// their buffers.
    pub(super) fn fetch(&mut self, arriving: &mut VecDeque<Entry>) {
        while let Some(entry) = self.fresh.pop_back() {
            arriving.push_front(entry);
        }
        std::mem::swap(&mut self.fresh, arriving);
    }

    /// Hands out at most `max` messages, oldest first.
    pub(super) fn take<T>(
        &mut self,
        max: usize,
        now: Instant,
        mut deliver: impl FnMut(Message, u32, Token) -> T,
    ) -> Vec<T> {
        let count = if self.is_paused() { 0 } else { max.min(self.depth()) };
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            let next = match self.returned.pop_first() {
                Some((_, entry)) => Some(entry),
                None => self.fresh.pop_front(),
            };
            let Some(mut entry) = next else { break };
            self.redelivered += u64::from(entry.delivered);
            entry.delivered = true;
            let (message, attempt) = (entry.message.clone(), entry.started.saturating_add(1));
            let token = self.flights.insert(entry, now + self.ack_wait);
            taken.push(deliver(message, attempt, token));
        }
        taken
    }

    /// Takes the word of a holder.
    pub(super) fn tell(&mut self, token: Token, word: Word) {
        match word {
            Word::Ack => self.acked += u64::from(self.settle(token)),
            Word::Term => self.terminated += u64::from(self.settle(token)),
            Word::Progress => self.flights.renew(token, Instant::now() + self.ack_wait),
            Word::Start => {
                self.flights.renew(token, Instant::now() + self.ack_wait);
                if let Some(flight) = self.flights.get_mut(token)
                    && !std::mem::replace(&mut flight.started, true)
                {
                    flight.entry.started = flight.entry.started.saturating_add(1);
                }
            }
            Word::Forgotten => self.give_back(token, Duration::ZERO),
            Word::Nak(delay) => self.give_back(token, delay.min(LONGEST_DELAY)),
            Word::Postpone(delay) => {
                if let Some(flight) = self.flights.get_mut(token)
                    && std::mem::take(&mut flight.started)
                {
                    flight.entry.started = flight.entry.started.saturating_sub(1);
                }
                self.give_back(token, delay.min(LONGEST_DELAY));
            }
        }
    }

    /// Forgets a message; whether it was there.
    fn settle(&mut self, token: Token) -> bool {
        // A word that comes after the end of the lease still counts while no one else has the message.
        let flight = self.flights.remove(token).map(|flight| flight.entry);
        let Some(entry) = flight.or_else(|| self.returned.remove(&token.1)) else { return false };
        self.freed.messages += 1;
        self.freed.bytes += entry.message.size();
        true
    }

    fn give_back(&mut self, token: Token, delay: Duration) {
        let Some(flight) = self.flights.remove(token) else { return };
        let entry = flight.entry;
        if delay.is_zero() {
            self.returned.insert(entry.sequence, entry);
        } else {
            self.delayed.insert((Instant::now() + delay, entry.sequence), entry);
        }
    }

    /// Messages that are here with a number greater than `after`, oldest first: waiting, delayed and on lease.
    pub(super) fn browse(&self, after: u64, max: usize) -> Vec<(u64, Message)> {
        let waiting = self.returned.values().chain(self.fresh.iter()).chain(self.delayed.values());
        let all = waiting.chain(self.flights.entries());
        let mut found: Vec<&Entry> = all.filter(|entry| number(entry) > after).collect();
        found.sort_unstable_by_key(|entry| entry.sequence);
        found.truncate(max);
        found.into_iter().map(|entry| (number(entry), entry.message.clone())).collect()
    }

    /// Forgets the message of this number, wherever it is; whether it was here.
    pub(super) fn forget(&mut self, wanted: u64) -> bool {
        let Some(sequence) = wanted.checked_sub(1) else { return false };
        let is_it = |entry: &Entry| entry.sequence == sequence;
        let entry = if let Some(entry) = self.returned.remove(&sequence) {
            Some(entry)
        } else if let Some(at) = self.fresh.iter().position(is_it) {
            self.fresh.remove(at)
        } else if let Some(key) = self.delayed.keys().find(|(_, known)| *known == sequence).copied() {
            self.delayed.remove(&key)
        } else {
            self.flights.remove_sequence(sequence)
        };
        let Some(entry) = entry else { return false };
        self.freed.messages += 1;
        self.freed.bytes += entry.message.size();
        true
    }

    /// What has left the queue since the last call.
    pub(super) fn take_freed(&mut self) -> Freed {
        std::mem::take(&mut self.freed)
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

    /// What the outlet knows of the queue.
    pub(super) fn info(&self, now: Instant) -> QueueInfo {
        let returned = self.returned.first_key_value().map(|(_, entry)| entry.published);
        let oldest = returned.or_else(|| self.fresh.front().map(|entry| entry.published));
        QueueInfo {
            depth: self.depth(),
            in_flight: self.flights.len(),
            delayed: self.delayed.len(),
            oldest_age: oldest.map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
            paused: self.is_paused(),
            acked: self.acked,
            terminated: self.terminated,
            redelivered: self.redelivered,
            ..QueueInfo::default()
        }
    }
}

/// A message's number: sequences count from 0.
const fn number(entry: &Entry) -> u64 {
    entry.sequence + 1
}
