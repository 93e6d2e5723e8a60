//! The agents as processes, with their store in a bucket.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use quire_proto::Digest;
use quire_runtime::{Bucket, Labels, S3Settings};
use system_tests::{Agent, Build, Cluster, ClusterOptions, Quire, repository, tree};
use test_servers::{Leashed, Nats, S3};

const PATIENCE: Duration = Duration::from_secs(60);

fn cluster(server: &S3, prefix: &str, each: usize) -> Cluster {
    let options = ClusterOptions::default().agents(each).variable("QUIRE_STORE", server.store(prefix));
    let with = |options: ClusterOptions, (name, value): (String, String)| options.variable(&name, value);
    Cluster::start_with(server.variables().into_iter().fold(options, with))
}

fn site(server: &S3, prefix: &str) -> Bucket {
    let settings = S3Settings::of(server.variables());
    Bucket::s3(server.bucket(), &format!("{prefix}/site"), &settings).unwrap()
}

/// Every file of the site with its digest.
fn files(site: &Bucket) -> BTreeMap<String, String> {
    let keys = site.list("").unwrap().map(|object| object.unwrap().key);
    keys.map(|key| {
        let bytes = site.get(&key, 1 << 30).unwrap().unwrap();
        (key, Digest::of(&bytes).to_hex())
    })
    .collect()
}

/// What changed the site since the first `before` requests.
fn changes(server: &S3, before: usize) -> Vec<String> {
    let requests = server.requests().split_off(before);
    let is_change = |line: &String| {
        line.contains("/site/") && ["PUT ", "POST ", "DELETE "].iter().any(|verb| line.starts_with(verb))
    };
    requests.into_iter().filter(is_change).collect()
}

#[test]
fn a_site_in_a_bucket_is_the_one_in_a_folder_and_stays_as_it_is() {
    let Some(server) = S3::start() else { return };
    let quire = Quire::with("FINDINGS_ROOT", repository().join("catalogues/findings/data"));
    let report = quire.build(&Build::of("findings"));
    let expected = tree(&quire.site());
    let cluster = cluster(&server, "a/b", 2);
    let site = site(&server, "a/b");

    let first = cluster.run("findings");
    assert_eq!(first.manifest, report.manifest);
    assert_eq!(first.runs[0].records, report.runs[0].records);
    assert_eq!(files(&site), expected);
    let all = changes(&server, 0);
    let at = |name: &str| all.iter().position(|line| line.contains(name)).unwrap();
    assert_eq!(at("/site/manifest.json"), all.len() - 1, "{all:#?}");
    let page = expected.keys().find(|path| path.starts_with("findings/") && path.ends_with(".md")).unwrap();
    assert!(at(page) < at("/site/findings/index.html"), "{all:#?}");
    let kind = |path: &str| site.look(path).unwrap().unwrap().content_type.unwrap();
    assert_eq!(kind("findings/index.html"), "text/html; charset=utf-8");
    assert_eq!(kind("manifest.json"), "application/json");

    let before = server.requests().len();
    let again = cluster.run("findings");
    assert_eq!(again.manifest, report.manifest);
    assert_eq!(changes(&server, before), [""; 0], "an unchanged site was written");

    // What others do to it is found and mended; what is not ours is left alone.
    site.put(page, &"hello".into(), &Labels::default()).unwrap();
    assert!(site.remove("findings/index.html").unwrap());
    site.put("notes/é ~#1+%41.txt", &"mine".into(), &Labels::default()).unwrap();
    site.put("findings/left-over.html", &"old".into(), &Labels::default()).unwrap();
    let mended = cluster.run("findings");
    assert_eq!(mended.manifest, report.manifest);
    let mut found = files(&site);
    assert_eq!(found.remove("notes/é ~#1+%41.txt"), Some(Digest::of(b"mine").to_hex()));
    assert_eq!(found, expected);
}

fn variables(server: &S3, nats: &Nats, state: &Path, bucket: &str) -> Vec<(String, String)> {
    let mut variables = server.variables();
    for (name, value) in [
        ("QUIRE_NATS_URL", nats.url()),
        ("QUIRE_DEV", "true".to_owned()),
        ("QUIRE_STORE", format!("s3://{bucket}/x")),
        ("QUIRE_STATE", state.display().to_string()),
        ("QUIRE_LISTEN", "127.0.0.1:0".to_owned()),
    ] {
        variables.push((name.to_owned(), value));
    }
    variables
}

#[test]
fn an_agent_waits_for_a_store_that_is_away_and_ends_where_waiting_does_not_help() {
    let Some(mut server) = S3::start() else { return };
    let nats = Nats::start("");
    let folder = tempfile::tempdir().unwrap();

    let state = folder.path().join("wrong");
    let program = Quire::program().with_file_name("quire-validator");
    let none: [&str; 0] = [];
    let wrong = variables(&server, &nats, &state, "no-such-bucket");
    let log = folder.path().join("wrong.log");
    assert_eq!(Leashed::start(&program, none, &wrong, &log).ended(), 1);
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.contains("there is no bucket for the store s3://no-such-bucket/x"), "{said}");

    let state = folder.path().join("waiting");
    let right = variables(&server, &nats, &state, server.bucket());
    server.kill();
    let agent = Agent::start("validator", &state, right, None);
    let until = |what: &str, holds: &dyn Fn(Option<String>) -> bool| {
        let began = Instant::now();
        while !holds(agent.unready()) {
            assert!(began.elapsed() < PATIENCE, "{what}: {}", agent.process.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    until("it should say that the store is away", &|unready| {
        unready.is_some_and(|reason| reason.contains("is away") && reason.contains("127.0.0.1"))
    });
    server.run();
    until("it should be ready", &|unready| unready.is_none());
    let (log, secret) = (agent.process.log(), server.variables().pop().unwrap().1);
    assert!(log.contains("waiting for it") && !log.contains(&secret), "{log}");
}
