//! Why a process cannot start or go on.

use std::{net::SocketAddr, path::PathBuf};

use quire_broker::ConnectError;

use crate::{BoxError, BucketTrouble, StateError, StoreError};

/// Why a process ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The store's address is of no kind that is known.
    #[error(
        "`{url}` is no store: expected file:///an/absolute/path that all agents see, or s3://bucket/prefix"
    )]
    StoreUrl {
        /// As given, without secrets.
        url: String,
    },
    /// The store cannot be used.
    #[error("cannot open the store")]
    Store(#[from] StoreError),
    /// The bucket cannot be used as a store.
    #[error(transparent)]
    Bucket(#[from] BucketTrouble),
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// Control planes are for loopback.
    #[error(
        "{address} is not loopback: elsewhere a control plane listens only with TLS and client certificates, so give \
         --tls-cert, --tls-key and --tls-client-ca, or --listen 127.0.0.1:PORT; --health-listen may be any address"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// Some files for TLS are given, others not.
    #[error("TLS needs all of --tls-cert, --tls-key and --tls-client-ca: some of them are not set")]
    HalfTls,
    /// The files for TLS do not hold what they should.
    #[error("cannot use the certificates of --tls-cert, --tls-key and --tls-client-ca")]
    Tls(#[source] BoxError),
    /// The address cannot be listened at.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Logs, traces or metrics cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] crate::telemetry::TelemetryError),
    /// The broker cannot be used.
    #[error("cannot use the broker")]
    Broker(#[from] ConnectError),
    /// The file named cannot be used.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The role itself failed.
    #[error("{0}")]
    Role(#[source] BoxError),
    /// The process cannot be set up.
    #[error("cannot start the process")]
    Start(#[source] BoxError),
}
