//! Stopping, pausing and dropping an agent.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that meets a surprise shall fail")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{Bench, PATIENCE, read_outcome, read_parcel, until};
use quire_broker::Queue;
use quire_proto::{Lane, StageName};
use quire_runtime::{Processed, StageError};
use tokio::sync::Semaphore;

const QUEUE: Queue = Queue::work(StageName::Fetch, Lane::Normal);

/// An agent whose handlers wait at a gate, with ten parcels in its queue and all shared slots busy.
async fn busy(bench: &Bench) -> (quire_runtime::Agent, Arc<Semaphore>) {
    let (gate, running) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (handler_gate, handler_running) = (Arc::clone(&gate), Arc::clone(&running));
    let agent = bench.agent(StageName::Fetch, move |_, parcel| {
        handler_running.fetch_add(1, Ordering::Relaxed);
        let gate = Arc::clone(&handler_gate);
        async move {
            let permit = gate.acquire().await.map_err(|error| StageError::transient("waiting", error))?;
            permit.forget();
            Ok(Processed::leaf(read_outcome(&parcel)))
        }
    });
    for number in 0..10 {
        bench.publish(&read_parcel(number, 1)).await;
    }
    until("both shared slots busy", || running.load(Ordering::Relaxed) == 2).await;
    (agent, gate)
}

#[tokio::test]
async fn draining_waits_for_what_runs_and_leaves_the_rest_to_others() {
    let bench = Bench::new();
    let (agent, gate) = busy(&bench).await;
    let draining = tokio::spawn(async move { agent.drain(PATIENCE).await });
    gate.add_permits(2);
    draining.await.expect("drained");
    gate.add_permits(100);
    let info = bench.broker.info(QUEUE);
    assert_eq!((info.acked, info.depth, info.in_flight, info.delayed), (2, 8, 0, 0));
    assert_eq!(bench.broker.info(Queue::Settled).depth, 2);
    let left = bench.broker.try_pull(QUEUE, 10);
    assert!(left.iter().all(|delivery| delivery.attempt == 1), "what was not started was counted: {left:?}");
}

#[tokio::test]
async fn handlers_that_do_not_end_are_dropped_after_the_grace_and_their_parcels_come_again() {
    let bench = Bench::new();
    let (agent, _gate) = busy(&bench).await;
    agent.drain(Duration::from_millis(20)).await;
    until("all parcels back", || {
        let info = bench.broker.info(QUEUE);
        (info.acked, info.depth, info.in_flight) == (0, 10, 0)
    })
    .await;
}

#[tokio::test]
async fn handlers_that_listen_to_cancellation_end_in_time() {
    let bench = Bench::new();
    let agent = bench.agent(StageName::Fetch, |ctx: quire_runtime::Context, _| async move {
        ctx.cancelled().cancelled().await;
        Err(StageError::transient("waiting", "cancelled"))
    });
    bench.publish(&read_parcel(0, 1)).await;
    until("it runs", || bench.broker.info(QUEUE).in_flight == 1).await;
    agent.drain(Duration::from_millis(20)).await;
    let info = bench.broker.info(QUEUE);
    assert_eq!((info.in_flight, info.unsettled()), (0, 1));
}

#[tokio::test]
async fn a_dropped_agent_gives_back_what_it_had_started() {
    let bench = Bench::new();
    let (agent, _gate) = busy(&bench).await;
    drop(agent);
    until("all parcels back", || bench.broker.info(QUEUE).depth == 10).await;
}

#[tokio::test]
async fn a_paused_lane_starts_nothing_until_it_is_resumed() {
    let bench = Bench::new();
    let agent =
        bench.agent(StageName::Fetch, |_, parcel| async move { Ok(Processed::leaf(read_outcome(&parcel))) });
    agent.pause(Lane::Normal);
    bench.publish(&read_parcel(0, 1)).await;
    // Another lane is served meanwhile: so the agent has looked and left the paused one alone.
    let mut high = read_parcel(1, 1);
    high.header.lane = Lane::High;
    bench.publish(&high).await;
    assert_eq!(bench.settlement().await.parcel, high.header.id);
    assert_eq!(bench.broker.info(QUEUE).depth, 1);
    assert!(agent.stats().lanes[Lane::Normal.index()].paused);
    agent.resume(Lane::Normal);
    assert_eq!(bench.settlement().await.parcel, read_parcel(0, 1).header.id);
}

#[tokio::test]
async fn slots_can_be_added_while_running() {
    let bench = Bench::new();
    let (agent, gate) = busy(&bench).await;
    agent.set_slots(6);
    until("four running", || agent.stats().lanes[Lane::Normal.index()].used.running == 4).await;
    assert_eq!(agent.stats().slots, 6);
    gate.add_permits(10);
    until("all done", || bench.broker.info(QUEUE).acked == 10).await;
}

#[tokio::test]
async fn a_closed_broker_ends_pulling_but_not_what_runs() {
    let bench = Bench::new();
    let (agent, gate) = busy(&bench).await;
    let closing = tokio::spawn({
        let broker = bench.broker.clone();
        async move { broker.close().await }
    });
    gate.add_permits(10);
    closing.await.expect("closed");
    assert_eq!(bench.broker.info(QUEUE).acked, 2);
    agent.drain(PATIENCE).await;
}
