//! Facts about order, pulling and looking.

use std::time::Duration;

use quire_proto::{Digest, Lane, StageName};
use tokio::time::{sleep, timeout};

use super::{
    PATIENCE, QUEUE, QUIET, exactly, message, nothing_for, numbers, one, options, publish, soon, until,
};
use crate::{Broker, InProcessOptions, Message, Queue};

const OTHER: Queue = Queue::work(StageName::Validate, Lane::Low);

pub async fn messages_come_in_the_order_of_publishing(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    for number in 0..10 {
        assert!(!broker.publish(QUEUE, message(number)).await.unwrap().duplicate);
    }
    publish(&broker, 10..100).await;
    assert_eq!(numbers(&exactly(&broker, 7).await), (0..7).collect::<Vec<_>>());
    // The first seven were dropped unsettled just now and come again, still in order.
    let mut all = Vec::new();
    while all.len() < 100 {
        let pulled = soon(broker.pull(QUEUE, 9)).await.unwrap();
        all.extend(numbers(&pulled));
        pulled.into_iter().for_each(crate::Delivery::ack);
    }
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

pub async fn a_message_arrives_as_it_was_published(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    let sent = Message::new(Digest::of(b"id"), b"body".to_vec())
        .with_header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .with_header("tracestate", "a=b");
    broker.publish(QUEUE, sent.clone()).await.unwrap();
    let delivery = one(&broker).await;
    assert_eq!(delivery.message, sent);
    assert_eq!(delivery.queue, QUEUE);
    assert_eq!(delivery.attempt, 1);
    delivery.ack();
}

pub async fn a_large_payload_arrives_whole(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    let body: Vec<u8> = (0..1_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    broker.publish(QUEUE, Message::new(Digest::of(&body), body.clone())).await.unwrap();
    let delivery = one(&broker).await;
    assert!(delivery.message.payload == body);
    delivery.ack();
}

pub async fn queues_do_not_mix(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    for (number, queue) in (0..).zip(Queue::all()) {
        broker.publish(queue, message(number)).await.unwrap();
        // The same id in another queue is another message.
        broker.publish(queue, message(99)).await.unwrap();
    }
    for (number, queue) in (0..).zip(Queue::all()) {
        for expected in [number, 99] {
            let mut pulled = soon(broker.pull(queue, 1)).await.unwrap();
            assert_eq!(numbers(&pulled), [expected]);
            pulled.remove(0).ack();
        }
    }
}

pub async fn a_pull_hands_out_no_more_than_asked_for(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..10).await;
    let first = exactly(&broker, 3).await;
    until(&broker, "3 messages on lease", |info| info.in_flight == 3).await;
    let pulled = soon(broker.pull(QUEUE, 0)).await.unwrap();
    assert_eq!(pulled.len(), 1, "a pull asks for one at least");
    drop((first, pulled));
}

pub async fn a_pull_waits_until_something_is_there(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    let puller = tokio::spawn({
        let broker = broker.clone();
        async move { numbers(&broker.pull(QUEUE, 5).await.unwrap()) }
    });
    sleep(QUIET).await;
    assert!(!puller.is_finished());
    broker.publish(QUEUE, message(1)).await.unwrap();
    assert_eq!(soon(puller).await.unwrap(), [1]);
}

pub async fn a_cancelled_pull_loses_nothing(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    let mut seen = Vec::new();
    for number in 0..50 {
        let pull = broker.pull(QUEUE, 1);
        tokio::select! {
            biased;
            pulled = pull => panic!("nothing is there yet, but {pulled:?} came"),
            () = sleep(Duration::from_millis(1)) => {}
        }
        // The second pull is cancelled about when the message comes.
        let publish = async {
            broker.publish(QUEUE, message(number)).await.unwrap();
        };
        tokio::select! {
            pulled = broker.pull(QUEUE, 1) => {
                let pulled = pulled.unwrap();
                seen.extend(numbers(&pulled));
                pulled.into_iter().for_each(crate::Delivery::ack);
            }
            () = publish => {}
        }
        while seen.len() <= usize::try_from(number).unwrap() {
            let delivery = if broker.info(QUEUE).published <= number {
                broker.publish(QUEUE, message(number)).await.unwrap();
                one(&broker).await
            } else {
                one(&broker).await
            };
            seen.push(super::number(&delivery));
            delivery.ack();
        }
    }
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}

pub async fn a_cancelled_pull_passes_its_wake_up_on(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    for number in 0..20 {
        let mut pullers: Vec<_> = (0..3)
            .map(|_| {
                let broker = broker.clone();
                tokio::spawn(async move {
                    let pulled = broker.pull(QUEUE, 1).await.unwrap();
                    let numbers = numbers(&pulled);
                    pulled.into_iter().for_each(crate::Delivery::ack);
                    numbers
                })
            })
            .collect();
        sleep(Duration::from_millis(2)).await;
        broker.publish(QUEUE, message(number)).await.unwrap();
        // The one who waited longest was woken, and never comes to take its message.
        let first = pullers.remove(0);
        first.abort();
        let taken = soon(first).await;
        if taken.is_err() {
            let winner = async {
                while !pullers.iter().any(tokio::task::JoinHandle::is_finished) {
                    sleep(Duration::from_millis(1)).await;
                }
            };
            assert!(timeout(PATIENCE, winner).await.is_ok(), "message {number} reached no one");
        }
        pullers.iter().for_each(tokio::task::JoinHandle::abort);
        for puller in pullers {
            let _ = puller.await;
        }
        until(&broker, "nothing left", |info| info.unsettled() == 0).await;
    }
}

pub async fn one_publish_wakes_every_puller_that_it_can_serve(
    make: impl AsyncFn(InProcessOptions) -> Broker,
) {
    let broker = make(options()).await;
    let pullers: Vec<_> = (0..4)
        .map(|_| {
            let broker = broker.clone();
            tokio::spawn(async move {
                let pulled = broker.pull(QUEUE, 1).await.unwrap();
                let number = super::number(&pulled[0]);
                pulled.into_iter().for_each(crate::Delivery::ack);
                number
            })
        })
        .collect();
    sleep(QUIET).await;
    publish(&broker, 0..4).await;
    let mut all = Vec::new();
    for puller in pullers {
        all.push(soon(puller).await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);
}

pub async fn ready_wakes_for_any_of_its_queues(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    for (number, queue) in [(1, QUEUE), (2, OTHER)] {
        let waiter = tokio::spawn({
            let broker = broker.clone();
            async move { broker.ready(&[QUEUE, OTHER]).await.unwrap() }
        });
        broker.publish(Queue::Dead, message(number)).await.unwrap();
        sleep(QUIET).await;
        assert!(!waiter.is_finished());
        broker.publish(queue, message(number)).await.unwrap();
        assert_eq!(soon(waiter).await.unwrap(), queue);
        soon(broker.pull(queue, 1)).await.unwrap().remove(0).ack();
    }
}

pub async fn ready_prefers_the_queue_named_first(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    broker.publish(OTHER, message(1)).await.unwrap();
    broker.publish(QUEUE, message(2)).await.unwrap();
    soon(broker.ready(&[OTHER])).await.unwrap();
    assert_eq!(soon(broker.ready(&[QUEUE])).await.unwrap(), QUEUE);
    assert_eq!(soon(broker.ready(&[QUEUE, OTHER])).await.unwrap(), QUEUE);
    assert_eq!(soon(broker.ready(&[OTHER, QUEUE])).await.unwrap(), OTHER);
}

pub async fn ready_takes_nothing(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    let waiter = tokio::spawn({
        let broker = broker.clone();
        async move { broker.ready(&[QUEUE]).await.unwrap() }
    });
    let puller = tokio::spawn({
        let broker = broker.clone();
        async move { broker.pull(QUEUE, 1).await.unwrap().remove(0).ack() }
    });
    sleep(QUIET).await;
    publish(&broker, 0..2).await;
    soon(waiter).await.unwrap();
    soon(puller).await.unwrap();
    assert_eq!(super::number(&one(&broker).await), 1);
}

pub async fn a_busy_loop_gives_way_to_other_tasks(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    let other = tokio::spawn(async {});
    for number in 0..500 {
        broker.publish(QUEUE, message(number)).await.unwrap();
    }
    assert!(other.is_finished(), "publishes should have given way");
    let other = tokio::spawn(async {});
    for _ in 0..500 {
        one_of(broker.pull(QUEUE, 1).await).ack();
    }
    assert!(other.is_finished(), "pulls should have given way");
}

fn one_of(pulled: Result<Vec<crate::Delivery>, crate::PullError>) -> crate::Delivery {
    pulled.unwrap().remove(0)
}

pub async fn info_tells_where_messages_are(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..10).await;
    broker.publish(QUEUE, message(0)).await.unwrap();
    let mut out = exactly(&broker, 4).await;
    out.remove(0).ack();
    out.remove(0).term();
    out.remove(0).nak(Duration::from_secs(5));
    let expected = |info: &crate::QueueInfo| {
        (info.depth, info.in_flight, info.delayed) == (6, 1, 1)
            && (info.published, info.duplicates, info.acked, info.terminated) == (10, 1, 1, 1)
            && info.redelivered == 0
            // A remote backend counts what it stores beside the payload, too.
            && info.bytes >= 8 * 8
            && !info.paused
    };
    let info = until(&broker, "6 waiting, 1 on lease and 1 delayed", expected).await;
    assert_eq!(info.unsettled(), 8);
    drop(out);
    let again = exactly(&broker, 1).await;
    until(&broker, "one redelivery", |info| info.redelivered == 1).await;
    drop(again);
}

pub async fn the_oldest_age_is_that_of_the_oldest_waiting_message(
    make: impl AsyncFn(InProcessOptions) -> Broker,
) {
    let broker = make(options()).await;
    assert_eq!(broker.info(QUEUE).oldest_age, Duration::ZERO);
    publish(&broker, 0..1).await;
    sleep(QUIET * 3).await;
    publish(&broker, 1..2).await;
    until(&broker, "an old message", |info| info.depth == 2 && info.oldest_age >= QUIET * 3).await;
    one(&broker).await.ack();
    until(&broker, "a young message", |info| info.depth == 1 && info.oldest_age < QUIET * 3).await;
    one(&broker).await.ack();
    until(&broker, "no message", |info| info.oldest_age.is_zero()).await;
    nothing_for(&broker, QUIET).await;
}
