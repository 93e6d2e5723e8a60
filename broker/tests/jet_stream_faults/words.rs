//! Words of holders that come late, and leases that end while there is no connection.

use super::*;
use crate::proxy::Proxy;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_from_before_an_outage_disturbs_no_later_holder() {
    let server = Nats::start("");
    let proxy = Proxy::to(server.port()).await;
    let first = developer(proxy.url()).await;
    let second = agent(server.url()).await;
    first.publish_all(QUEUE, (0..3).map(message).collect()).await.unwrap();
    let mut early = Vec::new();
    while early.len() < 3 {
        early.extend(soon(first.pull(QUEUE, 3)).await.unwrap());
    }
    proxy.cut();
    until_ready(&first, false).await;
    // Given back, put off, and kept: all of it while no one hears.
    drop(early.remove(0));
    early.remove(0).nak(Duration::from_millis(1));
    early[0].progress();
    let mut later = Vec::new();
    while later.len() < 3 {
        later.extend(soon(second.pull(QUEUE, 3)).await.unwrap());
    }
    proxy.mend();
    let readiness = first.readiness();
    while *readiness.borrow() != Readiness::Ready {
        later.iter().for_each(Delivery::progress);
        sleep(ACK_WAIT / 10).await;
    }
    let began = Instant::now();
    while began.elapsed() < ACK_WAIT * 2 {
        for delivery in &later {
            delivery.progress();
        }
        early[0].progress();
        for broker in [&first, &second] {
            let pulled = timeout(ACK_WAIT / 10, broker.pull(QUEUE, 1)).await;
            assert!(pulled.is_err(), "someone has it, but it came again: {pulled:?}");
        }
    }
    later.into_iter().for_each(Delivery::ack);
    soon(second.close()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_in_an_outage_is_handed_out_no_more() {
    let server = Nats::start("");
    let proxy = Proxy::to(server.port()).await;
    let broker = developer(proxy.url()).await;
    broker.publish(QUEUE, message(1)).await.unwrap();
    let held = one(&broker).await;
    proxy.cut();
    until_ready(&broker, false).await;
    drop(held);
    let held = one(&broker).await;
    assert_eq!(number(&held), 1, "its lease lasts");
    drop(held);
    sleep(ACK_WAIT).await;
    let late = broker.try_pull(QUEUE, 1);
    assert!(late.is_empty(), "the server takes it for given back, but {late:?} came");
    proxy.mend();
    one(&broker).await.ack();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_closes_in_an_outage_too() {
    let mut server = Nats::start("");
    let broker = developer(server.url()).await;
    broker.publish_all(QUEUE, (0..3).map(message).collect()).await.unwrap();
    let mut held = vec![one(&broker).await, one(&broker).await, one(&broker).await];
    server.kill();
    until_ready(&broker, false).await;
    held.remove(0).ack();
    held.remove(0).nak(Duration::from_secs(1));
    let began = Instant::now();
    soon(broker.close()).await;
    assert!(began.elapsed() < ACK_WAIT * 3, "{:?}", began.elapsed());
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_is_given_up_before_the_server_forgets_the_first() {
    let server = Nats::start("");
    let proxy = Proxy::to(server.port()).await;
    let window = Duration::from_secs(4);
    let layout = Layout { dedup_window: window, ..layout() };
    let options = JetStreamOptions { dev: true, layout, ..options(proxy.url()) };
    let broker = soon(Broker::jet_stream(options)).await.unwrap();
    broker.publish(QUEUE, message(0)).await.unwrap();
    proxy.silence();
    let patient = PublishOptions::default().deadline(PATIENCE);
    let publisher = tokio::spawn({
        let broker = broker.clone();
        async move { broker.publish_with(QUEUE, message(1), patient).await }
    });
    sleep(Duration::from_millis(100)).await;
    proxy.cut();
    let began = Instant::now();
    let refused = soon(publisher).await.unwrap();
    assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
    assert!(began.elapsed() < window, "it may have been stored, and would be stored again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_its_way_to_one_that_closes_is_given_back_at_once() {
    let server = Nats::start("");
    let layout = Layout { ack_wait: PATIENCE * 10, ..layout() };
    let options = JetStreamOptions { dev: true, layout, ..options(server.url()) };
    let first = soon(Broker::jet_stream(options.clone())).await.unwrap();
    for round in 0..5 {
        let waiting: Vec<Message> = (round * 500..(round + 1) * 500).map(message).collect();
        first.publish_all(QUEUE, waiting).await.unwrap();
        let leaving = soon(Broker::jet_stream(options.clone())).await.unwrap();
        // The server sends them all, and is not done when the first are here.
        drop(soon(leaving.pull(QUEUE, 256)).await.unwrap());
        soon(leaving.close()).await;
        drop(leaving);
        let mut left = 500;
        while left > 0 {
            let pulled = soon(first.pull(QUEUE, 256)).await.unwrap();
            left -= pulled.len();
            pulled.into_iter().for_each(Delivery::ack);
        }
    }
}

#[tokio::test]
async fn notes_on_attempts_end_with_their_stream() {
    let server = Nats::start("");
    let first = developer(server.url()).await;
    first.publish(QUEUE, message(1)).await.unwrap();
    drop(one(&first).await);
    soon(first.close()).await;
    one(&agent(server.url()).await).await.ack();
    saboteur(&server).await.delete_stream("Q_VALIDATE_NORMAL").await.unwrap();
    apply(&options(server.url())).await.unwrap();
    let second = agent(server.url()).await;
    second.publish(QUEUE, message(2)).await.unwrap();
    let held = one(&second).await;
    held.start();
    sleep(Duration::from_millis(200)).await;
    drop(second);
    let again = one(&agent(server.url()).await).await;
    assert_eq!((number(&again), again.attempt), (2, 2));
    again.ack();
    drop(held);
}
