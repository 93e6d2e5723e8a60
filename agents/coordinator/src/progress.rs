//! Who watches a run.

use quire_proto::{RunId, StageName};

/// Hears how runs go on. Calls come often and from any thread: be quick, never block.
pub trait Progress: Send + Sync + 'static {
    /// Something happened.
    fn tell(&self, run: &RunId, event: Event);

    /// Something could not be done. A run that is planned again tells it again.
    fn lost(&self, _run: &RunId, _loss: &Loss<'_>) {}
}

/// What a run could not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss<'a> {
    /// A source was not listed completely.
    Source {
        /// Its name.
        source: &'a str,
        /// Why not.
        why: &'a str,
    },
    /// An item could not be read or judged.
    Item {
        /// `source:location`, with `#ordinal` where the location has several.
        subject: &'a str,
        /// Why not.
        why: &'a str,
    },
    /// Pages or the index document of a record could not be made.
    Record {
        /// Its key.
        key: &'a str,
        /// Why not.
        why: &'a str,
    },
    /// A run of some keys found no record of this one, nor had there been one.
    Key {
        /// The key.
        key: &'a str,
        /// So many locations and items could not be looked at.
        unread: usize,
    },
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
