//! Who leads: one coordinator holds the lease; the others wait for it to fall silent.
//!
//! Whoever leads plans runs that did not end again. Who loses the lease stops all runs at once; what such a leader may
//! still do is litter: a manifest is created only if absent, and an older epoch never replaces a newer one.

use std::{sync::Arc, time::Duration};

use quire_api::run::{Run, State};
use quire_proto::Epoch;
use quire_runtime::{
    BoxError, Store,
    broker::{Broker, Bucket, Lease},
    process::{Process, Ready, Role, instance_name},
    telemetry::trace,
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::service::RoutesBuilder;

use super::{
    fleet::Fleet,
    observe::{self, Instruments},
    runs::{self, Asked, Kept, Runs},
    table::{Known, MAX_KEPT, Table, is_over},
};
use crate::{
    Coordinator, CoordinatorOptions,
    resume::{self, Unfinished},
    task::on_thread,
};

/// The lease's key.
const LEASE: &str = "coordinator";
/// A leader that is silent for so long leads no more.
const SILENCE: Duration = Duration::from_secs(3);
/// Pause before the broker is asked for the lease again after an error.
const PAUSE: Duration = Duration::from_millis(500);
/// Where reports are kept.
const REPORTS: &str = "reports";

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
    fn serve(&self, routes: &mut RoutesBuilder) {
        routes.add_service(Runs::service(self.leading.subscribe()));
        routes.add_service(self.fleet.service());
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
            ready.set_role(Ready::no("standby: another coordinator leads"));
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
            ready.set_role(Ready::no("standby: another coordinator leads"));
            self.leading.send_replace(None);
            leading.stop(process.args.drain()).await;
            let lease = process.stop_token().is_cancelled().then_some(lease);
            match lease {
                Some(lease) => {
                    // The next leader need not wait.
                    if let Err(error) = lease.release().await {
                        tracing::debug!(error = quire_runtime::chain(&error), "the lease runs out by itself");
                    }
                    return Ok(());
                }
                None => tracing::warn!(holder, "the lease is lost: runs were stopped"),
            }
        }
    }
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
    async fn begin(
        options: CoordinatorOptions,
        store: Store,
        instruments: Instruments,
    ) -> Result<Arc<Self>, BoxError> {
        let table = Table::default();
        let (reports, known) = (store.clone(), table.clone());
        on_thread(move || {
            read_reports(&reports, &known);
            Ok(())
        })
        .await?;
        Ok(Arc::new(Self {
            broker: options.broker.clone(),
            instruments,
            coordinator: Coordinator::new(options),
            table,
            cancelled: CancellationToken::new(),
            tasks: TaskTracker::new(),
            store,
        }))
    }

    /// Plans runs that did not end again, and has the site finished: whoever led before may have been cut short between
    /// the two. Returns once the runs have their ids.
    async fn resume(self: &Arc<Self>) {
        let store = self.store.clone();
        let found =
            on_thread(move || Ok((resume::unfinished(&store)?, !store.list("manifests")?.is_empty())));
        let (unfinished, published) = match found.await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(
                    error = quire_runtime::chain(&error),
                    "runs that did not end cannot be found"
                );
                return;
            }
        };
        if unfinished.is_empty() && published {
            let leading = Arc::clone(self);
            self.tasks.spawn(async move {
                if let Err(error) = leading.coordinator.finish_site(&leading.cancelled).await {
                    tracing::warn!(
                        error = quire_runtime::chain(&error),
                        "the site is not finished yet; the next run does it"
                    );
                }
            });
        }
        for Unfinished { epoch, bundle, full, lane } in unfinished {
            let asked = Asked { bundle, full, lane, replaces: Some(epoch) };
            let mut told = runs::start(self, asked, trace::run(&trace::Nobody)).watch();
            // A run that cannot begin ends, which is told as well.
            let _ = told.wait_for(|run| !run.id.is_empty() || is_over(run)).await;
        }
    }

    async fn stop(&self, grace: Duration) {
        self.cancelled.cancel();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!("runs did not end within the grace");
        }
    }

    /// Keeps the report of a run that has ended.
    pub(super) async fn keep(&self, run: &Run) {
        if run.id.is_empty() {
            return;
        }
        let (store, run) = (self.store.clone(), run.clone());
        let kept = on_thread(move || {
            if run.state() != State::Done {
                resume::ended(&store, &run.catalogue, Epoch(run.epoch))?;
            }
            let folder = format!("{REPORTS}/{}", run.catalogue);
            let bytes = serde_json::to_vec(&Kept::from(&run))
                .map_err(|error| crate::RunError::Task(error.to_string()))?;
            store.put(&format!("{folder}/{}", run.epoch), &bytes)?;
            let mut epochs: Vec<u64> =
                store.list(&folder)?.iter().filter_map(|name| name.parse().ok()).collect();
            epochs.sort_unstable();
            let surplus = epochs.len().saturating_sub(MAX_KEPT);
            for epoch in epochs.into_iter().take(surplus) {
                store.remove(&format!("{folder}/{epoch}"))?;
            }
            Ok(())
        });
        if let Err(error) = kept.await {
            tracing::warn!(error = quire_runtime::chain(&error), "a run's report is not kept");
        }
    }
}

/// Reports of earlier runs; those that cannot be read are no reason not to lead.
fn read_reports(store: &Store, table: &Table) {
    for catalogue in store.list(REPORTS).unwrap_or_default() {
        let folder = format!("{REPORTS}/{catalogue}");
        for name in store.list(&folder).unwrap_or_default() {
            let Ok(Some(bytes)) = store.read(&format!("{folder}/{name}")) else { continue };
            if let Ok(kept) = serde_json::from_slice::<Kept>(&bytes) {
                let run = Run::from(kept);
                table.insert(&run.id.clone(), Arc::new(Known::ended(run)));
            }
        }
    }
}
