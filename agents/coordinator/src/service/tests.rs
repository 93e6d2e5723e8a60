//! The service without agents: runs begin, wait, end; leaders come and go. Nothing is ever fetched.

use std::{sync::Arc, time::Duration};

use opentelemetry::metrics::{MeterProvider as _, noop::NoopMeterProvider};
use quire_api::run::{
    CancelRequest, DefinitionFile, GetRequest, ListRequest, Run, StartRequest, State, WatchRequest,
    run_service_server::RunService as _,
};
use quire_proto::{Digest, Epoch};
use quire_runtime::{
    BoxError, FileSink, Store,
    broker::{Broker, InProcessOptions},
};
use tokio::sync::watch;
use tonic::{Code, Request, Status};

use super::{lead::Leading, observe::Instruments, runs::Runs};
use crate::{CatalogueState, CoordinatorOptions, EntryIter, Projector, RejectIter, SiteEdge, resume};

struct NoLists;

impl Projector for NoLists {
    fn catalogue_files(
        &self,
        _: &[u8],
        _: u64,
        _: &mut EntryIter<'_>,
        _: &mut RejectIter<'_>,
        _: &mut dyn FileSink,
    ) -> Result<(), BoxError> {
        Ok(())
    }

    fn root_files(&self, _: &[CatalogueState], _: &mut dyn FileSink) -> Result<(), BoxError> {
        Ok(())
    }
}

/// A site that cannot be looked at.
enum Broken {
    Fails,
    Panics,
}

impl SiteEdge for Broken {
    fn verify(&self, _: &mut dyn Iterator<Item = (String, Digest)>) -> Result<Vec<String>, BoxError> {
        Err("it is away".into())
    }

    fn write(&self, _: &str, _: &Digest, _: &[u8]) -> Result<bool, BoxError> {
        Err("it is away".into())
    }

    fn remove(&self, _: &str) -> Result<bool, BoxError> {
        Err("it is away".into())
    }

    fn list(&self, _: &mut dyn FnMut(String)) -> Result<(), BoxError> {
        Err("it is away".into())
    }

    fn identity(&self) -> String {
        match self {
            Self::Fails => "broken".to_owned(),
            Self::Panics => panic!("of a site"),
        }
    }

    fn read(&self, _: &str, _: u64) -> Result<Option<Vec<u8>>, BoxError> {
        Err("it is away".into())
    }
}

/// A store and a broker, which outlive leaders.
struct World {
    _folder: tempfile::TempDir,
    options: CoordinatorOptions,
}

/// A leader and its service.
struct Led {
    leading: Arc<Leading>,
    service: Runs,
}

impl World {
    fn new(change: impl FnOnce(&mut CoordinatorOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let broker = Broker::in_process(InProcessOptions::default());
        let (tmp, salt) = (folder.path().join("tmp"), Digest::of(b"salt"));
        let mut options = CoordinatorOptions::new(store, broker, tmp, Arc::new(NoLists), salt);
        change(&mut options);
        Self { _folder: folder, options }
    }

    async fn lead(&self) -> Led {
        let instruments = Instruments::new(&NoopMeterProvider::new().meter("test"));
        let (options, store) = (self.options.clone(), self.options.store.clone());
        let leading = Leading::begin(options, store, instruments).await.unwrap();
        leading.resume().await;
        let service = Runs::new(watch::Sender::new(Some(Arc::clone(&leading))).subscribe());
        Led { leading, service }
    }

    fn mark(&self, name: &str) -> String {
        let mark = self.options.store.read(&format!("runs/{name}")).unwrap().unwrap_or_default();
        String::from_utf8_lossy(&mark).into_owned()
    }
}

impl Led {
    async fn start(&self, catalogue: &str) -> Result<Run, Status> {
        let yaml = format!(
            "catalogue: {catalogue}\ntitle: T\nsources:\n  - name: s\n    files: {{ include: [\"*\"], format: json }}\n\
             record:\n  key: .id\n  title: .id\n"
        );
        let file = DefinitionFile { path: "catalogue.yaml".to_owned(), content: yaml.into_bytes() };
        let request = StartRequest { files: vec![file], full: false, lane: 0, keys: Vec::new() };
        Ok(self.service.start(Request::new(request)).await?.into_inner().run.unwrap())
    }

    async fn get(&self, id: &str) -> Run {
        let request = Request::new(GetRequest { id: id.to_owned() });
        self.service.get(request).await.unwrap().into_inner().run.unwrap()
    }

    async fn cancel(&self, id: &str) -> Run {
        let cancelling = self.service.cancel(Request::new(CancelRequest { id: id.to_owned() }));
        soon(cancelling).await.unwrap().into_inner().run.unwrap()
    }

    async fn listed(&self) -> Vec<String> {
        let answer = self.service.list(Request::new(ListRequest::default())).await.unwrap();
        answer.into_inner().runs.into_iter().map(|run| run.id).collect()
    }

    async fn until(&self, id: &str, is: impl Fn(&Run) -> bool) -> Run {
        let known = self.leading.table.get(id).unwrap();
        let mut told = known.watch();
        soon(told.wait_for(is)).await.unwrap().clone()
    }

    async fn stop(self) {
        soon(self.leading.stop(std::future::pending())).await;
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_runs_are_under_way_some_wait_and_more_are_refused() {
    let world = World::new(|options| (options.runs, options.waiting) = (1, 1));
    let led = world.lead().await;
    assert_eq!(led.start("a").await.unwrap().id, "a-1");
    assert_eq!(led.start("a").await.unwrap().id, "a-2");
    led.until("a-2", |run| run.phase == "wait").await;
    assert_eq!(led.start("b").await.unwrap().id, "b-1");
    let refused = led.start("c").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(world.options.store.list("runs/c").unwrap().is_empty());

    assert_eq!(led.cancel("a-2").await.state(), State::Cancelled);
    assert!(world.mark("a/2").contains("\"ended\""));
    assert_eq!(led.get("a-1").await.state(), State::Running);
    // Its place is given back with its task.
    while led.leading.place().is_err() {
        tokio::task::yield_now().await;
    }
    led.start("c").await.unwrap();
    led.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_leader_goes_on_with_a_run_under_the_id_that_its_watchers_know() {
    let world = World::new(|_| {});
    let led = world.lead().await;
    let started = led.start("a").await.unwrap().started_ms;
    assert!(started > 0, "when it was begun is known");
    led.start("a").await.unwrap();
    let watching = led.service.watch(Request::new(WatchRequest { id: "a-1".to_owned() })).await.unwrap();
    led.stop().await;
    let mut told = watching.into_inner();
    let last = loop {
        match soon(futures_util::StreamExt::next(&mut told)).await.unwrap() {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(last.code(), Code::Unavailable, "{last}");
    assert!(world.mark("a/1").contains("\"begun\"") && world.mark("a/2").contains("\"begun\""));

    let led = world.lead().await;
    for id in ["a-1", "a-2", "a-3"] {
        assert_eq!(led.get(id).await.id, "a-3");
    }
    assert_eq!(led.listed().await, ["a-3"]);
    assert!(world.mark("a/1").contains("\"ended\"") && world.mark("a/3").contains("\"begun\""));
    led.stop().await;

    let led = world.lead().await;
    assert_eq!(led.get("a-1").await.id, "a-4");
    assert_eq!(led.cancel("a-1").await.state(), State::Cancelled);
    led.stop().await;
    // Its report is kept under all of them.
    let led = world.lead().await;
    for id in ["a-1", "a-2", "a-3", "a-4"] {
        let run = led.get(id).await;
        assert_eq!((run.state(), run.started_ms), (State::Cancelled, started));
    }
    assert!(led.get("a-4").await.error.contains("is kept"));
    assert_eq!(led.listed().await, ["a-4"]);
    led.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_or_panics_ends_in_the_table_and_in_the_store() {
    for broken in [Broken::Fails, Broken::Panics] {
        let world = World::new(|options| options.site = Some(Arc::new(broken)));
        let led = world.lead().await;
        let run = led.start("a").await.unwrap();
        let ended = led.until(&run.id, super::table::is_over).await;
        assert_eq!(ended.state(), State::Failed, "{}", ended.error);
        assert!(world.mark("a/1").contains("\"ended\""), "{}", world.mark("a/1"));
        led.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_planned_again_ends() {
    let world = World::new(|_| {});
    let asked = resume::Asked::everything;
    let broken = quire_catalogue::Bundle::new([("catalogue.yaml".to_owned(), b"[".to_vec())].into());
    world.options.store.put_blob(&broken.digest(), &broken.encode().into()).unwrap();
    resume::begin(&world.options.store, "a", asked(broken.digest())).unwrap();
    resume::begin(&world.options.store, "b", asked(Digest::of(b"gone"))).unwrap();
    let led = world.lead().await;
    for name in ["a", "b"] {
        assert!(resume::is_ended(&world.options.store, name, Epoch(1)).unwrap(), "{name}");
    }
    assert!(led.listed().await.is_empty());
    led.stop().await;
}
