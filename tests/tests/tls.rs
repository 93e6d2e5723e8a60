//! Control planes beyond loopback: TLS, and only callers with a certificate.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, process::Command};

use quire_api::page::{RenderRequest, page_service_client::PageServiceClient};
use system_tests::{Agent, Cluster, Ended, Quire, repository};
use test_servers::Signal;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

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

/// An agent beside those of the cluster that takes only callers with a certificate.
fn guarded_agent(kind: &'static str, cluster: &Cluster, more: &[(&str, String)]) -> Agent {
    let own = cluster.folder().join(format!("guarded-{kind}"));
    let mut env = vec![
        ("QUIRE_NATS_URL", cluster.nats_url()),
        ("QUIRE_STORE", format!("file://{}", cluster.store().display())),
        ("QUIRE_STATE", own.display().to_string()),
    ];
    env.extend(more.iter().cloned());
    let env = env.into_iter().map(|(name, value)| (name.to_owned(), value));
    Agent::start(kind, &own, env.collect(), None)
}

fn guarded(cluster: &Cluster, authority: &str) -> Agent {
    let more = [
        ("QUIRE_LISTEN", "0.0.0.0:0".to_owned()),
        ("QUIRE_TLS_CERT", certificate("server.pem")),
        ("QUIRE_TLS_KEY", certificate("server.key")),
        ("QUIRE_TLS_CLIENT_CA", authority.to_owned()),
        ("QUIRE_ADVERTISE", "https://guarded.example:7400".to_owned()),
    ];
    guarded_agent("coordinator", cluster, &more)
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

/// Who calls with an agent's certificate.
async fn caller(agent: &Agent) -> Channel {
    let read = |name: &str| fs::read(certificate(name)).unwrap();
    let identity = Identity::from_pem(read("agent.pem"), read("agent.key"));
    let tls = ClientTlsConfig::new().identity(identity);
    let tls = tls.ca_certificate(Certificate::from_pem(read("agents.pem")));
    let address = format!("https://127.0.0.1:{}", agent.address.port());
    Channel::from_shared(address).unwrap().tls_config(tls).unwrap().connect().await.unwrap()
}

#[test]
fn a_renderer_that_is_asked_for_a_page_calls_the_coordinator_with_its_own_certificate() {
    let mut cluster = Cluster::start(1, &[]);
    drop(cluster.take(|agent| agent.kind == "coordinator"));
    let guard = |kind| {
        let files = [("CERT", "agent.pem"), ("KEY", "agent.key"), ("CLIENT_CA", "agents.pem")];
        let names = files.map(|(name, _)| format!("QUIRE_TLS_{name}"));
        let mut more = vec![("QUIRE_LISTEN", "127.0.0.1:0".to_owned())];
        more.extend(names.iter().zip(files).map(|(name, (_, file))| (name.as_str(), certificate(file))));
        guarded_agent(kind, &cluster, &more)
    };
    let (coordinator, renderer) = (guard("coordinator"), guard("renderer"));
    let folder = repository().join("catalogues/findings");
    let start = ["run", "start", folder.to_str().unwrap(), "--watch", "--json"];
    cluster.until("the guarded coordinator leads", |_| {
        let ended = ask(&coordinator, Some("agent"), "agents.pem", &start);
        (ended.code == Some(0)).then_some(())
    });
    let data = fs::read(cluster.site().join("findings/data.json")).unwrap();
    let data: serde_json::Value = serde_json::from_slice(&data).unwrap();
    let key = data[0]["key"].as_str().unwrap().to_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rendered = runtime.block_on(async {
        let request = RenderRequest { catalogue: "findings".to_owned(), key };
        PageServiceClient::new(caller(&renderer).await).render(request).await.unwrap().into_inner()
    });
    assert!(rendered.files.iter().any(|file| file.path.ends_with(".html")));
    for agent in [coordinator, renderer] {
        agent.process.tell(Signal::Term);
        assert_eq!(agent.process.ended(), 0);
    }
}
