//! What the tests of a running agent share: a broker, a store, a pool, and stages made of closures.

#![allow(dead_code, reason = "every test binary uses its part")]

use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use quire_broker::{Broker, InProcessOptions, Queue};
use quire_cache::CacheStore;
use quire_proto::{
    CatalogueRef, Digest, Epoch, Format, Item, ItemId, Lane, Listed, Outcome, Parcel, ParcelHeader, ParcelId,
    RunId, Settlement, StageName, Work, codec,
};
use quire_runtime::{
    Agent, AgentOptions, Backoff, ComputePool, Context, DeadLetter, Metrics, Processed, ResultsCache, Stage,
    StageError, Store, parcel_message,
};

/// A bound for every wait: reached only if something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A stage made of a closure.
pub(crate) struct Handler<F>(pub(crate) StageName, pub(crate) F);

impl<F, R> Stage for Handler<F>
where
    F: Fn(Context, Arc<Parcel>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Processed, StageError>> + Send,
{
    fn name(&self) -> StageName {
        self.0
    }

    fn process(
        &self,
        ctx: Context,
        parcel: Arc<Parcel>,
    ) -> impl Future<Output = Result<Processed, StageError>> + Send {
        (self.1)(ctx, parcel)
    }
}

/// What agents need, in one process and a temporary folder.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) broker: Broker,
    pub(crate) store: Store,
    pub(crate) pool: ComputePool,
    pub(crate) results: ResultsCache,
    pub(crate) metrics: Metrics,
    pub(crate) options: AgentOptions,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(InProcessOptions::default())
    }

    pub(crate) fn with(broker: InProcessOptions) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(&dir.path().join("store")).expect("a store");
        Self {
            dir,
            broker: Broker::in_process(broker),
            store,
            pool: ComputePool::new(2),
            results: ResultsCache::new(&CacheStore::in_memory()),
            metrics: Metrics::new(),
            options: AgentOptions {
                slots: 4,
                backoff: Backoff { first: Duration::from_millis(2), max: Duration::from_millis(20) },
                ..AgentOptions::default()
            },
        }
    }

    /// Starts an agent of `stage`.
    pub(crate) fn agent<F, R>(&self, stage: StageName, handler: F) -> Agent
    where
        F: Fn(Context, Arc<Parcel>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Processed, StageError>> + Send + 'static,
    {
        Agent::spawn(
            Handler(stage, handler),
            self.broker.clone(),
            self.store.clone(),
            self.pool.clone(),
            self.results.clone(),
            self.options,
            self.metrics.clone(),
        )
    }

    pub(crate) async fn publish(&self, parcel: &Parcel) {
        let (queue, message) = parcel_message(parcel).expect("a message");
        self.broker.publish(queue, message).await.expect("published");
    }

    /// The next settlement.
    pub(crate) async fn settlement(&self) -> Settlement {
        let pulled = tokio::time::timeout(PATIENCE, self.broker.pull(Queue::Settled, 1)).await;
        let delivery = pulled.expect("a settlement in time").expect("an open broker").pop().expect("one");
        let settlement = codec::decode(&delivery.message.payload).expect("a settlement");
        delivery.ack();
        settlement
    }

    /// The settlements of `root` and of everything that they announce, as a ledger would collect them.
    pub(crate) async fn settled(&self, root: ParcelId) -> Vec<Settlement> {
        let (mut owed, mut done) = (HashSet::from([root]), HashSet::new());
        let mut settlements = Vec::new();
        while done != owed {
            let settlement = self.settlement().await;
            owed.extend(settlement.announced.iter().map(|child| child.id));
            if done.insert(settlement.parcel) {
                settlements.push(settlement);
            }
        }
        settlements
    }

    /// All dead letters so far.
    pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
        let deliveries = self.broker.try_pull(Queue::Dead, 1000);
        deliveries.iter().map(|dead| codec::decode(&dead.message.payload).expect("a dead letter")).collect()
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never came: {what}"));
}

pub(crate) fn header(epoch: u64, number: u64, lane: Lane) -> ParcelHeader {
    let run = RunId::new("test", Epoch(epoch));
    ParcelHeader {
        id: ParcelId::root(&run).child("test", number),
        run,
        epoch: Epoch(epoch),
        catalogue: CatalogueRef { name: "test".into(), bundle: Digest::of(b"bundle") },
        lane,
        anew: false,
    }
}

/// Work of the fetch stage: `count` locations `0.json`, `1.json` …
pub(crate) fn read(count: usize) -> Work {
    let listed = |number| Listed { location: format!("{number}.json"), size: 1, modified_ns: 0 };
    Work::Read { source: "s".into(), locations: (0..count).map(listed).collect(), base: None }
}

/// A parcel of `count` locations in the normal lane.
pub(crate) fn read_parcel(number: u64, count: usize) -> Parcel {
    Parcel { header: header(1, number, Lane::Normal), work: read(count) }
}

/// Pure work: an item.
pub(crate) fn validate(text: &str) -> Work {
    Work::Validate(vec![Item {
        id: ItemId { source: "s".into(), location: "x.json".into(), ordinal: 0 },
        line: 1,
        format: Format::Json,
        content: Digest::of(text.as_bytes()),
        raw: Bytes::copy_from_slice(text.as_bytes()),
    }])
}

pub(crate) fn locations(parcel: &Parcel) -> Vec<String> {
    match &parcel.work {
        Work::Read { locations, .. } => locations.iter().map(|listed| listed.location.clone()).collect(),
        _ => Vec::new(),
    }
}

/// An outcome that repeats the parcel's locations, so that one can see what was processed.
pub(crate) fn read_outcome(parcel: &Parcel) -> Outcome {
    let failed = locations(parcel).into_iter().map(|location| (location, String::new())).collect();
    Outcome::Read { unchanged: Vec::new(), rejected: Vec::new(), failed, queries: 0 }
}

/// Locations that were processed, according to the settlements.
pub(crate) fn processed(settlements: &[Settlement]) -> Vec<String> {
    let mut all: Vec<String> = settlements
        .iter()
        .filter_map(|settlement| match &settlement.outcome {
            Outcome::Read { failed, .. } => Some(failed.iter().map(|(location, _)| location.clone())),
            _ => None,
        })
        .flatten()
        .collect();
    all.sort_unstable();
    all
}

/// Subjects of the dead, according to the settlements.
pub(crate) fn dead(settlements: &[Settlement]) -> Vec<(String, u32, Vec<String>)> {
    let dead = settlements.iter().filter_map(|settlement| match &settlement.outcome {
        Outcome::Dead { error, attempts, subjects } => Some((error.clone(), *attempts, subjects.clone())),
        _ => None,
    });
    dead.collect()
}
