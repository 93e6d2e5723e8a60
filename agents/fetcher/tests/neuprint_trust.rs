//! The upstream `neuprint`: whom it trusts, and what it never tells.

mod bench;

use std::sync::{Arc, Mutex};

use bench::Bench;
use serde_json::json;
use test_servers::{Neuprint, NeuprintOptions};

fn bench(server: &Neuprint, more: &str) -> Bench {
    Bench::with_source(&format!(
        "{{ name: main, neuprint: {{ server: \"{}\", dataset: cns, token: \"${{NEUPRINT_TOKEN}}\", per_second: 1000{more} }} }}",
        server.url()
    ))
}

#[tokio::test]
async fn a_private_server_is_trusted_by_its_authority_and_by_nothing_less() {
    let certificates =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../broker/tests/certificates");
    let file = |name: &str| certificates.join(name);
    let options =
        NeuprintOptions { tls: Some([file("server.pem"), file("server.key")]), ..NeuprintOptions::default() };
    let Some(server) = Neuprint::start(&options) else { return };
    let failure = bench(&server, "").run(None).await.failure.unwrap();
    assert!(failure.starts_with("neuPrint cannot be reached"), "{failure}");
    let trusting = |name: &str| format!(", ca_file: \"{}\"", file(name).display());
    let failure = bench(&server, &trusting("stranger.pem")).run(None).await.failure.unwrap();
    assert!(failure.contains("certificate"), "{failure}");
    let run = bench(&server, &trusting("authority.pem")).run(None).await;
    assert_eq!((run.failure.as_deref(), run.sent().len()), (None, 19));
}

/// Everything that is logged, by whatever crate.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_token_is_in_no_log_error_or_record() {
    let Some(server) = Neuprint::start(&NeuprintOptions::default()) else { return };
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // Of all threads: what reads answers is on threads of its own.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let bench = bench(&server, "");
    let mut said = format!("{:?}", bench.run(None).await);
    // A server that says the token aloud.
    let words = json!({ "error": format!("no such query, {}", server.token()) }).to_string();
    for fault in [
        json!({ "do": "status", "status": 400, "kind": "cells", "body": words }),
        json!({ "do": "status", "status": 401, "kind": "types", "body": words }),
        json!({ "do": "status", "status": 500, "kind": "types", "body": words }),
        json!({ "do": "reset", "kind": "types" }),
    ] {
        server.fail(&json!([fault]));
        said += &format!("{:?}", bench.run(None).await);
    }
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("a query brought no answer"), "the log is taken down");
    for text in [&said, &logged] {
        let at = text.find(server.token());
        assert_eq!(at.map(|at| &text[at.saturating_sub(200)..at]), None);
    }
    assert!(said.contains("[token]"));
}
