//! Why a run did not end well.

use quire_proto::{CodecError, Epoch, RecordCounts};
use quire_runtime::{BoxError, StoreError};

/// Why a run or the publishing of the site failed. Work that was finished before is kept in every case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The caller cancelled.
    #[error("interrupted; finished work is kept")]
    Interrupted,
    /// The bundle is not a catalogue.
    #[error("cannot use the catalogue")]
    Catalogue(#[source] BoxError),
    /// The store failed.
    #[error("cannot use the store")]
    Store(#[from] StoreError),
    /// Something in the store cannot be read.
    #[error("cannot decode {what}")]
    Decode {
        /// What it should have been.
        what: &'static str,
        /// Why not.
        #[source]
        source: CodecError,
    },
    /// The newest manifest of a catalogue is damaged or of another version.
    #[error(
        "the last manifest of {catalogue} cannot be read: build that catalogue again; its pages stay as they are"
    )]
    ManifestLost {
        /// The catalogue.
        catalogue: String,
    },
    /// The last state is damaged or gone, and not everything could be had anew: committing would drop what is published.
    #[error(
        "the last state of {catalogue} is damaged or gone, and not all of it could be made anew ({why}): nothing is changed; run again when that works"
    )]
    CannotHeal {
        /// The catalogue.
        catalogue: String,
        /// What could not be had.
        why: String,
    },
    /// A value that is too large for the wire.
    #[error("cannot encode {what}")]
    Encode {
        /// What it is.
        what: &'static str,
        /// Why not.
        #[source]
        source: CodecError,
    },
    /// Temporary files failed.
    #[error("cannot use the folder for temporary files")]
    Spill(#[source] std::io::Error),
    /// The broker does not take or give messages.
    #[error("cannot use the broker")]
    Broker(#[source] BoxError),
    /// Another run of the catalogue committed this epoch or a later one.
    #[error("run {epoch} is fenced: another one has committed epoch {newer}")]
    Fenced {
        /// This run's epoch.
        epoch: Epoch,
        /// The newer one.
        newer: Epoch,
    },
    /// Another run of the catalogue has committed since this one was planned.
    #[error("run {epoch} is overtaken: epoch {newer} was committed since it was planned")]
    Overtaken {
        /// This run's epoch.
        epoch: Epoch,
        /// The one that it does not know.
        newer: Epoch,
    },
    /// A run of some keys needs what a run of the whole catalogue leaves.
    #[error("cannot run some keys of {catalogue} alone: {why}; run all of it first, without keys")]
    KeysAlone {
        /// The catalogue.
        catalogue: String,
        /// Why not.
        why: &'static str,
    },
    /// Nothing came for a long time, though it was planned again several times.
    #[error(
        "no progress: {owed} parcels are owed and nothing has come for {seconds} s, planned again {times} times"
    )]
    Stalled {
        /// Parcels owed.
        owed: usize,
        /// Seconds without any settlement.
        seconds: u64,
        /// How often it was planned again.
        times: u32,
    },
    /// Lists or root files could not be made.
    #[error("cannot make the lists of the site")]
    Project(#[source] BoxError),
    /// Aggregates are kept in memory by whoever makes pages.
    #[error(
        "the aggregates have more than {most} bytes together, reached at the record {key}: let `aggregates` yield less of each record"
    )]
    Aggregates {
        /// Most bytes.
        most: usize,
        /// Key of the record that was too much.
        key: String,
    },
    /// Two records publish different bytes under one path.
    #[error("two files want the path {path}")]
    PathClash {
        /// The path.
        path: String,
    },
    /// A stage can write nothing.
    #[error("{error}; finished work is kept: make room there, or make it writable, and run again")]
    NoRoom {
        /// What the stage said.
        error: String,
    },
    /// What is published of a catalogue is damaged.
    #[error("the state of {catalogue} is damaged; build that catalogue again, its pages stay as they are")]
    Damaged {
        /// The catalogue.
        catalogue: String,
        /// What is damaged.
        #[source]
        source: Box<RunError>,
    },
    /// Files could not be copied into the site.
    #[error("cannot publish {what}: {error}")]
    Publish {
        /// Which files.
        what: String,
        /// What the stage said.
        error: String,
    },
    /// Where the site shall go are files of someone else.
    #[error(
        "the folder of the site holds {path}, which is not of a site that quire made: choose another folder, or move that file away"
    )]
    Occupied {
        /// One of the files.
        path: String,
    },
    /// The site's folder failed.
    #[error("cannot use the site's folder")]
    Site(#[source] BoxError),
    /// The counts do not add up: a bug, worth a report.
    #[error("counts do not add up: {0:?}")]
    Counts(RecordCounts),
    /// A task of this process ended early.
    #[error("the coordinator's own task failed: {0}")]
    Task(String),
}

impl RunError {
    /// Errors of ours that went through the projector come out as they were.
    pub(crate) fn of_projector(error: BoxError) -> Self {
        error.downcast::<Self>().map_or_else(Self::Project, |error| *error)
    }

    /// Damage names the catalogue whose state it is in; any other error stays as it is.
    pub(crate) fn in_catalogue(self, catalogue: &str) -> Self {
        match self {
            Self::Damaged { .. } => self,
            error if error.is_damage() => {
                Self::Damaged { catalogue: catalogue.to_owned(), source: Box::new(error) }
            }
            error => error,
        }
    }

    /// Whether building these catalogues anew may mend what is damaged.
    #[must_use]
    pub fn is_mended_by<'a>(&self, mut catalogues: impl Iterator<Item = &'a str>) -> bool {
        match self {
            Self::Damaged { catalogue, .. } => catalogues.any(|built| built == catalogue),
            error => error.is_damage(),
        }
    }

    /// Whether something that the store should have is missing or damaged: without the last manifest, all is made anew.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Decode { .. })
            || matches!(self, Self::Store(error) if error.is_damage())
    }
}
