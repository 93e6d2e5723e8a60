//! What commands change of agents.

use std::time::Duration;

use quire_api::control::{
    DrainRequest, PauseLaneRequest, PauseRequest, ResumeLaneRequest, ResumeRequest, SetLogFilterRequest,
    TuneRequest,
};
use quire_proto::{Lane, StageName};

use super::reach;
use crate::{AgentArgs, Exit, LaneAgentArgs, remote::block_on};

/// Starts nothing more of a lane, of an agent or of all agents of a stage.
///
/// # Errors
/// If it cannot be reached or refuses.
pub fn pause(args: &LaneAgentArgs) -> anyhow::Result<Exit> {
    block_on(async {
        if is_stage(&args.agent) {
            let request = || PauseLaneRequest { stage: args.agent.clone(), lane: args.one_lane() };
            reach::fleet(&args.server, async |mut fleet| fleet.pause_lane(request()).await).await?;
            return Ok(Exit::Done);
        }
        for lane in args.lanes() {
            let request = || PauseRequest { lane: lane.to_owned() };
            reach::one(&args.server, &args.agent, async |mut agent| agent.pause(request()).await).await?;
        }
        Ok(Exit::Done)
    })
}

/// Undoes [`pause`].
///
/// # Errors
/// If it cannot be reached or refuses.
pub fn resume(args: &LaneAgentArgs) -> anyhow::Result<Exit> {
    block_on(async {
        if is_stage(&args.agent) {
            let request = || ResumeLaneRequest { stage: args.agent.clone(), lane: args.one_lane() };
            reach::fleet(&args.server, async |mut fleet| fleet.resume_lane(request()).await).await?;
            return Ok(Exit::Done);
        }
        for lane in args.lanes() {
            let request = || ResumeRequest { lane: lane.to_owned() };
            reach::one(&args.server, &args.agent, async |mut agent| agent.resume(request()).await).await?;
        }
        Ok(Exit::Done)
    })
}

/// Has an agent end after what it has begun.
///
/// # Errors
/// If it cannot be reached.
pub fn drain(args: &AgentArgs) -> anyhow::Result<Exit> {
    block_on(async {
        reach::one(&args.server, &args.agent, async |mut agent| agent.drain(DrainRequest {}).await).await?;
        Ok(Exit::Done)
    })
}

/// Changes slots and weights of an agent.
pub(super) fn tune(args: &AgentArgs, slots: Option<u32>, weights: &[u32]) -> anyhow::Result<Exit> {
    block_on(async {
        let request = || TuneRequest { slots: slots.unwrap_or_default(), weights: weights.to_vec() };
        reach::one(&args.server, &args.agent, async |mut agent| agent.tune(request()).await).await?;
        Ok(Exit::Done)
    })
}

/// Has an agent log by another filter for a while.
pub(super) fn log(args: &AgentArgs, filter: &str, lasts: Duration) -> anyhow::Result<Exit> {
    block_on(async {
        let seconds = u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX);
        let request = || SetLogFilterRequest { filter: filter.to_owned(), seconds };
        reach::one(&args.server, &args.agent, async |mut agent| agent.set_log_filter(request()).await)
            .await?;
        Ok(Exit::Done)
    })
}

fn is_stage(agent: &str) -> bool {
    StageName::ALL.iter().any(|stage| stage.as_str() == agent)
}

impl LaneAgentArgs {
    /// The lanes that are meant: all without one.
    fn lanes(&self) -> Vec<&'static str> {
        self.lane.map_or_else(|| Lane::ALL.map(Lane::as_str).into(), |lane| vec![lane.name()])
    }

    /// The one that is meant; empty for all.
    fn one_lane(&self) -> String {
        self.lane.map_or_else(String::new, |lane| lane.name().to_owned())
    }
}
