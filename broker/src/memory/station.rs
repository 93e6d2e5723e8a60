//! A queue with its locks and its waiters.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Gate,
    bell::Bell,
    intake::{Intake, Standing, Turn},
    outlet::Outlet,
    timer::Timer,
};
use crate::{
    Delivery, InProcessOptions, Message, PublishError, PullError, Queue, QueueInfo,
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
    crowded: AtomicBool,
    /// For pullers, one at a time.
    available: Bell,
    /// For those who only want to know, all at once.
    pub(super) arrived: Bell,
    timer: Arc<Timer>,
    gate: Arc<Gate>,
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
        if self.push(self.intake(), batch, headroom, Standing::Newcomer, now)? {
            return Ok(true);
        }
        let mut outlet = self.outlet();
        let all = self.push(self.settled_intake(&mut outlet), batch, headroom, Standing::Newcomer, now);
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
        let mut place = Place { station: self, headroom, turn: None };
        let taken = poll_fn(|context| place.poll(context, batch));
        match tokio::time::timeout(deadline, taken).await {
            Ok(taken) => taken,
            Err(_) => place.try_last(batch).then_some(()).ok_or(full),
        }
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
        if !outlet.paused && outlet.depth() < max && self.arrivals.0.load(Ordering::SeqCst) {
            let mut intake = self.intake();
            outlet.fetch(&mut intake.arriving);
            self.arrivals.0.store(false, Ordering::SeqCst);
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
            let mut available = pin!(self.available.notified());
            // From here on no wake-up is missed.
            available.as_mut().enable();
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

    pub(super) fn wake_pullers(&self) {
        self.available.ring_for_all();
        self.arrived.ring_for_all();
    }

    pub(super) fn wake_publishers(&self) {
        let publishers = self.intake().all_publishers();
        publishers.into_iter().for_each(Waker::wake);
    }

    // The sides are changed in steps that cannot panic, so a poisoned lock guards a sound side.

    fn outlet(&self) -> MutexGuard<'_, Outlet> {
        self.outlet.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The intake, after it has learnt what was settled.
    fn settled_intake(&self, outlet: &mut Outlet) -> MutexGuard<'_, Intake> {
        let mut intake = self.intake();
        intake.free(outlet.take_freed());
        intake
    }

    fn deliverable_in(&self, outlet: &Outlet) -> bool {
        !outlet.paused && (outlet.depth() > 0 || self.arrivals.0.load(Ordering::SeqCst))
    }

    /// Puts into the intake what there is room for, and wakes whom it concerns; whether that was all.
    fn push(
        &self,
        mut intake: MutexGuard<'_, Intake>,
        batch: &mut Batch,
        headroom: bool,
        standing: Standing,
        now: Instant,
    ) -> Result<bool, PublishError> {
        if !self.gate.may_publish() {
            return Err(PublishError::Closed);
        }
        let all = intake.may_publish(headroom, standing) && intake.push(batch, headroom, now);
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
    fn leave_outlet(&self, mut outlet: MutexGuard<'_, Outlet>, before: bool) {
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
        let deadline = if matches!(word, Word::Nak(_)) { outlet.next_deadline() } else { None };
        self.leave_outlet(outlet, before);
        if let Some(deadline) = deadline {
            self.timer.arm(deadline);
        }
    }
}

/// A publisher's place in the line for room; given up when dropped.
struct Place<'a> {
    station: &'a Station,
    headroom: bool,
    turn: Option<Turn>,
}

impl Place<'_> {
    fn poll(&mut self, context: &Context<'_>, batch: &mut Batch) -> Poll<Result<(), PublishError>> {
        let station = self.station;
        // While the outlet is locked no room is made, so none is missed between the attempt and the wait.
        let mut outlet = station.outlet();
        let intake = station.settled_intake(&mut outlet);
        let standing = self.turn.map_or(Standing::Newcomer, Standing::Turn);
        let pushed = station.push(intake, batch, self.headroom, standing, Instant::now());
        match pushed {
            Ok(false) => self.wait(context, batch),
            Ok(true) | Err(_) => self.leave(),
        }
        station.leave_outlet(outlet, true);
        match pushed {
            Ok(false) => Poll::Pending,
            Ok(true) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn wait(&mut self, context: &Context<'_>, batch: &Batch) {
        let size = batch.peek().map_or(0, Message::size);
        let mut intake = self.station.intake();
        self.turn = Some(intake.wait(self.headroom, self.turn, size, context.waker().clone()));
        self.station.crowded.store(true, Ordering::SeqCst);
    }

    fn leave(&mut self) {
        if let Some(turn) = self.turn.take() {
            let mut intake = self.station.intake();
            intake.leave(turn);
            self.station.crowded.store(intake.has_waiting(), Ordering::SeqCst);
        }
    }

    /// Time is over: goes in if there is room after all, whoever else waits for more of it.
    fn try_last(&mut self, batch: &mut Batch) -> bool {
        self.leave();
        let mut outlet = self.station.outlet();
        let intake = self.station.settled_intake(&mut outlet);
        let all = self.station.push(intake, batch, self.headroom, Standing::Late, Instant::now());
        self.station.leave_outlet(outlet, true);
        all.unwrap_or(false)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.turn.is_some() {
            let outlet = self.station.outlet();
            self.leave();
            self.station.leave_outlet(outlet, true);
        }
    }
}
