//! The audit log: who changed what through a control plane. Its lines have the target `quire_audit`, which no log
//! filter leaves out.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use sha2::{Digest as _, Sha256};
use tonic::Request;

/// Writes down a change that `from` made.
pub fn audit(from: &str, action: &'static str, what: &str) {
    tracing::info!(target: crate::telemetry::AUDIT, from, action, what, "changed through a control plane");
}

/// Who calls: the address, and with TLS the SHA-256 fingerprint of the certificate, as `openssl x509 -fingerprint`
/// prints it without colons.
pub fn caller<T>(request: &Request<T>) -> String {
    let extensions = request.extensions();
    if let Some(ConnectInfo(address)) = extensions.get::<ConnectInfo<SocketAddr>>() {
        return address.to_string();
    }
    let address = request.remote_addr().map_or_else(|| "unknown".to_owned(), |address| address.to_string());
    match request.peer_certs().as_deref().and_then(|certificates| certificates.first()) {
        Some(certificate) => format!("{address} {:X}", Sha256::digest(certificate)),
        None => address,
    }
}
