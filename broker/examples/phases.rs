#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::print_stdout)]
use quire_broker::*;
use quire_proto::*;
use std::time::Instant;
const QUEUE: Queue = Queue::work(StageName::Validate, Lane::Normal);
fn id(number: u64) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    bytes[24..].copy_from_slice(&number.to_le_bytes());
    Digest::from_bytes(bytes)
}
#[tokio::main(worker_threads = 2)]
async fn main() {
    tokio::spawn(async {
        for depth in [64u64, 4096] {
            for batch in [1usize, 32] {
                let n: u64 = 409600;
                let broker = Broker::in_process(InProcessOptions {
                    max_messages: depth as usize,
                    ..InProcessOptions::default()
                });
                let (mut tp, mut tl, mut ta, mut tm) = (0.0, 0.0, 0.0, 0.0);
                for r in 0..n / depth {
                    let t = Instant::now();
                    let ms: Vec<Message> =
                        (r * depth..(r + 1) * depth).map(|i| Message::new(id(i), vec![0u8; 239])).collect();
                    tm += t.elapsed().as_secs_f64();
                    let t = Instant::now();
                    if batch == 1 {
                        for m in ms {
                            broker.publish(QUEUE, m).await.unwrap();
                        }
                    } else {
                        let mut it = ms.into_iter();
                        loop {
                            let b: Vec<_> = it.by_ref().take(batch).collect();
                            if b.is_empty() {
                                break;
                            }
                            broker.publish_all(QUEUE, b).await.unwrap();
                        }
                    }
                    tp += t.elapsed().as_secs_f64();
                    let mut ds = vec![];
                    let t = Instant::now();
                    let mut got = 0;
                    while got < depth {
                        let d = broker.pull(QUEUE, batch).await.unwrap();
                        got += d.len() as u64;
                        ds.push(d);
                    }
                    tl += t.elapsed().as_secs_f64();
                    let t = Instant::now();
                    for d in ds {
                        for d in d {
                            d.ack();
                        }
                    }
                    ta += t.elapsed().as_secs_f64();
                }
                let f = 1e9 / n as f64;
                println!(
                    "depth {depth} batch {batch}: make {:.0} publish {:.0} pull {:.0} ack {:.0} ns",
                    tm * f,
                    tp * f,
                    tl * f,
                    ta * f
                );
            }
        }
    })
    .await
    .unwrap();
}
