//! A queue with its locks and its waiters.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Gate,
    bell::Bell,
    intake::{Intake, Turn},
    outlet::Outlet,
    place::Place,
    timer::Timer,
};
use crate::{
    DeadLetter, Delivery, InProcessOptions, PublishError, PullError, Queue, QueueInfo,
    delivery::{Settle, Token, Word},
    message::Batch,
};

/// Keeps what different threads write to on cache lines of their own.
#[repr(align(128))]
struct Apart<T>(T);

/// One queue of a broker in memory: two sides with a lock each, always taken outlet first. Publishers work on
/// the intake, consumers on the outlet; they meet when the outlet has run empty, which fetches all that has arrived
/// at once, and when the intake seems full, which then learns what has been settled.
///
/// Wake-ups of pullers are a baton: whoever makes the queue deliverable wakes one, and one who leaves something behind
/// wakes the next. A woken puller that is dropped passes the wake-up on (see [`Bell`]).
pub(super) struct Station {
    queue: Queue,
    outlet: Apart<Mutex<Outlet>>,
    intake: Apart<Mutex<Intake>>,
    /// Whether the intake has anything for the outlet. Changed under the intake's lock.
    arrivals: Apart<AtomicBool>,
    /// Whether publishers wait for room. Raised under both locks, lowered under the intake's.
    pub(super) crowded: AtomicBool,
    /// For pullers, one at a time.
    available: Bell,
    /// For those who only want to know, all at once.
    pub(super) arrived: Bell,
    timer: Arc<Timer>,
    pub(super) gate: Arc<Gate>,
}

impl Station {
    pub(super) fn new(queue: Queue, options: InProcessOptions, timer: Arc<Timer>, gate: Arc<Gate>) -> Self {
        Self {
            queue,
            outlet: Apart(Mutex::new(Outlet::new(options.ack_wait))),
            intake: Apart(Mutex::new(Intake::new(options))),
            arrivals: Apart(AtomicBool::new(false)),
            crowded: AtomicBool::new(false),
            available: Bell::new(),
            arrived: Bell::new(),
            timer,
            gate,
        }
    }

    /// Takes from `batch` what there is room for; whether that was all.
    pub(super) fn offer(&self, batch: &mut Batch, headroom: bool) -> Result<bool, PublishError> {
        let now = Instant::now();
        if self.push(self.intake(), batch, headroom, None, now)? {
            return Ok(true);
        }
        let mut outlet = self.outlet();
        let all = self.push(self.settled_intake(&mut outlet), batch, headroom, None, now);
        self.leave_outlet(outlet, true);
        all
    }

    /// Takes all of `batch`, waiting in turn for room.
    pub(super) async fn publish(
        &self,
        batch: &mut Batch,
        headroom: bool,
        deadline: Duration,
    ) -> Result<(), PublishError> {
        let full = PublishError::Full { queue: self.queue };
        if deadline.is_zero() {
            return Err(full);
        }
        let mut place = Place::new(self, headroom);
        let taken = poll_fn(|context| place.poll(context, batch));
        // A timeout looks at its future once more when time is over: whoever is first in line takes what room there is.
        tokio::time::timeout(deadline, taken).await.unwrap_or(Err(full))
    }

    /// Takes at most `max` deliveries.
    pub(super) fn try_pull(self: &Arc<Self>, max: usize) -> Result<Vec<Delivery>, PullError> {
        let now = Instant::now();
        let mut outlet = self.outlet();
        if !self.gate.may_pull() {
            return Err(PullError::Closed);
        }
        let before = self.deliverable_in(&outlet);
        outlet.tick(now);
        if !outlet.is_paused() && outlet.depth() < max {
            self.fetch(&mut outlet);
        }
        let taken = outlet.take(max, now, |message, attempt, token| {
            let settle: Arc<dyn Settle> = Arc::<Self>::clone(self);
            Delivery::new(message, self.queue, attempt, token, settle)
        });
        let deadline = if taken.is_empty() { None } else { outlet.next_deadline() };
        let more = self.deliverable_in(&outlet);
        drop(outlet);
        if let Some(deadline) = deadline {
            self.timer.arm(deadline);
        }
        if more {
            self.available.ring_for_one();
            if !before {
                self.arrived.ring_for_all();
            }
        }
        Ok(taken)
    }

    /// Waits for something to take.
    pub(super) async fn pull(self: &Arc<Self>, max: usize) -> Result<Vec<Delivery>, PullError> {
        let _listening = self.available.listen();
        loop {
            // Made before the look: from here on no call is missed.
            let available = self.available.notified();
            let taken = self.try_pull(max)?;
            if !taken.is_empty() {
                return Ok(taken);
            }
            available.await;
        }
    }

    /// Ends leases and delays whose time is over; when something ends next.
    pub(super) fn tick(&self, now: Instant) -> Option<Instant> {
        let mut outlet = self.outlet();
        let before = self.deliverable_in(&outlet);
        outlet.tick(now);
        let next = outlet.next_deadline();
        self.leave_outlet(outlet, before);
        next
    }

    pub(super) fn deliverable(&self) -> bool {
        self.deliverable_in(&self.outlet())
    }

    pub(super) fn in_flight(&self) -> usize {
        self.outlet().in_flight()
    }

    pub(super) fn info(&self) -> QueueInfo {
        let now = Instant::now();
        let mut outlet = self.outlet();
        let before = self.deliverable_in(&outlet);
        outlet.tick(now);
        let intake = self.settled_intake(&mut outlet);
        let mut info = outlet.info(now);
        intake.complete(&mut info, now);
        drop(intake);
        self.leave_outlet(outlet, before);
        info
    }

    pub(super) fn set_paused(&self, paused: bool) {
        let mut outlet = self.outlet();
        let before = self.deliverable_in(&outlet);
        outlet.paused = paused;
        self.leave_outlet(outlet, before);
    }

    pub(super) fn set_halted(&self, halted: bool) {
        let mut outlet = self.outlet();
        let before = self.deliverable_in(&outlet);
        outlet.halted = halted;
        self.leave_outlet(outlet, before);
    }

    /// Messages with a number greater than `after`, oldest first.
    pub(super) fn browse(&self, after: u64, max: usize) -> Vec<DeadLetter> {
        let mut outlet = self.outlet();
        self.fetch(&mut outlet);
        let found = outlet.browse(after, max);
        self.leave_outlet(outlet, true);
        found.into_iter().map(|(number, message)| DeadLetter { number, message }).collect()
    }

    /// Forgets the message of this number; whether it was there.
    pub(super) fn forget(&self, number: u64) -> bool {
        let mut outlet = self.outlet();
        let before = self.deliverable_in(&outlet);
        self.fetch(&mut outlet);
        let found = outlet.forget(number);
        self.leave_outlet(outlet, before);
        found
    }

    /// Takes over what has arrived.
    fn fetch(&self, outlet: &mut Outlet) {
        if self.arrivals.0.load(Ordering::SeqCst) {
            let mut intake = self.intake();
            outlet.fetch(&mut intake.arriving);
            self.arrivals.0.store(false, Ordering::SeqCst);
        }
    }

    pub(super) fn wake_pullers(&self) {
        self.available.ring_for_all();
        self.arrived.ring_for_all();
    }

    pub(super) fn wake_publishers(&self) {
        let publishers = self.intake().all_publishers();
        publishers.into_iter().for_each(Waker::wake);
    }

    // The sides are changed in steps that cannot panic, so a poisoned lock guards a sound side.

    pub(super) fn outlet(&self) -> MutexGuard<'_, Outlet> {
        self.outlet.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The intake, after it has learnt what was settled.
    pub(super) fn settled_intake(&self, outlet: &mut Outlet) -> MutexGuard<'_, Intake> {
        let mut intake = self.intake();
        intake.free(outlet.take_freed());
        intake
    }

    fn deliverable_in(&self, outlet: &Outlet) -> bool {
        !outlet.is_paused() && (outlet.depth() > 0 || self.arrivals.0.load(Ordering::SeqCst))
    }

    /// Puts into the intake what there is room for, and wakes whom it concerns; whether that was all.
    pub(super) fn push(
        &self,
        mut intake: MutexGuard<'_, Intake>,
        batch: &mut Batch,
        headroom: bool,
        turn: Option<Turn>,
        now: Instant,
    ) -> Result<bool, PublishError> {
        if !self.gate.may_publish() {
            return Err(PublishError::Closed);
        }
        let all = intake.may_publish(headroom, turn) && intake.push(batch, headroom, now);
        let arrived = !intake.arriving.is_empty() && !self.arrivals.0.load(Ordering::SeqCst);
        if arrived {
            self.arrivals.0.store(true, Ordering::SeqCst);
        }
        drop(intake);
        if arrived {
            self.available.ring_for_one();
            self.arrived.ring_for_all();
        }
        Ok(all)
    }

    /// Unlocks the outlet and wakes whom the change concerns; `before`: whether the queue was deliverable before it.
    pub(super) fn leave_outlet(&self, mut outlet: MutexGuard<'_, Outlet>, before: bool) {
        let deliverable = self.deliverable_in(&outlet);
        let idle = outlet.in_flight() == 0;
        let publisher = if self.crowded.load(Ordering::SeqCst) {
            self.settled_intake(&mut outlet).next_publisher(idle && !deliverable)
        } else {
            None
        };
        drop(outlet);
        if deliverable && !before {
            self.available.ring_for_one();
            self.arrived.ring_for_all();
        }
        if let Some(publisher) = publisher {
            publisher.wake();
        }
        if idle && !self.gate.may_pull() {
            self.gate.idle.notify_waiters();
        }
    }
}

impl Settle for Station {
    fn tell(&self, token: Token, word: Word) {
        let mut outlet = self.outlet();
        let before = self.deliverable_in(&outlet);
        outlet.tell(token, word);
        let deadline =
            if matches!(word, Word::Nak(_) | Word::Postpone(_)) { outlet.next_deadline() } else { None };
        self.leave_outlet(outlet, before);
        if let Some(deadline) = deadline {
            self.timer.arm(deadline);
        }
    }
}
