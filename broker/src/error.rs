//! What can go wrong, and what may be tried again.

use std::path::PathBuf;

use crate::{Queue, Revision};

/// An error of a backend's transport.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a message was not taken, as far as it is known: after [`PublishError::Unavailable`] it may have been, with its
/// answer lost. The caller repeats it, its id makes that harmless.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// No room, at once or until the deadline.
    #[error("queue {queue} is full")]
    Full {
        /// The queue.
        queue: Queue,
    },
    /// The message could never fit.
    #[error("message of {bytes} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The broker is closed.
    #[error("broker is closed")]
    Closed,
    /// The broker lacks a stream, consumer or bucket.
    #[error("{what} does not exist at the broker; `quire admin apply` creates it")]
    Missing {
        /// Which.
        what: String,
    },
    /// The broker does not permit it.
    #[error("the broker does not permit {what}; check the permissions of its credentials")]
    Denied {
        /// What was tried.
        what: String,
    },
    /// The backend cannot be reached.
    #[error("broker is unavailable")]
    Unavailable(#[source] Source),
}

impl PublishError {
    /// Whether the same message may be accepted later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Missing { .. } | Self::Unavailable(_))
    }
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address of the servers cannot be used.
    #[error("`{url}` is no address of NATS servers")]
    Url {
        /// The address, without secrets.
        url: String,
        /// What is wrong with it.
        #[source]
        source: Source,
    },
    /// No server answers; only told by who does not wait for one.
    #[error("{server} cannot be reached")]
    Unreachable {
        /// The server, without secrets.
        server: String,
        /// What is in the way.
        #[source]
        source: Source,
    },
    /// The server's name stands for no address.
    #[error("the name of {server} cannot be resolved; check the broker's address")]
    Unresolvable {
        /// The server, without secrets.
        server: String,
        /// What the resolver says.
        #[source]
        source: Source,
    },
    /// The server refuses the credentials, or wants some.
    #[error("{server} refuses our credentials; check user and password, token or credentials file")]
    Unauthorized {
        /// The server, without secrets.
        server: String,
        /// What it says.
        #[source]
        source: Source,
    },
    /// The server is older than what Quire knows.
    #[error("{server} is nats-server {version}; Quire needs 2.12 or later")]
    TooOld {
        /// The server, without secrets.
        server: String,
        /// Its version.
        version: String,
    },
    /// There is no encrypted connection as it should be.
    #[error(
        "no encrypted connection to {server}; check certificates, keys and whether the server speaks TLS"
    )]
    Tls {
        /// The server, without secrets.
        server: String,
        /// What is wrong with it.
        #[source]
        source: Source,
    },
    /// A file of credentials, certificates or keys cannot be used.
    #[error("credentials file {} cannot be used", file.display())]
    Credentials {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
    /// Streams, consumers (`stream/consumer`) or buckets (`KV_bucket`) are missing.
    #[error("missing at the broker: {}; `quire admin apply` creates them", names.join(", "))]
    Missing {
        /// Which.
        names: Vec<String>,
    },
    /// A stream or consumer is there, but of a kind that would lose messages or mix them up.
    #[error("{name} at the broker cannot be used: {reason}; `quire admin apply` mends it, or remove it")]
    Unfit {
        /// Which.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The broker does not permit it.
    #[error("the broker does not permit {what}; check the permissions of its credentials")]
    Denied {
        /// What was tried.
        what: String,
    },
    /// The servers cannot keep so many copies.
    #[error(
        "the broker cannot keep {replicas} copies: {reason}; use 1, or 3 or 5 with a cluster of at least as many servers"
    )]
    Replicas {
        /// The copies asked for.
        replicas: usize,
        /// What is in the way.
        reason: String,
    },
    /// The server refused what was asked.
    #[error("the broker cannot be set up")]
    Refused(#[source] Source),
}

/// Whether the broker can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It cannot; it is tried again without end.
    Unready {
        /// Why, as far as it is known.
        reason: String,
    },
}

/// Why nothing can be pulled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The broker hands out nothing any more.
    #[error("broker is closed")]
    Closed,
    /// The broker lacks a stream, consumer or bucket.
    #[error("{what} does not exist at the broker; `quire admin apply` creates it")]
    Missing {
        /// Which.
        what: String,
    },
    /// The broker does not permit it.
    #[error("the broker does not permit {what}; check the permissions of its credentials")]
    Denied {
        /// What was tried.
        what: String,
    },
    /// The backend cannot be reached.
    #[error("broker is unavailable")]
    Unavailable(#[source] Source),
}

/// Why a queue was not paused, or a dead letter not read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// There is no dead letter of this number.
    #[error("there is no dead letter {number}")]
    NoLetter {
        /// The number.
        number: u64,
    },
    /// The broker lacks a stream or consumer.
    #[error("{what} does not exist at the broker; `quire admin apply` creates it")]
    Missing {
        /// Which.
        what: String,
    },
    /// The broker does not permit it.
    #[error("the broker does not permit {what}; check the permissions of its credentials")]
    Denied {
        /// What was tried.
        what: String,
    },
    /// The backend cannot be reached.
    #[error("broker is unavailable")]
    Unavailable(#[source] Source),
}

/// Why a bucket was not read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// `create` found the key.
    #[error("key `{key}` exists at revision {found}")]
    Exists {
        /// The key.
        key: String,
        /// Its revision.
        found: Revision,
    },
    /// A change that expected one revision found another, or no key.
    #[error("key `{key}` is not at revision {expected}")]
    Conflict {
        /// The key.
        key: String,
        /// The revision that the caller knew.
        expected: Revision,
        /// The revision that is there.
        found: Option<Revision>,
    },
    /// Keys are 1 to 256 of `A-Z a-z 0-9 - _ = / .`, no `.` first, last or twice in a row.
    #[error("key `{key}` has a form that is not allowed")]
    Key {
        /// The key.
        key: String,
    },
    /// The value is too large.
    #[error("{bytes} bytes exceed the limit of {limit}")]
    TooLarge {
        /// The size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The bucket has no room.
    #[error("bucket is full")]
    Full,
    /// A watch fell so far behind that a deletion is forgotten; begin a new one.
    #[error("watch fell behind")]
    Lagged,
    /// The broker is closed.
    #[error("broker is closed")]
    Closed,
    /// The broker lacks a stream, consumer or bucket.
    #[error("{what} does not exist at the broker; `quire admin apply` creates it")]
    Missing {
        /// Which.
        what: String,
    },
    /// The broker does not permit it.
    #[error("the broker does not permit {what}; check the permissions of its credentials")]
    Denied {
        /// What was tried.
        what: String,
    },
    /// The backend cannot be reached.
    #[error("broker is unavailable")]
    Unavailable(#[source] Source),
}

/// Why a lease is not held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Someone else holds it.
    #[error("lease `{key}` is held by {holder}")]
    Held {
        /// The lease's key.
        key: String,
        /// Who holds it.
        holder: String,
    },
    /// Someone else has taken it over, or it was removed.
    #[error("lease `{key}` was lost")]
    Lost {
        /// The lease's key.
        key: String,
    },
    /// The bucket failed.
    #[error("lease `{key}` cannot be kept")]
    Kv {
        /// The lease's key.
        key: String,
        /// What failed.
        #[source]
        source: KvError,
    },
}
