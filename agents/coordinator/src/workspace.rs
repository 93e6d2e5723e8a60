//! What long computations of a run share: where to spill, how much memory, whether to stop.

use std::{path::Path, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{
    RunError,
    runs::{Row, SortedRuns, Spool},
};

/// Shared by the computations of one run. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    tmp: Arc<Path>,
    memory_bytes: usize,
    cancelled: CancellationToken,
}

impl Workspace {
    pub(crate) fn new(tmp: &Path, memory_bytes: usize, cancelled: CancellationToken) -> Self {
        Self { tmp: tmp.into(), memory_bytes, cancelled }
    }

    /// Runs of whole records: they get half of the memory, as at most two of them are filled at a time.
    pub(crate) fn record_runs<T: Row>(&self) -> SortedRuns<T> {
        SortedRuns::new(&self.tmp, self.memory_bytes / 2)
    }

    /// Runs of small rows.
    pub(crate) fn small_runs<T: Row>(&self) -> SortedRuns<T> {
        SortedRuns::new(&self.tmp, self.memory_bytes / 8)
    }

    /// A spool of whole records.
    pub(crate) fn spool<T: Row>(&self) -> Spool<T> {
        Spool::new(&self.tmp, self.memory_bytes / 2)
    }

    /// Ends a long computation early.
    pub(crate) fn check(&self) -> Result<(), RunError> {
        if self.cancelled.is_cancelled() { Err(RunError::Interrupted) } else { Ok(()) }
    }
}
