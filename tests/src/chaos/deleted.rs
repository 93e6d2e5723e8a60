//! A consumer, a stream or a bucket is deleted under a run; an operator applies what is missing.

use std::time::Instant;

use super::{
    Arena, Told,
    storm::{Storm, Weather},
};

/// Queues that a run uses, and buckets.
const STREAMS: [&str; 10] = [
    "Q_FETCH_NORMAL",
    "Q_VALIDATE_NORMAL",
    "Q_INDEX_NORMAL",
    "Q_RENDER_NORMAL",
    "Q_SETTLED",
    "Q_DEAD",
    "KV_leases",
    "KV_runs",
    "KV_config",
    "KV_attempts",
];

pub(super) fn run(arena: &Arena) -> Told {
    let options = arena.cluster("deleted").agents(2).coordinators(2);
    let mut storm = Storm::over(arena, "deleted", options);
    let weather = Weather { faults: arena.times(4, 60), a_run: 3, gap_ms: 20..600 };
    storm.rage(&weather, delete);
    storm.tell()
}

fn delete(storm: &mut Storm) -> Instant {
    let stream = *storm.random.pick(&STREAMS);
    let consumer = stream.starts_with("Q_") && storm.random.within(0..2) == 0;
    let call = if consumer {
        format!("$JS.API.CONSUMER.DELETE.{stream}.agents")
    } else {
        format!("$JS.API.STREAM.DELETE.{stream}")
    };
    let answer = storm.cluster.nats[0].wire().and_then(|mut wire| wire.request(&call, b"")).unwrap();
    assert!(answer.contains("\"success\":true"), "{call}: {answer}");
    storm.cluster.apply();
    Instant::now()
}
