//! A lane with its lock and its waiters.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
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

/// Acknowledgements that may wait in an inbox when no one waits for them.
const INBOX: usize = 64;

/// Keeps what different threads write to on cache lines of their own.
#[repr(align(128))]
struct Apart<T>(T);

/// One queue of a broker in memory.
///
/// Wake-ups of pullers are a baton: whoever makes the lane deliverable wakes one, and one who leaves something behind
/// wakes the next. A woken puller that is dropped passes the wake-up on (see [`Notify`]).
pub(super) struct Station {
    queue: Queue,
    lane: Apart<Mutex<Lane>>,
    /// Acknowledgements that the lane has not heard of yet. Whoever locks the lane to look at it tells it first, so
    /// nobody sees the difference; but a holder needs the lane's lock only once in many messages.
    inbox: Apart<Mutex<Vec<(Token, Word)>>>,
    /// How many acknowledgements may wait in the inbox: one when somebody waits for room or for the end.
    patience: AtomicUsize,
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
            lane: Apart(Mutex::new(Lane::new(options))),
            inbox: Apart(Mutex::default()),
            patience: AtomicUsize::new(INBOX),
            available: Notify::new(),
            arrived: Notify::new(),
            timer,
            gate,
        }
    }

    /// Takes from `batch` what there is room for; whether that was all.
    pub(super) fn offer(&self, batch: &mut Batch, headroom: bool) -> Result<bool, PublishError> {
        let now = Instant::now();
        let mut lane = self.lock_unheard();
        if !self.gate.may_publish() {
            return Err(PublishError::Closed);
        }
        let before = lane.deliverable();
        let mut all = lane.may_publish(headroom, None) && lane.push(batch, headroom, now);
        if !all {
            self.hear(&mut lane);
            all = lane.may_publish(headroom, None) && lane.push(batch, headroom, now);
        }
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
        match tokio::time::timeout(deadline, taken).await {
            Ok(taken) => taken,
            Err(_) => place.try_last(batch).then_some(()).ok_or(full),
        }
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

    /// From now on every acknowledgement is heard at once.
    pub(super) fn begin_closing(&self) {
        let lane = self.lock_unheard();
        self.patience.store(1, Ordering::SeqCst);
        drop(lane);
        self.available.notify_waiters();
        self.arrived.notify_waiters();
    }

    pub(super) fn wake_publishers(&self) {
        let publishers = self.lock().all_publishers();
        publishers.into_iter().for_each(|waker| waker.wake());
    }

    /// Locks the lane as everybody should see it.
    fn lock(&self) -> MutexGuard<'_, Lane> {
        let mut lane = self.lock_unheard();
        self.hear(&mut lane);
        lane
    }

    /// Locks the lane as it stands, to add to it.
    fn lock_unheard(&self) -> MutexGuard<'_, Lane> {
        // The lane is changed in steps that cannot panic, so a poisoned lock guards a sound lane.
        self.lane.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the lane of the acknowledgements in the inbox.
    fn hear(&self, lane: &mut Lane) {
        let mut inbox = self.inbox.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (token, word) in inbox.drain(..) {
            lane.settle(token, word);
        }
    }

    /// Leaves an acknowledgement in the inbox; whether it is to be heard at once.
    fn leave_word(&self, token: Token, word: Word) -> bool {
        let mut inbox = self.inbox.0.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.push((token, word));
        // Whoever lowers the patience empties the inbox afterwards, so either we see it or they see our word.
        inbox.len() >= self.patience.load(Ordering::SeqCst)
    }

    /// Unlocks and wakes whom the change concerns; `before` says whether the lane was deliverable before it.
    fn unlock(&self, mut lane: MutexGuard<'_, Lane>, before: bool) {
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
        let last = matches!(word, Word::Ack | Word::Term);
        if last && !self.leave_word(token, word) {
            return;
        }
        let now = Instant::now();
        let mut lane = self.lock();
        let before = lane.deliverable();
        if !last {
            lane.tell(token, word, now);
        }
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
        let station = self.station;
        let mut lane = station.lock_unheard();
        if !station.gate.may_publish() {
            return Poll::Ready(Err(PublishError::Closed));
        }
        station.patience.store(1, Ordering::SeqCst);
        let before = lane.deliverable();
        station.hear(&mut lane);
        let all = lane.may_publish(self.headroom, self.turn) && lane.push(batch, self.headroom, now);
        if all {
            self.leave(&mut lane);
        } else {
            let size = batch.peek().map_or(0, |message| message.size());
            let waker = context.waker().clone();
            self.turn = Some(lane.wait_for_room(self.headroom, self.turn, size, waker));
        }
        station.unlock(lane, before);
        if all { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Time is over: goes in if there is room after all, whoever else waits for more of it.
    fn try_last(&mut self, batch: &mut Batch) -> bool {
        let now = Instant::now();
        let mut lane = self.station.lock();
        let before = lane.deliverable();
        let all = self.station.gate.may_publish() && lane.push(batch, self.headroom, now);
        self.leave(&mut lane);
        self.station.unlock(lane, before);
        all
    }

    fn leave(&mut self, lane: &mut Lane) {
        if let Some(turn) = self.turn.take() {
            lane.leave(turn);
        }
        if !lane.has_waiting() && self.station.gate.may_pull() {
            self.station.patience.store(INBOX, Ordering::SeqCst);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.turn.is_some() {
            let mut lane = self.station.lock();
            let before = lane.deliverable();
            self.leave(&mut lane);
            self.station.unlock(lane, before);
        }
    }
}
