//! A running stage: pulls by lane, starts what the scheduler says, drains.
//!
//! One task decides what starts; it sleeps until a slot is free, a lane has work or someone changes a setting.
//! Nothing is pulled before there is a slot for it, so nothing ages in here and a higher lane never waits behind it.

use std::{
    num::NonZero,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
    time::{Duration, Instant},
};

use quire_broker::{Broker, Delivery, PullError, Queue};
use quire_proto::{Lane, StageName};
use tokio::{
    sync::Notify,
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    ComputePool, Metrics, ResultsCache, Stage, Store,
    pump::Pump,
    retry::{Backoff, Delays},
    scheduler::{Grant, LaneSet, LaneUse, MIN_SLOTS, Scheduler, WEIGHTS},
};

/// How long handlers get to notice that they are cancelled, after the grace of a drain.
const LAST_GRACE: Duration = Duration::from_millis(200);
/// Pause before asking a broker again that could not be reached.
const UNAVAILABLE: Duration = Duration::from_millis(250);

/// Settings of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentOptions {
    /// Parcels at once; at least 4. One slot is only for critical, one for critical and high.
    pub slots: usize,
    /// Weights of the lanes, most urgent first.
    pub weights: [u32; Lane::ALL.len()],
    /// Attempts at a parcel before it is split or dead.
    pub max_attempts: u32,
    /// Times that overload may put a parcel off before it counts as an attempt.
    pub max_delays: u32,
    /// Pauses between attempts.
    pub backoff: Backoff,
    /// How often a running handler tells the broker that it goes on.
    pub ack_progress: Duration,
}

impl Default for AgentOptions {
    /// A core's worth of shared slots each, and one more that publishes while the others compute.
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self {
            slots: (cores + 3).max(MIN_SLOTS),
            weights: WEIGHTS,
            max_attempts: 4,
            max_delays: 100,
            backoff: Backoff::default(),
            ack_progress: Duration::from_secs(2),
        }
    }
}

/// A running agent. Dropped without [`Agent::drain`] it stops at once and gives back what it had started.
#[derive(Debug)]
pub struct Agent {
    shared: Arc<Shared>,
    /// Gone once somebody drains.
    dispatcher: Mutex<Option<JoinHandle<()>>>,
}

/// What an agent does at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentStats {
    /// Its stage.
    pub stage: StageName,
    /// Its slots.
    pub slots: usize,
    /// Weights of its lanes, most urgent first.
    pub weights: [u32; Lane::ALL.len()],
    /// Its lanes, most urgent first.
    pub lanes: Vec<LaneStats>,
    /// Whether it pulls nothing more.
    pub draining: bool,
}

/// One lane of an agent at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneStats {
    /// The lane.
    pub lane: Lane,
    /// Whether nothing of it is started at present.
    pub paused: bool,
    /// What it was given so far.
    pub used: LaneUse,
}

#[derive(Debug)]
struct Shared {
    stage: StageName,
    broker: Broker,
    scheduler: Mutex<Scheduler>,
    paused: Mutex<LaneSet>,
    /// A slot is free, or a setting has changed.
    changed: Notify,
    stop: CancellationToken,
    cancelled: CancellationToken,
}

impl Agent {
    /// Starts an agent on the current tokio runtime.
    #[must_use]
    pub fn spawn<S: Stage>(
        stage: S,
        broker: Broker,
        store: Store,
        pool: ComputePool,
        results: ResultsCache,
        options: AgentOptions,
        metrics: Metrics,
    ) -> Self {
        let shared = Arc::new(Shared {
            stage: stage.name(),
            broker: broker.clone(),
            scheduler: Mutex::new(Scheduler::new(options.slots, options.weights)),
            paused: Mutex::default(),
            changed: Notify::new(),
            stop: CancellationToken::new(),
            cancelled: CancellationToken::new(),
        });
        let (cancelled, delays) = (shared.cancelled.clone(), Delays::default());
        let pump = Pump { stage, broker, store, pool, results, options, metrics, cancelled, delays };
        let dispatcher = tokio::spawn(dispatch(Arc::clone(&shared), Arc::new(pump)));
        Self { shared, dispatcher: Mutex::new(Some(dispatcher)) }
    }

    /// Pulls nothing more and waits for the running handlers. After `grace` they are told to stop; those that do not
    /// are dropped and their parcels go back to the broker. A second call has nothing to wait for.
    pub async fn drain(&self, grace: Duration) {
        self.drain_until(tokio::time::sleep(grace)).await;
    }

    /// [`Agent::drain`] with a grace that ends when `over` does.
    pub async fn drain_until(&self, over: impl Future<Output = ()>) {
        self.shared.stop.cancel();
        let Some(mut dispatcher) = lock(&self.dispatcher).take() else { return };
        tokio::select! {
            biased;
            _ = &mut dispatcher => return,
            () = over => {}
        }
        tracing::warn!(stage = %self.shared.stage, "handlers still run after the grace of the drain");
        self.shared.cancelled.cancel();
        if timeout(LAST_GRACE, &mut dispatcher).await.is_err() {
            dispatcher.abort();
            // The task ends with its set of handlers, which ends them.
            let _ = dispatcher.await;
        }
    }

    /// What the agent does now.
    #[must_use]
    pub fn stats(&self) -> AgentStats {
        let paused = *lock(&self.shared.paused);
        let scheduler = lock(&self.shared.scheduler);
        let lanes = Lane::ALL.into_iter().zip(paused);
        AgentStats {
            stage: self.shared.stage,
            slots: scheduler.slots(),
            weights: scheduler.weights(),
            lanes: lanes
                .map(|(lane, paused)| LaneStats { lane, paused, used: scheduler.lane_use(lane) })
                .collect(),
            draining: self.shared.stop.is_cancelled(),
        }
    }

    /// Starts nothing more of `lane` until [`Agent::resume`]; what runs goes on.
    pub fn pause(&self, lane: Lane) {
        self.set_paused(lane, true);
    }

    /// Undoes [`Agent::pause`].
    pub fn resume(&self, lane: Lane) {
        self.set_paused(lane, false);
    }

    /// Changes the weights of the lanes, most urgent first.
    pub fn set_weights(&self, weights: [u32; Lane::ALL.len()]) {
        lock(&self.shared.scheduler).set_weights(weights);
    }

    /// Changes the number of slots.
    pub fn set_slots(&self, slots: usize) {
        lock(&self.shared.scheduler).set_slots(slots);
        self.shared.changed.notify_one();
    }

    fn set_paused(&self, lane: Lane, pause: bool) {
        if let Some(paused) = lock(&self.shared.paused).get_mut(lane.index()) {
            *paused = pause;
        }
        self.shared.changed.notify_one();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.cancelled.cancel();
        if let Some(dispatcher) = lock(&self.dispatcher).take() {
            dispatcher.abort();
        }
    }
}

/// Starts what can start, sleeps until something changes, and so on until told to stop; then waits for what runs.
async fn dispatch<S: Stage>(shared: Arc<Shared>, pump: Arc<Pump<S>>) {
    let mut running = JoinSet::new();
    // Which lanes may have work: known only by asking, so at first all.
    let mut waiting: LaneSet = [true; Lane::ALL.len()];
    while !shared.stop.is_cancelled() {
        while running.try_join_next().is_some() {}
        while let Some((delivery, place)) = shared.next(&mut waiting) {
            let pump = Arc::clone(&pump);
            running.spawn(async move { place.leave(pump.handle(delivery).await) });
        }
        shared.sleep(&mut waiting).await;
    }
    while running.join_next().await.is_some() {}
}

impl Shared {
    /// The delivery that starts next, and its place; `None` if no lane has both work and a slot. Lanes found
    /// empty are no longer `waiting`.
    fn next(self: &Arc<Self>, waiting: &mut LaneSet) -> Option<(Delivery, Place)> {
        loop {
            let paused = *lock(&self.paused);
            let candidates = std::array::from_fn(|lane| {
                waiting.get(lane).copied().unwrap_or_default()
                    && !paused.get(lane).copied().unwrap_or_default()
            });
            let lane = lock(&self.scheduler).next(candidates)?;
            let Some(delivery) = self.broker.try_pull(Queue::work(self.stage, lane), 1).pop() else {
                if let Some(waits) = waiting.get_mut(lane.index()) {
                    *waits = false;
                }
                continue;
            };
            // If the slot has gone meanwhile (fewer slots), the delivery is dropped, which gives it back.
            let grant = lock(&self.scheduler).start(lane)?;
            return Some((delivery, Place::new(Arc::clone(self), grant)));
        }
    }

    /// Sleeps until a slot is free, a setting has changed, an empty lane has work again, or the agent shall stop.
    async fn sleep(&self, waiting: &mut LaneSet) {
        let paused = *lock(&self.paused);
        let empty = Lane::ALL.into_iter().zip(waiting.iter().zip(paused));
        let empty: Vec<Queue> = empty
            .filter(|(_, (waits, paused))| !**waits && !paused)
            .map(|(lane, _)| Queue::work(self.stage, lane))
            .collect();
        let ready = async {
            if empty.is_empty() { std::future::pending().await } else { self.broker.ready(&empty).await }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            // Before `changed`, which under load is always due: a lane that comes to life must be seen.
            ready = ready => match ready {
                Ok(Queue::Work { lane, .. }) => {
                    if let Some(waits) = waiting.get_mut(lane.index()) {
                        *waits = true;
                    }
                }
                Ok(Queue::Settled | Queue::Dead) => {}
                Err(PullError::Closed) => self.stop.cancelled().await,
                Err(error) => {
                    tracing::warn!(error = crate::chain(&error), stage = %self.stage, "cannot pull");
                    tokio::time::sleep(UNAVAILABLE).await;
                }
            },
            () = self.changed.notified() => {}
        }
    }
}

/// A started parcel's place. However its task ends, the slot is given back and the next can start.
struct Place {
    shared: Arc<Shared>,
    grant: Option<Grant>,
    started: Instant,
    service: Option<Duration>,
}

impl Place {
    fn new(shared: Arc<Shared>, grant: Grant) -> Self {
        Self { shared, grant: Some(grant), started: Instant::now(), service: None }
    }

    /// Leaves after so much service.
    fn leave(mut self, service: Duration) {
        self.service = Some(service);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let service = self.service.unwrap_or_else(|| self.started.elapsed());
        if let Some(grant) = self.grant.take() {
            lock(&self.shared.scheduler).finish(grant, service);
        }
        self.shared.changed.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is changed in steps that cannot panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
