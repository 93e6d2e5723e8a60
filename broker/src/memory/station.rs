//! A lane with its lock and its waiters.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    Gate,
    lane::{Lane, Turn},
    timer::Timer,
};
use crate::{
    Delivery, InProcessOptions, PublishError, PullError, Queue, QueueInfo,
    delivery::{Settle, Token, Word},
    message::Batch,
};

/// One queue of a broker in memory.
///
/// Wake-ups of pullers are a baton: whoever makes the lane deliverable wakes one, and one who leaves something behind
/// wakes the next. A woken puller that is dropped passes the wake-up on (see [`Notify`]).
pub(super) struct Station {
    queue: Queue,
    lane: Mutex<Lane>,
    /// For pullers, one at a time.
    available: Notify,
    /// For those who only want to know, all at once.
    pub(super) arrived: Notify,
    timer: Arc<Timer>,
    gate: Arc<Gate>,
}

impl Station {
    pub(super) fn new(queue: Queue, options: InProcessOptions, timer: Arc<Timer>, gate: Arc<Gate>) -> Self {
        Self {
            queue,
            lane: Mutex::new(Lane::new(options)),
            available: Notify::new(),
            arrived: Notify::new(),
            timer,
            gate,
        }
    }

    /// Takes from `batch` what there is room for; whether that was all.
    pub(super) fn offer(&self, batch: &mut Batch, headroom: bool) -> Result<bool, PublishError> {
        let now = Instant::now();
        let mut lane = self.lock();
        if !self.gate.may_publish() {
            return Err(PublishError::Closed);
        }
        if !lane.may_publish(headroom, None) {
            return Ok(false);
        }
        let before = lane.deliverable();
        let all = lane.push(batch, headroom, now);
        self.unlock(lane, before);
        Ok(all)
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
        tokio::time::timeout(deadline, taken).await.unwrap_or(Err(full))
    }

    /// Takes at most `max` deliveries.
    pub(super) fn try_pull(self: &Arc<Self>, max: usize) -> Result<Vec<Delivery>, PullError> {
        let now = Instant::now();
        let mut lane = self.lock();
        if !self.gate.may_pull() {
            return Err(PullError::Closed);
        }
        let before = lane.deliverable();
        lane.tick(now);
        let taken = lane.take(max, now, |message, attempt, token| {
            let settle: Arc<dyn Settle> = Arc::<Self>::clone(self);
            Delivery::new(message, self.queue, attempt, token, settle)
        });
        let (more, deadline) = (lane.deliverable(), lane.next_deadline());
        drop(lane);
        if let (false, Some(deadline)) = (taken.is_empty(), deadline) {
            self.timer.arm(deadline);
        }
        if more {
            self.available.notify_one();
            if !before {
                self.arrived.notify_waiters();
            }
        }
        Ok(taken)
    }

    /// Waits for something to take.
    pub(super) async fn pull(self: &Arc<Self>, max: usize) -> Result<Vec<Delivery>, PullError> {
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
        let mut lane = self.lock();
        let before = lane.deliverable();
        lane.tick(now);
        let next = lane.next_deadline();
        self.unlock(lane, before);
        next
    }

    pub(super) fn deliverable(&self) -> bool {
        self.lock().deliverable()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.lock().in_flight()
    }

    pub(super) fn info(&self) -> QueueInfo {
        let now = Instant::now();
        let mut lane = self.lock();
        let before = lane.deliverable();
        lane.tick(now);
        let info = lane.info(now);
        self.unlock(lane, before);
        info
    }

    pub(super) fn set_paused(&self, paused: bool) {
        let mut lane = self.lock();
        let before = lane.deliverable();
        lane.paused = paused;
        self.unlock(lane, before);
    }

    pub(super) fn wake_pullers(&self) {
        self.available.notify_waiters();
        self.arrived.notify_waiters();
    }

    pub(super) fn wake_publishers(&self) {
        let publishers = self.lock().all_publishers();
        publishers.into_iter().for_each(|waker| waker.wake());
    }

    fn lock(&self) -> MutexGuard<'_, Lane> {
        // The lane is changed in steps that cannot panic, so a poisoned lock guards a sound lane.
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unlocks and wakes whom the change concerns; `before` says whether the lane was deliverable before it.
    fn unlock(&self, lane: MutexGuard<'_, Lane>, before: bool) {
        let arrived = !before && lane.deliverable();
        let idle = lane.in_flight() == 0;
        let publisher = lane.next_publisher();
        drop(lane);
        if arrived {
            self.available.notify_one();
            self.arrived.notify_waiters();
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
        let now = Instant::now();
        let mut lane = self.lock();
        let before = lane.deliverable();
        lane.tell(token, word, now);
        let deadline = if matches!(word, Word::Nak(_)) { lane.next_deadline() } else { None };
        self.unlock(lane, before);
        if let Some(deadline) = deadline {
            self.timer.arm(deadline);
        }
    }
}

/// A publisher's place in the queue for room; given up when dropped.
struct Place<'a> {
    station: &'a Station,
    headroom: bool,
    turn: Option<Turn>,
}

impl Place<'_> {
    fn poll(&mut self, context: &Context<'_>, batch: &mut Batch) -> Poll<Result<(), PublishError>> {
        let now = Instant::now();
        let mut lane = self.station.lock();
        if !self.station.gate.may_publish() {
            return Poll::Ready(Err(PublishError::Closed));
        }
        let before = lane.deliverable();
        let all = lane.may_publish(self.headroom, self.turn) && lane.push(batch, self.headroom, now);
        if all {
            if let Some(turn) = self.turn.take() {
                lane.leave(turn);
            }
        } else {
            let size = batch.peek().map_or(0, |message| message.size());
            let waker = context.waker().clone();
            self.turn = Some(lane.wait_for_room(self.headroom, self.turn, size, waker));
        }
        self.station.unlock(lane, before);
        if all { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            let mut lane = self.station.lock();
            let before = lane.deliverable();
            lane.leave(turn);
            self.station.unlock(lane, before);
        }
    }
}
