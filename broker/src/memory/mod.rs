//! The in-process backend: one lock a queue, waiters woken directly, one task for the clock.

mod bell;
mod dedup;
mod flights;
mod intake;
mod kv;
mod outlet;
mod place;
mod station;
mod timer;

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    AdminError, Bucket, DeadLetter, Delivery, InProcessOptions, KvError, PublishError, PublishOptions,
    PullError, Queue, QueueInfo, Readiness, Revision,
    backend::{Backend, Boxed, Expect, WatchBackend},
    message::Batch,
};

use kv::Buckets;
use station::Station;
use timer::Timer;

/// All queues and buckets of a broker in memory.
pub(crate) struct Memory {
    options: InProcessOptions,
    stations: Vec<Arc<Station>>,
    buckets: Buckets,
    timer: Arc<Timer>,
    gate: Arc<Gate>,
}

/// Whether the broker is open, and who waits for its end.
pub(super) struct Gate {
    phase: AtomicU8,
    /// Told when a queue has nothing on lease any more while the broker closes.
    pub(super) idle: Notify,
}

const OPEN: u8 = 0;
const CLOSING: u8 = 1;
const CLOSED: u8 = 2;

impl Gate {
    const fn new() -> Self {
        Self { phase: AtomicU8::new(OPEN), idle: Notify::const_new() }
    }

    fn advance(&self, phase: u8) {
        self.phase.fetch_max(phase, Ordering::SeqCst);
    }

    pub(super) fn may_pull(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == OPEN
    }

    pub(super) fn may_publish(&self) -> bool {
        self.phase.load(Ordering::SeqCst) != CLOSED
    }
}

impl Memory {
    pub(crate) fn start(options: InProcessOptions) -> Arc<Self> {
        let memory = Arc::new_cyclic(|weak| {
            let timer = Arc::new(Timer::new(weak.clone()));
            let gate = Arc::new(Gate::new());
            let station =
                |queue| Arc::new(Station::new(queue, options, Arc::clone(&timer), Arc::clone(&gate)));
            let stations = Queue::all().map(station).collect();
            Self { options, stations, buckets: Buckets::new(), timer, gate }
        });
        memory.timer.run();
        memory
    }

    /// Ends leases and delays whose time is over; when something ends next.
    fn tick(&self, now: Instant) -> Option<Instant> {
        self.stations.iter().filter_map(|station| station.tick(now)).min()
    }

    /// There is one for every queue, by construction.
    fn station(&self, queue: Queue) -> &Arc<Station> {
        &self.stations[queue.index()]
    }

    fn check_sizes(&self, batch: &Batch) -> Result<(), PublishError> {
        let limit = self.options.max_message_bytes.min(self.options.max_bytes);
        let bytes = batch.largest();
        if bytes > limit { Err(PublishError::TooLarge { bytes, limit }) } else { Ok(()) }
    }

    async fn wait_ready(&self, queues: &[Queue]) -> Result<Queue, PullError> {
        self.timer.run();
        let _listening: Vec<_> = queues.iter().map(|queue| self.station(*queue).arrived.listen()).collect();
        loop {
            // Made before the look: from here on no call is missed.
            let mut arrivals: Vec<_> =
                queues.iter().map(|queue| Box::pin(self.station(*queue).arrived.notified())).collect();
            let mut closing = pin!(self.gate.idle.notified());
            if let Some(queue) = self.first_ready(queues)? {
                return Ok(queue);
            }
            poll_fn(|context| {
                let arrived = arrivals.iter_mut().any(|arrival| arrival.as_mut().poll(context).is_ready());
                if arrived || closing.as_mut().poll(context).is_ready() {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            })
            .await;
        }
    }

    async fn drain(&self) {
        self.timer.run();
        self.gate.advance(CLOSING);
        self.gate.idle.notify_waiters();
        for station in &self.stations {
            station.wake_pullers();
        }
        loop {
            let idle = self.gate.idle.notified();
            if self.stations.iter().all(|station| station.in_flight() == 0) {
                break;
            }
            idle.await;
        }
        self.gate.advance(CLOSED);
        for station in &self.stations {
            station.wake_publishers();
        }
        self.buckets.close();
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.timer.stop();
    }
}

impl Backend for Memory {
    fn offer(&self, queue: Queue, batch: &mut Batch, options: PublishOptions) -> Result<bool, PublishError> {
        self.check_sizes(batch)?;
        self.station(queue).offer(batch, options.headroom)
    }

    fn publish<'a>(
        &'a self,
        queue: Queue,
        batch: &'a mut Batch,
        options: PublishOptions,
    ) -> Boxed<'a, Result<(), PublishError>> {
        let deadline = options.deadline.unwrap_or(self.options.publish_deadline);
        Box::pin(async move {
            self.timer.run();
            self.station(queue).publish(batch, options.headroom, deadline).await
        })
    }

    fn try_pull(&self, queue: Queue, max: usize) -> Result<Vec<Delivery>, PullError> {
        self.station(queue).try_pull(max)
    }

    fn pull(&self, queue: Queue, max: usize) -> Boxed<'_, Result<Vec<Delivery>, PullError>> {
        Box::pin(async move {
            self.timer.run();
            self.station(queue).pull(max).await
        })
    }

    fn first_ready(&self, queues: &[Queue]) -> Result<Option<Queue>, PullError> {
        if !self.gate.may_pull() {
            return Err(PullError::Closed);
        }
        Ok(queues.iter().copied().find(|queue| self.station(*queue).deliverable()))
    }

    fn ready<'a>(&'a self, queues: &'a [Queue]) -> Boxed<'a, Result<Queue, PullError>> {
        Box::pin(self.wait_ready(queues))
    }

    fn info(&self, queue: Queue) -> QueueInfo {
        self.station(queue).info()
    }

    fn set_paused(&self, queue: Queue, paused: bool) {
        self.station(queue).set_paused(paused);
    }

    fn set_halted(&self, queue: Queue, halted: bool) -> Boxed<'_, Result<(), AdminError>> {
        Box::pin(async move {
            self.station(queue).set_halted(halted);
            Ok(())
        })
    }

    fn letters(&self, after: u64, max: usize) -> Boxed<'_, Result<Vec<DeadLetter>, AdminError>> {
        Box::pin(async move { Ok(self.station(Queue::Dead).browse(after, max)) })
    }

    fn letter(&self, number: u64) -> Boxed<'_, Result<Option<DeadLetter>, AdminError>> {
        Box::pin(async move {
            let Some(before) = number.checked_sub(1) else { return Ok(None) };
            let found = self.station(Queue::Dead).browse(before, 1).pop();
            Ok(found.filter(|letter| letter.number == number))
        })
    }

    fn drop_letter(&self, number: u64) -> Boxed<'_, Result<bool, AdminError>> {
        Box::pin(async move { Ok(self.station(Queue::Dead).forget(number)) })
    }

    fn readiness(&self) -> watch::Receiver<Readiness> {
        // Memory is always there.
        watch::channel(Readiness::Ready).1
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(self.drain())
    }

    fn get<'a>(
        &'a self,
        bucket: Bucket,
        key: &'a str,
    ) -> Boxed<'a, Result<Option<(Bytes, Revision)>, KvError>> {
        Box::pin(async move { Ok(self.buckets.of(bucket).get(key)) })
    }

    fn write<'a>(
        &'a self,
        bucket: Bucket,
        key: &'a str,
        value: Bytes,
        expect: Expect,
    ) -> Boxed<'a, Result<Revision, KvError>> {
        Box::pin(async move { self.buckets.of(bucket).write(key, value, expect) })
    }

    fn delete<'a>(&'a self, bucket: Bucket, key: &'a str, expect: Expect) -> Boxed<'a, Result<(), KvError>> {
        Box::pin(async move { self.buckets.of(bucket).delete(key, expect) })
    }

    fn keys<'a>(&'a self, bucket: Bucket, prefix: &'a str) -> Boxed<'a, Result<Vec<String>, KvError>> {
        Box::pin(async move { Ok(self.buckets.of(bucket).keys(prefix)) })
    }

    fn watch<'a>(
        &'a self,
        bucket: Bucket,
        prefix: &'a str,
    ) -> Boxed<'a, Result<Box<dyn WatchBackend>, KvError>> {
        Box::pin(async move { Ok(Box::new(self.buckets.of(bucket).watch(prefix)) as Box<dyn WatchBackend>) })
    }
}
