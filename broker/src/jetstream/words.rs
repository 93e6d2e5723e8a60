//! What holders say of their deliveries, what becomes of leases, and what the server is told of both.

use std::{collections::VecDeque, time::Duration};

use async_nats::Subject;
use tokio::time::Instant;

use super::lane::{Flight, Held, Lane, State};
use crate::delivery::{Settle, Token, Word};

/// What the settler says to the server, in this order.
#[derive(Debug)]
pub(super) enum Errand {
    /// A word for the server, where the message came from.
    Say { reply: Subject, word: Vec<u8> },
    /// Attempts that the server's count does not tell.
    Remember { sequence: u64, delivered: u64, attempts: u32 },
}

impl Lane {
    pub(super) fn return_all(&self, state: &mut State) {
        for (_, held) in std::mem::take(&mut state.buffer) {
            self.return_to_server(state, &held);
        }
    }

    pub(super) fn return_to_server(&self, state: &mut State, held: &Held) {
        self.remember(state, held, held.attempt - 1);
        self.say(state, &held.reply, b"-NAK".to_vec());
    }

    /// Remembers that `attempts` were made, if others would count otherwise.
    fn remember(&self, state: &mut State, held: &Held, attempts: u32) {
        if held.presumed != attempts {
            let (sequence, delivered) = (held.sequence, held.delivered);
            state.errands.push_back(Errand::Remember { sequence, delivered, attempts });
            self.errand.notify_one();
        }
    }

    pub(super) fn say(&self, state: &mut State, reply: &Subject, word: Vec<u8>) {
        state.errands.push_back(Errand::Say { reply: reply.clone(), word });
        self.errand.notify_one();
    }

    /// Ends leases whose time is over, and gives back what waits here for too long; when to come again at most.
    pub(super) fn sweep(&self) -> Duration {
        let now = Instant::now();
        let mut state = self.lock();
        let state = &mut *state;
        state.delayed.retain(|_, until| *until > now);
        let stale = |held: &Held| {
            now.duration_since(held.arrived) >= self.patience() || held.lease_ends <= now + self.ack_wait / 8
        };
        let old: Vec<u64> =
            state.buffer.values().filter(|held| stale(held)).map(|held| held.sequence).collect();
        for sequence in old {
            state.ahead = 0;
            if let Some(held) = state.buffer.remove(&sequence) {
                self.return_to_server(state, &held);
            }
        }
        let mut expired = false;
        let mut idle = Vec::new();
        for flight in state.out.values_mut().filter(|flight| !flight.expired) {
            if flight.held.lease_ends <= now {
                flight.expired = true;
                expired = true;
            } else if !flight.started && flight.held.lease_ends < now + self.ack_wait / 3 {
                // Should it end like this, that was no attempt.
                let attempts = flight.held.attempt - 1;
                if flight.held.presumed != attempts {
                    flight.held.presumed = attempts;
                    idle.push(Errand::Remember {
                        sequence: flight.held.sequence,
                        delivered: flight.held.delivered,
                        attempts,
                    });
                }
            }
        }
        if !idle.is_empty() {
            state.errands.extend(idle);
            self.errand.notify_one();
        }
        if expired {
            self.settled.notify_waiters();
        }
        (self.ack_wait / 16).max(Duration::from_millis(5))
    }

    /// What there is to say, in order.
    pub(super) fn errands(&self) -> VecDeque<Errand> {
        let mut state = self.lock();
        state.running = true;
        std::mem::take(&mut state.errands)
    }

    /// Ends a round of errands; `unsaid` is left for the next.
    pub(super) fn end_errands(&self, mut unsaid: VecDeque<Errand>) {
        let mut state = self.lock();
        state.running = false;
        unsaid.append(&mut state.errands);
        state.errands = unsaid;
    }

    /// Takes back the lease of a flight that `word` ends or renews.
    fn hear(&self, token: Token, word: Word) {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(flight) = state.out.get_mut(&token.0).filter(|flight| flight.held.delivered == token.1)
        else {
            return;
        };
        let now = Instant::now();
        match word {
            Word::Progress | Word::Start if flight.expired => {}
            Word::Progress | Word::Start => {
                flight.held.lease_ends = now + self.ack_wait;
                let reply = flight.held.reply.clone();
                if word == Word::Start && !flight.started {
                    flight.started = true;
                    if flight.held.presumed != flight.held.attempt {
                        flight.held.presumed = flight.held.attempt;
                        let (sequence, delivered) = (flight.held.sequence, flight.held.delivered);
                        let attempts = flight.held.attempt;
                        state.errands.push_back(Errand::Remember { sequence, delivered, attempts });
                    }
                }
                self.say(state, &reply, b"+WPI".to_vec());
            }
            _ => {
                if let Some(flight) = state.out.remove(&token.0) {
                    self.end(state, flight, word, now);
                }
            }
        }
    }

    fn end(&self, state: &mut State, flight: Flight, word: Word, now: Instant) {
        let Flight { mut held, started, expired } = flight;
        held.attempt += u32::from(started);
        match word {
            Word::Ack => {
                state.tally.acked += 1;
                self.say(state, &held.reply, b"+ACK".to_vec());
            }
            Word::Term => {
                state.tally.terminated += 1;
                self.say(state, &held.reply, b"+TERM".to_vec());
            }
            // The server hands it out by itself.
            _ if expired => {}
            Word::Nak(delay) if !delay.is_zero() => {
                self.remember(state, &held, held.attempt - 1);
                state.delayed.insert(held.sequence, now + delay);
                let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX).min(i64::MAX as u64);
                self.say(state, &held.reply, format!("-NAK {{\"delay\": {nanos}}}").into_bytes());
            }
            _ if state.tally.paused => self.return_to_server(state, &held),
            // The nearest one who may want it is here, and here it keeps its place.
            _ => {
                held.arrived = now;
                state.buffer.insert(held.sequence, held);
            }
        }
    }
}

impl Settle for Lane {
    fn tell(&self, token: Token, word: Word) {
        self.hear(token, word);
        if !matches!(word, Word::Progress | Word::Start) {
            self.arrived.notify_waiters();
            self.settled.notify_waiters();
        }
    }
}
