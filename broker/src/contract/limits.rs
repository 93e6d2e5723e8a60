//! Facts about repeats, back-pressure and headroom.

use std::time::Duration;

use quire_proto::Digest;
use tokio::time::{Instant, sleep};

use super::{
    QUEUE, QUIET, WINDOW, exactly, message, messages, nothing_for, number, numbers, one, options, publish,
    soon, until,
};
use crate::{Broker, InProcessOptions, Message, PublishError, PublishOptions};

/// A queue that holds few messages.
fn small(max_messages: usize) -> InProcessOptions {
    InProcessOptions { max_messages, headroom_messages: 2, ..options() }
}

async fn at_once(broker: &Broker, number: u64) -> Result<bool, PublishError> {
    let taken = broker.publish_with(QUEUE, message(number), PublishOptions::at_once()).await;
    taken.map(|published| published.duplicate)
}

fn is_full<T: std::fmt::Debug>(result: Result<T, PublishError>) {
    match result {
        Err(PublishError::Full { queue }) => assert_eq!(queue, QUEUE),
        other => panic!("the queue should have been full, but: {other:?}"),
    }
}

pub async fn a_repeat_within_the_window_is_not_stored(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    assert!(!broker.publish(QUEUE, message(1)).await.unwrap().duplicate);
    assert!(broker.publish(QUEUE, message(1)).await.unwrap().duplicate);
    one(&broker).await.ack();
    assert!(broker.publish(QUEUE, message(1)).await.unwrap().duplicate, "also after it was done");
    nothing_for(&broker, QUIET).await;
}

pub async fn a_repeat_after_the_window_is_stored(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 1..2).await;
    one(&broker).await.ack();
    sleep(WINDOW + QUIET * 4).await;
    assert!(!broker.publish(QUEUE, message(1)).await.unwrap().duplicate);
    one(&broker).await.ack();
}

pub async fn a_repeat_within_a_batch_is_not_stored(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    let batch = [0, 1, 0, 2, 1].map(message).to_vec();
    let taken = broker.publish_all(QUEUE, batch).await.unwrap();
    assert_eq!((taken.accepted, taken.duplicates), (3, 2));
    assert_eq!(numbers(&exactly(&broker, 3).await), [0, 1, 2]);
}

pub async fn a_repeat_needs_no_room(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(small(2)).await;
    publish(&broker, 0..2).await;
    assert!(at_once(&broker, 1).await.unwrap());
    is_full(at_once(&broker, 2).await);
}

pub async fn a_refused_message_may_be_published_later(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(small(1)).await;
    publish(&broker, 0..1).await;
    is_full(at_once(&broker, 1).await);
    one(&broker).await.ack();
    assert!(!soon(broker.publish(QUEUE, message(1))).await.unwrap().duplicate, "it was never taken");
    assert_eq!(number(&one(&broker).await), 1);
}

pub async fn a_full_queue_refuses_at_once_on_request(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(small(3)).await;
    publish(&broker, 0..3).await;
    let began = Instant::now();
    is_full(at_once(&broker, 3).await);
    is_full(broker.try_publish(QUEUE, message(3)));
    assert!(began.elapsed() < Duration::from_secs(1));
    // Nothing was dropped to make room.
    assert_eq!(numbers(&exactly(&broker, 3).await), [0, 1, 2]);
}

pub async fn a_publish_gives_up_at_its_deadline(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(small(1)).await;
    publish(&broker, 0..1).await;
    let began = Instant::now();
    let patient = PublishOptions::default().deadline(QUIET);
    is_full(broker.publish_with(QUEUE, message(1), patient).await);
    assert!(began.elapsed() >= QUIET);
    let short = make(InProcessOptions { publish_deadline: QUIET, ..small(1) }).await;
    publish(&short, 0..1).await;
    is_full(soon(short.publish(QUEUE, message(1))).await);
}

pub async fn a_publish_takes_what_room_there_is_at_its_deadline(
    make: impl AsyncFn(InProcessOptions) -> Broker,
) {
    let broker = make(small(64)).await;
    publish(&broker, 0..64).await;
    let patient = PublishOptions::default().deadline(QUIET * 2);
    let publisher = tokio::spawn({
        let broker = broker.clone();
        async move { broker.publish_with(QUEUE, message(64), patient).await }
    });
    sleep(QUIET).await;
    // A backend may wait for a little more room than this before it lets anyone in.
    let mut out = exactly(&broker, 5).await;
    out.remove(0).ack();
    assert!(!soon(publisher).await.unwrap().unwrap().duplicate);
}

pub async fn a_publish_waits_for_room(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(small(2)).await;
    publish(&broker, 0..2).await;
    let publisher = tokio::spawn({
        let broker = broker.clone();
        async move { broker.publish(QUEUE, message(2)).await.unwrap().duplicate }
    });
    sleep(QUIET).await;
    assert!(!publisher.is_finished());
    // Taking is not enough; only a settled message makes room.
    let delivery = one(&broker).await;
    sleep(QUIET).await;
    assert!(!publisher.is_finished());
    delivery.ack();
    assert!(!soon(publisher).await.unwrap());
    assert_eq!(numbers(&exactly(&broker, 2).await), [1, 2]);
}

pub async fn bytes_are_limited_too(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(InProcessOptions { max_bytes: 100_000, headroom_bytes: 0, ..options() }).await;
    let of = |number: u8, size: usize| Message::new(Digest::of(&[number]), vec![number; size]);
    for number in 0..2 {
        broker.publish(QUEUE, of(number, 40_000)).await.unwrap();
    }
    is_full(broker.publish_with(QUEUE, of(2, 40_000), PublishOptions::at_once()).await);
    broker.publish_with(QUEUE, of(3, 10_000), PublishOptions::at_once()).await.unwrap();
    one(&broker).await.ack();
    soon(broker.publish(QUEUE, of(2, 40_000))).await.unwrap();
}

pub async fn a_message_that_could_never_fit_is_refused(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(InProcessOptions { max_bytes: 100_000, max_message_bytes: 50_000, ..options() }).await;
    let large = Message::new(Digest::of(b"large"), vec![0; 60_000]);
    let batch = vec![message(1), large.clone()];
    for result in [
        soon(broker.publish(QUEUE, large.clone())).await.map(drop),
        soon(broker.publish_all(QUEUE, batch)).await.map(drop),
        broker.try_publish(QUEUE, large).map(drop),
    ] {
        match result {
            Err(PublishError::TooLarge { bytes: 60_000, .. }) => {}
            other => panic!("it should have been too large, but: {other:?}"),
        }
    }
}

pub async fn messages_on_lease_and_delayed_ones_need_room_too(
    make: impl AsyncFn(InProcessOptions) -> Broker,
) {
    let broker = make(small(3)).await;
    publish(&broker, 0..3).await;
    let mut out = exactly(&broker, 2).await;
    out.remove(0).nak(Duration::from_secs(60));
    until(&broker, "1 delayed", |info| info.delayed == 1).await;
    is_full(at_once(&broker, 3).await);
    out.remove(0).term();
    assert!(!soon(broker.publish(QUEUE, message(3))).await.unwrap().duplicate);
}

pub async fn a_batch_beyond_the_limit_goes_in_as_room_comes(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(small(4)).await;
    let publisher = tokio::spawn({
        let broker = broker.clone();
        async move { broker.publish_all(QUEUE, messages(0..50)).await.unwrap() }
    });
    for expected in 0..50 {
        let delivery = one(&broker).await;
        assert_eq!(number(&delivery), expected);
        assert!(broker.info(QUEUE).unsettled() <= 4);
        delivery.ack();
    }
    assert_eq!(soon(publisher).await.unwrap().accepted, 50);
}

pub async fn a_cancelled_publish_gives_up_its_place(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(small(1)).await;
    publish(&broker, 0..1).await;
    let publishers: Vec<_> = (1..4)
        .map(|number| {
            let broker = broker.clone();
            tokio::spawn(async move { broker.publish(QUEUE, message(number)).await.map(drop) })
        })
        .collect();
    sleep(QUIET).await;
    publishers[0].abort();
    sleep(QUIET).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let delivery = one(&broker).await;
        seen.push(number(&delivery));
        delivery.ack();
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 2, 3]);
    for publisher in publishers.into_iter().skip(1) {
        soon(publisher).await.unwrap().unwrap();
    }
}

pub async fn headroom_goes_beyond_the_limit_but_not_without_end(
    make: impl AsyncFn(InProcessOptions) -> Broker,
) {
    let broker = make(small(2)).await;
    let headroom = PublishOptions::at_once().headroom();
    publish(&broker, 0..2).await;
    is_full(at_once(&broker, 2).await);
    for number in 2..4 {
        broker.publish_with(QUEUE, message(number), headroom).await.unwrap();
    }
    is_full(broker.publish_with(QUEUE, message(4), headroom).await);
    assert_eq!(numbers(&exactly(&broker, 4).await), [0, 1, 2, 3]);
}

pub async fn headroom_does_not_stand_in_line_behind_others(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(small(2)).await;
    publish(&broker, 0..2).await;
    let ordinary = tokio::spawn({
        let broker = broker.clone();
        async move { broker.publish(QUEUE, message(9)).await.map(drop) }
    });
    sleep(QUIET).await;
    let children = messages(2..4);
    let headroom = PublishOptions::at_once().headroom();
    assert_eq!(broker.publish_all_with(QUEUE, children, headroom).await.unwrap().accepted, 2);
    for expected in [0, 1, 2, 3, 9] {
        let delivery = one(&broker).await;
        assert_eq!(number(&delivery), expected);
        delivery.ack();
    }
    soon(ordinary).await.unwrap().unwrap();
}
