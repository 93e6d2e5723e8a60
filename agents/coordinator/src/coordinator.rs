//! The coordinator's handle and its options.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use quire_catalogue::Bundle;
use quire_proto::{Digest, Epoch, Lane, RunReport};
use quire_runtime::{Store, broker::Broker};
use tokio::sync::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;

use crate::{
    Progress, Projector, RunError, SiteEdge, SiteReport,
    collect::Collector,
    finish::{Finish, Known},
    flight::{Lines, RunFacts},
    forget,
    plan::Plan,
    report::Tally,
    resume,
    router::Router,
    run::Run,
    shelf::Shelf,
    site_record::{self, SiteRecords},
    task::on_thread,
    workspace::Workspace,
};

/// What a coordinator needs. All fields may be changed after [`CoordinatorOptions::new`].
#[derive(Clone)]
pub struct CoordinatorOptions {
    /// Packs, bundles, manifests.
    pub store: Store,
    /// Parcels out, settlements in.
    pub broker: Broker,
    /// Folder for spilled runs.
    pub tmp: PathBuf,
    /// Who makes lists and root files.
    pub projector: Arc<dyn Projector>,
    /// The site; `None` commits without publishing.
    pub site: Option<Arc<dyn SiteEdge>>,
    /// Digest of the renderer's own version: pages are made again when it changes.
    pub inputs_salt: Digest,
    /// A broker that holds parcels of which none is settled is believed for ten times so long. What it has lost is planned
    /// again much sooner.
    pub stall: Duration,
    /// Memory that rows on their way through a run may take before they spill to `tmp`.
    pub memory_bytes: usize,
    /// Memory for the entries of manifests, so that they are not decoded again each time a run goes over them.
    pub entry_bytes: usize,
}

impl CoordinatorOptions {
    /// Options with defaults: no site, 60 s to a stall, 128 MiB for rows on their way and for entries.
    #[must_use]
    pub fn new(
        store: Store,
        broker: Broker,
        tmp: PathBuf,
        projector: Arc<dyn Projector>,
        inputs_salt: Digest,
    ) -> Self {
        Self {
            store,
            broker,
            tmp,
            projector,
            site: None,
            inputs_salt,
            stall: Duration::from_secs(60),
            memory_bytes: 128 << 20,
            entry_bytes: 128 << 20,
        }
    }
}

/// What to run.
#[derive(Clone)]
pub struct RunRequest {
    /// The catalogue.
    pub bundle: Bundle,
    /// Look at everything anew, whatever the last manifest says.
    pub full: bool,
    /// Plan without the last manifest: what it names is missing or damaged.
    pub anew: bool,
    /// How urgent it is.
    pub lane: Lane,
    /// A run of the catalogue that did not end and that this one takes the place of: it can commit no more.
    pub replaces: Option<Epoch>,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
    /// Ends the run early: finished work is kept.
    pub cancelled: CancellationToken,
}

/// Plans and commits runs. Runs of several catalogues may go on at once.
pub struct Coordinator {
    options: CoordinatorOptions,
    router: Router,
    shelf: Shelf,
    /// Runs hold it shared, garbage collection alone.
    active: RwLock<Collector>,
    /// One publication of the site at a time.
    finishing: Mutex<()>,
    published: std::sync::Mutex<Published>,
    records: SiteRecords,
}

/// What runs leave for the publication of the site.
#[derive(Default)]
struct Published {
    known: Known,
    /// Whether anything was committed since garbage was collected.
    committed: bool,
}

impl Coordinator {
    /// Starts a coordinator in the current tokio runtime; it listens for settlements until it is dropped.
    #[must_use]
    pub fn new(options: CoordinatorOptions) -> Self {
        let router = Router::start(options.broker.clone());
        let shelf = Shelf::new(&options.store, options.entry_bytes);
        let active = RwLock::new(Collector::default());
        let (finishing, published) = (Mutex::default(), std::sync::Mutex::default());
        Self { options, router, shelf, active, finishing, published, records: SiteRecords::default() }
    }

    /// One pass over one catalogue: gather, decide, make, commit, publish its pages and lists.
    ///
    /// # Errors
    /// Any [`RunError`]; finished work is kept and the next run goes on from there.
    pub async fn run(&self, request: RunRequest) -> Result<RunReport, RunError> {
        let _running = self.active.read().await;
        match self.pass(&request, !request.anew).await {
            Err(error) if error.is_damage() && !request.anew => {
                let error = quire_runtime::chain(&error);
                tracing::warn!(error, "what earlier runs left cannot be used; building anew");
                self.pass(&request, false).await
            }
            ended => ended,
        }
    }

    /// A run; it looks at the last manifest only if that is `trusted`.
    async fn pass(&self, request: &RunRequest, trusted: bool) -> Result<RunReport, RunError> {
        let RunRequest { bundle, full, anew: _, lane, replaces, progress, cancelled } = request.clone();
        let started = Instant::now();
        let (store, salt) = (self.options.store.clone(), self.options.inputs_salt);
        let site = self.options.site.clone();
        let plan = Arc::new(
            on_thread(move || {
                let mut plan = Plan::make(&store, bundle, (full, lane), trusted, salt)?;
                if let Some(replaced) = replaces {
                    resume::ended(&store, &plan.reference.name, replaced)?;
                }
                if let Some(site) = site {
                    let name = &plan.reference.name;
                    SiteRecords::may_begin(&store, site.as_ref(), name)?;
                    plan.shown_without_base = plan.base.is_none() && site_record::shows(site.as_ref(), name)?;
                }
                Ok(plan)
            })
            .await?,
        );
        let facts = RunFacts {
            run: plan.run.clone(),
            epoch: plan.epoch,
            catalogue: plan.reference.clone(),
            lane,
            anew: full || !trusted,
        };
        let lines = Lines {
            settlements: self.router.subscribe(&plan.run),
            facts,
            broker: self.options.broker.clone(),
            progress,
            stall: self.options.stall,
            cancelled: cancelled.clone(),
            tally: Tally::default(),
        };
        let workspace = Workspace::new(&self.options.tmp, self.options.memory_bytes, cancelled);
        let (shelf, records) = (self.shelf.clone(), self.records.clone());
        let run = Run { options: &self.options, plan, lines, workspace, shelf, records, started };
        let ended = Box::pin(run.run()).await?;
        if let Some((committed, wanted)) = ended.committed {
            let mut published = self.published();
            published.committed = true;
            let (name, epoch) = (committed.manifest.catalogue.name, committed.manifest.epoch);
            published.known.remove(&name);
            published.known.extend(wanted.map(|wanted| (name, (epoch, wanted))));
        }
        Ok(ended.report)
    }

    /// Folds the newest manifests of all catalogues into the site: what is missing, root files, removals, and
    /// `manifest.json` last. Then removes what no manifest needs any more from the store.
    ///
    /// # Errors
    /// Any [`RunError`]; the next call goes on from there. After [`RunError::is_damage`], run the catalogues
    /// [`anew`](RunRequest::anew) first.
    pub async fn finish_site(&self, cancelled: &CancellationToken) -> Result<SiteReport, RunError> {
        let _alone = self.finishing.lock().await;
        let Some(site) = &self.options.site else {
            return Err(RunError::Site("this coordinator has no site".into()));
        };
        let known = std::mem::take(&mut self.published().known);
        let finish = Finish {
            options: &self.options,
            site: Arc::clone(site),
            router: &self.router,
            shelf: self.shelf.clone(),
            records: self.records.clone(),
            workspace: Workspace::new(&self.options.tmp, self.options.memory_bytes, cancelled.clone()),
            cancelled: cancelled.clone(),
        };
        let report = finish.run(known).await?;
        self.collect_garbage().await?;
        Ok(report)
    }

    /// Catalogues that the site shows besides those in `built`, sorted.
    ///
    /// # Errors
    /// [`RunError::Store`].
    pub async fn others(&self, built: Vec<String>) -> Result<Vec<String>, RunError> {
        let store = self.options.store.clone();
        on_thread(move || forget::others(&store, &built)).await
    }

    /// Forgets a catalogue: the next [`finish_site`](Self::finish_site) takes it off the site. Waits for runs under way.
    ///
    /// # Errors
    /// [`RunError::Store`]; the catalogue then stays, or is gone.
    pub async fn forget(&self, catalogue: String) -> Result<(), RunError> {
        let _alone = self.active.write().await;
        self.published().committed = true;
        let store = self.options.store.clone();
        on_thread(move || forget::forget(&store, &catalogue)).await
    }

    /// Only if something was committed, and only while no run is under way; else a later call does it.
    async fn collect_garbage(&self) -> Result<(), RunError> {
        if !self.published().committed {
            return Ok(());
        }
        let Ok(mut collector) = self.active.try_write() else { return Ok(()) };
        self.published().committed = false;
        let (shelf, mut own) = (self.shelf.clone(), std::mem::take(&mut *collector));
        let (own, collected) = on_thread(move || {
            let collected = own.collect(&shelf)?;
            Ok((own, collected))
        })
        .await?;
        *collector = own;
        tracing::debug!(blobs = collected.blobs, bytes = collected.bytes, "garbage collected");
        Ok(())
    }

    fn published(&self) -> std::sync::MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
