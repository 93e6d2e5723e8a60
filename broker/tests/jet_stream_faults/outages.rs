//! The server or the connection goes, and comes back.

use super::*;
use crate::proxy::Proxy;

/// Publishes and collects while the fault lasts and after it.
pub(crate) async fn nothing_is_lost(broker: &Broker, fault: impl AsyncFnOnce()) {
    for number in 0..20 {
        broker.publish(QUEUE, message(number)).await.unwrap();
    }
    let held = one(broker).await;
    let waiting = tokio::spawn({
        let broker = broker.clone();
        async move { broker.pull(Queue::Dead, 1).await.unwrap().len() }
    });
    let publisher = tokio::spawn({
        let broker = broker.clone();
        async move {
            for number in 20..400 {
                assert!(!broker.publish(QUEUE, message(number)).await.unwrap().duplicate);
            }
        }
    });
    fault().await;
    soon(publisher).await.unwrap();
    until_ready(broker, true).await;
    let first = number(&held);
    held.ack();
    collect(broker, (0..400).filter(|number| *number != first).collect()).await;
    broker.publish(Queue::Dead, message(1)).await.unwrap();
    assert_eq!(soon(waiting).await.unwrap(), 1, "a pull from before the fault still waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_be_killed_and_started_again() {
    let mut server = Nats::start("");
    let broker = developer(server.url()).await;
    nothing_is_lost(&broker, async || {
        server.kill();
        until_ready(&broker, false).await;
        let kv = broker.kv(Bucket::Runs);
        let written = tokio::spawn(async move { kv.create("epoch", "1").await });
        server.resume();
        soon(written).await.unwrap().unwrap();
    })
    .await;
    assert!(broker.kv(Bucket::Runs).get("epoch").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_may_be_cut_and_made_again() {
    let server = Nats::start("");
    let proxy = Proxy::to(server.port()).await;
    let broker = developer(proxy.url()).await;
    let mut watch = broker.kv(Bucket::Config).watch("").await.unwrap();
    nothing_is_lost(&broker, async || {
        proxy.cut();
        until_ready(&broker, false).await;
        proxy.mend();
    })
    .await;
    broker.kv(Bucket::Config).put("weight", "1").await.unwrap();
    assert_eq!(soon(watch.next()).await.unwrap().key, "weight", "a watch goes on, too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_falls_silent_is_replaced() {
    let server = Nats::start("");
    let proxy = Proxy::to(server.port()).await;
    let broker = developer(proxy.url()).await;
    nothing_is_lost(&broker, async || {
        proxy.silence();
        until_ready(&broker, false).await;
    })
    .await;
}

/// Nothing is heard of the request, no heartbeat either, while all else works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_not_heard_of_are_asked_for_again() {
    let server = Nats::start("");
    let proxy = Proxy::to(server.port()).await;
    let broker = developer(proxy.url()).await;
    let connections = proxy.accepted();
    proxy.lose(".MSG.NEXT.");
    let waiting = tokio::spawn({
        let broker = broker.clone();
        async move { one(&broker).await }
    });
    soon(proxy.lost()).await;
    broker.publish(QUEUE, message(1)).await.unwrap();
    let delivery = waiting.await.unwrap();
    assert_eq!((number(&delivery), proxy.accepted()), (1, connections), "no connection was made anew");
    delivery.ack();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_may_start_before_its_server() {
    let mut server = Nats::start("");
    server.kill();
    let starting = tokio::spawn(developer(server.url()));
    sleep(Duration::from_millis(300)).await;
    assert!(!starting.is_finished());
    server.resume();
    let broker = soon(starting).await.unwrap();
    until_ready(&broker, true).await;
    broker.publish(QUEUE, message(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_to_a_lost_server_ends_at_its_deadline() {
    let mut server = Nats::start("");
    let broker = developer(server.url()).await;
    server.kill();
    until_ready(&broker, false).await;
    let hasty = PublishOptions::default().deadline(Duration::from_millis(100));
    let refused = soon(broker.publish_with(QUEUE, message(1), hasty)).await;
    assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
    assert!(refused.unwrap_err().is_transient());
}

#[tokio::test]
async fn what_a_dead_agent_held_comes_to_another_after_the_ack_wait() {
    let server = Nats::start("");
    let first = developer(server.url()).await;
    first.publish(QUEUE, message(1)).await.unwrap();
    let began = Instant::now();
    let held = one(&first).await;
    held.start();
    // So that the start is on its way before the agent is gone.
    sleep(Duration::from_millis(200)).await;
    drop(first);
    let second = agent(server.url()).await;
    let again = one(&second).await;
    assert!(began.elapsed() >= ACK_WAIT, "its lease should have lasted");
    assert_eq!((number(&again), again.attempt), (1, 2));
    again.ack();
    drop(held);
}

#[tokio::test]
async fn what_an_agent_gives_back_unstarted_is_no_attempt_for_others() {
    let server = Nats::start("");
    let first = developer(server.url()).await;
    let second = agent(server.url()).await;
    first.publish(QUEUE, message(1)).await.unwrap();
    for _ in 0..3 {
        drop(one(&first).await);
    }
    soon(first.close()).await;
    let began = Instant::now();
    let again = one(&second).await;
    assert_eq!(again.attempt, 1);
    assert!(began.elapsed() < ACK_WAIT, "a closing broker gives back at once");
    again.start();
    drop(again);
    soon(second.close()).await;
    assert_eq!(one(&agent(server.url()).await).await.attempt, 2);
}

#[tokio::test]
async fn a_long_silence_of_a_queue_delays_nothing() {
    let server = Nats::start("");
    let broker = developer(server.url()).await;
    let waiting = tokio::spawn({
        let broker = broker.clone();
        async move { broker.pull(QUEUE, 1).await.unwrap().remove(0) }
    });
    // Longer than the server keeps a request for messages.
    sleep(Duration::from_secs(7)).await;
    let began = Instant::now();
    broker.publish(QUEUE, message(1)).await.unwrap();
    soon(waiting).await.unwrap().ack();
    assert!(began.elapsed() < Duration::from_secs(1));
}
