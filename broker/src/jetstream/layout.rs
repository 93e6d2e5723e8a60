//! What streams, consumers and buckets look like at the server.

use std::{collections::HashMap, time::Duration};

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, pull},
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};

use super::{
    Layout, names,
    terms::{HEADROOM_BYTES, HEADROOM_MESSAGES},
};
use crate::{Bucket, Queue};

/// Room for headers beside the largest payload.
pub(super) const HEADER_BYTES: usize = 64 << 10;
/// Largest value of a bucket.
pub(super) const MAX_VALUE: usize = 1 << 20;
/// Largest bucket.
const MAX_BUCKET: i64 = 64 << 20;
/// How long attempts are remembered: longer than any back-off.
const ATTEMPTS_AGE: Duration = Duration::from_secs(86_400);
/// How long the write of a key is recognised as a repeat.
const BUCKET_WINDOW: Duration = Duration::from_secs(60);

/// The stream of a queue. Full, it refuses publishers; it never drops what it holds.
pub(super) fn queue_stream(queue: Queue, layout: &Layout) -> Config {
    // A dead letter stays until a person removes it, and can be looked at meanwhile.
    let retention = if queue == Queue::Dead { RetentionPolicy::Limits } else { RetentionPolicy::WorkQueue };
    Config {
        name: queue.to_string(),
        subjects: vec![names::subjects(queue)],
        retention,
        discard: DiscardPolicy::New,
        max_messages: limit(layout.max_messages + layout.headroom_messages),
        max_bytes: limit(layout.max_bytes + layout.headroom_bytes),
        max_message_size: i32::try_from(layout.max_message_bytes + HEADER_BYTES).unwrap_or(i32::MAX),
        max_messages_per_subject: -1,
        max_consumers: -1,
        storage: StorageType::File,
        num_replicas: layout.replicas,
        duplicate_window: layout.dedup_window,
        allow_direct: true,
        metadata: HashMap::from([
            (HEADROOM_MESSAGES.to_owned(), layout.headroom_messages.to_string()),
            (HEADROOM_BYTES.to_owned(), layout.headroom_bytes.to_string()),
        ]),
        ..Config::default()
    }
}

/// The consumer of a queue: unfiltered, since filters cost most of the throughput.
///
/// Attempts are counted by the agents, which put a parcel aside before the server would; a message that the server
/// gave up would stay in the stream and reach no one. Messages that wait for the end of a `nak` delay are pending
/// acknowledgements, too, so those are limited by the stream alone.
pub(super) fn consumer(layout: &Layout) -> pull::Config {
    pull::Config {
        durable_name: Some(names::CONSUMER.to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: layout.ack_wait,
        max_deliver: -1,
        max_ack_pending: -1,
        max_waiting: 2_048,
        replay_policy: ReplayPolicy::Instant,
        num_replicas: layout.replicas,
        ..pull::Config::default()
    }
}

/// The stream of a bucket. Without direct get: what a reader is told must be the leader's word, or compare-and-set
/// would compare with the past.
pub(super) fn bucket_stream(bucket: &str, layout: &Layout) -> Config {
    let attempts = bucket == names::ATTEMPTS;
    // Forgotten attempts are counted by the server's own number.
    let may_forget = attempts || bucket == Bucket::Cache.as_str();
    Config {
        name: names::bucket_stream(bucket),
        subjects: vec![names::key(bucket, ">")],
        retention: RetentionPolicy::Limits,
        discard: if may_forget { DiscardPolicy::Old } else { DiscardPolicy::New },
        max_messages: -1,
        max_messages_per_subject: 1,
        max_bytes: MAX_BUCKET,
        max_age: if attempts { ATTEMPTS_AGE } else { Duration::ZERO },
        max_message_size: i32::try_from(MAX_VALUE + HEADER_BYTES).unwrap_or(i32::MAX),
        max_consumers: -1,
        storage: StorageType::File,
        num_replicas: layout.replicas,
        duplicate_window: BUCKET_WINDOW,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: false,
        ..Config::default()
    }
}

fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
