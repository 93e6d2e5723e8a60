//! What the JetStream backend does when the server, the connection, a stream or a permission is gone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

#[path = "../proxy/mod.rs"]
mod proxy;

mod cluster;
mod connecting;
mod neighbours;
mod outages;
mod permissions;
mod setup;
mod terms;
mod words;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use quire_broker::{
    Broker, Bucket, ConnectError, Delivery, JetStreamOptions, KvError, Layout, Message, PublishError,
    PublishOptions, PullError, Queue, Readiness, apply,
};
use quire_proto::{Digest, Lane, StageName};
use test_servers::Nats;
use tokio::time::{sleep, timeout};

const QUEUE: Queue = Queue::work(StageName::Validate, Lane::Normal);
const OTHER: Queue = Queue::work(StageName::Render, Lane::Low);
const ACK_WAIT: Duration = Duration::from_millis(1_500);
const PATIENCE: Duration = Duration::from_secs(40);

fn layout() -> Layout {
    Layout { max_bytes: 16 << 20, headroom_bytes: 1 << 20, ack_wait: ACK_WAIT, ..Layout::default() }
}

fn options(url: String) -> JetStreamOptions {
    JetStreamOptions { layout: layout(), ..JetStreamOptions::new(url) }
}

async fn developer(url: String) -> Broker {
    soon(Broker::jet_stream(JetStreamOptions { dev: true, ..options(url) })).await.unwrap()
}

async fn agent(url: String) -> Broker {
    soon(Broker::jet_stream(options(url))).await.unwrap()
}

fn message(number: u64) -> Message {
    Message::new(Digest::of(&number.to_le_bytes()), number.to_le_bytes().to_vec())
}

fn number(delivery: &Delivery) -> u64 {
    u64::from_le_bytes(delivery.message.payload.as_ref().try_into().unwrap())
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it should have happened by now")
}

async fn one(broker: &Broker) -> Delivery {
    soon(broker.pull(QUEUE, 1)).await.unwrap().remove(0)
}

async fn until_ready(broker: &Broker, ready: bool) {
    let mut readiness = broker.readiness();
    soon(readiness.wait_for(|now| (*now == Readiness::Ready) == ready)).await.unwrap();
}

/// Acknowledges until every number has come once.
async fn collect(broker: &Broker, mut missing: BTreeSet<u64>) {
    while !missing.is_empty() {
        for delivery in soon(broker.pull(QUEUE, 10)).await.unwrap() {
            missing.remove(&number(&delivery));
            delivery.ack();
        }
    }
}

/// A client of the server beside the broker, to break things.
async fn saboteur(server: &Nats) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(soon(async_nats::connect(server.url())).await.unwrap())
}
