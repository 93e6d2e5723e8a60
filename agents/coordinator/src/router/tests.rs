use quire_proto::{Digest, Epoch, Outcome, ParcelId, StageName};
use quire_runtime::broker::{InProcessOptions, Message};

use super::*;

struct World {
    _folder: tempfile::TempDir,
    store: Store,
    broker: Broker,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        Self { _folder: folder, store, broker: Broker::in_process(InProcessOptions::default()) }
    }

    fn router(&self) -> Router {
        Router::start(self.broker.clone(), self.store.clone(), Live::default())
    }

    /// A run that some leader has begun.
    fn begin(&self) -> RunId {
        let asked = resume::Asked::everything(Digest::of(b"b"));
        RunId::new("c", resume::begin(&self.store, "c", asked).unwrap())
    }

    async fn settle(&self, run: &RunId, number: u64) {
        let settlement = Settlement {
            parcel: ParcelId::root(run).child("t", number),
            run: run.clone(),
            stage: StageName::Render,
            records: 1,
            announced: Vec::new(),
            outcome: Outcome::Split,
            service_us: 1,
            cached: false,
        };
        let id = *settlement.parcel.digest();
        let message = Message::new(id, codec::encode(&settlement).unwrap());
        self.broker.publish(Queue::Settled, message).await.unwrap();
    }

    async fn until(&self, what: impl Fn() -> bool) {
        let waiting = async {
            while !what() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
    }

    fn unsettled(&self) -> usize {
        self.broker.info(Queue::Settled).unsettled()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_of_another_leaders_run_reaches_that_leader() {
    let world = World::new();
    let former = world.router();
    let run = world.begin();
    for number in 0..50 {
        world.settle(&run, number).await;
    }
    // All of them went to the wrong leader first, and wait to be handed out again.
    world.until(|| world.broker.info(Queue::Settled).delayed == 50).await;
    let leader = world.router();
    let mut subscription = leader.subscribe(&run);
    former.stop();
    let mut parcels = std::collections::BTreeSet::new();
    while parcels.len() < 50 {
        let next = tokio::time::timeout(Duration::from_secs(30), subscription.next()).await;
        parcels.insert(next.unwrap().unwrap().parcel);
    }
    world.until(|| world.unsettled() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settlements_of_runs_that_are_over_are_forgotten() {
    let world = World::new();
    let (over, failed, never) = (world.begin(), world.begin(), RunId::new("never", Epoch(3)));
    resume::over(&world.store, "c", Epoch(1), &[2].into()).unwrap();
    resume::ended(&world.store, "c", Epoch(2)).unwrap();
    let _router = world.router();
    for run in [&over, &failed, &never] {
        world.settle(run, 0).await;
    }
    world.until(|| world.broker.info(Queue::Settled).acked == 3 && world.unsettled() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_nobody_takes_is_given_back_a_bounded_number_of_times() {
    let world = World::new();
    let (run, publication) = (world.begin(), RunId::new("_c", Epoch(1)));
    let _router = world.router();
    world.settle(&run, 0).await;
    world.settle(&publication, 0).await;
    world.until(|| world.unsettled() == 0).await;
    let info = world.broker.info(Queue::Settled);
    assert_eq!((info.acked, info.redelivered), (2, 2 * u64::from(MAX_ATTEMPTS)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_is_stopped_takes_nothing_more() {
    let world = World::new();
    let router = world.router();
    let run = world.begin();
    let mut subscription = router.subscribe(&run);
    world.settle(&run, 0).await;
    subscription.next().await.unwrap();
    world.until(|| world.unsettled() == 0).await;
    router.stop();
    world.settle(&run, 1).await;
    world.settle(&RunId::new("never", Epoch(1)), 0).await;
    let taken = tokio::time::timeout(Duration::from_millis(100), subscription.next()).await;
    assert!(taken.is_err());
    assert_eq!(world.unsettled(), 2);
}
