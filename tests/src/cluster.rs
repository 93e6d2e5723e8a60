//! The agents as processes over a real nats-server, all of a test's own.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    time::{Duration, Instant},
};

use quire_proto::BuildReport;
use tempfile::TempDir;
use test_servers::{Leashed, Nats};

use crate::{Ended, Quire, repository};

const PATIENCE: Duration = Duration::from_secs(30);
/// The stages' programs.
pub const STAGES: [&str; 4] = ["fetcher", "validator", "indexer", "renderer"];

/// Agents, their coordinators, and what they share.
#[derive(Debug)]
pub struct Cluster {
    /// Before the broker, so that they end first.
    agents: Vec<Agent>,
    /// The broker.
    pub nats: Nats,
    folder: TempDir,
    variables: Vec<(String, String)>,
    started: usize,
}

/// One process.
#[derive(Debug)]
pub struct Agent {
    /// Name of the program without `quire-`.
    pub kind: &'static str,
    /// The process.
    pub process: Leashed,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Cluster {
    /// A broker, one coordinator, and so many of each stage, all with `variables` in their environment.
    #[must_use]
    pub fn start(each: usize, variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut cluster = Self {
            agents: Vec::new(),
            nats: Nats::start(""),
            folder: tempfile::Builder::new().prefix("quire-cluster-").tempdir().unwrap(),
            variables: variables.collect(),
            started: 0,
        };
        cluster.add("coordinator");
        for _ in 0..each {
            STAGES.iter().for_each(|kind| cluster.add(kind));
        }
        cluster.wait_until_ready();
        cluster
    }

    /// A variable of agents that are started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Where the coordinators are, as `--server` takes it.
    #[must_use]
    pub fn servers(&self) -> String {
        let all: Vec<String> = self.agents("coordinator").map(|agent| agent.address.to_string()).collect();
        all.join(",")
    }

    /// The coordinator that leads.
    #[must_use]
    pub fn leader(&self) -> Option<&Agent> {
        self.agents("coordinator").find(|agent| agent.unready().is_none())
    }

    /// Starts one more agent.
    pub fn add(&mut self, kind: &'static str) {
        self.started += 1;
        let name = format!("{kind}-{}", self.started);
        let own = self.folder.path().join(&name);
        let mut env = self.variables.clone();
        for (variable, value) in [
            ("QUIRE_NATS_URL", self.nats.url()),
            ("QUIRE_STORE", format!("file://{}", self.store().display())),
            ("QUIRE_STATE", own.display().to_string()),
            ("QUIRE_LISTEN", "127.0.0.1:0".to_owned()),
            ("QUIRE_DATA", repository().join("catalogues").display().to_string()),
            ("QUIRE_DEV", "true".to_owned()),
        ] {
            env.push((variable.to_owned(), value));
        }
        let program = Quire::program().with_file_name(format!("quire-{kind}"));
        let none: [&str; 0] = [];
        let process = Leashed::start(&program, none, &env, &self.folder.path().join(format!("{name}.log")));
        let address = process.printed("the address", |log| {
            let (_, rest) = log.split_once("\"address\":\"")?;
            rest.split_once('"')?.0.parse().ok()
        });
        self.agents.push(Agent { kind, process, address });
    }

    /// The processes of a kind.
    pub fn agents(&self, kind: &str) -> impl Iterator<Item = &Agent> {
        self.agents.iter().filter(move |agent| agent.kind == kind)
    }

    /// Takes the processes that `which` names out: they end when they are dropped.
    pub fn take(&mut self, which: impl Fn(&Agent) -> bool) -> Vec<Agent> {
        let (taken, stay) = std::mem::take(&mut self.agents).into_iter().partition(which);
        self.agents = stay;
        taken
    }

    /// Waits until every stage is ready and some coordinator leads.
    pub fn wait_until_ready(&self) {
        let began = Instant::now();
        let waiting = || {
            let stages = self.agents.iter().filter(|agent| agent.kind != "coordinator");
            let late: Vec<String> = stages
                .filter_map(|agent| agent.unready().map(|why| format!("{}: {why}", agent.kind)))
                .collect();
            let leads = self.agents("coordinator").any(|agent| agent.unready().is_none());
            if leads { late } else { vec!["no coordinator leads".to_owned()] }
        };
        loop {
            let late = waiting();
            if late.is_empty() {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{late:?}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What every process printed.
    #[must_use]
    pub fn logs(&self) -> String {
        let log = |agent: &Agent| format!("== {}\n{}", agent.kind, agent.process.log());
        self.agents.iter().map(log).collect()
    }

    /// The store that all share.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> PathBuf {
        self.store().join("site")
    }

    /// Runs `quire` against the coordinator that leads.
    pub fn quire(&self, arguments: &[&str]) -> Ended {
        let leader =
            self.leader().map_or_else(|| "127.0.0.1:1".to_owned(), |agent| agent.address.to_string());
        let quire = Quire::new();
        let mut command = quire.command(arguments);
        command.env("QUIRE_SERVER", leader);
        command.output().unwrap().into()
    }

    /// Runs a catalogue of this repository to its end, and checks that counts add up.
    #[must_use]
    pub fn run(&self, catalogue: &str) -> BuildReport {
        let folder = repository().join("catalogues").join(catalogue);
        let ended = self.quire(&["run", "start", folder.to_str().unwrap(), "--watch", "--json"]);
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, self.logs());
        let report = ended.report();
        assert!(report.runs.iter().all(|run| run.records.adds_up()), "{report:?}");
        report
    }
}

impl Agent {
    /// Why it does not take work; `None` if it does.
    #[must_use]
    pub fn unready(&self) -> Option<String> {
        match self.get("/readyz") {
            Ok(answer) if answer.starts_with("HTTP/1.1 200") => None,
            Ok(answer) => Some(answer.lines().last().unwrap_or_default().to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// The answer to a GET, head and all.
    ///
    /// # Errors
    /// If there is none.
    pub fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}
