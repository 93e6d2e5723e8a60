//! Facts about pausing and closing.

use tokio::time::sleep;

use super::{
    PATIENCE, QUEUE, QUIET, exactly, message, nothing_for, number, numbers, one, options, publish, soon,
    until,
};
use crate::{Broker, InProcessOptions, PublishError, PullError, Queue};

pub async fn a_paused_queue_hands_out_nothing_and_takes_everything(
    make: impl AsyncFn(InProcessOptions) -> Broker,
) {
    let broker = make(options()).await;
    publish(&broker, 0..2).await;
    let out = one(&broker).await;
    broker.pause(QUEUE);
    until(&broker, "paused", |info| info.paused).await;
    publish(&broker, 2..4).await;
    out.ack();
    nothing_for(&broker, QUIET).await;
    assert!(broker.try_pull(QUEUE, 5).is_empty());
    // Others go on.
    broker.publish(Queue::Settled, message(7)).await.unwrap();
    assert_eq!(soon(broker.pull(Queue::Settled, 5)).await.unwrap().len(), 1);
    broker.resume(QUEUE);
    assert_eq!(numbers(&exactly(&broker, 3).await), [1, 2, 3]);
}

pub async fn a_paused_queue_with_room_takes_who_waits(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker =
        make(InProcessOptions { max_messages: 64, publish_deadline: PATIENCE * 10, ..options() }).await;
    publish(&broker, 0..64).await;
    let publisher = tokio::spawn({
        let broker = broker.clone();
        async move { broker.publish(QUEUE, message(64)).await.map(drop) }
    });
    sleep(QUIET).await;
    let out = exactly(&broker, 3).await;
    broker.pause(QUEUE);
    out.into_iter().for_each(crate::Delivery::ack);
    // No one will make more room than this for now.
    soon(publisher).await.unwrap().unwrap();
}

pub async fn resume_wakes_who_waits(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    broker.pause(QUEUE);
    publish(&broker, 0..2).await;
    let pullers: Vec<_> = (0..2)
        .map(|_| {
            let broker = broker.clone();
            tokio::spawn(async move { broker.pull(QUEUE, 1).await.unwrap() })
        })
        .collect();
    sleep(QUIET).await;
    assert!(pullers.iter().all(|puller| !puller.is_finished()));
    broker.resume(QUEUE);
    for puller in pullers {
        assert_eq!(soon(puller).await.unwrap().len(), 1);
    }
}

pub async fn ready_does_not_name_a_paused_queue(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    broker.pause(QUEUE);
    until(&broker, "paused", |info| info.paused).await;
    publish(&broker, 0..1).await;
    let waiter = tokio::spawn({
        let broker = broker.clone();
        async move { broker.ready(&[QUEUE, Queue::Dead]).await.unwrap() }
    });
    sleep(QUIET).await;
    assert!(!waiter.is_finished());
    broker.resume(QUEUE);
    assert_eq!(soon(waiter).await.unwrap(), QUEUE);
}

pub async fn close_ends_waiting_pulls_and_ready(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    let waiting = |queues: Vec<Queue>| {
        let broker = broker.clone();
        tokio::spawn(async move {
            let pulled = broker.pull(QUEUE, 1).await;
            let ready = broker.ready(&queues).await;
            (pulled.map(drop), ready.map(drop))
        })
    };
    let waiting = [waiting(vec![QUEUE, Queue::Dead]), waiting(Vec::new())];
    let ready = tokio::spawn({
        let broker = broker.clone();
        async move { broker.ready(&[]).await }
    });
    sleep(QUIET).await;
    soon(broker.close()).await;
    for waiter in waiting {
        let ended = soon(waiter).await.unwrap();
        assert!(matches!(ended, (Err(PullError::Closed), Err(PullError::Closed))), "{ended:?}");
    }
    assert!(matches!(soon(ready).await.unwrap(), Err(PullError::Closed)));
}

pub async fn close_waits_for_what_is_out(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..4).await;
    let mut out = exactly(&broker, 3).await;
    let closing = tokio::spawn({
        let broker = broker.clone();
        async move { broker.close().await }
    });
    sleep(QUIET).await;
    assert!(!closing.is_finished());
    assert!(matches!(soon(broker.pull(QUEUE, 1)).await, Err(PullError::Closed)));
    assert!(broker.try_pull(QUEUE, 1).is_empty());
    // One is done, one is given back, and one is left to expire.
    out.remove(0).ack();
    drop(out.remove(0));
    sleep(QUIET).await;
    assert!(!closing.is_finished());
    soon(closing).await.unwrap();
    drop(out);
}

pub async fn whoever_has_a_delivery_may_publish_while_the_broker_closes(
    make: impl AsyncFn(InProcessOptions) -> Broker,
) {
    let broker = make(options()).await;
    publish(&broker, 0..1).await;
    let delivery = one(&broker).await;
    let closing = tokio::spawn({
        let broker = broker.clone();
        async move { broker.close().await }
    });
    sleep(QUIET).await;
    assert!(!broker.publish(QUEUE, message(1)).await.unwrap().duplicate);
    assert!(!broker.publish(Queue::Settled, message(2)).await.unwrap().duplicate);
    assert_eq!(number(&delivery), 0);
    delivery.ack();
    soon(closing).await.unwrap();
}

pub async fn a_closed_broker_takes_nothing(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(options()).await;
    publish(&broker, 0..1).await;
    soon(broker.close()).await;
    assert!(matches!(broker.publish(QUEUE, message(1)).await, Err(PublishError::Closed)));
    assert!(matches!(broker.try_publish(QUEUE, message(1)), Err(PublishError::Closed)));
    assert!(matches!(broker.publish_all(QUEUE, vec![message(1)]).await, Err(PublishError::Closed)));
    assert!(matches!(soon(broker.pull(QUEUE, 1)).await, Err(PullError::Closed)));
    soon(broker.close()).await;
}

pub async fn close_refuses_who_waits_for_room(make: impl AsyncFn(InProcessOptions) -> Broker) {
    let broker = make(InProcessOptions { max_messages: 1, ..options() }).await;
    publish(&broker, 0..1).await;
    let publishers: Vec<_> = (1..4)
        .map(|number| {
            let broker = broker.clone();
            tokio::spawn(async move { broker.publish(QUEUE, message(number)).await })
        })
        .collect();
    sleep(QUIET).await;
    soon(broker.close()).await;
    for publisher in publishers {
        let refused = soon(publisher).await.unwrap();
        assert!(matches!(refused, Err(PublishError::Closed)), "{refused:?}");
    }
}
