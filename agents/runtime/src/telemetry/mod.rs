//! Logs, traces and metrics of the process.
//!
//! Secrets are never logged: whoever holds one wraps it in [`Secret`], which does not print itself.

mod export;
mod json;
mod logs;
mod secret;
pub mod trace;

pub use export::Telemetry;
pub(crate) use logs::AUDIT;
pub use logs::{LogFormat, LogOptions, init};
pub use secret::Secret;

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("reading the log filter {filter:?}")]
    Filter {
        /// The filter as given.
        filter: String,
        /// Why not.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// What is traced or measured cannot be sent.
    #[error("cannot send traces or metrics; check the OTEL_ variables")]
    Export(#[source] crate::BoxError),
    /// A protocol that we do not speak.
    #[error("{name} is {value}: expected grpc, the one protocol that traces and metrics are sent by")]
    Protocol {
        /// The variable.
        name: String,
        /// What it says.
        value: String,
    },
    /// The filter cannot be changed.
    #[error("changing the log filter")]
    Reload(#[source] tracing_subscriber::reload::Error),
    /// The process logs already.
    #[error("logging is set up already")]
    Already(#[source] tracing_subscriber::util::TryInitError),
}
