//! The coordinator's handle and its options.

use std::{path::PathBuf, sync::Arc, time::Duration};

use quire_catalogue::Bundle;
use quire_proto::{Digest, Lane, RunReport};
use quire_runtime::{Store, broker::Broker};
use tokio_util::sync::CancellationToken;

use crate::{NoProgress, Progress, Projector, RunError, SiteEdge, SiteReport};

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
    /// Who watches.
    pub progress: Arc<dyn Progress>,
    /// So long without any settlement while parcels are owed: plan again.
    pub stall: Duration,
    /// Memory that rows on their way through a run may take before they spill to `tmp`.
    pub memory_bytes: usize,
}

impl CoordinatorOptions {
    /// Options with defaults: no site, nobody watching, 60 s to a stall, 128 MiB of rows in memory.
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
            progress: Arc::new(NoProgress),
            stall: Duration::from_secs(60),
            memory_bytes: 128 << 20,
        }
    }
}

/// What to run.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The catalogue.
    pub bundle: Bundle,
    /// Look at everything anew, whatever the last manifest says.
    pub full: bool,
    /// How urgent it is.
    pub lane: Lane,
    /// Ends the run early: finished work is kept.
    pub cancelled: CancellationToken,
}

/// Plans and commits runs. Runs of several catalogues may go on at once.
pub struct Coordinator {
    _options: CoordinatorOptions,
}

impl Coordinator {
    /// Starts a coordinator in the current tokio runtime; it listens for settlements until it is dropped.
    #[must_use]
    pub fn new(options: CoordinatorOptions) -> Self {
        Self { _options: options }
    }

    /// One pass over one catalogue: gather, decide, make, commit, publish its pages and lists.
    ///
    /// # Errors
    /// Any [`RunError`]; finished work is kept and the next run goes on from there.
    pub async fn run(&self, request: RunRequest) -> Result<RunReport, RunError> {
        let _ = request;
        Err(RunError::Interrupted)
    }

    /// Folds the newest manifests of all catalogues into the site: what is missing, root files, removals, and
    /// `manifest.json` last. Then removes what no manifest needs any more from the store.
    ///
    /// # Errors
    /// Any [`RunError`]; the next call goes on from there.
    pub async fn finish_site(&self, cancelled: &CancellationToken) -> Result<SiteReport, RunError> {
        let _ = cancelled;
        Err(RunError::Interrupted)
    }
}
