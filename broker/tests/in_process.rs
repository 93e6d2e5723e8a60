//! The in-process backend keeps the contract, and what only it can promise.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

use std::time::Duration;

use quire_broker::{Broker, InProcessOptions, Message, Queue};
use quire_proto::{Digest, Lane, StageName};
use tokio::runtime::{Builder, Runtime};

quire_broker::broker_contract!(
    clock = paused,
    factory = async |options: InProcessOptions| Broker::in_process(options)
);

const QUEUE: Queue = Queue::work(StageName::Render, Lane::High);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn short_leases() -> InProcessOptions {
    InProcessOptions { ack_wait: Duration::from_millis(30), ..InProcessOptions::default() }
}

/// Takes the message and lets its lease run out while another pull waits.
async fn waits_for_the_clock(broker: &Broker) {
    let held = broker.pull(QUEUE, 1).await.unwrap();
    let again = tokio::time::timeout(Duration::from_secs(20), broker.pull(QUEUE, 1)).await;
    assert_eq!(again.expect("the lease should have ended").unwrap().len(), 1);
    drop(held);
}

#[test]
fn the_clock_outlives_the_runtime_that_started_it() {
    let first = runtime();
    let broker = first.block_on(async { Broker::in_process(short_leases()) });
    first.block_on(async {
        broker.publish(QUEUE, Message::new(Digest::of(b"a"), "a")).await.unwrap();
        waits_for_the_clock(&broker).await;
    });
    drop(first);
    runtime().block_on(waits_for_the_clock(&broker));
}

#[test]
fn a_broker_can_be_made_and_filled_outside_any_runtime() {
    let broker = Broker::in_process(short_leases());
    broker.try_publish(QUEUE, Message::new(Digest::of(b"a"), "a")).unwrap();
    let held = broker.try_pull(QUEUE, 1);
    assert_eq!(held.len(), 1);
    assert!(broker.try_pull(QUEUE, 1).is_empty());
    runtime().block_on(async {
        let again = tokio::time::timeout(Duration::from_secs(20), broker.pull(QUEUE, 1)).await;
        assert_eq!(again.expect("the lease should have ended").unwrap().len(), 1);
    });
    drop(held);
}

#[test]
fn a_dropped_broker_leaves_its_deliveries_harmless() {
    let broker = Broker::in_process(short_leases());
    for number in 0..4_u8 {
        broker.try_publish(QUEUE, Message::new(Digest::of(&[number]), vec![number])).unwrap();
    }
    let mut held = broker.try_pull(QUEUE, 4);
    drop(broker);
    held.remove(0).ack();
    held.remove(0).nak(Duration::from_secs(1));
    held.remove(0).progress();
}
