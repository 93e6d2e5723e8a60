//! What the server does not permit is named, and holds up nothing else.

use super::*;

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
