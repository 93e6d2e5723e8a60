//! How much memory a long queue takes. Alone in its process, so that nothing else is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "test code")]

use quire_broker::{Broker, InProcessOptions, Message, Queue};
use quire_proto::{Digest, Lane, StageName};

const QUEUE: Queue = Queue::work(StageName::Index, Lane::Low);
const MESSAGES: u64 = 100_000;
const PAYLOAD: usize = 256;
/// What a waiting message may cost beside its payload: its id, its place in the queue, growth of buffers.
const OVERHEAD: usize = 400;

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn a_hundred_thousand_waiting_messages_take_bounded_memory_again_and_again() {
    let options = InProcessOptions { max_messages: 100_000, ..InProcessOptions::default() };
    let broker = Broker::in_process(options);
    let before = resident_bytes();
    let bound = MESSAGES as usize * (PAYLOAD + OVERHEAD);
    for round in 0..3_u64 {
        for first in (0..MESSAGES).step_by(1_000) {
            let id = |number: u64| Digest::of(&(round * MESSAGES + number).to_le_bytes());
            let message = |number| Message::new(id(number), vec![0; PAYLOAD]);
            broker.publish_all(QUEUE, (first..first + 1_000).map(message).collect()).await.unwrap();
        }
        let taken = resident_bytes().saturating_sub(before);
        assert!(taken < bound, "round {round}: {taken} bytes, more than {bound}");
        let mut rest = MESSAGES;
        while rest > 0 {
            for delivery in broker.pull(QUEUE, 64).await.unwrap() {
                delivery.ack();
                rest -= 1;
            }
        }
        assert_eq!(broker.info(QUEUE).bytes, 0);
    }
}
