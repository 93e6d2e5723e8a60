//! Messages a second through one hop over JetStream: published, pulled, acknowledged. Beside it, on the same server
//! settings and with the same messages, what a program does that uses the client library by hand.
//!
//! `NATS_SERVER=… cargo run --release -p quire-broker --example hops [-- MESSAGES]`
//!
//! The bare loop publishes with as many unanswered publishes as we do, and reads and acknowledges as messages come.
//! Rounds of the two alternate, and the median of their ratios counts: the machine is not alone.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints and may fail")]

use std::{
    future::{Future, IntoFuture as _},
    time::{Duration, Instant},
};

use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, PullConsumer, pull},
    stream::{Config, RetentionPolicy},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use quire_broker::{Broker, JetStreamOptions, Message, Queue, apply};
use quire_proto::{Digest, Lane, StageName};
use test_servers::{Nats, NatsOptions};
use tokio::{task::JoinSet, time::timeout};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const QUEUE: Queue = Queue::work(StageName::Validate, Lane::Normal);
/// Bytes of a message with one record, and records of a parcel.
const RECORD: usize = 1_024;
const RECORDS: usize = 64;
/// Publishes that are unanswered at once.
const WINDOW: usize = 256;
/// Who of us publish, so that together as many are unanswered.
const HANDLERS: usize = 4;
const ROUNDS: usize = 5;
/// At least so much of the bare loop, and so many times the others.
const GOAL: f64 = 0.8;
const GOAL_ONE: f64 = 20.0;
const GOAL_DOUBLE: f64 = 3.0;

#[tokio::main]
async fn main() {
    let count = std::env::args().nth(1).map_or(20_000, |count| count.parse().unwrap());
    for synced in [false, true] {
        let server = &Nats::start_many(1, &NatsOptions { synced, ..NatsOptions::default() })[0];
        // Each message is a sync then, and there is nothing to gain by more of them.
        let count = if synced { count / 10 } else { count };
        let sync = if synced { "sync_interval: always" } else { "sync by the server's default" };
        println!("{sync}, {RECORD} bytes, one record a message:");
        compare(server, count, RECORD).await;
        println!("{sync}, {RECORDS} records of {RECORD} bytes a message:");
        let rate = compare(server, count / 16, RECORD * RECORDS).await;
        println!("  which is {:.0} records/s", rate * RECORDS as f64);
    }
}

/// Our rate, in messages a second; prints the others' beside it.
async fn compare(server: &Nats, count: usize, bytes: usize) -> f64 {
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let bare = bare_hop(server, count, bytes).await;
        let own = ends(Box::pin(our_hop(server, count, bytes, round))).await;
        ratios.push(own / bare);
        ours.push(own);
        theirs.push(bare);
    }
    let (ratio, own) = (median(&mut ratios), median(&mut ours));
    println!(
        "  ours {own:.0}/s, bare loop {:.0}/s: {ratio:.2} of it, {:.2} of the goal",
        median(&mut theirs),
        ratio / GOAL
    );
    let one = ends(Box::pin(by_hand(server, count / 20, bytes, false))).await;
    println!(
        "  fetch one, ack one {one:.0}/s: ours is {:.1} times it, {:.2} of the goal",
        own / one,
        own / one / GOAL_ONE
    );
    let double = ends(Box::pin(by_hand(server, count / 5, bytes, true))).await;
    println!(
        "  batch, double-ack each {double:.0}/s: ours is {:.1} times it, {:.2} of the goal",
        own / double,
        own / double / GOAL_DOUBLE
    );
    own
}

/// A hop whose publisher has failed would never end.
async fn ends(hop: impl Future<Output = f64>) -> f64 {
    timeout(Duration::from_secs(300), hop).await.unwrap()
}

fn median(of: &mut [f64]) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn per_second(count: usize, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}

/// Publishes and pulls at the same time, through the lanes. As in an agent, several handlers publish: each waits for the
/// answers to what it has published, while the others go on.
async fn our_hop(server: &Nats, count: usize, bytes: usize, round: usize) -> f64 {
    let options = JetStreamOptions::new(server.url());
    apply(&options).await.unwrap();
    let (publisher, puller) =
        (Broker::jet_stream(options.clone()).await.unwrap(), Broker::jet_stream(options).await.unwrap());
    let body = Bytes::from(vec![7; bytes]);
    let began = Instant::now();
    let mut publishing = JoinSet::new();
    for handler in 0..HANDLERS {
        let (publisher, body) = (publisher.clone(), body.clone());
        let message = move |number: usize| {
            let id = Digest::of(format!("{round} {bytes} {number}").as_bytes());
            Message::new(id, body.clone()).with_catalogue("findings")
        };
        publishing.spawn(async move {
            let own: Vec<usize> = (handler..count).step_by(HANDLERS).collect();
            for some in own.chunks(WINDOW / HANDLERS) {
                let messages = some.iter().copied().map(&message).collect();
                publisher.publish_all(QUEUE, messages).await.unwrap();
            }
        });
    }
    let mut done = 0;
    while done < count {
        for delivery in puller.pull(QUEUE, WINDOW).await.unwrap() {
            delivery.ack();
            done += 1;
        }
    }
    while puller.info(QUEUE).unsettled() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rate = per_second(count, began);
    publishing.join_all().await;
    publisher.close().await;
    puller.close().await;
    rate
}

/// A stream and a consumer like ours, by hand.
async fn stream(server: &Nats) -> (jetstream::Context, PullConsumer) {
    let context = jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let _ = context.delete_stream("BARE").await;
    let config = Config {
        name: "BARE".to_owned(),
        subjects: vec!["bare".to_owned()],
        retention: RetentionPolicy::WorkQueue,
        duplicate_window: Duration::from_secs(120),
        ..Config::default()
    };
    let stream = context.create_stream(config).await.unwrap();
    let consumer = pull::Config {
        durable_name: Some("agents".to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: Duration::from_secs(6),
        max_ack_pending: -1,
        ..pull::Config::default()
    };
    let consumer = stream.create_consumer(consumer).await.unwrap();
    (context, consumer)
}

async fn publish(context: jetstream::Context, count: usize, bytes: usize) {
    let body = Bytes::from(vec![7; bytes]);
    let mut unanswered = FuturesUnordered::new();
    for number in 0..count {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", number.to_string());
        let sent = context.publish_with_headers("bare", headers, body.clone()).await.unwrap();
        unanswered.push(sent.into_future());
        if unanswered.len() >= WINDOW {
            unanswered.next().await.unwrap().unwrap();
        }
    }
    while let Some(answer) = unanswered.next().await {
        answer.unwrap();
    }
}

/// The bare loop: publishes in a window, reads and acknowledges as messages come.
async fn bare_hop(server: &Nats, count: usize, bytes: usize) -> f64 {
    let (context, consumer) = stream(server).await;
    let client = context.clone();
    let began = Instant::now();
    let publishing = tokio::spawn(publish(context, count, bytes));
    let mut messages = consumer.stream().max_messages_per_batch(WINDOW).messages().await.unwrap().take(count);
    while let Some(message) = messages.next().await {
        message.unwrap().ack().await.unwrap();
    }
    publishing.await.unwrap();
    until_empty(&client).await;
    per_second(count, began)
}

/// Both sides end when the server has taken the last acknowledgement.
async fn until_empty(context: &jetstream::Context) {
    loop {
        let mut stream = context.get_stream("BARE").await.unwrap();
        if stream.info().await.unwrap().state.messages == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The two loops that come to mind first: fetch one and acknowledge it; fetch a hundred and have each acknowledgement
/// confirmed. Published in a window at the same time, as in the others.
async fn by_hand(server: &Nats, count: usize, bytes: usize, double: bool) -> f64 {
    let (context, consumer) = stream(server).await;
    let client = context.clone();
    let began = Instant::now();
    let publishing = tokio::spawn(publish(context, count, bytes));
    let mut done = 0;
    while done < count {
        let batch = if double { 100 } else { 1 };
        let mut messages = consumer.fetch().max_messages(batch).messages().await.unwrap();
        while let Some(message) = messages.next().await {
            let message = message.unwrap();
            if double {
                message.double_ack().await.unwrap();
            } else {
                message.ack().await.unwrap();
            }
            done += 1;
        }
    }
    publishing.await.unwrap();
    until_empty(&client).await;
    per_second(count, began)
}
