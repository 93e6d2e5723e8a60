//! What a coordinator needs, and what a run is asked for.

use std::{path::PathBuf, sync::Arc, time::Duration};

use quire_catalogue::Bundle;
use quire_proto::{Digest, Lane};
use quire_runtime::{Store, broker::Broker};
use tokio_util::sync::CancellationToken;

use crate::{Part, Progress, Projector, SiteEdge};

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
    /// Runs at once, besides one critical; others wait for their turn.
    pub runs: usize,
    /// Runs that may wait for their turn in the service; more are refused.
    pub waiting: usize,
    /// Memory that rows on their way through a run may take before they spill to `tmp`.
    pub memory_bytes: usize,
    /// Memory for the entries of manifests, so that they are not decoded again each time a run goes over them.
    pub entry_bytes: usize,
}

impl CoordinatorOptions {
    /// Options with defaults: no site, 60 s to a stall, 4 runs at once, 128 MiB for rows on their way (of each run) and
    /// for entries (of all).
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
            runs: 4,
            waiting: 32,
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
    /// What to look at. Anything but all of it needs an earlier run of everything under the same definition.
    pub part: Part,
    /// How urgent it is.
    pub lane: Lane,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
    /// Ends the run early: finished work is kept.
    pub cancelled: CancellationToken,
}
