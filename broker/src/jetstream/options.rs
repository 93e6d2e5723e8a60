//! How to reach the broker, and what its streams shall be like.

use std::{fmt, path::PathBuf, time::Duration};

use quire_proto::MAX_MESSAGE_BYTES;

/// Options of the JetStream backend.
#[derive(Clone, PartialEq, Eq)]
pub struct JetStreamOptions {
    /// Servers, separated by commas: `nats://host:port` or `tls://host:port`; a user and password, or a token, before
    /// an `@`, are taken as they stand.
    pub url: String,
    /// A NATS credentials file.
    pub credentials: Option<PathBuf>,
    /// Name of this connection at the server.
    pub name: String,
    /// Creates what is missing instead of failing. For development: in production an operator runs
    /// `quire admin apply`, and agents have no permission to.
    pub dev: bool,
    /// What the streams, consumers and buckets shall be like.
    pub layout: Layout,
    /// How long a publish waits for room, or for the broker to answer, when the call does not say.
    pub publish_deadline: Duration,
    /// How long one request may take before it is repeated.
    pub request_timeout: Duration,
}

impl JetStreamOptions {
    /// Options with defaults for the servers at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credentials: None,
            name: "quire".to_owned(),
            dev: false,
            layout: Layout::default(),
            publish_deadline: Duration::from_secs(30),
            request_timeout: Duration::from_secs(3),
        }
    }
}

impl JetStreamOptions {
    /// The servers without user names, passwords and tokens.
    #[must_use]
    pub fn shown_url(&self) -> String {
        without_secrets(&self.url)
    }
}

impl fmt::Debug for JetStreamOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamOptions")
            .field("url", &without_secrets(&self.url))
            .field("credentials", &self.credentials)
            .field("name", &self.name)
            .field("dev", &self.dev)
            .field("layout", &self.layout)
            .field("publish_deadline", &self.publish_deadline)
            .field("request_timeout", &self.request_timeout)
            .finish()
    }
}

/// The user and password, or the token, that the first server that has any names.
pub(super) fn secrets(url: &str) -> Option<(&str, Option<&str>)> {
    fn of(server: &str) -> Option<&str> {
        let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
        rest.rsplit_once('@').map(|(secrets, _)| secrets)
    }
    let secrets = url.split(',').find_map(|one| of(one.trim()))?;
    Some(secrets.split_once(':').map_or((secrets, None), |(user, password)| (user, Some(password))))
}

/// The servers without user names, passwords and tokens.
pub(super) fn without_secrets(url: &str) -> String {
    let server = |server: &str| {
        let (scheme, rest) = server.split_once("://").unwrap_or(("nats", server));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        format!("{scheme}://{host}")
    };
    url.split(',').map(|one| server(one.trim())).collect::<Vec<_>>().join(",")
}

/// Limits and times of streams, consumers and buckets; every queue has the same.
///
/// Servers reserve the bytes of all streams: `max_file_store` must hold 18 times `max_bytes` and `headroom_bytes`, and
/// 256 MiB for the buckets.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_url_are_not_shown() {
        let options = JetStreamOptions::new("nats://user:hunter2@a:4222, tls://s3cret@b:4222,c:4222");
        let shown = format!("{options:?}");
        assert!(shown.contains("nats://a:4222,tls://b:4222,nats://c:4222"), "{shown}");
        assert_eq!(secrets(&options.url), Some(("user", Some("hunter2"))));
        assert_eq!(secrets("tls://s3cret@b"), Some(("s3cret", None)));
        assert_eq!(secrets("nats://b:4222"), None);
        assert!(!shown.contains("hunter2") && !shown.contains("s3cret"), "{shown}");
    }
}
