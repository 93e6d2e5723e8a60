//! Turns a [`Stage`] into a running agent.
//!
//! A stage sees one parcel and answers with an outcome and children, or with a classed error. Everything
//! else is here, once: pulling by lane ([`scheduler`]), threads for heavy work ([`ComputePool`]), the
//! object store ([`Store`]), retries, splitting, settlements, draining ([`Agent`]), counting ([`Metrics`]).

mod agent;
mod commits;
mod compute;
pub mod config;
mod context;
mod crash;
mod error;
mod histogram;
pub mod manifests;
mod memory;
mod metrics;
pub mod process;
mod pump;
mod results;
mod retry;
pub mod scheduler;
mod settle;
mod shared_cache;
mod sink;
mod split;
mod stage;
mod state;
mod store;
pub mod telemetry;
mod tls;
mod waiting;

/// The broker, for the coordinator and the composition root; stages never see it.
pub use quire_broker as broker;

pub use agent::{Agent, AgentOptions, AgentStats, LaneStats};
pub use commits::{Commits, announce_commit};
pub use compute::{ComputeError, ComputePool};
pub use context::Context;
pub use crash::{CRASH_POINTS, CRASH_VARIABLE, crash_point};
pub use error::{BoxError, ErrorClass, StageError, chain, is_no_room};
pub use histogram::{Histogram, Summary};
pub use memory::Memory;
pub use metrics::{Counts, Ending, LaneMetrics, Metrics, SLOW, VERY_SLOW};
pub use results::{RESULTS, ResultsCache};
pub use retry::Backoff;
pub use settle::{DeadLetter, parcel_message};
pub use sink::FileSink;
pub use stage::{Processed, Stage};
pub use state::{State, StateError};
pub use store::{
    Bucket, BucketTrouble, Labels, Listed, Listing, Look, S3Settings, Store, StoreError, StorePlace,
};
pub use tls::install_tls;
