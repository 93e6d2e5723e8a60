//! How to reach the broker, and what its streams shall be like.

use std::{fmt, path::PathBuf, time::Duration};

use quire_proto::MAX_MESSAGE_BYTES;

use super::servers;
use crate::Queue;

/// Options of the JetStream backend.
#[derive(Clone, PartialEq, Eq)]
pub struct JetStreamOptions {
    /// Servers, separated by commas: `nats://host:port` or `tls://host:port`; a user and password, or a token, before
    /// an `@`, are taken as they stand, with whatever characters they have. A server with secrets needs its scheme.
    pub url: String,
    /// A NATS credentials file; read for every connection, so it may be renewed.
    pub credentials: Option<PathBuf>,
    /// A user, and a file with the password; read for every connection.
    pub password_file: Option<(String, PathBuf)>,
    /// How connections are encrypted.
    pub tls: TlsOptions,
    /// What the subjects of answers begin with. An agent of its own prefix can be kept from reading others' answers.
    pub inbox_prefix: String,
    /// Name of this connection at the server.
    pub name: String,
    /// Creates what is missing instead of failing. For development: in production an operator runs
    /// `quire admin apply`, and agents have no permission to.
    pub dev: bool,
    /// What the streams, consumers and buckets shall be like. Agents go by what they find at the server.
    pub layout: Layout,
    /// The queues that are used: only these must be there, and only these are looked at without being asked for.
    /// `None` is all.
    pub queues: Option<Vec<Queue>>,
    /// How long a publish waits for room, or for the broker to answer, when the call does not say.
    pub publish_deadline: Duration,
    /// How long one request may take before it is repeated.
    pub request_timeout: Duration,
    /// How long credentials or certificates may be refused, or a server's name be unknown, before a first connection is
    /// given up.
    pub connect_grace: Duration,
}

/// How connections are encrypted. Servers of the scheme `tls`, and any of the files, require it, too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsOptions {
    /// Connects in no other way.
    pub required: bool,
    /// Certificates of the authorities that are trusted, in PEM form, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key, in PEM form.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

impl JetStreamOptions {
    /// Options with defaults for the servers at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credentials: None,
            password_file: None,
            tls: TlsOptions::default(),
            inbox_prefix: "_INBOX".to_owned(),
            name: "quire".to_owned(),
            dev: false,
            layout: Layout::default(),
            queues: None,
            publish_deadline: Duration::from_secs(30),
            request_timeout: Duration::from_secs(3),
            connect_grace: Duration::from_secs(10),
        }
    }
}

impl JetStreamOptions {
    /// The queues that are used.
    pub(super) fn used(&self) -> Vec<Queue> {
        self.queues.clone().unwrap_or_else(|| Queue::all().collect())
    }

    /// The servers without user names, passwords and tokens.
    #[must_use]
    pub fn shown_url(&self) -> String {
        servers::shown(&self.url)
    }
}

impl fmt::Debug for JetStreamOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamOptions")
            .field("url", &servers::shown(&self.url))
            .field("credentials", &self.credentials)
            .field("password_file", &self.password_file)
            .field("tls", &self.tls)
            .field("inbox_prefix", &self.inbox_prefix)
            .field("name", &self.name)
            .field("dev", &self.dev)
            .field("layout", &self.layout)
            .field("queues", &self.queues)
            .field("publish_deadline", &self.publish_deadline)
            .field("request_timeout", &self.request_timeout)
            .field("connect_grace", &self.connect_grace)
            .finish()
    }
}

/// Limits and times of streams, consumers and buckets; every queue has the same.
///
/// Servers reserve the bytes of all streams: `max_file_store` must hold 18 times `max_bytes` and `headroom_bytes`, and
/// 320 MiB for the buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Copies of everything: 1, or 3 or 5 on a cluster of at least as many servers.
    pub replicas: usize,
    /// Unsettled messages that a queue holds.
    pub max_messages: usize,
    /// Bytes that a queue holds.
    pub max_bytes: usize,
    /// Messages beyond `max_messages` that publishes with headroom may add.
    pub headroom_messages: usize,
    /// Bytes beyond `max_bytes` that publishes with headroom may add.
    pub headroom_bytes: usize,
    /// Largest message.
    pub max_message_bytes: usize,
    /// A delivery that is neither settled nor in progress for so long is handed out again.
    pub ack_wait: Duration,
    /// How long a message's id is remembered.
    pub dedup_window: Duration,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            replicas: 1,
            max_messages: 1 << 20,
            max_bytes: 512 << 20,
            headroom_messages: 1 << 14,
            headroom_bytes: 64 << 20,
            max_message_bytes: MAX_MESSAGE_BYTES,
            ack_wait: Duration::from_secs(6),
            dedup_window: Duration::from_secs(120),
        }
    }
}
