//! An agent under load: every shared slot busy with handlers that burn a core, a long backlog in low.
//! Shared by the lanes test, which asserts, and the example of the same name, which prints.

#![allow(dead_code, reason = "the test prints by Debug what the example reads")]

use std::{
    collections::HashSet,
    future::Future,
    hint::black_box,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use quire_broker::{Broker, InProcessOptions, JetStreamOptions, Message, Queue, apply};
use quire_proto::{
    CatalogueRef, Digest, Epoch, Lane, Listed, Outcome, Parcel, ParcelHeader, ParcelId, RunId, Settlement,
    StageName, Work, codec,
};
use quire_runtime::{
    Agent, AgentOptions, ComputePool, Context, Histogram, Metrics, Processed, ResultsCache, Stage,
    StageError, Store, Summary, parcel_message,
};

/// How long a handler burns a core.
const BURN: Duration = Duration::from_millis(4);
const STAGE: StageName = StageName::Fetch;

/// What the run of [`critical_under_load`] showed.
#[derive(Debug)]
pub(crate) struct CriticalFigures {
    /// From publishing to the first instruction on the critical thread.
    pub(crate) start: Summary,
    /// Low parcels done meanwhile, all of them burning.
    pub(crate) low_meanwhile: u64,
    /// Parcels a second once nothing burns any more: what the runtime itself costs.
    pub(crate) idle_rate: f64,
    /// Parcels published, and parcels settled.
    pub(crate) published: usize,
    pub(crate) settled: usize,
}

/// Shares of service time by lane, and how much there was in all.
#[derive(Debug)]
pub(crate) struct ShareFigures {
    pub(crate) shares: [f64; 4],
    pub(crate) service: Duration,
}

/// Burns a core, or does nothing once `burning` is off; notes when critical parcels start.
struct Burner {
    epoch: Instant,
    burning: Arc<AtomicBool>,
    started: Arc<Mutex<Histogram>>,
}

impl Stage for Burner {
    fn name(&self) -> StageName {
        STAGE
    }

    fn process(
        &self,
        ctx: Context,
        parcel: Arc<Parcel>,
    ) -> impl Future<Output = Result<Processed, StageError>> + Send {
        let (epoch, started) = (self.epoch, Arc::clone(&self.started));
        let burning = self.burning.load(Ordering::Relaxed);
        async move {
            if ctx.lane() == Lane::Critical || burning {
                ctx.compute(move || {
                    if parcel.header.lane == Lane::Critical && parcel.header.epoch.0 == 1 {
                        let late = epoch.elapsed().saturating_sub(published_at(&parcel));
                        started.lock().expect("a lock").record(late);
                    }
                    if burning {
                        burn(BURN);
                    }
                })
                .await?;
            }
            Ok(Processed::leaf(Outcome::Published { pages: 0, bytes: 0 }))
        }
    }
}

fn burn(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        black_box((0..100_u64).fold(0, |sum, number| sum ^ black_box(number)));
    }
}

/// A parcel of about 256 bytes that says when it was published.
fn parcel(epoch: u64, number: u64, lane: Lane, since: Instant) -> Parcel {
    let run = RunId::new("load", Epoch(epoch));
    let header = ParcelHeader {
        id: ParcelId::root(&run).child(lane.as_str(), number),
        run,
        epoch: Epoch(epoch),
        catalogue: CatalogueRef { name: "load".into(), bundle: Digest::of(b"load") },
        lane,
        anew: false,
    };
    let modified_ns = since.elapsed().as_nanos() as i128;
    let location = Listed { location: "x".into(), size: 0, modified_ns };
    Parcel { header, work: Work::Read { source: "s".into(), locations: vec![location], base: None } }
}

fn published_at(parcel: &Parcel) -> Duration {
    match &parcel.work {
        Work::Read { locations, .. } => Duration::from_nanos(locations[0].modified_ns as u64),
        _ => Duration::ZERO,
    }
}

/// Messages published at once.
const CHUNK: usize = 10_000;

/// The same broker, as those who publish and collect have it, and as the agent does.
pub(crate) struct Brokers {
    pub(crate) client: Broker,
    pub(crate) agent: Broker,
}

impl Brokers {
    /// In this process, with room for the backlog.
    pub(crate) fn in_process() -> Self {
        let options =
            InProcessOptions { max_messages: 400_000, max_bytes: 1 << 30, ..InProcessOptions::default() };
        let client = Broker::in_process(options);
        Self { agent: client.clone(), client }
    }

    /// At a server of its own that syncs before it answers, each over its own connections.
    pub(crate) async fn jet_stream(server: &test_servers::Nats, messages: usize) -> Self {
        let mut options = JetStreamOptions::new(server.url());
        options.layout.max_messages = messages + 10_000;
        // All streams together have to fit into what the server may store.
        options.layout.max_bytes = (messages * 768).max(256 << 20);
        apply(&options).await.expect("applied");
        let client = Broker::jet_stream(options.clone()).await.expect("connected");
        Self { client, agent: Broker::jet_stream(options).await.expect("connected") }
    }
}

/// A broker with room for the backlog, and an agent that pulls from it.
struct Rig {
    broker: Broker,
    agent: Agent,
    epoch: Instant,
    burning: Arc<AtomicBool>,
    started: Arc<Mutex<Histogram>>,
    settled: Arc<Mutex<HashSet<ParcelId>>>,
    _dir: tempfile::TempDir,
}

impl Rig {
    async fn start(Brokers { client: broker, agent }: Brokers, backlog: &[(Lane, usize)]) -> Self {
        let epoch = Instant::now();
        for (lane, count) in backlog {
            let message = |number| parcel_message(&parcel(0, number, *lane, epoch)).expect("encoded").1;
            for start in (0..*count as u64).step_by(CHUNK) {
                let messages: Vec<Message> =
                    (start..(*count as u64).min(start + CHUNK as u64)).map(message).collect();
                broker.publish_all(Queue::work(STAGE, *lane), messages).await.expect("published");
            }
        }
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).expect("a store");
        let (burning, started) = (Arc::new(AtomicBool::new(true)), Arc::default());
        let stage = Burner { epoch, burning: Arc::clone(&burning), started: Arc::clone(&started) };
        let agent = Agent::spawn(
            stage,
            agent,
            store,
            ComputePool::new(2),
            ResultsCache::disabled(),
            AgentOptions::default(),
            Metrics::new(),
        );
        let settled = Arc::default();
        tokio::spawn(collect(broker.clone(), Arc::clone(&settled)));
        Self { broker, agent, epoch, burning, started, settled, _dir: dir }
    }

    fn settled(&self) -> usize {
        self.settled.lock().expect("a lock").len()
    }

    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        while !condition(self) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Takes settlements, as a coordinator would.
async fn collect(broker: Broker, settled: Arc<Mutex<HashSet<ParcelId>>>) {
    while let Ok(deliveries) = broker.pull(Queue::Settled, 64).await {
        let mut ids = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            let settlement: Settlement = codec::decode(&delivery.message.payload).expect("a settlement");
            ids.push(settlement.parcel);
            delivery.ack();
        }
        settled.lock().expect("a lock").extend(ids);
    }
}

/// Publishes `critical` parcels, one every few milliseconds, while every shared slot burns and `backlog` parcels wait
/// in low; then stops burning and waits until everything is settled.
pub(crate) async fn critical_under_load(
    brokers: Brokers,
    critical: usize,
    backlog: usize,
) -> CriticalFigures {
    let rig = Rig::start(brokers, &[(Lane::Low, backlog)]).await;
    rig.until(|rig| rig.settled() > 10).await;
    let low_before = rig.settled();
    for number in 0..critical as u64 {
        let (queue, message) =
            parcel_message(&parcel(1, number, Lane::Critical, rig.epoch)).expect("encoded");
        rig.broker.publish(queue, message).await.expect("published");
        // Not in step with the burning: 5 to 9 ms.
        tokio::time::sleep(Duration::from_millis(5 + number % 5)).await;
    }
    rig.until(|rig| rig.started.lock().expect("a lock").count() == critical as u64).await;
    let low_meanwhile = (rig.settled() - low_before).saturating_sub(critical) as u64;
    rig.burning.store(false, Ordering::Relaxed);
    let (left, began) = (backlog + critical - rig.settled(), Instant::now());
    rig.until(|rig| rig.settled() == backlog + critical).await;
    let idle_rate = left as f64 / began.elapsed().as_secs_f64();
    let start = rig.started.lock().expect("a lock").summary();
    CriticalFigures { start, low_meanwhile, idle_rate, published: backlog + critical, settled: rig.settled() }
}

/// Overloads all four lanes for `time` and says who got how much service.
pub(crate) async fn shares_under_overload(time: Duration) -> ShareFigures {
    let enough = time.as_millis() as usize * 2 + 1000;
    let rig = Rig::start(Brokers::in_process(), &Lane::ALL.map(|lane| (lane, enough))).await;
    let began = Instant::now();
    rig.until(|_| began.elapsed() >= time).await;
    let served = rig.agent.stats().lanes.iter().map(|lane| lane.used.service).collect::<Vec<_>>();
    let service: Duration = served.iter().sum();
    let share = |lane: Lane| served[lane.index()].as_secs_f64() / service.as_secs_f64();
    ShareFigures { shares: Lane::ALL.map(share), service }
}
