//! The audit log: who changed what through a control plane. Its lines have the target `quire_audit`, which no log
//! filter leaves out.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use tonic::Request;

/// Writes down a change that `from` made.
pub fn audit(from: &str, action: &'static str, what: &str) {
    tracing::info!(target: crate::telemetry::AUDIT, from, action, what, "changed through a control plane");
}

/// Who calls.
pub fn caller<T>(request: &Request<T>) -> String {
    let known = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    known.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}
