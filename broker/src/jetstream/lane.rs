//! What this process knows of a queue: what has arrived, what is handed out, what waits.
//!
//! Nothing here waits or talks to the server: the feeder brings messages in, the settler carries words out.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::Subject;
use tokio::{sync::Notify, time::Instant};

use super::{fault::Fault, words::Errand};
use crate::{Message, Queue, delivery::Token};

/// What may arrive ahead of demand at most.
const MAX_AHEAD: usize = 64;
/// A queue whose messages wait here longer than this is fed too far ahead.
const STALE: Duration = Duration::from_millis(20);
/// For so long after the last one was taken, messages are asked for ahead.
const TAKING: Duration = Duration::from_millis(50);

/// A message that the server has leased to this process.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) message: Message,
    pub(super) sequence: u64,
    /// The server's count of deliveries.
    pub(super) delivered: u64,
    /// Where its word goes.
    pub(super) reply: Subject,
    /// Which attempt it is if it is started.
    pub(super) attempt: u32,
    /// Attempts up to this delivery that others will believe in.
    pub(super) presumed: u32,
    pub(super) again: bool,
    pub(super) arrived: Instant,
    pub(super) lease_ends: Instant,
}

pub(super) struct Flight {
    pub(super) held: Held,
    pub(super) started: bool,
    pub(super) expired: bool,
}

/// Counters and places, for the queue's information.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) buffered: usize,
    pub(super) delayed: usize,
    pub(super) paused: bool,
    pub(super) acked: u64,
    pub(super) terminated: u64,
    pub(super) redelivered: u64,
}

/// What is where.
#[derive(Default)]
pub(super) struct State {
    pub(super) buffer: BTreeMap<u64, Held>,
    pub(super) out: HashMap<u64, Flight>,
    pub(super) delayed: BTreeMap<u64, Instant>,
    pub(super) errands: VecDeque<Errand>,
    /// Whether errands are being run.
    pub(super) running: bool,
    /// Messages that pullers wait for, and those who only want to know.
    pub(super) wanted: usize,
    pub(super) watched: usize,
    /// How far ahead of demand messages are asked for, while they are being taken.
    pub(super) ahead: usize,
    pub(super) last_arrival: Option<Instant>,
    pub(super) last_taken: Option<Instant>,
    pub(super) tally: Tally,
    pub(super) fault: Option<Fault>,
}

/// A queue as this process sees it.
pub(super) struct Lane {
    pub(super) queue: Queue,
    pub(super) ack_wait: Duration,
    state: Mutex<State>,
    /// Told when something arrives, or the queue's fault or pause changes.
    pub(super) arrived: Notify,
    /// Told when the feeder may have to ask for more.
    pub(super) demand: Notify,
    /// Told when there is something to say to the server.
    pub(super) errand: Notify,
    /// Told when something that was handed out is settled.
    pub(super) settled: Notify,
}

impl Lane {
    pub(super) fn new(queue: Queue, ack_wait: Duration) -> Self {
        Self {
            queue,
            ack_wait,
            state: Mutex::default(),
            arrived: Notify::new(),
            demand: Notify::new(),
            errand: Notify::new(),
            settled: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long what arrived may wait here: others could have it.
    pub(super) fn patience(&self) -> Duration {
        self.ack_wait / 3
    }

    /// Takes what has arrived, oldest first.
    pub(super) fn take(&self, max: usize) -> Vec<(Message, u32, Token)> {
        let now = Instant::now();
        let mut state = self.lock();
        let mut taken = Vec::new();
        while taken.len() < max && !state.tally.paused {
            let Some((_, held)) = state.buffer.pop_first() else { break };
            taken.push(self.hand_out(&mut state, held, now));
        }
        // One who finds nothing so soon after something came would have more if more were asked for ahead.
        if taken.is_empty() && state.last_arrival.is_some_and(|at| now.duration_since(at) < STALE) {
            state.ahead = (state.ahead * 2 + 1).min(MAX_AHEAD);
        }
        if !taken.is_empty() {
            state.last_taken = Some(now);
        }
        let hungry = !taken.is_empty() && state.buffer.len() < state.ahead.div_ceil(2);
        drop(state);
        if hungry {
            self.demand.notify_one();
        }
        taken
    }

    fn hand_out(&self, state: &mut State, mut held: Held, now: Instant) -> (Message, u32, Token) {
        if now.duration_since(held.arrived) > STALE {
            state.ahead /= 2;
        }
        if held.lease_ends < now + self.ack_wait * 7 / 8 {
            held.lease_ends = now + self.ack_wait;
            self.say(state, &held.reply, b"+WPI".to_vec());
        }
        state.tally.redelivered += u64::from(held.again);
        held.again = true;
        let given = (held.message.clone(), held.attempt, Token(held.sequence, held.delivered));
        state.out.insert(held.sequence, Flight { held, started: false, expired: false });
        given
    }

    /// Whether something can be handed out.
    pub(super) fn deliverable(&self) -> bool {
        let state = self.lock();
        !state.tally.paused && !state.buffer.is_empty()
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.lock().fault.clone()
    }

    pub(super) fn set_fault(&self, fault: Option<Fault>) {
        let mut state = self.lock();
        if state.fault != fault {
            state.fault = fault;
            drop(state);
            self.arrived.notify_waiters();
        }
    }

    /// Says that `messages` are waited for, until the guard is dropped.
    pub(super) fn want(&self, messages: usize) -> Want<'_> {
        let mut state = self.lock();
        if messages == 0 {
            state.watched += 1;
        } else {
            state.wanted += messages;
        }
        drop(state);
        self.demand.notify_one();
        Want { lane: self, messages }
    }

    /// How many messages to ask the server for, beside those `asked` for already.
    pub(super) fn missing(&self, asked: usize) -> usize {
        let state = self.lock();
        if state.tally.paused {
            return 0;
        }
        let demand = state.wanted.max(usize::from(state.watched > 0));
        let taking = demand > 0 || state.last_taken.is_some_and(|at| at.elapsed() < TAKING);
        let ahead = if taking { state.ahead } else { 0 };
        let have = state.buffer.len() + asked;
        // Asked for by the half, so that not every message costs a request.
        if have < demand || have < ahead.div_ceil(2) { demand.max(ahead) - have } else { 0 }
    }

    /// Takes in what the server has leased to us.
    pub(super) fn arrive(&self, held: Held) {
        let mut state = self.lock();
        state.last_arrival = Some(held.arrived);
        state.delayed.remove(&held.sequence);
        // Whoever had it has lost it.
        let lost = state.out.remove(&held.sequence).is_some();
        if state.tally.paused {
            self.return_to_server(&mut state, &held);
        } else {
            state.buffer.insert(held.sequence, held);
        }
        state.fault = None;
        drop(state);
        self.arrived.notify_waiters();
        if lost {
            self.settled.notify_waiters();
        }
    }

    pub(super) fn set_paused(&self, paused: bool) {
        let mut state = self.lock();
        state.tally.paused = paused;
        if paused {
            self.return_all(&mut state);
        }
        drop(state);
        self.arrived.notify_waiters();
        self.demand.notify_one();
    }

    pub(super) fn tally(&self) -> Tally {
        let state = self.lock();
        Tally { buffered: state.buffer.len(), delayed: state.delayed.len(), ..state.tally }
    }

    /// Whether anything is handed out on a lease that lasts, or not yet said.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.lock();
        state.running || !state.errands.is_empty() || state.out.values().any(|flight| !flight.expired)
    }
}

/// Demand for messages while it lives.
pub(super) struct Want<'a> {
    lane: &'a Lane,
    messages: usize,
}

impl Drop for Want<'_> {
    fn drop(&mut self) {
        let mut state = self.lane.lock();
        if self.messages == 0 {
            state.watched -= 1;
        } else {
            state.wanted -= self.messages;
        }
    }
}
