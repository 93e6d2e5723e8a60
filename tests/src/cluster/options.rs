//! What a cluster is made of.

use std::path::PathBuf;

use crate::repository;

/// What a cluster is made of; [`ClusterOptions::default`] is one of each.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Agents of each stage.
    pub agents: usize,
    /// Coordinators, of which one leads.
    pub coordinators: usize,
    /// NATS servers; three keep three copies of everything.
    pub servers: usize,
    /// Whether the servers sync before they answer, as brokers in production do.
    pub synced: bool,
    /// Added to the servers' configuration.
    pub broker_extra: String,
    /// Where the servers listen.
    pub broker_host: String,
    /// Where the only server stores streams; `None` for a place in its folder.
    pub broker_store: Option<PathBuf>,
    /// The store that all share; `None` for one in the folder.
    pub store: Option<PathBuf>,
    /// In the environment of every agent.
    pub variables: Vec<(String, String)>,
    /// Where fetchers look for a catalogue's files: a folder a catalogue.
    pub data: PathBuf,
    /// Where store, state and logs lie; `None` for a folder that goes with the cluster.
    pub folder: Option<PathBuf>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            agents: 1,
            coordinators: 1,
            servers: 1,
            synced: false,
            broker_extra: String::new(),
            broker_host: "127.0.0.1".to_owned(),
            broker_store: None,
            store: None,
            variables: Vec::new(),
            data: repository().join("catalogues"),
            folder: None,
        }
    }
}

impl ClusterOptions {
    /// So many agents of each stage.
    #[must_use]
    pub fn agents(self, agents: usize) -> Self {
        Self { agents, ..self }
    }

    /// So many coordinators.
    #[must_use]
    pub fn coordinators(self, coordinators: usize) -> Self {
        Self { coordinators, ..self }
    }

    /// So many NATS servers.
    #[must_use]
    pub fn servers(self, servers: usize) -> Self {
        Self { servers, ..self }
    }

    /// A variable in the environment of every agent.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.into()));
        self
    }
}
