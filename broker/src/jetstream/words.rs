//! What holders say of their deliveries, what becomes of leases, and what the server is told of both.

use tokio::time::Instant;

use super::{
    errands::{Chore, Errand},
    lane::{Flight, Held, Lane, State},
};
use crate::delivery::{Settle, Token, Word};

impl Lane {
    pub(super) fn return_all(&self, state: &mut State) {
        for (_, held) in std::mem::take(&mut state.buffer) {
            self.return_to_server(state, &held);
        }
    }

    /// Gives a message back that was not started since it came, so that others can have it.
    pub(super) fn return_to_server(&self, state: &mut State, held: &Held) {
        self.give_back(state, held, b"-NAK".to_vec());
    }

    /// Gives a message back with `word`, after it was written down how many attempts there were, if others would count
    /// otherwise.
    fn give_back(&self, state: &mut State, held: &Held, word: Vec<u8>) {
        if held.presumed == held.attempt - 1 {
            self.say(state, held, word);
        } else {
            let then = Errand { reply: held.reply.clone(), word, until: held.lease_ends, lasting: false };
            self.remember(state, held, held.attempt - 1, Some(then));
        }
    }

    fn remember(&self, state: &mut State, held: &Held, attempts: u32, then: Option<Errand>) {
        let (sequence, delivered, until) = (held.sequence, held.delivered, held.lease_ends);
        state.errands.write_down(Chore { sequence, delivered, attempts, until, then });
        self.chore.notify_one();
    }

    /// Says a word that is true while the lease lasts.
    pub(super) fn say(&self, state: &mut State, held: &Held, word: Vec<u8>) {
        self.tell_server(state, held, word, false);
    }

    fn tell_server(&self, state: &mut State, held: &Held, word: Vec<u8>, lasting: bool) {
        let errand = Errand { reply: held.reply.clone(), word, until: held.lease_ends, lasting };
        state.errands.say(errand);
        self.errand.notify_one();
    }

    /// Ends leases whose time is over, and gives back what waits here for too long.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        let state = &mut *state;
        state.delayed.retain(|_, until| *until > now);
        self.sweep_buffer(state, now);
        if self.sweep_flights(state, now) {
            self.settled.notify_waiters();
        }
    }

    fn sweep_buffer(&self, state: &mut State, now: Instant) {
        let (patience, soon) = (self.patience(), now + self.ack_wait() / 8);
        let stale = |held: &Held| now.duration_since(held.arrived) >= patience || held.lease_ends <= soon;
        let old: Vec<u64> =
            state.buffer.values().filter(|held| stale(held)).map(|held| held.sequence).collect();
        for sequence in old {
            state.ahead = 0;
            if let Some(held) = state.buffer.remove(&sequence)
                && !held.is_over(now)
            {
                self.return_to_server(state, &held);
            }
        }
    }

    /// Whether a lease ended.
    fn sweep_flights(&self, state: &mut State, now: Instant) -> bool {
        let soon = now + self.ack_wait() / 3;
        let mut expired = false;
        let mut idle = Vec::new();
        for Flight { held, started, expired: over } in state.out.values_mut().filter(|flight| !flight.expired)
        {
            if held.is_over(now) {
                *over = true;
                expired = true;
            } else if !*started && held.lease_ends < soon && held.presumed != held.attempt - 1 {
                // Should it end like this, that was no attempt.
                held.presumed = held.attempt - 1;
                idle.push((held.sequence, held.delivered, held.presumed, held.lease_ends));
            }
        }
        for (sequence, delivered, attempts, until) in idle {
            state.errands.write_down(Chore { sequence, delivered, attempts, until, then: None });
            self.chore.notify_one();
        }
        expired
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
            Word::Progress | Word::Start if flight.expired || flight.held.is_over(now) => {}
            Word::Progress | Word::Start => {
                let Some(mut flight) = state.out.remove(&token.0) else { return };
                self.renew(state, &mut flight, word == Word::Start, now);
                state.out.insert(token.0, flight);
            }
            _ => {
                if let Some(flight) = state.out.remove(&token.0) {
                    self.end(state, flight, word, now);
                }
            }
        }
    }

    fn renew(&self, state: &mut State, flight: &mut Flight, start: bool, now: Instant) {
        if start && !flight.started {
            flight.started = true;
            let attempt = flight.held.attempt;
            if flight.held.presumed != attempt {
                flight.held.presumed = attempt;
                self.remember(state, &flight.held, attempt, None);
            }
        }
        self.say(state, &flight.held, b"+WPI".to_vec());
        flight.held.lease_ends = now + self.ack_wait();
    }

    fn end(&self, state: &mut State, flight: Flight, word: Word, now: Instant) {
        let Flight { mut held, started, expired } = flight;
        held.attempt += u32::from(started && !matches!(word, Word::Postpone(_)));
        match word {
            Word::Ack => {
                state.tally.acked += 1;
                self.tell_server(state, &held, b"+ACK".to_vec(), true);
            }
            Word::Term => {
                state.tally.terminated += 1;
                self.tell_server(state, &held, b"+TERM".to_vec(), true);
            }
            // The server hands it out by itself.
            _ if expired || held.is_over(now) => {}
            Word::Nak(delay) | Word::Postpone(delay) if !delay.is_zero() => {
                state.delayed.insert(held.sequence, now + delay);
                let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX).min(i64::MAX as u64);
                self.give_back(state, &held, format!("-NAK {{\"delay\": {nanos}}}").into_bytes());
            }
            _ if state.is_paused() => self.return_to_server(state, &held),
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
