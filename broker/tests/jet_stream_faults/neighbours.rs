//! What one process does and others see.

use quire_broker::{Lease, QueueFault};

use super::*;
use crate::proxy::Proxy;

#[tokio::test]
async fn a_postponed_delivery_is_no_attempt_for_others_either() {
    let server = Nats::start("");
    let first = developer(server.url()).await;
    first.publish(QUEUE, message(1)).await.unwrap();
    for _ in 0..3 {
        let delivery = one(&first).await;
        assert_eq!(delivery.attempt, 1);
        delivery.start();
        delivery.postpone(Duration::from_millis(100));
    }
    soon(first.close()).await;
    let second = agent(server.url()).await;
    let delivery = one(&second).await;
    assert_eq!(delivery.attempt, 1);
    delivery.start();
    delivery.nak(Duration::from_millis(100));
    soon(second.close()).await;
    assert_eq!(one(&agent(server.url()).await).await.attempt, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_is_seen_by_all_and_outlasts_restarts() {
    let mut server = Nats::start("");
    let first = developer(server.url()).await;
    let second = agent(server.url()).await;
    let paused = async |broker: &Broker, wanted: bool| {
        let seen = async {
            while broker.info(QUEUE).paused != wanted {
                sleep(Duration::from_millis(20)).await;
            }
        };
        soon(seen).await;
    };
    soon(first.pause_everywhere(QUEUE)).await.unwrap();
    paused(&second, true).await;
    first.publish(QUEUE, message(1)).await.unwrap();
    server.kill();
    server.resume();
    // Neither a restart nor a changed layout ends it.
    let changed = Layout { ack_wait: ACK_WAIT * 2, ..layout() };
    soon(apply(&JetStreamOptions { layout: changed, ..options(server.url()) })).await.unwrap();
    let third = agent(server.url()).await;
    for broker in [&second, &third] {
        let pulled = timeout(Duration::from_millis(500), broker.pull(QUEUE, 1)).await;
        assert!(pulled.is_err(), "{pulled:?}");
        paused(broker, true).await;
    }
    soon(third.resume_everywhere(QUEUE)).await.unwrap();
    one(&second).await.ack();
}

#[tokio::test]
async fn the_fault_of_a_queue_is_seen_without_pulling() {
    let server = Nats::start("");
    let _developer = developer(server.url()).await;
    let agent = agent(server.url()).await;
    assert!(agent.try_pull(QUEUE, 1).is_empty());
    assert_eq!(agent.info(QUEUE).fault, None);
    saboteur(&server).await.delete_stream("Q_VALIDATE_NORMAL").await.unwrap();
    let seen = async |wanted: Option<QueueFault>| {
        let seen = async {
            while agent.info(QUEUE).fault != wanted {
                sleep(Duration::from_millis(20)).await;
            }
        };
        soon(seen).await;
    };
    seen(Some(QueueFault::Missing)).await;
    apply(&options(server.url())).await.unwrap();
    seen(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_lease_is_lost_in_an_outage_before_others_can_have_it() {
    const TTL: Duration = Duration::from_secs(2);
    let server = Nats::start("");
    let proxy = Proxy::to(server.port()).await;
    let first = developer(proxy.url()).await;
    let second = agent(server.url()).await;
    let kept = Lease::try_acquire(&first.kv(Bucket::Leases), "leader", TTL, "a").await.unwrap().keep();
    let kv = second.kv(Bucket::Leases);
    let taking = tokio::spawn(async move { Lease::acquire(&kv, "leader", TTL, "b").await.unwrap() });
    sleep(TTL).await;
    assert!(kept.is_held() && !taking.is_finished());
    proxy.cut();
    soon(kept.lost()).await;
    assert!(!taking.is_finished(), "the old holder must know before there is a new one");
    assert!(soon(taking).await.unwrap().token() > kept.token());
}
