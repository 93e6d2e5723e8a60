//! Streams, consumers and buckets: applied, missing, deleted, full.

use super::*;

/// Those of the interface, and the one of attempts.
const BUCKETS: usize = quire_broker::Bucket::ALL.len() + 1;

#[tokio::test]
async fn a_stream_that_the_server_finds_full_refuses_and_takes_later() {
    let server = Nats::start("");
    let small = Layout { max_messages: 3, headroom_messages: 0, ..layout() };
    apply(&JetStreamOptions { layout: small, ..options(server.url()) }).await.unwrap();
    // This one believes in more room than there is.
    let broker = agent(server.url()).await;
    let three: Vec<Message> = (0..3).map(message).collect();
    assert_eq!(broker.publish_all(QUEUE, three).await.unwrap().accepted, 3);
    let refused = broker.publish_with(QUEUE, message(3), PublishOptions::at_once()).await;
    assert!(matches!(refused, Err(PublishError::Full { queue: QUEUE })), "{refused:?}");
    let patient = tokio::spawn({
        let broker = broker.clone();
        async move { broker.publish_all(QUEUE, (3..9).map(message).collect()).await }
    });
    for expected in 0..9 {
        let delivery = one(&broker).await;
        assert_eq!(number(&delivery), expected);
        delivery.ack();
    }
    assert_eq!(soon(patient).await.unwrap().unwrap().accepted, 6);
}

#[tokio::test]
async fn an_agent_creates_nothing_and_names_what_is_missing() {
    let server = Nats::start("");
    match soon(Broker::jet_stream(options(server.url()))).await {
        Err(ConnectError::Missing { names }) => {
            assert_eq!(names.len(), Queue::COUNT * 2 + BUCKETS);
            for name in ["Q_FETCH_LOW", "Q_FETCH_LOW/agents", "Q_DEAD", "KV_runs"] {
                assert!(names.iter().any(|known| known == name), "{name} is not among {names:?}");
            }
        }
        other => panic!("everything is missing, but: {other:?}"),
    }
    let first = apply(&options(server.url())).await.unwrap();
    assert_eq!((first.created.len(), first.updated.len()), (Queue::COUNT * 2 + BUCKETS, 0));
    let again = apply(&options(server.url())).await.unwrap();
    assert_eq!(again.unchanged.len(), Queue::COUNT * 2 + BUCKETS, "{again:?}");
    let changed = Layout { ack_wait: ACK_WAIT * 2, ..layout() };
    let update = apply(&JetStreamOptions { layout: changed, ..options(server.url()) }).await.unwrap();
    assert_eq!((update.updated.len(), update.created.len()), (Queue::COUNT, 0), "{update:?}");
    agent(server.url()).await.publish(QUEUE, message(1)).await.unwrap();
}

#[tokio::test]
async fn a_deleted_stream_is_named_and_used_again_when_it_is_back() {
    let server = Nats::start("");
    let broker = developer(server.url()).await;
    let agent = agent(server.url()).await;
    drop(broker);
    let waiting = tokio::spawn({
        let agent = agent.clone();
        async move { agent.pull(QUEUE, 1).await }
    });
    sleep(Duration::from_millis(200)).await;
    saboteur(&server).await.delete_stream("Q_VALIDATE_NORMAL").await.unwrap();
    match soon(waiting).await.unwrap() {
        Err(PullError::Missing { what }) => assert!(what.contains("Q_VALIDATE_NORMAL"), "{what}"),
        other => panic!("the stream is missing, but: {other:?}"),
    }
    match soon(agent.publish(QUEUE, message(1))).await {
        Err(PublishError::Missing { what }) => assert_eq!(what, "stream Q_VALIDATE_NORMAL"),
        other => panic!("the stream is missing, but: {other:?}"),
    }
    apply(&options(server.url())).await.unwrap();
    agent.publish(QUEUE, message(2)).await.unwrap();
    until_pulled(&agent).await;
}

#[tokio::test]
async fn a_deleted_consumer_is_named_and_used_again_when_it_is_back() {
    let server = Nats::start("");
    let broker = developer(server.url()).await;
    let agent = agent(server.url()).await;
    agent.publish(QUEUE, message(1)).await.unwrap();
    one(&agent).await.ack();
    let waiting = tokio::spawn({
        let agent = agent.clone();
        async move { agent.pull(QUEUE, 1).await }
    });
    sleep(Duration::from_millis(200)).await;
    let saboteur = saboteur(&server).await;
    saboteur.delete_consumer_from_stream("agents", "Q_VALIDATE_NORMAL").await.unwrap();
    match soon(waiting).await.unwrap() {
        Err(PullError::Missing { what }) => assert!(what.contains("Q_VALIDATE_NORMAL/agents"), "{what}"),
        other => panic!("the consumer is missing, but: {other:?}"),
    }
    // A developer's broker puts back what is missing.
    let repairing = tokio::spawn({
        let broker = broker.clone();
        async move { while broker.pull(QUEUE, 1).await.is_err() {} }
    });
    agent.publish(QUEUE, message(2)).await.unwrap();
    agent.publish(QUEUE, message(3)).await.unwrap();
    soon(repairing).await.unwrap();
    soon(broker.close()).await;
    until_pulled(&agent).await;
}

async fn until_pulled(broker: &Broker) {
    let pulled = async {
        loop {
            match broker.pull(QUEUE, 1).await {
                Ok(mut pulled) => return pulled.remove(0).ack(),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    soon(pulled).await;
}

#[tokio::test]
async fn a_deleted_bucket_is_named() {
    let server = Nats::start("");
    let broker = developer(server.url()).await;
    saboteur(&server).await.delete_stream("KV_runs").await.unwrap();
    let kv = broker.kv(Bucket::Runs);
    for result in [soon(kv.get("a")).await.map(drop), soon(kv.put("a", "1")).await.map(drop)] {
        match result {
            Err(KvError::Missing { what }) => assert_eq!(what, "bucket runs"),
            other => panic!("the bucket is missing, but: {other:?}"),
        }
    }
    apply(&options(server.url())).await.unwrap();
    kv.put("a", "1").await.unwrap();
}

#[tokio::test]
async fn a_watch_of_a_bucket_that_was_made_anew_says_so() {
    let server = Nats::start("");
    let broker = developer(server.url()).await;
    let kv = broker.kv(Bucket::Config);
    for number in 0..5 {
        kv.put("a", number.to_string()).await.unwrap();
    }
    let mut watch = kv.watch("").await.unwrap();
    assert_eq!(soon(watch.next()).await.unwrap().key, "a");
    saboteur(&server).await.delete_stream("KV_config").await.unwrap();
    apply(&options(server.url())).await.unwrap();
    kv.put("b", "1").await.unwrap();
    let told = soon(async {
        loop {
            match watch.next().await {
                // While it is away.
                Err(KvError::Missing { .. }) => sleep(Duration::from_millis(20)).await,
                told => return told,
            }
        }
    });
    assert!(matches!(told.await, Err(KvError::Lagged)), "deletions were forgotten");
    assert_eq!(soon(watch.next()).await.unwrap().key, "b");
}
