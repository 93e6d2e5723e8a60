//! What the server does not permit is named, and holds up nothing else.

use super::*;

#[tokio::test]
async fn what_is_not_permitted_is_named() {
    let server = Nats::start(
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

fn with_permissions(permissions: &str) -> Nats {
    Nats::start(&format!(
        "authorization {{ users: [
            {{ user: admin, password: a }}
            {{ user: agent, password: b, permissions: {{ {permissions} }} }}
        ] }}"
    ))
}

fn url_of(server: &Nats, user: &str) -> String {
    server.url().replace("://", &format!("://{user}@"))
}

#[tokio::test]
async fn words_that_are_not_permitted_are_told() {
    let server = with_permissions(r#"publish: { deny: "$JS.ACK.>" }"#);
    let admin = developer(url_of(&server, "admin:a")).await;
    let broker = agent(url_of(&server, "agent:b")).await;
    admin.publish(QUEUE, message(1)).await.unwrap();
    one(&broker).await.ack();
    let again = soon(async {
        loop {
            match broker.pull(QUEUE, 1).await {
                // Handed out before the refusal came.
                Ok(again) => drop(again),
                Err(error) => return error,
            }
        }
    });
    match again.await {
        PullError::Denied { what } => assert!(what.contains("$js.ack.q_validate_normal."), "{what}"),
        other => panic!("words are not permitted, but: {other:?}"),
    }
    // Others go on with it.
    one(&admin).await.ack();
}

#[tokio::test]
async fn answers_that_may_not_be_heard_are_told() {
    let server = with_permissions(r#"subscribe: "_AGENT.>""#);
    let _admin = developer(url_of(&server, "admin:a")).await;
    let began = Instant::now();
    match soon(Broker::jet_stream(options(url_of(&server, "agent:b")))).await {
        Err(ConnectError::Denied { what }) => assert!(what.contains("subscription to \"_inbox."), "{what}"),
        other => panic!("no answer may be heard, but: {other:?}"),
    }
    assert!(began.elapsed() < Duration::from_secs(3), "no one should have waited for a timeout");
    let own = JetStreamOptions { inbox_prefix: "_AGENT".to_owned(), ..options(url_of(&server, "agent:b")) };
    let broker = soon(Broker::jet_stream(own)).await.unwrap();
    broker.publish(QUEUE, message(1)).await.unwrap();
    one(&broker).await.ack();
}

#[tokio::test]
async fn a_watch_or_list_that_is_not_permitted_is_told() {
    let server = with_permissions(
        r#"publish: { deny: ["$JS.API.CONSUMER.CREATE.KV_config", "$JS.API.CONSUMER.CREATE.KV_config.>"] }"#,
    );
    let _admin = developer(url_of(&server, "admin:a")).await;
    let broker = agent(url_of(&server, "agent:b")).await;
    let kv = broker.kv(Bucket::Config);
    kv.put("a", "1").await.unwrap();
    let began = Instant::now();
    for refused in [soon(kv.watch("")).await.map(drop), soon(kv.keys("")).await.map(drop)] {
        match refused {
            Err(KvError::Denied { what }) => assert!(what.contains("kv_config"), "{what}"),
            other => panic!("it is not permitted, but: {other:?}"),
        }
    }
    assert!(began.elapsed() < Duration::from_secs(3), "no one should have waited for a timeout");
    soon(broker.kv(Bucket::Runs).watch("")).await.unwrap();
}
