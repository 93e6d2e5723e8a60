//! What a queue is like at the server, by the server's own word.
//!
//! An operator may change streams and consumers under running agents, and an agent's own layout may be another one:
//! limits and times are those that the server keeps. Where a stream or consumer is of another kind altogether, an
//! agent would lose messages; it refuses to start then.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    time::Duration,
};

use async_nats::jetstream::stream::State as StreamState;
use serde::Deserialize;

use super::{Layout, gauge::Load, layout::HEADER_BYTES, names};
use crate::Queue;

/// Where the stream remembers which part of its limits is headroom.
pub(super) const HEADROOM_MESSAGES: &str = "quire.headroom_messages";
pub(super) const HEADROOM_BYTES: &str = "quire.headroom_bytes";

#[derive(Deserialize)]
pub(super) struct StreamInfo {
    pub(super) config: StreamConfig,
    pub(super) state: StreamState,
    #[serde(default)]
    pub(super) created: String,
}

#[derive(Deserialize)]
pub(super) struct StreamConfig {
    num_replicas: usize,
    #[serde(default)]
    max_msgs: i64,
    #[serde(default)]
    max_bytes: i64,
    #[serde(default)]
    max_msg_size: i64,
    #[serde(default)]
    duplicate_window: u64,
    #[serde(default)]
    metadata: HashMap<String, String>,
    #[serde(default)]
    retention: String,
    #[serde(default)]
    discard: String,
    #[serde(default)]
    subjects: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct ConsumerInfo {
    pub(super) config: ConsumerConfig,
    #[serde(default)]
    pub(super) num_pending: usize,
    #[serde(default)]
    pub(super) num_ack_pending: usize,
    #[serde(default)]
    pub(super) paused: bool,
}

#[derive(Deserialize)]
pub(super) struct ConsumerConfig {
    #[serde(default)]
    ack_wait: u64,
    #[serde(default)]
    ack_policy: String,
    #[serde(default)]
    max_deliver: i64,
    #[serde(default)]
    filter_subject: String,
    #[serde(default)]
    filter_subjects: Vec<String>,
}

/// Limits and times of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// Copies of every message; nothing if no one has looked.
    pub(super) replicas: Option<usize>,
    pub(super) limit: Load,
    /// With headroom.
    pub(super) most: Load,
    pub(super) max_message_bytes: usize,
    /// How long ids are remembered.
    pub(super) window: Duration,
}

impl Terms {
    /// What is believed before anyone has looked.
    pub(super) fn of(layout: &Layout) -> Self {
        let limit = Load { messages: layout.max_messages, bytes: layout.max_bytes };
        let headroom = Load { messages: layout.headroom_messages, bytes: layout.headroom_bytes };
        Self {
            replicas: None,
            limit,
            most: limit.plus(headroom),
            max_message_bytes: layout.max_message_bytes,
            window: layout.dedup_window,
        }
    }

    /// What the stream is like; its headroom is that of `layout` if it does not say.
    pub(super) fn at_server(config: &StreamConfig, layout: &Layout) -> Self {
        let most = Load { messages: limit(config.max_msgs), bytes: limit(config.max_bytes) };
        let told = |name: &str| config.metadata.get(name).and_then(|text| text.parse::<usize>().ok());
        let headroom = Load {
            messages: told(HEADROOM_MESSAGES).unwrap_or(layout.headroom_messages),
            bytes: told(HEADROOM_BYTES).unwrap_or(layout.headroom_bytes),
        };
        // A stream smaller than the headroom that we believe in has none.
        let less = |most: usize, headroom: usize| {
            most.checked_sub(headroom).filter(|rest| *rest > 0).unwrap_or(most)
        };
        Self {
            replicas: Some(config.num_replicas),
            limit: Load {
                messages: less(most.messages, headroom.messages),
                bytes: less(most.bytes, headroom.bytes),
            },
            most,
            max_message_bytes: limit(config.max_msg_size).saturating_sub(HEADER_BYTES).max(1),
            window: Duration::from_nanos(config.duplicate_window),
        }
    }
}

/// A limit as the server says it: no number above zero means none.
fn limit(number: i64) -> usize {
    usize::try_from(number).ok().filter(|number| *number > 0).unwrap_or(usize::MAX)
}

impl StreamInfo {
    /// A number that another stream of the same name does not have.
    pub(super) fn incarnation(&self) -> u64 {
        BuildHasherDefault::<DefaultHasher>::new().hash_one(&self.created) | 1
    }
}

impl StreamConfig {
    /// What makes the stream unfit for `queue`.
    pub(super) fn unfit(&self, queue: Queue) -> Option<String> {
        let retention = if queue == Queue::Dead { "limits" } else { "workqueue" };
        let subjects = names::subjects(queue);
        if self.retention != retention {
            return Some(format!("its retention is `{}`, not `{retention}`", self.retention));
        }
        if self.discard != "new" {
            return Some(format!(
                "full, it discards `{}` messages instead of refusing new ones",
                self.discard
            ));
        }
        (!self.subjects.contains(&subjects)).then(|| format!("it does not take the subjects `{subjects}`"))
    }
}

impl ConsumerConfig {
    /// How long a lease lasts.
    pub(super) const fn ack_wait(&self) -> Duration {
        Duration::from_nanos(self.ack_wait)
    }

    /// What makes the consumer unfit for a queue.
    pub(super) fn unfit(&self) -> Option<String> {
        if self.ack_policy != "explicit" {
            return Some(format!("its acknowledgements are `{}`, not `explicit`", self.ack_policy));
        }
        if self.max_deliver > 0 {
            return Some(format!("it gives messages up after {} deliveries", self.max_deliver));
        }
        let filtered = !self.filter_subject.is_empty() || !self.filter_subjects.is_empty();
        filtered.then(|| "it leaves messages out by a filter".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_the_server() {
        let config = r#"{"num_replicas":3,"max_msgs":110,"max_bytes":-1,"max_msg_size":66536,
            "duplicate_window":2000000000,"metadata":{"quire.headroom_messages":"10"}}"#;
        let config: StreamConfig = serde_json::from_str(config).unwrap();
        let terms = Terms::at_server(&config, &Layout::default());
        assert_eq!((terms.replicas, terms.limit.messages, terms.most.messages), (Some(3), 100, 110));
        assert_eq!((terms.max_message_bytes, terms.window), (1_000, Duration::from_secs(2)));
        assert_eq!(terms.most.bytes, usize::MAX);
    }
}
