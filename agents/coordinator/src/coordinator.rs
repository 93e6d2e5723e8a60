//! The coordinator's handle.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use quire_proto::{Epoch, RunReport};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use crate::{
    CoordinatorOptions, Event, Phase, Projector, Registered, RunError, RunRequest, SiteReport,
    collect::Collector,
    finish::{Finish, Known},
    flight::{Lines, RunFacts},
    forget,
    plan::Plan,
    registered::{Facts, Live},
    report::Tally,
    router::Router,
    run::Run,
    shelf::Shelf,
    site_record::{self, SiteRecords},
    task::on_thread,
    turns::{Queue, Turns},
    workspace::Workspace,
};

/// A run that was overtaken so often keeps others from it, if it is one of everything.
const PATIENT: u32 = 2;
/// A run is planned again so often because another one has committed.
const MAX_OVERTAKEN: u32 = 16;

/// Plans and commits runs. Runs of several catalogues may go on at once; those of one take turns, except that a run of
/// some keys goes beside one of everything.
pub struct Coordinator {
    options: CoordinatorOptions,
    router: Router,
    shelf: Shelf,
    turns: Turns,
    live: Live,
    /// Runs hold it shared, garbage collection alone.
    active: Arc<RwLock<Collector>>,
    /// Runs hold it shared while they commit and publish, the publication of the site alone.
    publishing: RwLock<()>,
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
        let live = Live::default();
        let router = Router::start(options.broker.clone(), options.store.clone(), live.clone());
        let shelf = Shelf::new(&options.store, options.entry_bytes);
        let turns = Turns::new(options.runs);
        let active = Arc::new(RwLock::new(Collector::default()));
        let (publishing, published) = (RwLock::default(), std::sync::Mutex::default());
        let records = SiteRecords::default();
        Self { options, router, shelf, turns, live, active, publishing, published, records }
    }

    /// Takes no more settlements: those to come are for whoever leads now. Runs under way get none either.
    pub fn stop_listening(&self) {
        self.router.stop();
    }

    /// Runs of this process that are not over.
    pub(crate) const fn live(&self) -> &Live {
        &self.live
    }

    /// One pass over one catalogue: gather, decide, make, commit, publish its pages and lists.
    ///
    /// # Errors
    /// Any [`RunError`]; finished work is kept and the next run goes on from there.
    pub async fn run(&self, request: RunRequest) -> Result<RunReport, RunError> {
        let mut registered = self.register(&request, &[]).await?;
        match self.run_registered(&mut registered, &request).await {
            Ok(report) => registered.over().await.map(|()| report),
            // Whoever comes next goes on with it.
            Err(RunError::Interrupted) => Err(RunError::Interrupted),
            Err(error) => {
                if let Err(error) = registered.abandon().await {
                    tracing::warn!(error = quire_runtime::chain(&error), "the end of a run is not noted");
                }
                Err(error)
            }
        }
    }

    /// Gives a run its epoch and notes what was asked for; runs of the epochs that it `replaces` can commit no more. It is somebody's to plan again until [`Registered::over`] or
    /// [`Registered::abandon`].
    ///
    /// # Errors
    /// [`RunError::Catalogue`] for a definition with mistakes, [`RunError::Store`].
    pub async fn register(&self, request: &RunRequest, replaces: &[Epoch]) -> Result<Registered, RunError> {
        let active = Arc::clone(&self.active).read_owned().await;
        let (store, live) = (self.options.store.clone(), self.live.clone());
        let replaces = replaces.iter().map(|epoch| epoch.0).collect();
        let request = request.clone();
        on_thread(move || Registered::new(&store, &live, active, &request, replaces)).await
    }

    /// Who makes what belongs to no single record.
    pub(crate) fn projector(&self) -> &dyn Projector {
        &*self.options.projector
    }

    /// As [`Self::run`], of a run that has its epoch. It waits for its turn first.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_registered(
        &self,
        registered: &mut Registered,
        request: &RunRequest,
    ) -> Result<RunReport, RunError> {
        if registered.active.is_none() {
            registered.active = Some(Arc::clone(&self.active).read_owned().await);
        }
        let waits = || request.progress.tell(&registered.id(), Event::Entered(Phase::Wait));
        let queue = Queue::of(request.part.is_all(), request.lane);
        let (catalogue, cancelled) = (registered.catalogue().to_owned(), &request.cancelled);
        let turn = self.turns.take(&catalogue, queue, request.lane, cancelled, waits).await?;
        let ended = self.passes(registered, request).await;
        drop((turn, registered.active.take()));
        ended
    }

    async fn passes(&self, registered: &mut Registered, request: &RunRequest) -> Result<RunReport, RunError> {
        // One that mends what is damaged is of everything, whatever the run was before.
        registered.facts.part.clone_from(&request.part);
        registered.refresh().await?;
        let (mut anew, mut overtaken) = (request.anew, 0);
        let is_whole = request.part.is_all();
        let queue = Queue::of(is_whole, request.lane);
        // One that believes nothing does everything again each time.
        let patience = if request.full { 1 } else { PATIENT };
        let mut beside = self.turns.beside(registered.catalogue(), queue.held(), &request.cancelled).await?;
        loop {
            match self.pass(registered.facts.clone(), request, !anew).await {
                Err(error) if error.is_damage() && !anew && is_whole => {
                    let error = quire_runtime::chain(&error);
                    tracing::warn!(error, "what earlier runs left cannot be used; building anew");
                    anew = true;
                }
                Err(error @ RunError::Overtaken { .. }) if overtaken < MAX_OVERTAKEN => {
                    tracing::info!(
                        error = quire_runtime::chain(&error),
                        "planning again beside what was committed"
                    );
                    overtaken += 1;
                    if overtaken == patience {
                        // From now on those that are more urgent wait.
                        let catalogue = registered.catalogue();
                        beside.extend(self.turns.beside(catalogue, queue.taken(), &request.cancelled).await?);
                    }
                }
                ended => {
                    drop(beside);
                    return ended;
                }
            }
            registered.again().await?;
        }
    }

    /// A run; it looks at the last manifest only if that is `trusted`.
    async fn pass(&self, facts: Facts, request: &RunRequest, trusted: bool) -> Result<RunReport, RunError> {
        let RunRequest { full, lane, progress, cancelled, .. } = request.clone();
        let started = Instant::now();
        let (shelf, salt) = (self.shelf.clone(), self.options.inputs_salt);
        if full {
            // What is in memory says nothing of what has become of the store.
            shelf.clear();
        }
        let site = self.options.site.clone();
        let plan = Arc::new(
            on_thread(move || {
                let mut plan = Plan::make(&shelf, facts, trusted, salt)?;
                if let Some(site) = site {
                    let name = &plan.reference.name;
                    SiteRecords::may_begin(shelf.store(), site.as_ref(), name)?;
                    plan.shown_without_base = plan.base.is_none() && site_record::shows(site.as_ref(), name)?;
                    plan.may_begin()?;
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
        let (options, publishing, turns) = (&self.options, &self.publishing, &self.turns);
        let (reasons, scope) = (BTreeMap::new(), plan.scope.clone());
        let run = Run {
            options,
            plan,
            lines,
            workspace,
            shelf,
            records,
            started,
            publishing,
            turns,
            scope,
            reasons,
            unlisted: 0,
            looked_at: BTreeSet::new(),
            revived: BTreeSet::new(),
        };
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

    /// Folds the newest manifests of all catalogues into the site, while no run commits or publishes: what is missing, root files, removals, and
    /// `manifest.json` last. Then removes what no manifest needs any more from the store.
    ///
    /// # Errors
    /// Any [`RunError`]; the next call goes on from there. After [`RunError::is_damage`], run the catalogues
    /// [`anew`](RunRequest::anew) first.
    pub async fn finish_site(&self, cancelled: &CancellationToken) -> Result<SiteReport, RunError> {
        let Some(site) = &self.options.site else {
            return Err(RunError::Site("this coordinator has no site".into()));
        };
        // Runs that commit and publish meanwhile would lose files that are not named yet.
        let _alone = tokio::select! {
            biased;
            () = cancelled.cancelled() => return Err(RunError::Interrupted),
            alone = self.publishing.write() => alone,
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
