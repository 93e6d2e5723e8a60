//! Options and their defaults.

use std::time::Duration;

use quire_proto::MAX_MESSAGE_BYTES;

/// Limits and times of the in-process backend, the same for every queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InProcessOptions {
    /// Unsettled messages that a queue holds (waiting, delayed or on lease).
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
    /// How many ids a queue remembers; the oldest are forgotten first.
    pub dedup_max: usize,
    /// How long a publish waits for room when the call does not say.
    pub publish_deadline: Duration,
}

impl Default for InProcessOptions {
    fn default() -> Self {
        Self {
            max_messages: 16_384,
            max_bytes: 128 << 20,
            headroom_messages: 4_096,
            headroom_bytes: 32 << 20,
            max_message_bytes: MAX_MESSAGE_BYTES,
            ack_wait: Duration::from_secs(6),
            dedup_window: Duration::from_secs(120),
            dedup_max: 16_384,
            publish_deadline: Duration::from_secs(30),
        }
    }
}

/// How one publish behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublishOptions {
    /// May use the headroom beyond the queue's limit: for the children of a split, which must not lock the stage
    /// that makes them.
    pub headroom: bool,
    /// How long to wait for room; zero refuses at once, `None` takes the backend's own limit.
    pub deadline: Option<Duration>,
}

impl PublishOptions {
    /// Refuse at once when there is no room.
    #[must_use]
    pub const fn at_once() -> Self {
        Self { headroom: false, deadline: Some(Duration::ZERO) }
    }

    /// Use the headroom.
    #[must_use]
    pub const fn headroom(mut self) -> Self {
        self.headroom = true;
        self
    }

    /// Wait for room so long at most.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }
}
