//! What every program of ours does, whatever its stage: how it ends without a broker, what its ports answer, which
//! settings it takes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod ending;
mod metrics;
mod planes;
mod silent;
mod tuning;

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use quire_api::page::{RenderRequest, page_service_client::PageServiceClient};
use serde_json::Value;
use system_tests::{Agent, COORDINATOR, Cluster, Ended, Quire, STAGES, repository};
use test_servers::Signal;
use tonic::Code;

use silent::{Silent, reads_neuprint};

/// Where nothing can be waited for, a process ends within this. What it may take for its work is 20 s.
const SOON: Duration = Duration::from_secs(8);

/// Kills the broker and waits until every process has seen that it is away.
fn lose_broker(cluster: &mut Cluster) {
    cluster.nats.iter_mut().for_each(test_servers::Nats::kill);
    cluster.until("all have seen that the broker is away", |cluster| {
        cluster.agents.iter().all(|agent| agent.unready().is_some()).then_some(())
    });
}

/// Tells all processes to end, and expects them to, soon and cleanly.
fn end_soon(cluster: &mut Cluster) {
    let told = Instant::now();
    let agents = cluster.take(|_| true);
    agents.iter().for_each(|agent| agent.process.tell(Signal::Term));
    for Agent { name, process, .. } in agents {
        assert_eq!(process.ended(), 0, "{name}");
        assert!(told.elapsed() < SOON, "{name} ended only after {:?}", told.elapsed());
    }
}

#[test]
fn without_a_broker_every_process_ends_at_once() {
    let mut cluster = Cluster::start(1, &[]);
    // A second one stands by, and waits for the lease.
    cluster.add(COORDINATOR);
    lose_broker(&mut cluster);
    end_soon(&mut cluster);
}

#[test]
fn without_a_broker_work_that_goes_on_is_not_waited_for() {
    let silent = Silent::new();
    let [server, token] = silent.variables();
    let mut cluster = Cluster::start(1, &[(server.0, &server.1), (token.0, &token.1)]);
    let catalogue = reads_neuprint(cluster.folder(), "types");
    let begun = cluster.quire(&["run", "start", catalogue.to_str().unwrap()]);
    assert_eq!(begun.code, Some(0), "{}", begun.err);
    // The fetcher's question: from here on its handler waits for the answer, and the coordinator for the handler.
    let _asked = silent.asked();
    lose_broker(&mut cluster);
    end_soon(&mut cluster);
}

/// What `quire agents` tells of a coordinator at `address`.
fn listed(address: SocketAddr) -> Vec<Value> {
    let ended = Quire::new().run(["agents", "--json", "--server", &address.to_string()]);
    serde_json::from_str(&ended.out).unwrap_or_default()
}

#[test]
fn agents_that_are_not_heard_of_are_not_told_to_be_ready() {
    let mut cluster = Cluster::start(1, &[]);
    let coordinator = cluster.leader().unwrap().address;
    cluster.until("all are told to be ready", |_| {
        let agents = listed(coordinator);
        (agents.len() == 5 && agents.iter().all(|agent| agent["ready"] == true)).then_some(())
    });
    lose_broker(&mut cluster);
    cluster.until("all are told to be silent", |_| {
        let agents = listed(coordinator);
        assert_eq!(agents.len(), 5, "none of them is gone for sure");
        let silent = |agent: &Value| {
            agent["ready"] == false && agent["reason"].as_str().unwrap().starts_with("not heard of for ")
        };
        agents.iter().all(silent).then_some(())
    });
}

/// The first line of the answer.
fn status(agent: &Agent, path: &str) -> String {
    agent.get(path).unwrap().lines().next().unwrap_or_default().to_owned()
}

/// A call of a service that is not there, as a client of it sees it.
fn unknown_service(address: SocketAddr) -> Code {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut pages = PageServiceClient::connect(format!("http://{address}")).await.unwrap();
        pages.render(RenderRequest::default()).await.unwrap_err().code()
    })
}

#[test]
fn paths_that_nobody_serves_are_not_found_and_unknown_services_are_unimplemented() {
    let mut cluster = Cluster::start(1, &[]);
    let unknown = ["/", "/metric", "/livez/", "/nonsense", "/grpc.health.v1.Health/Check"];
    for agent in &cluster.agents {
        for path in unknown {
            assert_eq!(status(agent, path), "HTTP/1.1 404 Not Found", "{} {path}", agent.name);
        }
        assert_eq!(status(agent, "/livez"), "HTTP/1.1 200 OK", "{}", agent.name);
    }
    let validator = cluster.agents("validator").next().unwrap().address;
    assert_eq!(unknown_service(validator), Code::Unimplemented);

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    cluster.set("QUIRE_HEALTH_LISTEN", &free.to_string());
    cluster.add("indexer");
    cluster.wait_until_ready();
    let agent = cluster.agents.last().unwrap();
    assert_eq!(agent.address, free);
    for path in unknown.into_iter().chain(["/api/v1/search"]) {
        assert_eq!(status(agent, path), "HTTP/1.1 404 Not Found", "{path}");
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(status(agent, path), "HTTP/1.1 200 OK", "{path}");
    }
    assert_eq!(unknown_service(free), Code::Unimplemented);
    assert!(TcpStream::connect(free).is_ok());
}

/// A program with these arguments, to its end.
fn program(kind: &str, arguments: &[&str]) -> Ended {
    let mut command = std::process::Command::new(Quire::program().with_file_name(format!("quire-{kind}")));
    command.env_clear().args(["--nats-url", "nats://127.0.0.1:1", "--store", "file:///nowhere"]);
    command.args(arguments).output().unwrap().into()
}

#[test]
fn fewer_slots_than_an_agent_has_are_refused_and_the_default_is_shown() {
    for kind in STAGES {
        let refused = program(kind, &["--slots", "2", "--print-config"]);
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        assert!(refused.err.contains("an agent has at least 4 slots"), "{}", refused.err);
        let shown = program(kind, &["--slots", "4", "--print-config"]).out;
        assert!(shown.contains("slots = \"4\"  # flag"), "{shown}");
    }
    let cores = std::thread::available_parallelism().unwrap().get();
    let shown = program("renderer", &["--print-config"]).out;
    assert!(shown.contains(&format!("slots = \"{}\"  # default", (cores + 2).max(4))), "{shown}");
    let guide = fs::read_to_string(repository().join("docs/guide/operate.md")).unwrap();
    assert!(guide.contains("two more than there are cores, and at least 4"), "the guide tells the default");
}

#[test]
fn a_process_ends_in_time_though_nobody_takes_its_traces() {
    // Connections are taken by the system, and nobody ever answers.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", deaf.local_addr().unwrap());
    let mut cluster =
        Cluster::start(1, &[("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("QUIRE_DRAIN_SECONDS", "1")]);
    let _ = cluster.run("findings");
    for agent in cluster.take(|_| true) {
        let (kind, told) = (agent.kind, Instant::now());
        agent.process.tell(Signal::Term);
        assert_eq!(agent.process.ended(), 0, "{kind}");
        // Two seconds more than its drain, and one for a busy machine.
        assert!(told.elapsed() < Duration::from_secs(4), "{kind}: {:?}", told.elapsed());
    }
}

#[test]
fn a_protocol_of_traces_that_is_not_spoken_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut validator = std::process::Command::new(Quire::program().with_file_name("quire-validator"));
    validator.current_dir(folder.path()).args(["--store", "file:store", "--state", "state"]);
    validator.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let ended: Ended = validator.env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf").output().unwrap().into();
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(
        ended.err.contains("OTEL_EXPORTER_OTLP_PROTOCOL is http/protobuf: expected grpc"),
        "{}",
        ended.err
    );
}

#[test]
fn settings_that_belong_together_are_given_together_wherever_they_stand() {
    let quire = Quire::new();
    let (file, secret) = (quire.folder().join("quire.toml"), "/run/secrets/p");
    fs::write(&file, "store = \"file:///tmp/s\"\nnats-user = \"ada\"\n").unwrap();
    let run = |arguments: &[&str]| -> Ended {
        let mut fetcher = std::process::Command::new(Quire::program().with_file_name("quire-fetcher"));
        fetcher.args(arguments).arg("--print-config").env_clear().env("QUIRE_CONFIG", &file);
        fetcher.output().unwrap().into()
    };
    let ended = run(&[]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(
        ended.err.contains("nats-user is given (") && ended.err.contains("quire.toml:2)"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("nats-password-file is not"), "{}", ended.err);
    assert_eq!(run(&["--nats-password-file", secret]).code, Some(0));
    let ended = run(&["--nats-password-file", secret, "--nats-key", "k"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("nats-key is given (flag) and nats-cert is not"), "{}", ended.err);
    let ended = quire.run(["admin", "apply", "--nats-user", "ada"]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
}
