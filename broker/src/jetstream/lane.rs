//! What this process knows of a queue: what has arrived, what is handed out, what waits.
//!
//! Nothing here waits or talks to the server: the feeder brings messages in, the settler carries words out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::Subject;
use tokio::{sync::Notify, time::Instant};

use super::{
    errands::{Chore, Errand, Errands},
    fault::Fault,
};
use crate::{Message, Queue, QueueFault, delivery::Token};

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

impl Held {
    /// Whether the server takes it for given back.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.lease_ends <= now
    }
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
    pub(super) fault: Option<QueueFault>,
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
    pub(super) errands: Errands,
    /// Messages that pullers wait for, and those who only want to know.
    pub(super) wanted: usize,
    pub(super) watched: usize,
    /// How far ahead of demand messages are asked for, while they are being taken.
    pub(super) ahead: usize,
    pub(super) last_arrival: Option<Instant>,
    pub(super) last_taken: Option<Instant>,
    pub(super) tally: Tally,
    pub(super) fault: Option<Fault>,
    /// Whether asking for messages fails again and again without a fault that callers could be told.
    pub(super) disturbed: bool,
    /// Whether the queue is paused for all processes, as far as this one knows.
    pub(super) halted: bool,
    /// Whether the server may send messages that were asked for.
    pub(super) fed: bool,
}

impl State {
    pub(super) const fn is_paused(&self) -> bool {
        self.tally.paused || self.halted
    }
}

/// A queue as this process sees it.
pub(super) struct Lane {
    pub(super) queue: Queue,
    /// Milliseconds, by the server's word.
    ack_wait: AtomicU64,
    incarnation: AtomicU64,
    state: Mutex<State>,
    /// Told when something arrives, or the queue's fault or pause changes.
    pub(super) arrived: Notify,
    /// Told when the feeder may have to ask for more.
    pub(super) demand: Notify,
    /// Told when there is something to say to the server, and when something is to be written down first.
    pub(super) errand: Notify,
    pub(super) chore: Notify,
    /// Told when something that was handed out is settled.
    pub(super) settled: Notify,
}

impl Lane {
    pub(super) fn new(queue: Queue, ack_wait: Duration) -> Self {
        Self {
            queue,
            ack_wait: AtomicU64::new(millis(ack_wait)),
            incarnation: AtomicU64::new(0),
            state: Mutex::default(),
            arrived: Notify::new(),
            demand: Notify::new(),
            errand: Notify::new(),
            chore: Notify::new(),
            settled: Notify::new(),
        }
    }

    /// How long a lease lasts.
    pub(super) fn ack_wait(&self) -> Duration {
        Duration::from_millis(self.ack_wait.load(Ordering::Relaxed))
    }

    /// Takes over what the server says of its consumer and stream.
    pub(super) fn set_terms(&self, ack_wait: Duration, incarnation: u64) {
        self.ack_wait.store(millis(ack_wait).max(1), Ordering::Relaxed);
        self.incarnation.store(incarnation, Ordering::Relaxed);
    }

    /// Which stream it is of those that had its name; 0 if that is not known.
    pub(super) fn incarnation(&self) -> u64 {
        self.incarnation.load(Ordering::Relaxed)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long what arrived may wait here: others could have it.
    pub(super) fn patience(&self) -> Duration {
        self.ack_wait() / 3
    }

    /// Takes what has arrived, oldest first.
    pub(super) fn take(&self, max: usize) -> Vec<(Message, u32, Token)> {
        let now = Instant::now();
        let mut state = self.lock();
        let mut taken = Vec::new();
        while taken.len() < max && !state.is_paused() {
            let Some((_, held)) = state.buffer.pop_first() else { break };
            if held.is_over(now) {
                // The server gives it to someone else.
                continue;
            }
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
        let ack_wait = self.ack_wait();
        if held.lease_ends < now + ack_wait * 7 / 8 {
            self.say(state, &held, b"+WPI".to_vec());
            held.lease_ends = now + ack_wait;
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
        let now = Instant::now();
        !state.is_paused() && state.buffer.values().any(|held| !held.is_over(now))
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
        if state.is_paused() {
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
        let known = state.out.get(&held.sequence).map(|flight| flight.held.delivered);
        let known = known.max(state.buffer.get(&held.sequence).map(|held| held.delivered));
        if known > Some(held.delivered) {
            // It was looked up for so long that it came once more meanwhile.
            return;
        }
        state.last_arrival = Some(held.arrived);
        state.delayed.remove(&held.sequence);
        // Whoever had it has lost it.
        let lost = state.out.remove(&held.sequence).is_some();
        if state.is_paused() {
            self.return_to_server(&mut state, &held);
        } else {
            state.buffer.insert(held.sequence, held);
        }
        state.fault = None;
        state.disturbed = false;
        drop(state);
        self.arrived.notify_waiters();
        if lost {
            self.settled.notify_waiters();
        }
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.change_pause(|state| state.tally.paused = paused);
    }

    /// Takes note that the queue is paused for all processes, or is not.
    pub(super) fn set_halted(&self, halted: bool) {
        if self.lock().halted != halted {
            self.change_pause(|state| state.halted = halted);
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.lock().is_paused()
    }

    pub(super) fn set_fed(&self, fed: bool) {
        self.lock().fed = fed;
    }

    pub(super) fn set_disturbed(&self, disturbed: bool) {
        self.lock().disturbed = disturbed;
    }

    fn change_pause(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        if state.is_paused() {
            self.return_all(&mut state);
        }
        drop(state);
        self.arrived.notify_waiters();
        self.demand.notify_one();
    }

    pub(super) fn tally(&self) -> Tally {
        let state = self.lock();
        let fault = match &state.fault {
            Some(Fault::Missing { .. }) => Some(QueueFault::Missing),
            Some(Fault::Denied { .. }) => Some(QueueFault::Denied),
            Some(_) => Some(QueueFault::Disturbed),
            None => state.disturbed.then_some(QueueFault::Disturbed),
        };
        let paused = state.is_paused();
        Tally { buffered: state.buffer.len(), delayed: state.delayed.len(), paused, fault, ..state.tally }
    }

    pub(super) fn next_errand(&self) -> Option<Errand> {
        self.lock().errands.next()
    }

    pub(super) fn put_back(&self, errand: Errand) {
        self.lock().errands.put_back(errand);
    }

    /// A word that waited until something was written down.
    pub(super) fn pass_on(&self, errand: Errand) {
        self.lock().errands.say(errand);
        self.errand.notify_one();
    }

    pub(super) fn chores(&self) -> Vec<Chore> {
        self.lock().errands.chores()
    }

    pub(super) fn end_chores(&self) {
        self.lock().errands.end_chores();
    }

    /// Whether anything is on its way here, handed out on a lease that lasts, or not yet said.
    pub(super) fn is_busy(&self) -> bool {
        let now = Instant::now();
        let state = self.lock();
        state.fed
            || state.errands.matter(now)
            || state.out.values().any(|flight| !flight.expired && !flight.held.is_over(now))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
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
