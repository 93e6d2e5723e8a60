//! What the JetStream backend does when the server, the connection, a stream or a permission is gone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod proxy;
mod server;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use proxy::Proxy;
use quire_broker::{
    Broker, Bucket, ConnectError, Delivery, JetStreamOptions, KvError, Layout, Message, PublishError,
    PublishOptions, PullError, Queue, Readiness, apply,
};
use quire_proto::{Digest, Lane, StageName};
use server::Server;
use tokio::time::{sleep, timeout};

const QUEUE: Queue = Queue::work(StageName::Validate, Lane::Normal);
const OTHER: Queue = Queue::work(StageName::Render, Lane::Low);
const ACK_WAIT: Duration = Duration::from_millis(1_500);
const PATIENCE: Duration = Duration::from_secs(40);

fn layout() -> Layout {
    Layout { max_bytes: 16 << 20, headroom_bytes: 1 << 20, ack_wait: ACK_WAIT, ..Layout::default() }
}

fn options(url: String) -> JetStreamOptions {
    JetStreamOptions { layout: layout(), ..JetStreamOptions::new(url) }
}

async fn developer(url: String) -> Broker {
    soon(Broker::jet_stream(JetStreamOptions { dev: true, ..options(url) })).await.unwrap()
}

async fn agent(url: String) -> Broker {
    soon(Broker::jet_stream(options(url))).await.unwrap()
}

fn message(number: u64) -> Message {
    Message::new(Digest::of(&number.to_le_bytes()), number.to_le_bytes().to_vec())
}

fn number(delivery: &Delivery) -> u64 {
    u64::from_le_bytes(delivery.message.payload.as_ref().try_into().unwrap())
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it should have happened by now")
}

async fn one(broker: &Broker) -> Delivery {
    soon(broker.pull(QUEUE, 1)).await.unwrap().remove(0)
}

async fn until_ready(broker: &Broker, ready: bool) {
    let mut readiness = broker.readiness();
    soon(readiness.wait_for(|now| (*now == Readiness::Ready) == ready)).await.unwrap();
}

/// Acknowledges until every number has come once.
async fn collect(broker: &Broker, mut missing: BTreeSet<u64>) {
    while !missing.is_empty() {
        for delivery in soon(broker.pull(QUEUE, 10)).await.unwrap() {
            missing.remove(&number(&delivery));
            delivery.ack();
        }
    }
}

/// A client of the server beside the broker, to break things.
async fn saboteur(server: &Server) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(soon(async_nats::connect(server.url())).await.unwrap())
}

/// Publishes and collects while the fault lasts and after it.
async fn nothing_is_lost(broker: &Broker, fault: impl AsyncFnOnce()) {
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
    let mut server = Server::start("");
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
    let server = Server::start("");
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
    let server = Server::start("");
    let proxy = Proxy::to(server.port()).await;
    let broker = developer(proxy.url()).await;
    nothing_is_lost(&broker, async || {
        proxy.silence();
        until_ready(&broker, false).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_may_start_before_its_server() {
    let mut server = Server::start("");
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
    let mut server = Server::start("");
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
    let server = Server::start("");
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
    let server = Server::start("");
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
    let server = Server::start("");
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

#[tokio::test]
async fn what_is_not_permitted_is_named() {
    let server = Server::start(
        r#"authorization { users: [
            { user: admin, password: a }
            { user: agent, password: b, permissions: { publish: { deny: [
                "quire.v1.fetch.>", "$JS.API.CONSUMER.MSG.NEXT.Q_RENDER_LOW.>", "$KV.leases.>" ] } } }
        ] }"#,
    );
    let of = |user: &str| server.url().replace("://", &format!("://{user}@"));
    let _admin = developer(of("admin:a")).await;
    let broker = agent(of("agent:b")).await;
    let began = Instant::now();
    let refused = soon(broker.publish(Queue::work(StageName::Fetch, Lane::High), message(1))).await;
    match refused {
        Err(PublishError::Denied { what }) => assert!(what.contains("quire.v1.fetch.high._"), "{what}"),
        other => panic!("it is not permitted, but: {other:?}"),
    }
    match soon(broker.pull(OTHER, 1)).await {
        Err(PullError::Denied { what }) => assert!(what.contains("q_render_low"), "{what}"),
        other => panic!("it is not permitted, but: {other:?}"),
    }
    match soon(broker.kv(Bucket::Leases).put("leader", "me")).await {
        Err(KvError::Denied { what }) => assert!(what.contains("$kv.leases.leader"), "{what}"),
        other => panic!("it is not permitted, but: {other:?}"),
    }
    assert!(began.elapsed() < Duration::from_secs(3), "no one should have waited for a timeout");
    // Everything else goes on.
    broker.publish(QUEUE, message(1)).await.unwrap();
    one(&broker).await.ack();
    let both = soon(broker.ready(&[OTHER, QUEUE]));
    broker.publish(QUEUE, message(2)).await.unwrap();
    assert_eq!(both.await.unwrap(), QUEUE, "a refused queue does not hold up the others");
}

#[tokio::test]
async fn a_stream_that_the_server_finds_full_refuses_and_takes_later() {
    let server = Server::start("");
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
    let server = Server::start("");
    match soon(Broker::jet_stream(options(server.url()))).await {
        Err(ConnectError::Missing { names }) => {
            assert_eq!(names.len(), Queue::COUNT * 2 + 4);
            for name in ["Q_FETCH_LOW", "Q_FETCH_LOW/agents", "Q_DEAD", "KV_runs"] {
                assert!(names.iter().any(|known| known == name), "{name} is not among {names:?}");
            }
        }
        other => panic!("everything is missing, but: {other:?}"),
    }
    let first = apply(&options(server.url())).await.unwrap();
    assert_eq!((first.created.len(), first.updated.len()), (Queue::COUNT * 2 + 4, 0));
    let again = apply(&options(server.url())).await.unwrap();
    assert_eq!(again.unchanged.len(), Queue::COUNT * 2 + 4, "{again:?}");
    let changed = Layout { ack_wait: ACK_WAIT * 2, ..layout() };
    let update = apply(&JetStreamOptions { layout: changed, ..options(server.url()) }).await.unwrap();
    assert_eq!((update.updated.len(), update.created.len()), (Queue::COUNT, 0), "{update:?}");
    agent(server.url()).await.publish(QUEUE, message(1)).await.unwrap();
}

#[tokio::test]
async fn a_deleted_stream_is_named_and_used_again_when_it_is_back() {
    let server = Server::start("");
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
    let server = Server::start("");
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
    let server = Server::start("");
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
