//! What agents get done over JetStream whose stage does nothing, or waits for an upstream: beside Celery, and with one to
//! eight processes.
//!
//! `NATS_SERVER=… cargo run --release -p quire-runtime --example scale_out -- noop|upstream`
//!
//! `noop` prints records of 1 KiB a second, in parcels of one and of 64, from publishing to the settlement.
//! `upstream` prints records a second where each takes 50 ms, for 1, 2, 4 and 8 processes.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints and may fail")]

use std::{
    collections::HashSet,
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use quire_broker::{Broker, JetStreamOptions, Message, Queue, apply};
use quire_proto::{
    CatalogueRef, Digest, Epoch, Lane, Listed, Outcome, Parcel, ParcelHeader, ParcelId, RunId, Settlement,
    StageName, Work, codec,
};
use quire_runtime::{
    Agent, AgentOptions, ComputePool, Context, Metrics, Processed, ResultsCache, Stage, StageError, Store,
    parcel_message,
};
use test_servers::{Leashed, Nats};

/// What the upstream takes for one record.
const UPSTREAM: Duration = Duration::from_millis(50);
/// Records of a parcel for the upstream: so few that a process has done some soon.
const BATCH: usize = 8;
/// How long one counts, once all processes are at work.
const WINDOW: Duration = Duration::from_secs(10);
/// With so many processes at least so much of as many times one.
const GOAL_LINEAR: f64 = 0.9;
/// Bytes of a record.
const RECORD: usize = 1_024;
const CHUNK: usize = 1_000;

/// Takes `each` for a record, and does nothing.
struct Waits {
    each: Duration,
}

impl Stage for Waits {
    fn name(&self) -> StageName {
        StageName::Fetch
    }

    async fn process(&self, _: Context, parcel: Arc<Parcel>) -> Result<Processed, StageError> {
        if !self.each.is_zero() {
            for _ in 0..parcel.work.records() {
                tokio::time::sleep(self.each).await;
            }
        }
        Ok(Processed::leaf(Outcome::Published { pages: 0, bytes: 0 }))
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["worker", url, each] => worker(url, Duration::from_millis(each.parse().unwrap())).await,
        ["noop"] => noop().await,
        ["upstream"] => upstream().await,
        _ => panic!("expected noop or upstream"),
    }
}

/// One agent, until it is killed.
async fn worker(url: &str, each: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let agent = Agent::spawn(
        Waits { each },
        Broker::jet_stream(options(url)).await.unwrap(),
        Store::open(folder.path()).unwrap(),
        ComputePool::new(2),
        ResultsCache::disabled(),
        AgentOptions::default(),
        Metrics::new(),
    );
    println!("ready");
    std::future::pending::<()>().await;
    drop(agent);
}

fn options(url: &str) -> JetStreamOptions {
    let mut options = JetStreamOptions::new(url);
    options.layout.max_messages = 200_000;
    options.layout.max_bytes = 256 << 20;
    options
}

/// A server, and agents in processes of their own.
struct Rig {
    broker: Broker,
    _workers: Vec<Leashed>,
    _server: Nats,
    _logs: tempfile::TempDir,
}

impl Rig {
    async fn start(workers: usize, each: Duration) -> Self {
        let server = Nats::start("");
        let options = options(&server.url());
        apply(&options).await.unwrap();
        let broker = Broker::jet_stream(options).await.unwrap();
        let logs = tempfile::tempdir().unwrap();
        let start = |number| {
            let (program, each) = (env::current_exe().unwrap(), each.as_millis().to_string());
            let log = logs.path().join(format!("{number}.log"));
            let worker = Leashed::start(&program, ["worker", &server.url(), &each], &[], &log);
            worker.printed("ready", |log| log.contains("ready").then_some(()));
            worker
        };
        let workers = (0..workers).map(start).collect();
        Self { broker, _workers: workers, _server: server, _logs: logs }
    }

    async fn publish(&self, parcels: usize, records: usize) {
        let queue = Queue::work(StageName::Fetch, Lane::Normal);
        for start in (0..parcels).step_by(CHUNK) {
            let messages: Vec<Message> =
                (start..parcels.min(start + CHUNK)).map(|number| message(number, records)).collect();
            self.broker.publish_all(queue, messages).await.unwrap();
        }
    }

    /// Counts records of settled parcels until `enough` says so.
    async fn count(&self, mut enough: impl FnMut(usize) -> bool) -> usize {
        let (mut settled, mut seen) = (0, HashSet::new());
        while !enough(settled) {
            for delivery in self.broker.pull(Queue::Settled, 256).await.unwrap() {
                let settlement: Settlement = codec::decode(&delivery.message.payload).unwrap();
                if seen.insert(settlement.parcel) {
                    settled += settlement.records as usize;
                }
                delivery.ack();
            }
        }
        settled
    }
}

fn message(number: usize, records: usize) -> Message {
    let run = RunId::new("load", Epoch(1));
    let header = ParcelHeader {
        id: ParcelId::root(&run).child("read", number as u64),
        run,
        epoch: Epoch(1),
        catalogue: CatalogueRef { name: "load".into(), bundle: Digest::of(b"load") },
        lane: Lane::Normal,
        anew: false,
    };
    let location = || Listed { location: "x".repeat(RECORD), size: 0, modified_ns: 0 };
    let locations = std::iter::repeat_with(location).take(records).collect();
    let work = Work::Read { source: "s".into(), locations, base: None };
    parcel_message(&Parcel { header, work }).unwrap().1
}

async fn noop() {
    for (records, parcels) in [(1, 20_000), (64, 3_000)] {
        let rig = Rig::start(1, Duration::ZERO).await;
        let began = Instant::now();
        let (all, _) =
            tokio::join!(rig.count(|settled| settled >= parcels * records), rig.publish(parcels, records));
        let rate = all as f64 / began.elapsed().as_secs_f64();
        println!("no-op, {RECORD} bytes a record, {records} a parcel: {rate:.0} records/s");
    }
}

async fn upstream() {
    let mut one = None;
    for workers in [1, 2, 4, 8] {
        let rig = Rig::start(workers, UPSTREAM).await;
        rig.publish(workers * 800, BATCH).await;
        // All of them are at work when each has done some parcels.
        rig.count(|settled| settled >= workers * BATCH * 8).await;
        let began = Instant::now();
        let settled = rig.count(|_| began.elapsed() >= WINDOW).await;
        let rate = settled as f64 / began.elapsed().as_secs_f64();
        let one = *one.get_or_insert(rate);
        let linear = rate / (one * workers as f64);
        println!(
            "upstream of {} ms a record, {workers} processes: {rate:.0} records/s, {linear:.2} of linear, {:.2} of the goal",
            UPSTREAM.as_millis(),
            linear / GOAL_LINEAR
        );
    }
}
