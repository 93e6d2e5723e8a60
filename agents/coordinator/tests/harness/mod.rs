//! A small world for runs: sources as maps, stages that read a line format, a site in a folder. The broker, the agents'
//! pump, the store and the coordinator are the real ones.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, missing_docs, reason = "each test uses a part")]

mod edge;
mod stages;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, atomic::AtomicUsize},
    time::Duration,
};

use quire_catalogue::Bundle;
use quire_coordinator::{
    Coordinator, CoordinatorOptions, NoProgress, Part, Progress, RunError, RunRequest, SiteReport,
};
use quire_proto::{Digest, Lane, RunReport, manifest::Manifest};
use quire_runtime::{
    Agent, AgentOptions, ComputePool, Metrics, ResultsCache, Stage, Store,
    broker::{Broker, InProcessOptions},
};
use tokio_util::sync::CancellationToken;

use edge::{FolderSite, Gate, ListProjector};
use stages::{ScriptFetcher, ScriptIndexer, ScriptRenderer, ScriptValidator};

/// What the sources hold, and what goes wrong.
#[derive(Debug, Default)]
pub struct Script {
    /// Lines by source and location.
    pub sources: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// Sources whose listing fails.
    pub unlisted: BTreeSet<String>,
    /// Locations that cannot be read.
    pub unreadable: BTreeSet<String>,
    /// Text in a line that its validator cannot process.
    pub unjudged: Option<String>,
    /// Keys that cannot be rendered.
    pub unrendered: BTreeSet<String>,
    /// Files that cannot be published.
    pub unpublished: BTreeSet<String>,
    /// Records in a parcel.
    pub batch: usize,
    /// Keys rendered so far.
    pub rendered: Vec<String>,
    /// Items judged so far.
    pub judged: u64,
}

pub type Shared = Arc<Mutex<Script>>;

/// A state folder and a site, and the process that works on them.
pub struct World {
    pub folder: tempfile::TempDir,
    pub script: Shared,
    pub broker: Broker,
    pub store: Store,
    pub coordinator: Coordinator,
    pub agents: Vec<Agent>,
    pub edge: Arc<FolderSite>,
    pub catalogue: String,
    pub progress: Arc<dyn Progress>,
    /// How often the catalogue's figure was drawn.
    pub drawn: Arc<AtomicUsize>,
}

impl World {
    pub fn new() -> Self {
        Self::start(folder(), Script { batch: 3, ..Script::default() }, Arc::new(NoProgress))
    }

    /// A world whose coordinator believes for so long that its broker has what it owes.
    pub fn with_stall(stall: Duration) -> Self {
        Self::start_with(folder(), Script { batch: 3, ..Script::default() }, Arc::new(NoProgress), stall)
    }

    pub fn start(folder: tempfile::TempDir, script: Script, progress: Arc<dyn Progress>) -> Self {
        Self::start_with(folder, script, progress, Duration::from_millis(300))
    }

    fn start_with(
        folder: tempfile::TempDir,
        script: Script,
        progress: Arc<dyn Progress>,
        stall: Duration,
    ) -> Self {
        let (script, broker) =
            (Arc::new(Mutex::new(script)), Broker::in_process(InProcessOptions::default()));
        let store = Store::open(&folder.path().join("store")).unwrap();
        let site = Arc::new(FolderSite(folder.path().join("site"), Gate::default()));
        let tmp = folder.path().join("tmp");
        let drawn = Arc::new(AtomicUsize::new(0));
        let mut options = CoordinatorOptions::new(
            store.clone(),
            broker.clone(),
            tmp,
            Arc::new(ListProjector { drawn: Arc::clone(&drawn) }),
            Digest::of(b"salt"),
        );
        options.site = Some(site.clone());
        options.stall = stall;
        let launch = Launch { broker: broker.clone(), store: store.clone(), pool: ComputePool::new(2) };
        let agents = vec![
            launch.agent(ScriptFetcher(script.clone())),
            launch.agent(ScriptValidator(script.clone())),
            launch.agent(ScriptIndexer),
            launch.agent(ScriptRenderer { script: script.clone(), site: site.clone() }),
        ];
        let coordinator = Coordinator::new(options);
        let (edge, catalogue) = (site, "c".into());
        Self { folder, script, broker, store, coordinator, agents, edge, catalogue, progress, drawn }
    }

    /// The process ends, state and site stay.
    pub fn restart(self) -> Self {
        let Self { folder, script, catalogue, .. } = self;
        let script = std::mem::take(&mut *script.lock().unwrap());
        Self { catalogue, ..Self::start(folder, script, Arc::new(NoProgress)) }
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Records rendered and items judged so far.
    pub fn work_done(&self) -> (usize, u64) {
        let script = self.script();
        (script.rendered.len(), script.judged)
    }

    /// Sets a location of source `s` to these lines; none removes it.
    pub fn set(&self, location: &str, lines: &[&str]) {
        let mut script = self.script();
        let source = script.sources.entry("s".into()).or_default();
        if lines.is_empty() {
            source.remove(location);
        } else {
            source.insert(location.into(), lines.iter().map(|&line| line.to_owned()).collect());
        }
    }

    pub fn request(&self) -> RunRequest {
        RunRequest {
            bundle: bundle(&self.catalogue, ""),
            full: false,
            anew: false,
            part: Part::default(),
            lane: Lane::Normal,
            progress: Arc::clone(&self.progress),
            cancelled: CancellationToken::new(),
        }
    }

    pub async fn run(&self) -> RunReport {
        self.try_run(self.request()).await.unwrap()
    }

    pub async fn try_run(&self, request: RunRequest) -> Result<RunReport, RunError> {
        let report =
            tokio::time::timeout(Duration::from_secs(60), self.coordinator.run(request)).await.unwrap()?;
        assert!(report.records.adds_up(), "{:?}", report.records);
        Ok(report)
    }

    pub async fn finish(&self) -> SiteReport {
        self.try_finish().await.unwrap()
    }

    pub async fn try_finish(&self) -> Result<SiteReport, RunError> {
        let cancelled = CancellationToken::new();
        let finishing = self.coordinator.finish_site(&cancelled);
        tokio::time::timeout(Duration::from_secs(60), finishing).await.unwrap()
    }

    /// A run and the publication of the site.
    pub async fn build(&self) -> RunReport {
        let report = self.run().await;
        let finished = self.finish().await;
        let manifest = std::fs::read(self.site().join("manifest.json")).unwrap();
        assert_eq!(finished.manifest, Digest::of(&manifest));
        report
    }

    pub fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    /// All files of the site.
    pub fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        collect(&self.site(), &self.site(), &mut files);
        files
    }

    /// The files that a first run leaves of the same sources.
    pub async fn afresh(&self) -> BTreeMap<String, String> {
        let other = Self::new();
        other.script().sources.clone_from(&self.script().sources);
        other.build().await;
        other.files()
    }

    pub fn manifest(&self) -> Manifest {
        let name = format!("manifests/{}", self.catalogue);
        let epochs = self.store.list(&name).unwrap();
        let newest = epochs.iter().filter_map(|epoch| epoch.parse::<u64>().ok()).max().unwrap();
        quire_proto::codec::decode(&self.store.read(&format!("{name}/{newest}")).unwrap().unwrap()).unwrap()
    }
}

/// A folder in memory where there is one: hundreds of runs need not wait for the disk.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A catalogue of this name; `note` makes it another bundle.
pub fn bundle(name: &str, note: &str) -> Bundle {
    let yaml = format!(
        "catalogue: {name}\ntitle: T\nsources:\n  - name: s\n    files: {{ include: [\"*\"], format: json }}\n\
         \x20 - name: t\n    files: {{ include: [\"*\"], format: json }}\nrecord:\n  key: .id\n  title: .id\n\
         lookups:\n  - {{ name: near, by: .a, in: .b }}\n\
         aggregates:\n  - {{ name: given, of: .give }}\n  - {{ name: other, of: .other }}\n\
         figures:\n  - {{ name: all, scatter: {{ of: catalogue, from: .given }} }}\npages:\n  record: record.html\n"
    );
    let files = [("catalogue.yaml", yaml), ("record.html", note.to_owned())];
    Bundle::new(files.map(|(path, text)| (path.to_owned(), text.into_bytes())).into())
}

/// What `[seen, published, unchanged, rejected, dead, removed]` were.
pub fn counts(report: &RunReport) -> [u64; 6] {
    let counts = &report.records;
    [counts.seen, counts.published, counts.unchanged, counts.rejected, counts.dead, counts.removed]
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
}

struct Launch {
    broker: Broker,
    store: Store,
    pool: ComputePool,
}

impl Launch {
    fn agent<S: Stage>(&self, stage: S) -> Agent {
        let (broker, store, pool) = (self.broker.clone(), self.store.clone(), self.pool.clone());
        Agent::spawn(
            stage,
            broker,
            store,
            pool,
            ResultsCache::disabled(),
            AgentOptions::default(),
            Metrics::new(),
        )
    }
}
