//! What can go wrong between here and the server, and how callers are told.

use crate::{KvError, PublishError, PullError};

/// The message's id is that of a message which the replicas of the stream are about to store.
const IN_PROCESS: u64 = 10_158;
/// There is no such stream.
pub(super) const STREAM_NOT_FOUND: u64 = 10_059;
/// The servers have no leader yet, or cannot answer for now.
const NOT_NOW: [u64; 2] = [10_008, 10_009];

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// There is no connection, or no answer came.
    #[error("the broker cannot be reached or does not answer")]
    Lost,
    /// No one listens: the stream is missing, or the server is not ready.
    #[error("nothing at the broker answers {subject}")]
    NoResponders { subject: String },
    /// The stream, consumer or bucket does not exist.
    #[error("{what} does not exist at the broker")]
    Missing { what: String },
    /// The server does not let us.
    #[error("the broker does not permit {what}")]
    Denied { what: String },
    /// The server said no.
    #[error("the broker refused: {text} (error {code})")]
    Refused { code: u64, text: String },
    /// The server sent what we cannot read, or we could not write it.
    #[error("unexpected answer of the broker: {0}")]
    Strange(String),
    /// More than the server takes at all.
    #[error("the message exceeds what the server takes")]
    TooLarge,
}

impl Fault {
    /// Whether waiting may help without anyone doing anything.
    pub(super) const fn passes(&self) -> bool {
        match self {
            Self::Lost | Self::NoResponders { .. } | Self::Refused { code: IN_PROCESS, .. } => true,
            Self::Refused { code, .. } => *code == NOT_NOW[0] || *code == NOT_NOW[1],
            _ => false,
        }
    }

    /// Whether the server knows of no such stream.
    pub(super) const fn is_stream_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: STREAM_NOT_FOUND, .. })
    }

    pub(super) fn into_publish(self) -> PublishError {
        match self {
            Self::Missing { what } => PublishError::Missing { what },
            Self::Denied { what } => PublishError::Denied { what },
            other => PublishError::Unavailable(Box::new(other)),
        }
    }

    pub(super) fn into_pull(self) -> PullError {
        match self {
            Self::Missing { what } => PullError::Missing { what },
            Self::Denied { what } => PullError::Denied { what },
            other => PullError::Unavailable(Box::new(other)),
        }
    }

    pub(super) fn into_kv(self) -> KvError {
        match self {
            Self::Missing { what } => KvError::Missing { what },
            Self::Denied { what } => KvError::Denied { what },
            other => KvError::Unavailable(Box::new(other)),
        }
    }
}
