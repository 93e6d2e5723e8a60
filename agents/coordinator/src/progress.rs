//! Who watches a run.

use quire_proto::{RunId, StageName};

/// Hears how runs go on. Calls come often and from any thread: be quick, never block.
pub trait Progress: Send + Sync + 'static {
    /// Something happened.
    fn tell(&self, run: &RunId, event: Event);
}

/// What happens in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A new phase began.
    Entered(Phase),
    /// A parcel was settled.
    Settled {
        /// By which stage.
        stage: StageName,
        /// Records in it.
        records: u64,
        /// Parcels of this stage settled so far in this run.
        settled: u64,
        /// Parcels of this stage announced so far.
        announced: u64,
    },
    /// So many records are to be rendered.
    ToRender(u64),
    /// Nothing came for a while: what is owed is planned again.
    PlannedAgain,
}

/// The phases of a run, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Other runs are before it. Told only if it has to wait.
    Wait,
    /// Sources are listed and read, items judged.
    Gather,
    /// Claims, references and look-ups are decided.
    Decide,
    /// Documents and pages are made.
    Make,
    /// Lists and data files are made, the manifest is created.
    Commit,
    /// Files are copied into the site.
    Publish,
    /// The run is over.
    Done,
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn tell(&self, _run: &RunId, _event: Event) {}
}
