//! Agents go by what the server keeps to, whatever their own layout says.

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};

use super::*;

/// An agent whose layout is another one than the server's.
async fn mistaken(server: &Nats) -> Broker {
    let long = Layout { ack_wait: Duration::from_secs(60), ..Layout::default() };
    let options = JetStreamOptions { layout: long, ..JetStreamOptions::new(server.url()) };
    soon(Broker::jet_stream(options)).await.unwrap()
}

#[tokio::test]
async fn leases_last_as_long_as_the_server_says() {
    let server = Nats::start("");
    apply(&options(server.url())).await.unwrap();
    let broker = mistaken(&server).await;
    broker.publish(QUEUE, message(1)).await.unwrap();
    let held = one(&broker).await;
    let began = Instant::now();
    // It waits for the end of the lease.
    soon(broker.close()).await;
    assert!(began.elapsed() > ACK_WAIT / 2 && began.elapsed() < ACK_WAIT * 3, "{:?}", began.elapsed());
    drop(held);
}

#[tokio::test]
async fn limits_are_those_of_the_server_also_when_they_change() {
    let server = Nats::start("");
    let small = Layout { max_messages: 3, headroom_messages: 2, max_message_bytes: 1_000, ..layout() };
    let with = |layout| JetStreamOptions { layout, ..options(server.url()) };
    apply(&with(small)).await.unwrap();
    let broker = mistaken(&server).await;
    let large = Message::new(Digest::of(b"large"), vec![0; 2_000]);
    match broker.publish(QUEUE, large.clone()).await {
        Err(PublishError::TooLarge { bytes: 2_000, limit: 1_000 }) => {}
        other => panic!("it is too large, but: {other:?}"),
    }
    broker.publish_all(QUEUE, (0..3).map(message).collect()).await.unwrap();
    let at_once = PublishOptions::at_once();
    let refused = broker.publish_with(QUEUE, message(3), at_once).await;
    assert!(matches!(refused, Err(PublishError::Full { .. })), "headroom is not for everyone: {refused:?}");
    for number in 3..5 {
        broker.publish_with(QUEUE, message(number), at_once.headroom()).await.unwrap();
    }
    let changed = Layout { max_messages: 10, max_message_bytes: 3_000, ..small };
    apply(&with(changed)).await.unwrap();
    let taken = async {
        while broker.publish(QUEUE, large.clone()).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    soon(taken).await;
    // The other way round, too: what the agent believes to fit is refused by the stream.
    apply(&with(small)).await.unwrap();
    let another = Message::new(Digest::of(b"another"), vec![0; 100_000]);
    let refused = soon(broker.publish(QUEUE, another)).await;
    assert!(matches!(refused, Err(PublishError::TooLarge { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_stream_that_would_lose_messages_is_not_used() {
    let server = Nats::start("");
    apply(&options(server.url())).await.unwrap();
    let saboteur = saboteur(&server).await;
    saboteur.delete_stream("Q_FETCH_LOW").await.unwrap();
    let config = Config {
        name: "Q_FETCH_LOW".to_owned(),
        subjects: vec!["quire.v1.fetch.low.*".to_owned()],
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::Old,
        ..Config::default()
    };
    saboteur.create_stream(config).await.unwrap();
    match soon(Broker::jet_stream(options(server.url()))).await {
        Err(ConnectError::Unfit { name, reason }) => {
            assert_eq!(name, "Q_FETCH_LOW");
            assert!(reason.contains("discards"), "{reason}");
        }
        other => panic!("it drops messages, but: {other:?}"),
    }
    // Who does not use it is not concerned.
    let queues = Some(vec![QUEUE, Queue::Settled]);
    let broker =
        soon(Broker::jet_stream(JetStreamOptions { queues, ..options(server.url()) })).await.unwrap();
    broker.publish(QUEUE, message(1)).await.unwrap();
    one(&broker).await.ack();
    apply(&options(server.url())).await.unwrap();
    agent(server.url()).await;
}
