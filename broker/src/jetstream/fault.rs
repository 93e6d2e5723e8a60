//! What can go wrong between here and the server, and how callers are told.

use crate::{AdminError, KvError, PublishError, PullError, Queue};

/// The message's id is that of a message which the replicas of the stream are about to store.
const IN_PROCESS: u64 = 10_158;
/// There is no such stream.
pub(super) const STREAM_NOT_FOUND: u64 = 10_059;
/// A stream, an account or a disk without room.
const NO_ROOM: [u64; 4] = [10_077, 10_047, 10_023, 10_002];
/// The stream takes no message of this size.
const TOO_LARGE: u64 = 10_054;
/// There is no such consumer.
pub(super) const CONSUMER_NOT_FOUND: u64 = 10_014;
/// There is no such message, or key.
pub(super) const NO_MESSAGE: u64 = 10_037;
/// The servers have no leader yet, or cannot answer for now.
const NOT_NOW: [u64; 2] = [10_008, 10_009];

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// There is no connection: nothing was sent.
    #[error("there is no connection to the broker")]
    Away,
    /// The connection went, or no answer came: what was sent may have arrived.
    #[error("the broker does not answer")]
    Lost,
    /// No one listens: the stream is missing, or the server is not ready.
    #[error("nothing at the broker answers {subject}")]
    NoResponders { subject: String },
    /// The stream, consumer or bucket does not exist.
    #[error("{what} does not exist at the broker")]
    Missing { what: String },
    /// The stream or consumer is there, and would lose messages.
    #[error("{name} at the broker cannot be used: {reason}")]
    Unfit { name: String, reason: String },
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
            Self::Away | Self::Lost | Self::NoResponders { .. } => true,
            Self::Refused { code: IN_PROCESS, .. } => true,
            Self::Refused { code, .. } => *code == NOT_NOW[0] || *code == NOT_NOW[1],
            _ => false,
        }
    }

    /// Whether the server knows of no such stream.
    pub(super) const fn is_stream_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: STREAM_NOT_FOUND, .. })
    }

    /// Whether there is no room at the server.
    pub(super) fn is_no_room(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if NO_ROOM.contains(code))
    }

    /// Whether the message is too large for the stream or the server.
    pub(super) const fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge | Self::Refused { code: TOO_LARGE, .. })
    }

    pub(super) fn into_publish(self) -> PublishError {
        match self {
            Self::Missing { what } => PublishError::Missing { what },
            Self::Denied { what } => PublishError::Denied { what },
            other => PublishError::Unavailable(Box::new(other)),
        }
    }

    /// Whether the server knows of no such stream or consumer.
    pub(super) const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: STREAM_NOT_FOUND | CONSUMER_NOT_FOUND, .. })
    }

    /// Names the queue that is missing, if that is what it is.
    pub(super) fn of_queue(self, queue: Queue) -> Self {
        if self.is_not_found() {
            Self::Missing { what: format!("stream or consumer of {queue}") }
        } else {
            self
        }
    }

    pub(super) fn into_admin(self) -> AdminError {
        match self {
            Self::Missing { what } => AdminError::Missing { what },
            Self::Denied { what } => AdminError::Denied { what },
            other => AdminError::Unavailable(Box::new(other)),
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
            fault if fault.is_no_room() => KvError::Full,
            Self::Missing { what } => KvError::Missing { what },
            Self::Denied { what } => KvError::Denied { what },
            other => KvError::Unavailable(Box::new(other)),
        }
    }
}
