//! What keeps an agent from its server is named; it is tried again without end, and no longer than anyone wants it.

use std::{path::PathBuf, sync::Arc};

use quire_broker::TlsOptions;
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use super::*;
use crate::proxy::Proxy;

fn certificate(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(name)
}

/// A server that wants an encrypted connection and a certificate.
fn strict() -> Nats {
    let [certificate, key, ca] = ["server.pem", "server.key", "authority.pem"].map(certificate);
    Nats::start(&format!(
        "tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {ca:?}, verify: true }}"
    ))
}

fn trusting(url: String, ca: &str, with_own: bool) -> JetStreamOptions {
    let own = with_own.then(|| (certificate("client.pem"), certificate("client.key")));
    let tls = TlsOptions { required: false, ca: Some(certificate(ca)), certificate: own };
    hasty(JetStreamOptions { dev: true, tls, ..options(url) })
}

/// Gives up soon.
fn hasty(options: JetStreamOptions) -> JetStreamOptions {
    JetStreamOptions { connect_grace: Duration::from_millis(500), ..options }
}

async fn refused(options: JetStreamOptions) -> ConnectError {
    match soon(Broker::jet_stream(options)).await {
        Err(error) => error,
        Ok(_) => panic!("there should be no connection"),
    }
}

/// The error and all its causes.
fn told(error: &ConnectError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text = format!("{text} {source}");
        next = source.source();
    }
    text
}

const PASSWORD: &str = "p,a@s:s/w?o#r d%2C";

fn guarded() -> Nats {
    Nats::start(&format!("authorization {{ user: agent, password: {PASSWORD:?} }}"))
}

#[tokio::test]
async fn a_password_may_have_any_characters_and_is_shown_nowhere() {
    let server = guarded();
    let with = |password: &str| server.url().replace("://", &format!("://agent:{password}@"));
    let right = hasty(JetStreamOptions { dev: true, ..options(with(PASSWORD)) });
    assert!(!format!("{right:?} {}", right.shown_url()).contains("p,a"), "{right:?}");
    soon(Broker::jet_stream(right)).await.unwrap();
    for wrong in ["s3cret,x@y", "s3cret:,nats", "s3cret"] {
        let error = refused(hasty(options(with(wrong)))).await;
        assert!(matches!(&error, ConnectError::Unauthorized { .. }), "{error:?}");
        assert!(!told(&error).contains("s3cret"), "{}", told(&error));
        assert!(told(&error).contains(&format!("127.0.0.1:{}", server.port())), "{}", told(&error));
    }
    for broken in
        ["nats://agent:s3cret@[::", "nats://agent:s3cret", "agent:s3cret@b:x", "nats://agent:s3cret,@b:c"]
    {
        let error = refused(hasty(options(broken.to_owned()))).await;
        assert!(matches!(&error, ConnectError::Url { .. }), "{error:?}");
        assert!(!told(&error).contains("s3cret"), "{}", told(&error));
    }
}

#[tokio::test]
async fn a_password_may_be_in_a_file_that_is_renewed() {
    let server = guarded();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "old\n").unwrap();
    let password_file = Some(("agent".to_owned(), file.path().to_owned()));
    let options = JetStreamOptions { dev: true, password_file, ..options(server.url()) };
    let starting = tokio::spawn(Broker::jet_stream(options.clone()));
    sleep(Duration::from_millis(300)).await;
    assert!(!starting.is_finished(), "it may be renewed within the grace");
    std::fs::write(file.path(), format!("{PASSWORD}\n")).unwrap();
    soon(starting).await.unwrap().unwrap();
    drop(file);
    let error = refused(hasty(options)).await;
    assert!(matches!(error, ConnectError::Credentials { .. }), "{error:?}");
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let error = refused(hasty(options("nats://quire.invalid:4222".to_owned()))).await;
    match &error {
        ConnectError::Unresolvable { server, .. } => assert_eq!(server, "nats://quire.invalid:4222"),
        other => panic!("there is no such host, but: {other:?}"),
    }
}

#[tokio::test]
async fn certificates_are_checked_both_ways() {
    let server = strict();
    let broker = soon(Broker::jet_stream(trusting(server.url(), "authority.pem", true))).await.unwrap();
    soon(broker.publish(QUEUE, message(1))).await.unwrap();
    for (ca, with_own, why) in
        [("stranger.pem", true, "UnknownIssuer"), ("authority.pem", false, "ertificate")]
    {
        let error = refused(trusting(server.url(), ca, with_own)).await;
        assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
        assert!(told(&error).contains(why), "{}", told(&error));
    }
    let missing = trusting(server.url(), "no-such.pem", true);
    match refused(missing).await {
        ConnectError::Credentials { file, .. } => assert!(file.ends_with("no-such.pem")),
        other => panic!("the file is missing, but: {other:?}"),
    }
}

#[tokio::test]
async fn who_wants_encryption_does_not_do_without() {
    let server = Nats::start("");
    let tls = TlsOptions { required: true, ..TlsOptions::default() };
    let error = refused(hasty(JetStreamOptions { tls, ..options(server.url()) })).await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    let error = refused(hasty(options(server.url().replace("nats:", "tls:")))).await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_says_why_there_is_no_connection_any_more() {
    let mut server = guarded();
    let url = server.url().replace("://", &format!("://agent:{PASSWORD}@"));
    let broker = soon(Broker::jet_stream(JetStreamOptions { dev: true, ..options(url) })).await.unwrap();
    let mut readiness = broker.readiness();
    server.kill();
    let says = |word: &'static str| move |now: &Readiness| matches!(now, Readiness::Unready { reason } if reason.contains(word));
    soon(readiness.wait_for(says("cannot be reached"))).await.unwrap();
    server.configure("authorization { user: agent, password: another }");
    server.resume();
    soon(readiness.wait_for(says("refuses our credentials"))).await.unwrap();
    // It is tried again all the same.
    server.kill();
    server.configure(&format!("authorization {{ user: agent, password: {PASSWORD:?} }}"));
    server.resume();
    until_ready(&broker, true).await;
    soon(broker.publish(QUEUE, message(1))).await.unwrap();
}

/// Something that listens, hangs up, and counts.
async fn counter() -> (u16, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    (port, count)
}

#[tokio::test]
async fn attempts_come_less_often_with_time_and_end_with_who_wanted_them() {
    let (port, count) = counter().await;
    let now = || count.load(std::sync::atomic::Ordering::SeqCst);
    let url = format!("nats://127.0.0.1:{port}");
    assert!(timeout(Duration::from_secs(6), Broker::jet_stream(options(url))).await.is_err());
    let attempts = now();
    assert!((4..40).contains(&attempts), "{attempts} attempts in six seconds");
    sleep(Duration::from_millis(100)).await;
    let attempts = now();
    sleep(Duration::from_secs(6)).await;
    assert_eq!(now(), attempts, "no one wants a connection any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_dropped_in_an_outage_leaves_no_one_behind() {
    let server = Nats::start("");
    let proxy = Proxy::to(server.port()).await;
    let broker = developer(proxy.url()).await;
    proxy.cut();
    until_ready(&broker, false).await;
    drop(broker);
    sleep(Duration::from_secs(4)).await;
    let attempts = proxy.accepted();
    proxy.mend();
    sleep(Duration::from_secs(6)).await;
    assert_eq!(proxy.accepted(), attempts, "no one wants a connection any more");
}

#[tokio::test]
async fn a_server_that_is_too_old_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let info = r#"INFO {"server_id":"x","version":"2.9.25","headers":true,"max_payload":1000000,"jetstream":true}"#;
            let _ = client.write_all(format!("{info}\r\nPONG\r\n").as_bytes()).await;
            tokio::spawn(async move { tokio::io::copy(&mut client, &mut tokio::io::sink()).await });
        }
    });
    match refused(hasty(options(format!("nats://127.0.0.1:{port}")))).await {
        ConnectError::TooOld { version, .. } => assert_eq!(version, "2.9.25"),
        other => panic!("it is old, but: {other:?}"),
    }
}
