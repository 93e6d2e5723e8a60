//! A stage's agent as a role.

use std::sync::Arc;

use super::{Process, Role, Services, observe};
use crate::{Agent, AgentOptions, BoxError, ComputePool, ResultsCache, Stage};

/// What a stage needs of its process, and the stage. Made by the stage's `main`.
pub struct StageRole<F> {
    build: F,
}

impl<S, F> StageRole<F>
where
    S: Stage,
    F: FnOnce(&Process) -> Result<S, BoxError> + Send + 'static,
{
    /// The agent of the stage that `build` makes once there are broker and store.
    pub const fn new(build: F) -> Self {
        Self { build }
    }
}

impl<S, F> Role for StageRole<F>
where
    S: Stage,
    F: FnOnce(&Process) -> Result<S, BoxError> + Send + 'static,
{
    fn serve(&self, _: &mut Services) {}

    async fn work(self, process: Arc<Process>) -> Result<(), BoxError> {
        let stage = (self.build)(&process)?;
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let slots = process.args.slots;
        let options = AgentOptions { slots, ..AgentOptions::default() };
        // With a bucket, threads wait for the network more than they compute.
        let threads = if process.store.bucket().is_some() { slots.max(cores) } else { cores };
        let agent = Agent::spawn(
            stage,
            process.broker.clone(),
            process.store.clone(),
            ComputePool::new(threads),
            ResultsCache::new(&process.caches),
            options,
            process.metrics.clone(),
        );
        let agent = process.running.agent.get_or_init(|| agent);
        observe::agent(&process.telemetry.meter(), &process.running);
        process.stopping().await;
        agent.drain_until(process.grace()).await;
        Ok(())
    }
}
