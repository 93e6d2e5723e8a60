//! How fast a lane is beside a bare channel: MessagePack in, one hop, MessagePack out.
//!
//! `cargo run --release -p quire-broker --example throughput [-- MESSAGES ROUNDS]`
//!
//! Both sides encode and decode the same message of 256 bytes. The lane also remembers ids, leases each delivery
//! and takes its acknowledgement. Short rounds alternate. On a busy machine other processes only ever make a round
//! slower, so the fastest quarter says more than the median; both are printed.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints and may fail")]

use std::time::Instant;

use bytes::Bytes;
use quire_broker::{Broker, InProcessOptions, Message, Queue};
use quire_proto::{Digest, Lane, StageName, codec};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// The allocator of `quire`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const QUEUE: Queue = Queue::work(StageName::Validate, Lane::Normal);
/// Messages that the channel, and the lane, hold at most.
const CAPACITY: usize = 1_024;

#[derive(Serialize, Deserialize)]
struct Sample {
    run: String,
    parcel: Digest,
    lane: Lane,
    ordinal: u64,
    body: Bytes,
}

fn sample(ordinal: u64) -> Sample {
    let run = "findings-17".to_owned();
    Sample { run, parcel: id(ordinal), lane: Lane::Normal, ordinal, body: Bytes::from_static(&[7; 152]) }
}

fn id(number: u64) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    bytes[24..].copy_from_slice(&number.to_le_bytes());
    Digest::from_bytes(bytes)
}

fn encoded(ordinal: u64) -> Vec<u8> {
    codec::encode(&sample(ordinal)).unwrap()
}

fn check(bytes: &[u8], expected: u64) {
    let sample: Sample = codec::decode(bytes).unwrap();
    assert_eq!(sample.ordinal, expected);
}

async fn channel(count: u64, batch: usize) {
    let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(CAPACITY);
    let producer = tokio::spawn(async move {
        for ordinal in 0..count {
            sender.send(encoded(ordinal)).await.unwrap();
        }
    });
    let consumer = tokio::spawn(async move {
        let (mut expected, mut buffer) = (0, Vec::new());
        while expected < count {
            if batch == 1 {
                check(&receiver.recv().await.unwrap(), expected);
                expected += 1;
                continue;
            }
            receiver.recv_many(&mut buffer, batch).await;
            for bytes in buffer.drain(..) {
                check(&bytes, expected);
                expected += 1;
            }
        }
    });
    producer.await.unwrap();
    consumer.await.unwrap();
}

async fn lane(count: u64, batch: usize) {
    let broker =
        Broker::in_process(InProcessOptions { max_messages: CAPACITY, ..InProcessOptions::default() });
    let producer = tokio::spawn({
        let broker = broker.clone();
        async move {
            let message = |ordinal| Message::new(id(ordinal), encoded(ordinal));
            if batch == 1 {
                for ordinal in 0..count {
                    broker.publish(QUEUE, message(ordinal)).await.unwrap();
                }
                return;
            }
            for first in (0..count).step_by(batch) {
                let last = count.min(first + batch as u64);
                broker.publish_all(QUEUE, (first..last).map(message).collect()).await.unwrap();
            }
        }
    });
    let consumer = tokio::spawn(async move {
        let mut expected = 0;
        while expected < count {
            for delivery in broker.pull(QUEUE, batch).await.unwrap() {
                check(&delivery.message.payload, expected);
                expected += 1;
                delivery.ack();
            }
        }
    });
    producer.await.unwrap();
    consumer.await.unwrap();
}

/// The rate that so many hundredths of the rounds surpass.
fn surpassed(rates: &mut [f64], hundredths: usize) -> f64 {
    rates.sort_by(|one, other| other.total_cmp(one));
    rates[rates.len() * hundredths / 100]
}

async fn rate(count: u64, work: impl Future<Output = ()>) -> f64 {
    let began = Instant::now();
    work.await;
    count as f64 / began.elapsed().as_secs_f64()
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap());
    let count = arguments.next().unwrap_or(50_000);
    let rounds = arguments.next().unwrap_or(41);
    println!("{rounds} rounds of {count} messages of {} bytes", encoded(1).len());
    for batch in [1, 32] {
        let (mut channels, mut lanes) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            channels.push(rate(count, channel(count, batch)).await);
            lanes.push(rate(count, lane(count, batch)).await);
        }
        for (name, hundredths) in [("fastest quarter", 25), ("median", 50)] {
            let (channel, lane) = (surpassed(&mut channels, hundredths), surpassed(&mut lanes, hundredths));
            let ratio = 100.0 * lane / channel;
            println!(
                "batches of {batch:2}, {name:15}: channel {channel:8.0} msg/s, lane {lane:8.0} msg/s, ratio {ratio:.0} %"
            );
        }
    }
}
