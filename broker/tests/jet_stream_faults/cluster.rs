//! Streams with replicas, on a cluster of three servers.

use super::*;

fn replicated(servers: &[Nats], layout: Layout) -> JetStreamOptions {
    let url = servers.iter().map(Nats::url).collect::<Vec<_>>().join(",");
    JetStreamOptions { layout: Layout { replicas: 3, ..layout }, ..options(url) }
}

async fn replicated_broker(servers: &[Nats], layout: Layout) -> Broker {
    let options = replicated(servers, layout);
    soon(apply(&options)).await.unwrap();
    soon(Broker::jet_stream(options)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_replicated_queue_tells_a_repeat_and_stays_sound() {
    let servers = Nats::start_cluster(3);
    // For the servers there is room left: headroom.
    let broker =
        replicated_broker(&servers, Layout { max_messages: 3, headroom_messages: 9, ..layout() }).await;
    let three: Vec<Message> = (0..3).map(message).collect();
    assert_eq!(soon(broker.publish_all(QUEUE, three)).await.unwrap().accepted, 3);
    for _ in 0..3 {
        let repeated = soon(broker.publish_with(QUEUE, message(1), PublishOptions::at_once())).await;
        assert!(repeated.unwrap().duplicate, "a repeat needs no room");
        let refused = soon(broker.publish_with(QUEUE, message(3), PublishOptions::at_once())).await;
        assert!(matches!(refused, Err(PublishError::Full { queue: QUEUE })), "{refused:?}");
    }
    for expected in 0..3 {
        let delivery = one(&broker).await;
        assert_eq!(number(&delivery), expected);
        delivery.ack();
    }
    // No replica has taken its stream for broken.
    assert!(!soon(broker.publish(QUEUE, message(3))).await.unwrap().duplicate);
    let delivery = one(&broker).await;
    assert_eq!(number(&delivery), 3);
    delivery.ack();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_send_the_same_message_at_once_are_all_answered() {
    let servers = Nats::start_cluster(3);
    let broker = replicated_broker(&servers, layout()).await;
    for round in 0..20 {
        let senders: Vec<_> = (0..8)
            .map(|_| {
                let broker = broker.clone();
                tokio::spawn(async move { broker.publish(QUEUE, message(round)).await })
            })
            .collect();
        let mut stored = 0;
        for sender in senders {
            stored += usize::from(!soon(sender).await.unwrap().unwrap().duplicate);
        }
        assert_eq!(stored, 1, "round {round}");
    }
    collect(&broker, (0..20).collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_may_lose_one_server() {
    let mut servers = Nats::start_cluster(3);
    let broker = replicated_broker(&servers, layout()).await;
    outages::nothing_is_lost(&broker, async || {
        servers[0].kill();
        soon(broker.publish(Queue::Settled, message(1))).await.unwrap();
        servers[0].resume();
        servers[1].kill();
        soon(broker.publish(Queue::Settled, message(2))).await.unwrap();
        servers[1].resume();
    })
    .await;
}

#[tokio::test]
async fn copies_that_the_servers_cannot_keep_are_refused_by_name() {
    let server = Nats::start("");
    for replicas in [0, 2, 4, 3] {
        let wanted = Layout { replicas, ..layout() };
        match soon(apply(&JetStreamOptions { layout: wanted, ..options(server.url()) })).await {
            Err(ConnectError::Replicas { replicas: named, .. }) => assert_eq!(named, replicas),
            other => panic!("one server cannot keep {replicas} copies, but: {other:?}"),
        }
    }
}
