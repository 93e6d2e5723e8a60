//! Jobs that go together: from their claim to what became of each.

use std::{collections::BTreeSet, fmt, sync::Arc};

use quire_proto::Lane;
use quire_queue::{Claimed, Job};
use tokio_util::sync::CancellationToken;

use crate::embedded::{CatalogueFolder, Embedded, KeysAsked, KeysMade};

/// Which of the two runs at once it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// Jobs that someone waits for.
    Critical,
    /// All others.
    Others,
}

/// A run ended as it never should.
#[derive(Debug)]
pub(super) struct Panicked(String);

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the run ended unexpectedly ({})", self.0)
    }
}

impl std::error::Error for Panicked {}

/// Claimed jobs of one lane.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) slot: Slot,
    pub(super) lane: Lane,
    /// Look at everything: there is no manifest yet that a run of keys could begin with.
    pub(super) everything: bool,
    /// Names of files, and what they ask for.
    pub(super) jobs: Vec<(String, Job)>,
}

/// A batch and how its run ended.
pub(super) struct Ended {
    pub(super) batch: Batch,
    pub(super) made: anyhow::Result<KeysMade>,
}

impl Batch {
    /// The keys, each once.
    pub(super) fn keys(&self) -> BTreeSet<String> {
        self.jobs.iter().map(|(_, job)| job.key.clone()).collect()
    }

    /// Has the jobs done.
    pub(super) async fn run(
        self,
        embedded: Arc<Embedded>,
        folder: Arc<CatalogueFolder>,
        cancelled: CancellationToken,
    ) -> Ended {
        let asked = KeysAsked { keys: self.keys(), everything: self.everything, lane: self.lane, cancelled };
        // A task of its own: a panic is the end of one run only.
        let run = tokio::spawn(async move { embedded.make_keys(&folder, &asked).await });
        let made = match run.await {
            Ok(made) => made,
            Err(error) => Err(Panicked(error.to_string()).into()),
        };
        Ended { batch: self, made }
    }
}

/// Claimed files, by name.
#[derive(Debug, Default)]
pub(super) struct Parted {
    /// What those ask for that are jobs.
    pub(super) jobs: Vec<(String, Job)>,
    /// Why others are none after all.
    pub(super) odd: Vec<(String, String)>,
}

/// Tells jobs from what is none.
pub(super) fn parted(claimed: Vec<Claimed>) -> Parted {
    let mut parted = Parted::default();
    for Claimed { name, job } in claimed {
        match job {
            Ok(job) => parted.jobs.push((name, job)),
            Err(why) => parted.odd.push((name, why.0)),
        }
    }
    parted
}
