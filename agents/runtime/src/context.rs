//! Everything that a handler may touch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quire_proto::Lane;
use tokio_util::sync::CancellationToken;

use crate::{ComputePool, StageError, Store, compute::ComputeError};

/// What a handler may touch. Cheap to clone; made anew for every parcel.
#[derive(Debug, Clone)]
pub struct Context {
    store: Store,
    pool: ComputePool,
    cancelled: CancellationToken,
    lane: Lane,
    queued_ns: Arc<AtomicU64>,
}

impl Context {
    /// A context for one parcel of `lane`.
    #[must_use]
    pub fn new(store: Store, pool: ComputePool, cancelled: CancellationToken, lane: Lane) -> Self {
        Self { store, pool, cancelled, lane, queued_ns: Arc::default() }
    }

    /// The object store. Its calls block: use them inside [`Context::compute`].
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Cancelled when the agent gives up waiting for its running handlers.
    #[must_use]
    pub const fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// The parcel's lane.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        self.lane
    }

    /// Runs CPU-heavy or blocking `work` on the niced pool (a critical parcel's on a thread of its own)
    /// and waits for it.
    ///
    /// # Errors
    /// A panic in `work` becomes a permanent error; a pool that was shut down, a transient one.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StageError> {
        match self.pool.run(self.lane, work).await {
            Ok((result, queued)) => {
                let nanoseconds = u64::try_from(queued.as_nanos()).unwrap_or(u64::MAX);
                self.queued_ns.fetch_add(nanoseconds, Ordering::Relaxed);
                Ok(result)
            }
            Err(ComputeError::Panicked(message)) => Err(StageError::panicked(&message)),
            Err(error) => Err(StageError::transient("computing", error)),
        }
    }

    /// How long this parcel's work has waited for a thread: not charged to its lane.
    pub(crate) fn queued(&self) -> Duration {
        Duration::from_nanos(self.queued_ns.load(Ordering::Relaxed))
    }
}
