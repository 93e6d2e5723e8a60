//! Who leads: one coordinator holds the lease; the others wait for it to fall silent.
//!
//! Whoever leads plans runs that did not end again, and finishes the site. Who loses the lease takes no more settlements
//! and stops all runs at once; what such a leader may still do is litter: a manifest is created only if absent, and an
//! older epoch never replaces a newer one.

use std::{sync::Arc, time::Duration};

use quire_api::run::Run;
use quire_catalogue::Bundle;
use quire_proto::Digest;
use quire_runtime::{
    BoxError, Store,
    broker::{Broker, Bucket, Lease},
    process::{Process, Ready, Role, Services, instance_name},
    telemetry::trace,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;
use tracing::Instrument as _;

use super::{
    fleet::Fleet,
    kept,
    observe::{self, Instruments},
    runs::Runs,
    table::Table,
    work::{self, Asked},
};
use crate::{
    Coordinator, CoordinatorOptions, RunError, manifest_io,
    resume::{self, Unfinished},
    task::on_thread,
};

/// The lease's key.
const LEASE: &str = "coordinator";
/// A leader that is silent for so long leads no more.
const SILENCE: Duration = Duration::from_secs(3);
/// Pause before the broker is asked for the lease again after an error.
const PAUSE: Duration = Duration::from_millis(500);
/// Pauses before what a new leader has to do is tried again: first and longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long giving the lease back may take.
const RELEASE: Duration = Duration::from_millis(500);

/// The coordinator as a role.
pub struct CoordinatorRole<F> {
    options: F,
    leading: watch::Sender<Option<Arc<Leading>>>,
    fleet: Fleet,
}

/// A coordinator that leads.
pub(super) struct Leading {
    pub(super) coordinator: Coordinator,
    pub(super) table: Table,
    /// Ends all runs.
    pub(super) cancelled: CancellationToken,
    /// Runs under way.
    pub(super) tasks: TaskTracker,
    /// Those that may be under way or wait for their turn.
    places: Arc<Semaphore>,
    in_flight: usize,
    pub(super) store: Store,
    pub(super) broker: Broker,
    pub(super) instruments: Instruments,
}

impl<F> CoordinatorRole<F>
where
    F: Fn(&Process) -> Result<CoordinatorOptions, BoxError> + Send + 'static,
{
    /// A coordinator with what `options` makes once there are broker and store.
    pub fn new(options: F) -> Self {
        Self { options, leading: watch::Sender::new(None), fleet: Fleet::default() }
    }
}

impl<F> Role for CoordinatorRole<F>
where
    F: Fn(&Process) -> Result<CoordinatorOptions, BoxError> + Send + Sync + 'static,
{
    fn serve(&self, services: &mut Services) {
        services.add(Runs::service(self.leading.subscribe()));
        services.add(self.fleet.service());
    }

    fn ready_at_first(&self) -> Ready {
        standby()
    }

    async fn work(self, process: Arc<Process>) -> Result<(), BoxError> {
        let options = (self.options)(&process)?;
        tokio::spawn(self.fleet.clone().follow(process.broker.clone(), process.stop_token().clone()));
        let meter = process.telemetry.meter();
        let instruments = Instruments::new(&meter);
        observe::observe(&meter, self.leading.subscribe(), process.broker.clone());
        let holder = instance_name();
        let ready = process.ready();
        loop {
            ready.set_role(standby());
            let Some(lease) = wait_for_lease(&process, &holder).await else { return Ok(()) };
            // From here on, so that however long it takes to begin, nobody else takes over.
            let lease = lease.keep();
            tracing::info!(holder, "this coordinator leads");
            let leading = Leading::begin(options.clone(), process.store.clone(), instruments.clone()).await?;
            tokio::select! {
                () = leading.resume() => {
                    self.leading.send_replace(Some(Arc::clone(&leading)));
                    ready.set_role(Ready::Yes);
                    tokio::select! {
                        () = process.stopping() => {}
                        () = lease.lost() => {}
                    }
                }
                () = process.stopping() => {}
                () = lease.lost() => {}
            }
            ready.set_role(standby());
            self.leading.send_replace(None);
            leading.stop(process.grace()).await;
            let lease = process.stop_token().is_cancelled().then_some(lease);
            match lease {
                Some(lease) => {
                    // The next leader need not wait.
                    if !matches!(tokio::time::timeout(RELEASE, lease.release()).await, Ok(Ok(()))) {
                        tracing::debug!("the lease runs out by itself");
                    }
                    return Ok(());
                }
                None => tracing::warn!(holder, "the lease is lost: runs were stopped"),
            }
        }
    }
}

fn standby() -> Ready {
    Ready::no("standby: another coordinator leads")
}

/// The lease; `None` if the process shall end first.
async fn wait_for_lease(process: &Process, holder: &str) -> Option<Lease> {
    let leases = process.broker.kv(Bucket::Leases);
    loop {
        let acquired = tokio::select! {
            acquired = Lease::acquire(&leases, LEASE, SILENCE, holder) => acquired,
            () = process.stopping() => return None,
        };
        match acquired {
            Ok(lease) => return Some(lease),
            Err(error) => {
                tracing::debug!(error = quire_runtime::chain(&error), "no lease yet");
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = process.stopping() => return None,
                }
            }
        }
    }
}

impl Leading {
    pub(super) async fn begin(
        options: CoordinatorOptions,
        store: Store,
        instruments: Instruments,
    ) -> Result<Arc<Self>, BoxError> {
        let table = Table::default();
        let (reports, known) = (store.clone(), table.clone());
        on_thread(move || {
            kept::read(&reports, &known);
            Ok(())
        })
        .await?;
        // One place more is kept for critical runs.
        let in_flight = options.runs.saturating_add(1 + options.waiting).min(Semaphore::MAX_PERMITS);
        Ok(Arc::new(Self {
            broker: options.broker.clone(),
            instruments,
            coordinator: Coordinator::new(options),
            table,
            cancelled: CancellationToken::new(),
            tasks: TaskTracker::new(),
            places: Arc::new(Semaphore::new(in_flight)),
            in_flight,
            store,
        }))
    }

    /// A place for one more run.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "{} runs are under way or wait for their turn, which is as many as may (QUIRE_RUNS, QUIRE_WAITING_RUNS): \
                 start this one when one of them has ended",
                self.in_flight
            ))
        })
    }

    /// Has the site finished, which whoever led before may not have come to, and plans runs that did not end again.
    /// Returns once these have their ids.
    pub(super) async fn resume(self: &Arc<Self>) {
        let leading = Arc::clone(self);
        self.tasks.spawn(async move { leading.finish_at_last().await });
        let mut pause = PAUSES.0;
        while let Err(error) = self.plan_again().await {
            tracing::error!(
                error = quire_runtime::chain(&error),
                "runs that did not end cannot be planned again yet"
            );
            self.pause(&mut pause).await;
        }
    }

    /// The site, however often it takes: nobody else may come to finish it.
    async fn finish_at_last(self: &Arc<Self>) {
        let mut pause = PAUSES.0;
        loop {
            match self.is_site().await {
                Ok(false) => return,
                Ok(true) => {}
                Err(error) => tracing::debug!(error = quire_runtime::chain(&error), "the store is away"),
            }
            match work::finish(self).instrument(trace::finish()).await {
                Ok(()) | Err(RunError::Interrupted) => return,
                Err(error) => {
                    let error = quire_runtime::chain(&error);
                    tracing::warn!(error, "the site is not finished yet: tried again, and by the next run");
                }
            }
            self.pause(&mut pause).await;
            if self.cancelled.is_cancelled() {
                return;
            }
        }
    }

    /// Whether anything was committed: without that there is no site.
    async fn is_site(&self) -> Result<bool, RunError> {
        let store = self.store.clone();
        on_thread(move || Ok(!store.list("manifests")?.is_empty())).await
    }

    async fn pause(&self, pause: &mut Duration) {
        tokio::select! {
            () = tokio::time::sleep(*pause) => {}
            () = self.cancelled.cancelled() => {}
        }
        *pause = (*pause * 2).min(PAUSES.1);
    }

    async fn plan_again(self: &Arc<Self>) -> Result<(), RunError> {
        let (store, live) = (self.store.clone(), self.coordinator.live().clone());
        let found =
            on_thread(move || resume::unfinished(&store, &|catalogue, epoch| live.has(catalogue, epoch)));
        for unfinished in found.await? {
            let Unfinished { catalogue, epochs, bundle, full, lane, part, traceparents } = unfinished;
            let asked = Asked { bundle, full, anew: false, lane, part, replaces: epochs.clone() };
            let span = trace::run_again(&traceparents);
            match work::start(Arc::clone(self), asked, None, span).await {
                Ok(_) => {}
                Err(error @ RunError::Catalogue(_)) => {
                    let error = quire_runtime::chain(&error);
                    tracing::warn!(
                        catalogue,
                        error,
                        "a run that did not end cannot be planned again: start it"
                    );
                    let store = self.store.clone();
                    let end = move |epoch| resume::ended(&store, &catalogue, epoch);
                    on_thread(move || epochs.into_iter().try_for_each(end)).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The last definition of a catalogue that was committed, or else the one at `other`; if it can be read.
    pub(super) async fn definition(
        &self,
        catalogue: &str,
        other: Option<Digest>,
    ) -> Result<Option<Bundle>, RunError> {
        let (store, catalogue) = (self.store.clone(), catalogue.to_owned());
        on_thread(move || {
            for epoch in manifest_io::epochs(&store, &format!("manifests/{catalogue}"))?.into_iter().rev() {
                let committed = manifest_io::read_manifest(&store, &catalogue, epoch)?;
                let bundle = committed.map(|committed| committed.manifest.catalogue.bundle);
                if let Some(bundle) = bundle.and_then(|bundle| resume::read_bundle(&store, &bundle)) {
                    return Ok(Some(bundle));
                }
            }
            Ok(other.and_then(|bundle| resume::read_bundle(&store, &bundle)))
        })
        .await
    }

    /// Stops all runs, which have until `over` ends to end by themselves.
    pub(super) async fn stop(&self, over: impl Future<Output = ()>) {
        // First of all: settlements may be another leader's by now.
        self.coordinator.stop_listening();
        self.cancelled.cancel();
        self.tasks.close();
        tokio::select! {
            biased;
            () = self.tasks.wait() => {}
            () = over => tracing::warn!("runs did not end within the grace"),
        }
    }

    /// Keeps the report of a run that has ended, to be found under the epochs of those that it `replaces`, too.
    pub(super) async fn keep(&self, run: &Run, replaces: Vec<u64>) -> Result<(), RunError> {
        let (store, run) = (self.store.clone(), run.clone());
        on_thread(move || kept::keep(&store, &run, replaces)).await
    }
}
