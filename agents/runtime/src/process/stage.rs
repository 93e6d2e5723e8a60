//! A stage's agent as a role.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use tonic::service::RoutesBuilder;

use super::{Controls, Process, Role, control::Control, observe};
use crate::{Agent, AgentOptions, BoxError, ComputePool, ResultsCache, Stage};

/// What a stage needs of its process, and the stage. Made by the stage's `main`.
pub struct StageRole<F> {
    build: F,
    shared: Arc<Running>,
}

/// What control planes look at.
pub(super) struct Running {
    pub(super) controls: Controls,
    pub(super) started: Instant,
    /// Empty until the work has begun.
    pub(super) agent: OnceLock<(Agent, Arc<Process>)>,
}

impl<S, F> StageRole<F>
where
    S: Stage,
    F: FnOnce(&Process) -> Result<S, BoxError> + Send + 'static,
{
    /// The agent of the stage that `build` makes once there are broker and store.
    pub fn new(controls: Controls, build: F) -> Self {
        let shared = Running { controls, started: Instant::now(), agent: OnceLock::new() };
        Self { build, shared: Arc::new(shared) }
    }
}

impl<S, F> Role for StageRole<F>
where
    S: Stage,
    F: FnOnce(&Process) -> Result<S, BoxError> + Send + 'static,
{
    fn serve(&self, routes: &mut RoutesBuilder) {
        routes.add_service(Control::service(Arc::clone(&self.shared)));
    }

    async fn work(self, process: Arc<Process>) -> Result<(), BoxError> {
        let stage = (self.build)(&process)?;
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let options =
            AgentOptions { slots: process.args.slots.unwrap_or(cores + 2), ..AgentOptions::default() };
        let agent = Agent::spawn(
            stage,
            process.broker.clone(),
            process.store.clone(),
            ComputePool::new(cores),
            ResultsCache::new(&process.caches),
            options,
            process.metrics.clone(),
        );
        if self.shared.agent.set((agent, Arc::clone(&process))).is_err() {
            return Err("a stage works once a process".into());
        }
        observe::agent(&process.telemetry.meter(), &self.shared);
        process.stopping().await;
        if let Some((agent, _)) = self.shared.agent.get() {
            agent.drain(process.args.drain()).await;
        }
        Ok(())
    }
}
