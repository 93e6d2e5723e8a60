//! The embedded mode: all agents as libraries in one process over the in-process broker.
//!
//! There is no second pipeline: what runs here are the agents that run on a cluster.

mod catalogues;
mod dead_letters;
mod index;
mod keys;
mod listing;

pub use catalogues::{CatalogueFolder, find as find_catalogues, load as load_catalogue};
pub use keys::{KeysAsked, KeysMade, Losses};
pub use listing::listed_keys;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use quire_cache::{CacheOptions, CacheStore};
use quire_catalogue::Catalogues;
use quire_coordinator::{Coordinator, CoordinatorOptions, Part, Progress, RunError, RunRequest, strangers};
use quire_fetcher::{Fetcher, FetcherOptions, MEMO};
use quire_indexer::Indexer;
use quire_proto::{BuildReport, CacheCounts, Lane, RunReport};
use quire_renderer::{Engines, Renderer};
use quire_runtime::{
    Agent, AgentOptions, ComputePool, Metrics, ResultsCache, State, Store, StoreError,
    broker::{Broker, InProcessOptions},
};
use quire_validator::Validator;
use tokio_util::sync::CancellationToken;

use self::dead_letters::DeadLetterSink;
use crate::{
    edge::{RendererProjector, Site},
    exit::wrong_usage,
};

/// Memory for rows on their way through a run; more of them spill to the state folder.
const ROW_MEMORY_BYTES: usize = 8 << 20;
/// Memory for entries of manifests: those of some two and a half thousand records; others are read when they are needed.
pub const ENTRY_MEMORY_BYTES: usize = 12 << 20;
/// Bytes that wait in a lane: parcels of items carry them, and who reads is often faster than who judges.
const LANE_BYTES: usize = 32 << 20;
/// How long agents may take to finish what they have begun.
const DRAIN: Duration = Duration::from_secs(10);

/// What an embedded build needs.
pub struct Options {
    /// Where the site goes; `None` builds no site (a check).
    pub out: PathBuf,
    /// Threads for CPU-heavy work.
    pub workers: usize,
    /// Ignore what earlier runs found out.
    pub full: bool,
    /// Take catalogues off the site that are not built.
    pub prune: bool,
    /// Memory for entries of manifests: whoever makes many runs goes over them as often.
    pub entry_bytes: usize,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
}

/// What a build did.
pub struct Built {
    /// Its report, as others rely on it.
    pub report: BuildReport,
    /// Catalogues that the site shows though they were not built, sorted.
    pub others: Vec<String>,
    /// Catalogues that were taken off the site, sorted.
    pub pruned: Vec<String>,
}

/// All agents, running in this process.
pub struct Embedded {
    coordinator: Coordinator,
    store: Store,
    agents: Vec<Agent>,
    /// Works as long as it is there.
    _dead_letters: DeadLetterSink,
    caches: CacheStore,
    metrics: Metrics,
    follower: Arc<index::Follower>,
    site: Arc<Site>,
    full: bool,
    prune: bool,
}

impl Embedded {
    /// Starts every agent in the current tokio runtime.
    ///
    /// # Errors
    /// If a folder cannot be used.
    pub fn start(state: &State, folders: &[CatalogueFolder], options: Options) -> anyhow::Result<Self> {
        let store = Store::open(&state.store()).context("cannot open the store")?;
        let caches = state.open_caches()?;
        let broker =
            Broker::in_process(InProcessOptions { max_bytes: LANE_BYTES, ..InProcessOptions::default() });
        let pool = ComputePool::new(options.workers);
        let metrics = Metrics::new();
        let catalogues = Catalogues::new();
        let engines = Engines::default();
        let site = Arc::new(Site::open(&options.out, &state.tmp(), state.stamps(&options.out))?);
        if !options.prune {
            refuse_strangers(&store, &site, folders, &options.out)?;
        }
        let follower = Arc::new(index::Follower::new(state.index(), store.clone(), options.progress));

        let mut coordination = CoordinatorOptions::new(
            store.clone(),
            broker.clone(),
            state.tmp(),
            Arc::new(RendererProjector(engines.clone())),
            quire_renderer::engine_digest(),
        );
        coordination.site = Some(site.clone());
        coordination.memory_bytes = ROW_MEMORY_BYTES;
        coordination.entry_bytes = options.entry_bytes;
        let roots: BTreeMap<String, PathBuf> =
            folders.iter().map(|folder| (folder.name.clone(), folder.path.clone())).collect();
        let left_out = [&options.out, state.folder()].into_iter().filter_map(|path| path.canonicalize().ok());
        let fetching = FetcherOptions { roots, left_out: left_out.collect(), ..FetcherOptions::default() };
        let memo = caches.cache(MEMO, CacheOptions::default());
        let dead_letters = DeadLetterSink::start(broker.clone());
        let launch = Launch {
            broker,
            store: store.clone(),
            pool,
            caches: &caches,
            metrics: &metrics,
            workers: options.workers,
        };
        let agents = vec![
            launch.agent(Fetcher::new(fetching, catalogues.clone(), memo)),
            launch.agent(Validator::new(catalogues.clone())),
            launch.agent(Indexer::new(catalogues)),
            launch.agent(Renderer::new(engines, Some(site.files()))),
        ];
        let coordinator = Coordinator::new(coordination);
        let Options { full, prune, .. } = options;
        Ok(Self {
            coordinator,
            store,
            agents,
            _dead_letters: dead_letters,
            caches,
            metrics,
            follower,
            site,
            full,
            prune,
        })
    }

    /// Runs every catalogue once and publishes the site.
    ///
    /// # Errors
    /// What the first failing run says; finished work is kept.
    pub async fn build(
        &self,
        folders: &[CatalogueFolder],
        cancelled: &CancellationToken,
    ) -> anyhow::Result<Built> {
        match self.pass(folders, &|_| false, cancelled).await {
            Err(error) if is_mendable(&error, folders) => {
                let damaged = damaged_catalogue(&error);
                let error = format!("{error:#}");
                tracing::warn!(error, "files of the state are damaged; building anew");
                let anew = |name: &str| damaged.as_deref().is_none_or(|damaged| damaged == name);
                self.pass(folders, &anew, cancelled).await
            }
            ended => ended,
        }
    }

    async fn pass(
        &self,
        folders: &[CatalogueFolder],
        anew: &(dyn Fn(&str) -> bool + Sync),
        cancelled: &CancellationToken,
    ) -> anyhow::Result<Built> {
        let mut runs = self.run_all(folders, anew, cancelled).await?;
        let (others, pruned) = self.part_with_others(folders).await?;
        let finished = self.coordinator.finish_site(cancelled).await?;
        for (catalogue, pages, bytes) in finished.republished {
            if let Some(run) = runs.iter_mut().find(|run| run.catalogue == catalogue) {
                run.pages += pages;
                run.bytes += bytes;
            }
        }
        self.follower.finished().await?;
        Ok(Built { report: BuildReport { runs, manifest: finished.manifest }, others, pruned })
    }

    /// Forgets catalogues that are not built if they are to go: which stay, and which went.
    async fn part_with_others(
        &self,
        folders: &[CatalogueFolder],
    ) -> anyhow::Result<(Vec<String>, Vec<String>)> {
        let built: Vec<String> = folders.iter().map(|folder| folder.name.clone()).collect();
        let others = self.coordinator.others(built.clone()).await?;
        if !self.prune {
            return Ok((others, Vec::new()));
        }
        for catalogue in &others {
            self.coordinator.forget(catalogue.clone()).await?;
        }
        // Also those of catalogues that a build was forgetting when it was killed.
        self.follower.keep_only(&built)?;
        Ok((Vec::new(), others))
    }

    async fn run_all(
        &self,
        folders: &[CatalogueFolder],
        anew: &(dyn Fn(&str) -> bool + Sync),
        cancelled: &CancellationToken,
    ) -> anyhow::Result<Vec<RunReport>> {
        let mut runs = Vec::with_capacity(folders.len());
        for folder in folders {
            let request = RunRequest {
                bundle: folder.bundle.clone(),
                full: self.full,
                anew: anew(&folder.name),
                part: Part::default(),
                lane: Lane::Normal,
                progress: self.follower.clone(),
                cancelled: cancelled.clone(),
            };
            let mut report = self.coordinator.run(request).await?;
            self.add_caches(&mut report);
            runs.push(report);
        }
        Ok(runs)
    }

    /// Stops all agents after what they have begun, and keeps what the next run needs.
    ///
    /// # Errors
    /// If the stamps cannot be written.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Self { coordinator, agents, caches, site, .. } = self;
        for agent in agents {
            agent.drain(DRAIN).await;
        }
        // The process ends: taking a hundred thousand entries apart would keep people waiting for nothing.
        std::mem::forget(coordinator);
        // Neither of these has anything to do with the other, and people wait for the last one.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                caches.flush();
                drop(caches);
            });
            site.save_stamps()
        })
    }

    /// Service times so far.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn add_caches(&self, report: &mut RunReport) {
        for stats in self.caches.stats() {
            let counts = CacheCounts { hits: stats.hits_l1 + stats.hits_l2, misses: stats.misses };
            report.caches.insert(stats.name.to_owned(), counts);
        }
    }
}

/// Refuses a site with catalogues that this state knows nothing of: nobody has said that they are to go.
fn refuse_strangers(
    store: &Store,
    site: &Site,
    folders: &[CatalogueFolder],
    out: &Path,
) -> anyhow::Result<()> {
    let built: Vec<String> = folders.iter().map(|folder| folder.name.clone()).collect();
    let strangers = strangers(store, site, &built)?;
    if strangers.is_empty() {
        return Ok(());
    }
    wrong_usage!(
        "the site in {} also shows {}, which this state folder knows nothing of: give the --state that it was built with, \
         build it as well, choose another --out, or take it off with `quire build … --prune`",
        out.display(),
        strangers.join(", ")
    )
}

/// Whether building these catalogues without what earlier runs left may help.
fn is_mendable(error: &anyhow::Error, folders: &[CatalogueFolder]) -> bool {
    match error.downcast_ref::<RunError>() {
        Some(error) => error.is_mended_by(folders.iter().map(|folder| folder.name.as_str())),
        // The index reads the store as well.
        None => error.chain().any(|cause| cause.downcast_ref().is_some_and(StoreError::is_damage)),
    }
}

/// The catalogue whose state is damaged, where that is known.
fn damaged_catalogue(error: &anyhow::Error) -> Option<String> {
    match error.downcast_ref() {
        Some(RunError::Damaged { catalogue, .. }) => Some(catalogue.clone()),
        _ => None,
    }
}

/// What all agents share at their start.
struct Launch<'a> {
    broker: Broker,
    store: Store,
    pool: ComputePool,
    caches: &'a CacheStore,
    metrics: &'a Metrics,
    workers: usize,
}

impl Launch<'_> {
    fn agent<S: quire_runtime::Stage>(&self, stage: S) -> Agent {
        let results = ResultsCache::new(self.caches);
        let options = AgentOptions { slots: (self.workers + 2).max(4), ..AgentOptions::default() };
        Agent::spawn(
            stage,
            self.broker.clone(),
            self.store.clone(),
            self.pool.clone(),
            results,
            options,
            self.metrics.clone(),
        )
    }
}
