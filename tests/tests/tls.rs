//! Control planes beyond loopback: TLS, and only callers with a certificate.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, process::Command};

use system_tests::{Agent, Cluster, Ended, Quire, repository};
use test_servers::Signal;

fn certificate(name: &str) -> String {
    repository().join("broker/tests/certificates").join(name).display().to_string()
}

/// A coordinator beside those of the cluster, with `more` in its environment.
fn coordinator(cluster: &Cluster, more: &[(&str, String)]) -> Command {
    let mut command = Command::new(Quire::program().with_file_name("quire-coordinator"));
    command.env("QUIRE_NATS_URL", cluster.nats_url());
    command.env("QUIRE_STORE", format!("file://{}", cluster.store().display()));
    command.env("QUIRE_STATE", cluster.folder().join("guarded"));
    command.envs(more.iter().map(|(name, value)| (*name, value.clone())));
    command
}

fn guarded(cluster: &Cluster, authority: &str) -> Agent {
    let env = [
        ("QUIRE_NATS_URL", cluster.nats_url()),
        ("QUIRE_STORE", format!("file://{}", cluster.store().display())),
        ("QUIRE_STATE", cluster.folder().join("guarded").display().to_string()),
        ("QUIRE_LISTEN", "0.0.0.0:0".to_owned()),
        ("QUIRE_TLS_CERT", certificate("server.pem")),
        ("QUIRE_TLS_KEY", certificate("server.key")),
        ("QUIRE_TLS_CLIENT_CA", authority.to_owned()),
        ("QUIRE_ADVERTISE", "https://guarded.example:7400".to_owned()),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value));
    Agent::start("coordinator", &cluster.folder().join("guarded"), env.into(), None)
}

/// Asks with a certificate of one's `own`, of one who is known by `ca`.
fn ask(agent: &Agent, own: Option<&str>, ca: &str, arguments: &[&str]) -> Ended {
    let quire = Quire::new();
    let mut command = quire.command(arguments);
    command.env("QUIRE_SERVER", format!("https://127.0.0.1:{}", agent.address.port()));
    command.env("QUIRE_TLS_CA", certificate(ca));
    if let Some(own) = own {
        command.env("QUIRE_TLS_CERT", certificate(&format!("{own}.pem")));
        command.env("QUIRE_TLS_KEY", certificate(&format!("{own}.key")));
    }
    Ended::from(command.output().unwrap())
}

#[test]
fn certificates_that_are_renewed_are_used_without_a_restart() {
    let cluster = Cluster::start(1, &[]);
    let authority = cluster.folder().join("callers.pem");
    fs::copy(certificate("stranger.pem"), &authority).unwrap();
    let guarded = guarded(&cluster, authority.to_str().unwrap());
    let asked = || ask(&guarded, Some("client"), "authority.pem", &["agents"]);
    assert_eq!(asked().code, Some(4), "{}", asked().err);
    // Half of a file is no use, and changes nothing.
    fs::write(&authority, "-----BEGIN CERTIFICATE-----").unwrap();
    cluster.until("useless certificates are told", |_| {
        let log = guarded.process.log();
        (log.contains("renewed certificates are no use") || log.contains("cannot be read")).then_some(())
    });
    fs::copy(certificate("authority.pem"), &authority).unwrap();
    cluster.until("the new authority counts", |_| (asked().code == Some(0)).then_some(()));
    guarded.process.tell(Signal::Term);
    assert_eq!(guarded.process.ended(), 0);
}

#[test]
fn a_control_plane_listens_beyond_loopback_only_with_tls_and_only_for_callers_with_a_certificate() {
    let cluster = Cluster::start(1, &[]);
    let everywhere = ("QUIRE_LISTEN", "0.0.0.0:0".to_owned());
    let refused = Ended::from(coordinator(&cluster, std::slice::from_ref(&everywhere)).output().unwrap());
    assert!(refused.code == Some(1) && refused.err.contains("--tls-client-ca"), "{}", refused.err);
    let half = [everywhere, ("QUIRE_TLS_CERT", certificate("server.pem"))];
    let refused = Ended::from(coordinator(&cluster, &half).output().unwrap());
    assert!(refused.code == Some(1) && refused.err.contains("some of them are not set"), "{}", refused.err);

    let guarded = guarded(&cluster, &certificate("authority.pem"));
    let ask = |own: Option<&str>, ca: &str, arguments: &[&str]| ask(&guarded, own, ca, arguments);
    let listed = cluster.until("the guarded one answers, and is known by the address that it says", |_| {
        let listed = ask(Some("client"), "authority.pem", &["agents", "--json"]);
        (listed.code == Some(0) && listed.out.contains("https://guarded.example:7400")).then_some(listed)
    });
    assert!(listed.out.contains("\"stage\":\"render\""), "{}", listed.out);
    assert_eq!(ask(Some("client"), "authority.pem", &["pause", "render"]).code, Some(0));
    assert_eq!(ask(Some("client"), "authority.pem", &["resume", "render"]).code, Some(0));
    let log = guarded.process.log();
    let line = log.lines().find(|line| line.contains("\"action\":\"pause everywhere\"")).unwrap();
    let from = serde_json::from_str::<serde_json::Value>(line).unwrap()["from"].as_str().unwrap().to_owned();
    let (address, fingerprint) = from.split_once(' ').unwrap();
    assert!(address.starts_with("127.0.0.1:") && fingerprint.len() == 64, "{from}");

    let nobody = ask(None, "authority.pem", &["agents"]);
    assert!(nobody.code != Some(0), "{}{}", nobody.out, nobody.err);
    let stranger = ask(Some("client"), "stranger.pem", &["agents"]);
    assert_eq!(stranger.code, Some(4), "{}", stranger.err);
    let plain = guarded.get("/metrics");
    assert!(!plain.is_ok_and(|answer| answer.contains("quire_ready")), "metrics without a certificate");
    guarded.process.tell(Signal::Term);
    assert_eq!(guarded.process.ended(), 0);
}
