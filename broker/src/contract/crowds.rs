//! Facts about many at once, on real threads.

use std::time::Duration;

use tokio::{sync::mpsc, time::timeout};

use super::{QUEUE, message, messages, number, options, soon};
use crate::{Broker, Delivery, InProcessOptions, PublishError, PullError};

const PRODUCERS: u64 = 4;
const EACH: u64 = 2_500;

/// A lease long enough for a busy machine.
fn patient() -> InProcessOptions {
    InProcessOptions { ack_wait: Duration::from_secs(30), ..options() }
}

/// Sees to it that every number came once, and each producer's numbers in order where `ordered`.
fn check_all(mut seen: Vec<u64>) {
    assert_eq!(seen.len(), usize::try_from(PRODUCERS * EACH).unwrap());
    seen.sort_unstable();
    assert_eq!(seen, (0..PRODUCERS * EACH).collect::<Vec<_>>());
}

/// Starts producers of `EACH` messages; some publish one by one, some in batches.
fn produce(broker: &Broker) {
    for producer in 0..PRODUCERS {
        let broker = broker.clone();
        tokio::spawn(async move {
            let mine = producer * EACH..(producer + 1) * EACH;
            if producer % 2 == 0 {
                for number in mine {
                    broker.publish(QUEUE, message(number)).await.unwrap();
                }
            } else {
                for start in mine.step_by(100) {
                    broker.publish_all(QUEUE, messages(start..start + 100)).await.unwrap();
                }
            }
        });
    }
}

async fn collect(mut numbers: mpsc::UnboundedReceiver<u64>) -> Vec<u64> {
    let mut seen = Vec::new();
    while seen.len() < usize::try_from(PRODUCERS * EACH).unwrap() {
        seen.push(soon(numbers.recv()).await.expect("a consumer that runs"));
    }
    seen
}

pub async fn many_producers_and_consumers_lose_and_repeat_nothing(
    make: impl AsyncFn(InProcessOptions) -> Broker,
) {
    // A limit below the number of messages, so that producers wait for room, too.
    let broker = make(InProcessOptions { max_messages: 200, ..patient() }).await;
    let (sender, receiver) = mpsc::unbounded_channel();
    for consumer in 0..4_usize {
        let (broker, sender) = (broker.clone(), sender.clone());
        tokio::spawn(async move {
            loop {
                let pulled = match broker.pull(QUEUE, 1 + consumer * 5).await {
                    Ok(pulled) => pulled,
                    Err(PullError::Closed) => return,
                    Err(other) => panic!("{other}"),
                };
                assert!(!pulled.is_empty() && pulled.len() <= 1 + consumer * 5);
                for delivery in pulled {
                    sender.send(number(&delivery)).unwrap();
                    delivery.ack();
                }
            }
        });
    }
    produce(&broker);
    check_all(collect(receiver).await);
    // What is stored is known from the last look, which may have found a moment in which all was settled.
    let info = super::until(&broker, "nothing left", |info| {
        info.acked == PRODUCERS * EACH && info.unsettled() == 0 && info.bytes == 0
    })
    .await;
    assert_eq!((info.published, info.acked, info.redelivered), (PRODUCERS * EACH, PRODUCERS * EACH, 0));
    soon(broker.close()).await;
}

pub async fn cancelled_pulls_of_many_consumers_lose_nothing(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(InProcessOptions { max_messages: 200, ..patient() }).await;
    let (sender, receiver) = mpsc::unbounded_channel();
    for _ in 0..4 {
        let (broker, sender) = (broker.clone(), sender.clone());
        tokio::spawn(async move {
            for round in 0_u64.. {
                // Some pulls are cut off at once, some after a moment; what one of them took, it gave back.
                let patience = Duration::from_micros(round % 7 * 100);
                match timeout(patience, broker.pull(QUEUE, 3)).await {
                    Err(_) => tokio::task::yield_now().await,
                    Ok(Err(_)) => return,
                    Ok(Ok(pulled)) => pulled.into_iter().for_each(|delivery: Delivery| {
                        sender.send(number(&delivery)).unwrap();
                        delivery.ack();
                    }),
                }
            }
        });
    }
    produce(&broker);
    check_all(collect(receiver).await);
    super::until(&broker, "nothing left", |info| info.unsettled() == 0).await;
    soon(broker.close()).await;
}

pub async fn producers_that_wait_for_room_are_all_served(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(InProcessOptions { max_messages: 2, ..patient() }).await;
    let publishers: Vec<_> = (0..200)
        .map(|number| {
            let broker = broker.clone();
            tokio::spawn(async move {
                // Every third gives up early and comes again.
                if number % 3 == 0 {
                    let hasty = crate::PublishOptions::default().deadline(Duration::from_micros(200));
                    match broker.publish_with(QUEUE, message(number), hasty).await {
                        Ok(_) => return,
                        Err(PublishError::Full { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
                broker.publish(QUEUE, message(number)).await.unwrap();
            })
        })
        .collect();
    let mut seen = Vec::new();
    while seen.len() < 200 {
        for delivery in soon(broker.pull(QUEUE, 2)).await.unwrap() {
            seen.push(number(&delivery));
            delivery.ack();
        }
    }
    for publisher in publishers {
        soon(publisher).await.unwrap();
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..200).collect::<Vec<_>>());
}

pub async fn a_hundred_thousand_messages_wait_in_order(make: impl AsyncFn(InProcessOptions) -> Broker) {
    const COUNT: u64 = 100_000;
    let max_messages = usize::try_from(COUNT).unwrap();
    let broker =
        make(InProcessOptions { max_messages, max_bytes: 64 << 20, headroom_messages: 0, ..patient() }).await;
    for start in (0..COUNT).step_by(1_000) {
        broker.publish_all(QUEUE, messages(start..start + 1_000)).await.unwrap();
    }
    super::until(&broker, "all of them waiting", |info| info.depth == max_messages).await;
    let refused = broker.publish_with(QUEUE, message(COUNT), crate::PublishOptions::at_once()).await;
    assert!(matches!(refused, Err(PublishError::Full { .. })), "{refused:?}");
    let mut expected = 0;
    while expected < COUNT {
        for delivery in soon(broker.pull(QUEUE, 500)).await.unwrap() {
            assert_eq!(number(&delivery), expected);
            expected += 1;
            delivery.ack();
        }
    }
    super::until(&broker, "nothing left", |info| info.unsettled() == 0 && info.bytes == 0).await;
}
