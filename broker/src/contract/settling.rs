//! Facts about leases of deliveries and what holders say of them.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    ACK_WAIT, QUEUE, QUIET, exactly, message, nothing_for, number, numbers, one, options, publish, soon,
    until,
};
use crate::{Broker, InProcessOptions};

pub async fn an_acknowledged_message_is_gone(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..1).await;
    one(&broker).await.ack();
    nothing_for(&broker, ACK_WAIT * 2).await;
    until(&broker, "nothing left", |info| info.unsettled() == 0 && info.bytes == 0 && info.acked == 1).await;
}

pub async fn a_terminated_message_is_gone(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..1).await;
    one(&broker).await.term();
    nothing_for(&broker, ACK_WAIT * 2).await;
    let gone = |info: &crate::QueueInfo| info.unsettled() == 0 && info.terminated == 1 && info.acked == 0;
    until(&broker, "nothing left", gone).await;
}

pub async fn a_dropped_delivery_comes_again_at_once(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..1).await;
    let began = Instant::now();
    drop(one(&broker).await);
    let again = one(&broker).await;
    assert_eq!(number(&again), 0);
    assert!(began.elapsed() < ACK_WAIT, "it should not have waited for the lease to end");
    again.ack();
    until(&broker, "one redelivery", |info| info.redelivered == 1).await;
}

pub async fn what_comes_again_comes_before_what_is_newer(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..6).await;
    let mut out = exactly(&broker, 3).await;
    // Given back in another order than they were taken.
    drop(out.remove(1));
    drop(out.remove(1));
    drop(out.remove(0));
    until(&broker, "6 waiting", |info| info.depth == 6).await;
    assert_eq!(numbers(&exactly(&broker, 6).await), [0, 1, 2, 3, 4, 5]);
}

pub async fn a_nak_without_delay_comes_again_at_once(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..2).await;
    one(&broker).await.nak(Duration::ZERO);
    until(&broker, "2 waiting", |info| info.depth == 2).await;
    assert_eq!(numbers(&exactly(&broker, 2).await), [0, 1]);
}

pub async fn a_nak_comes_again_after_its_delay_and_not_before(
    make: impl AsyncFn(InProcessOptions) -> Broker,
) {
    let broker = make(options()).await;
    publish(&broker, 0..2).await;
    let mut out = exactly(&broker, 2).await;
    // Long enough for a backend to have gone to sleep until the end of the leases.
    sleep(QUIET).await;
    let began = Instant::now();
    out.remove(0).nak(QUIET * 4);
    out.remove(0).nak(QUIET * 2);
    let first = one(&broker).await;
    assert_eq!(number(&first), 1);
    assert!(began.elapsed() >= QUIET * 2);
    assert!(began.elapsed() < ACK_WAIT - QUIET, "it should not have waited for the end of a lease");
    let second = one(&broker).await;
    assert_eq!(number(&second), 0);
    assert!(began.elapsed() >= QUIET * 4);
    first.ack();
    second.ack();
}

pub async fn a_delayed_message_does_not_block_its_queue(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..3).await;
    one(&broker).await.nak(Duration::from_secs(3_600));
    let began = Instant::now();
    for expected in 1..3 {
        let delivery = one(&broker).await;
        assert_eq!(number(&delivery), expected);
        delivery.ack();
    }
    assert!(began.elapsed() < ACK_WAIT);
    until(&broker, "1 delayed", |info| info.delayed == 1 && info.depth == 0).await;
}

pub async fn an_expired_lease_means_redelivery(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..1).await;
    let began = Instant::now();
    let lost = one(&broker).await;
    let again = one(&broker).await;
    assert_eq!(again.message.id, lost.message.id);
    assert!(began.elapsed() >= ACK_WAIT, "the lease should have lasted");
    again.ack();
    drop(lost);
    nothing_for(&broker, ACK_WAIT * 2).await;
}

pub async fn a_waiting_pull_gets_what_expires_meanwhile(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    let puller = |name: &'static str| {
        let broker = broker.clone();
        async move { (name, broker.pull(QUEUE, 1).await.unwrap().remove(0)) }
    };
    publish(&broker, 0..1).await;
    // Whoever gets it holds it; the other waits already when the lease begins.
    let (first, second) = (tokio::spawn(puller("first")), tokio::spawn(puller("second")));
    let both = async { (first.await.unwrap(), second.await.unwrap()) };
    let ((_, one), (_, other)) = soon(both).await;
    assert_eq!(number(&one), number(&other));
}

pub async fn progress_extends_the_lease(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..1).await;
    let delivery = one(&broker).await;
    for _ in 0..6 {
        nothing_for(&broker, ACK_WAIT / 2).await;
        delivery.progress();
    }
    delivery.ack();
    nothing_for(&broker, ACK_WAIT * 2).await;
    until(&broker, "no redelivery", |info| info.redelivered == 0 && info.acked == 1).await;
}

pub async fn start_begins_the_lease_anew(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..1).await;
    let delivery = one(&broker).await;
    sleep(ACK_WAIT * 2 / 3).await;
    delivery.start();
    nothing_for(&broker, ACK_WAIT * 2 / 3).await;
    delivery.ack();
    until(&broker, "no redelivery", |info| info.redelivered == 0 && info.acked == 1).await;
}

pub async fn only_started_deliveries_count_as_attempts(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..1).await;
    // Handed out and never started: dropped, refused, and left to expire.
    drop(one(&broker).await);
    one(&broker).await.nak(Duration::ZERO);
    let expired = one(&broker).await;
    let delivery = one(&broker).await;
    assert_eq!(delivery.attempt, 1);
    drop(expired);
    // Started, and failed in each of the same ways.
    delivery.start();
    drop(delivery);
    let delivery = one(&broker).await;
    assert_eq!(delivery.attempt, 2);
    delivery.start();
    delivery.nak(Duration::ZERO);
    let delivery = one(&broker).await;
    assert_eq!(delivery.attempt, 3);
    delivery.start();
    let again = one(&broker).await;
    assert_eq!(again.attempt, 4);
    again.ack();
}

pub async fn starting_twice_counts_once(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..1).await;
    let delivery = one(&broker).await;
    delivery.start();
    delivery.start();
    drop(delivery);
    assert_eq!(one(&broker).await.attempt, 2);
}

pub async fn a_postponed_delivery_is_no_attempt(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..1).await;
    for delay in [QUIET, Duration::ZERO, QUIET] {
        let delivery = one(&broker).await;
        assert_eq!(delivery.attempt, 1);
        delivery.start();
        let began = Instant::now();
        delivery.postpone(delay);
        let again = one(&broker).await;
        assert!(began.elapsed() >= delay);
        assert_eq!(again.attempt, 1);
        // Given back unstarted, likewise.
        again.postpone(Duration::ZERO);
    }
    let delivery = one(&broker).await;
    delivery.start();
    delivery.nak(Duration::ZERO);
    let delivery = one(&broker).await;
    assert_eq!(delivery.attempt, 2, "attempts count all the same");
    delivery.start();
    delivery.postpone(QUIET);
    assert_eq!(one(&broker).await.attempt, 2);
}

pub async fn a_late_word_harms_nothing(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..2).await;
    let late = one(&broker).await;
    one(&broker).await.ack();
    let again = one(&broker).await;
    assert_eq!(number(&again), 0);
    // The lease of the first holder has run out; someone else has the message.
    late.progress();
    late.start();
    late.ack();
    again.ack();
    publish(&broker, 2..3).await;
    let next = one(&broker).await;
    assert_eq!((number(&next), next.attempt), (2, 1));
    next.ack();
    until(&broker, "nothing left", |info| info.unsettled() == 0).await;
}

pub async fn a_delivery_can_be_settled_outside_the_runtime(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..3).await;
    let mut out = exactly(&broker, 3).await;
    let thread = std::thread::spawn(move || {
        out.remove(0).ack();
        out.remove(0).nak(QUIET);
        drop(out);
    });
    thread.join().unwrap();
    let mut rest = numbers(&exactly(&broker, 2).await);
    rest.sort_unstable();
    assert_eq!(rest, [1, 2]);
    assert!(!broker.publish(QUEUE, message(9)).await.unwrap().duplicate);
}
