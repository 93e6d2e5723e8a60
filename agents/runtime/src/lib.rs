//! Turns a [`Stage`] into a running agent.
//!
//! A stage sees one parcel and answers with an outcome and children, or with a classed error. Everything
//! else is here, once: pulling by lane ([`scheduler`]), threads for heavy work ([`ComputePool`]), the
//! object store ([`Store`]), retries, splitting, settlements, draining ([`Agent`]), counting ([`Metrics`]).

mod compute;
mod context;
mod crash;
mod error;
mod histogram;
mod metrics;
mod stage;
mod store;
pub mod telemetry;

pub use compute::{ComputeError, ComputePool};
pub use context::Context;
pub use crash::{CRASH_POINTS, CRASH_VARIABLE, crash_point};
pub use error::{BoxError, ErrorClass, StageError, chain};
pub use histogram::{Histogram, Summary};
pub use metrics::{Counts, Ending, LaneMetrics, Metrics};
pub use stage::{Processed, Stage};
pub use store::{Store, StoreError};
