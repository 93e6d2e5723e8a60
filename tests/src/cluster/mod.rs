//! The agents as processes over real nats-servers on this machine: for tests, and for `cargo xtask cluster`.

mod agent;
mod options;
mod runs;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use test_servers::{Nats, NatsOptions, Signal};

use crate::{Ended, Quire};

pub use agent::{Agent, Net};
pub use options::ClusterOptions;
pub use runs::RunState;

const PATIENCE: Duration = Duration::from_secs(60);
/// The stages' programs.
pub const STAGES: [&str; 4] = ["fetcher", "validator", "indexer", "renderer"];
/// Before the ports of agents in namespaces, each of which has one of its own.
const FIRST_PORT: usize = 7_500;
/// The coordinators' program.
pub const COORDINATOR: &str = "coordinator";

/// Agents, their coordinators, and what they share.
#[derive(Debug)]
pub struct Cluster {
    /// Before the broker, so that they end first.
    pub agents: Vec<Agent>,
    /// The broker.
    pub nats: Vec<Nats>,
    folder: PathBuf,
    _temporary: Option<TempDir>,
    options: ClusterOptions,
    started: usize,
}

impl Cluster {
    /// A broker, one coordinator, and so many of each stage, all with `variables` in their environment.
    #[must_use]
    pub fn start(each: usize, variables: &[(&str, &str)]) -> Self {
        let options = ClusterOptions::default().agents(each);
        let with = |options: ClusterOptions, (name, value): &(&str, &str)| options.variable(name, *value);
        Self::start_with(variables.iter().fold(options, with))
    }

    /// A broker, prepared as an operator does, and what `options` say, all of it ready.
    #[must_use]
    pub fn start_with(options: ClusterOptions) -> Self {
        let temporary = options
            .folder
            .is_none()
            .then(|| tempfile::Builder::new().prefix("quire-cluster-").tempdir().unwrap());
        let folder = options.folder.clone().or_else(|| Some(temporary.as_ref()?.path().to_path_buf()));
        let servers = NatsOptions {
            folder: options.folder.clone(),
            synced: options.synced,
            extra: options.broker_extra.clone(),
            host: options.broker_host.clone(),
            store: options.broker_store.clone(),
        };
        let mut cluster = Self {
            agents: Vec::new(),
            nats: Nats::start_many(options.servers, &servers),
            folder: folder.unwrap(),
            _temporary: temporary,
            options,
            started: 0,
        };
        cluster.apply();
        for _ in 0..cluster.options.coordinators {
            cluster.add(COORDINATOR);
        }
        for _ in 0..cluster.options.agents {
            STAGES.iter().for_each(|kind| cluster.add(kind));
        }
        cluster.wait_until_ready();
        cluster
    }

    /// Prepares the broker: what was not there.
    pub fn apply(&self) -> Vec<String> {
        let copies = self.nats.len().to_string();
        let ended = Quire::new().run([
            "admin",
            "apply",
            "--json",
            "--wait",
            "60",
            "--nats",
            &self.nats_url(),
            "--replicas",
            &copies,
        ]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let told: serde_json::Value = serde_json::from_str(ended.out.trim()).unwrap();
        let created = told["created"].as_array().unwrap().iter();
        created.map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// The broker's servers as agents take them.
    #[must_use]
    pub fn nats_url(&self) -> String {
        self.nats.iter().map(Nats::url).collect::<Vec<_>>().join(",")
    }

    /// A variable of agents that are started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.options.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Where the coordinators are, as `--server` takes it.
    #[must_use]
    pub fn servers(&self) -> String {
        let all: Vec<String> = self.agents(COORDINATOR).map(|agent| agent.address.to_string()).collect();
        all.join(",")
    }

    /// Starts one more agent.
    pub fn add(&mut self, kind: &'static str) {
        self.add_with(kind, None);
    }

    /// Starts one more agent in a network namespace; the broker must listen there.
    pub fn add_in(&mut self, kind: &'static str, net: &Net) {
        self.add_with(kind, Some(net));
    }

    fn add_with(&mut self, kind: &'static str, net: Option<&Net>) {
        self.started += 1;
        let own = self.folder.join(format!("{kind}-{}", self.started));
        let mut env = self.options.variables.clone();
        for (variable, value) in [
            ("QUIRE_NATS_URL", self.nats_url()),
            ("QUIRE_STORE", format!("file://{}", self.store().display())),
            ("QUIRE_STATE", own.display().to_string()),
            ("QUIRE_LISTEN", "127.0.0.1:0".to_owned()),
            ("QUIRE_DATA", self.options.data.display().to_string()),
        ] {
            // What the options say wins.
            if !env.iter().any(|(name, _)| name == variable) {
                env.push((variable.to_owned(), value));
            }
        }
        if let Some(Net { here, there, .. }) = net {
            // From here it is seen only at the address that serves health.
            env.push(("QUIRE_HEALTH_LISTEN".to_owned(), format!("{there}:{}", FIRST_PORT + self.started)));
            let broker = env.iter_mut().find(|(name, _)| name == "QUIRE_NATS_URL");
            broker.unwrap().1 = self.nats_url().replace("127.0.0.1", here);
        }
        self.agents.push(Agent::start(kind, &own, env, net.cloned()));
    }

    /// Kills an agent where it still runs, and starts it on its folder; `once` is in the environment of this start alone.
    pub fn restart(&mut self, agent: usize, once: &[(&str, &str)]) {
        let once: Vec<_> =
            once.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let agent = &mut self.agents[agent];
        let own = self.folder.join(&agent.name);
        agent.start_again(&own, &once);
    }

    /// Starts again what has ended by itself, as a supervisor does; which agents that were.
    pub fn supervise(&mut self) -> Vec<usize> {
        let agents = self.agents.iter_mut().enumerate();
        let ended: Vec<usize> =
            agents.filter_map(|(at, agent)| agent.process.has_ended().then_some(at)).collect();
        ended.iter().for_each(|agent| self.restart(*agent, &[]));
        ended
    }

    /// The processes of a kind.
    pub fn agents(&self, kind: &str) -> impl Iterator<Item = &Agent> {
        self.agents.iter().filter(move |agent| agent.kind == kind)
    }

    /// Where an agent that `which` names stands in `agents`.
    #[must_use]
    pub fn positions(&self, which: impl Fn(&Agent) -> bool) -> Vec<usize> {
        (0..self.agents.len()).filter(|&agent| which(&self.agents[agent])).collect()
    }

    /// Takes the processes that `which` names out: they end when they are dropped.
    pub fn take(&mut self, which: impl Fn(&Agent) -> bool) -> Vec<Agent> {
        let (taken, stay) = std::mem::take(&mut self.agents).into_iter().partition(which);
        self.agents = stay;
        taken
    }

    /// The coordinator that leads.
    #[must_use]
    pub fn leader(&self) -> Option<&Agent> {
        self.agents(COORDINATOR).find(|agent| agent.unready().is_none())
    }

    /// Where the coordinator that leads is.
    #[must_use]
    pub fn leader_address(&self) -> Option<SocketAddr> {
        self.leader().map(|leader| leader.address)
    }

    /// What keeps the cluster from work.
    #[must_use]
    pub fn unready(&self) -> Vec<String> {
        let stages = self.agents.iter().filter(|agent| agent.kind != COORDINATOR);
        let mut late: Vec<String> =
            stages.filter_map(|agent| Some(format!("{}: {}", agent.name, agent.unready()?))).collect();
        if self.leader().is_none() {
            late.push("no coordinator leads".to_owned());
        }
        late
    }

    /// Waits until every stage is ready and some coordinator leads.
    pub fn wait_until_ready(&mut self) {
        let began = Instant::now();
        loop {
            let late = self.unready();
            if late.is_empty() {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{late:?}\n{}", self.logs());
            self.supervise();
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Looks until there is what is looked for.
    pub fn until<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{what}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What every process printed.
    #[must_use]
    pub fn logs(&self) -> String {
        let log = |agent: &Agent| format!("== {}\n{}", agent.name, agent.process.log());
        self.agents.iter().map(log).collect()
    }

    /// Where store, states and logs lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The store that all share.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.options.store.clone().unwrap_or_else(|| self.folder.join("store"))
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

    /// Tells every agent to end, waits until they have, then ends the broker; the exit code of each agent.
    pub fn stop(mut self) -> Vec<(String, i32)> {
        let agents = std::mem::take(&mut self.agents);
        agents.iter().for_each(|agent| agent.process.tell(Signal::Term));
        let ended = agents.into_iter().map(|agent| (agent.name, agent.process.ended())).collect();
        self.nats.iter_mut().for_each(Nats::stop);
        ended
    }
}
