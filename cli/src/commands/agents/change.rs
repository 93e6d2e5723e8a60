//! What commands change of agents.

use std::time::Duration;

use quire_api::control::{
    DrainRequest, PauseLaneRequest, PauseRequest, ResumeLaneRequest, ResumeRequest, SetLogFilterRequest,
    TuneRequest, agent_service_client::AgentServiceClient,
};
use quire_proto::{Lane, StageName};
use tonic::transport::Channel;

use super::reach;
use crate::{AgentArgs, Exit, LaneAgentArgs, output, remote::block_on};

type Agent = AgentServiceClient<Channel>;

/// Starts nothing more of a lane, of an agent or of all agents of a stage.
///
/// # Errors
/// If it cannot be reached or refuses.
pub fn pause(args: &LaneAgentArgs) -> anyhow::Result<Exit> {
    block_on(async {
        if is_stage(&args.agent) {
            let request = || PauseLaneRequest { stage: args.agent.clone(), lane: args.one_lane() };
            reach::fleet(&args.server, async |mut fleet| fleet.pause_lane(request()).await).await?;
            return done(&args.done("paused", &every(&args.agent)));
        }
        let mut name = String::new();
        for lane in args.lanes() {
            let request = || PauseRequest { lane: lane.to_owned() };
            let paused = async |mut agent: Agent| agent.pause(request()).await;
            (name, _) = reach::one(&args.server, &args.agent, paused).await?;
        }
        done(&args.done("paused", &name))
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
            return done(&args.done("resumed", &every(&args.agent)));
        }
        let mut name = String::new();
        for lane in args.lanes() {
            let request = || ResumeRequest { lane: lane.to_owned() };
            let resumed = async |mut agent: Agent| agent.resume(request()).await;
            (name, _) = reach::one(&args.server, &args.agent, resumed).await?;
        }
        done(&args.done("resumed", &name))
    })
}

/// Has an agent end after what it has begun.
///
/// # Errors
/// If it cannot be reached.
pub fn drain(args: &AgentArgs) -> anyhow::Result<Exit> {
    block_on(async {
        let drain = async |mut agent: Agent| agent.drain(DrainRequest {}).await;
        let (name, _) = reach::one(&args.server, &args.agent, drain).await?;
        done(&format!("{name} drains: it ends after what it has begun"))
    })
}

/// Changes slots and weights of an agent.
pub(super) fn tune(args: &AgentArgs, slots: Option<u32>, weights: &[u32]) -> anyhow::Result<Exit> {
    block_on(async {
        let request = || TuneRequest { slots: slots.unwrap_or_default(), weights: weights.to_vec() };
        let tune = async |mut agent: Agent| agent.tune(request()).await;
        let (name, _) = reach::one(&args.server, &args.agent, tune).await?;
        let slots = slots.map(|slots| output::counted(slots, "slot"));
        let weights: Vec<String> = weights.iter().map(u32::to_string).collect();
        let weights = (!weights.is_empty()).then(|| format!("weights {}", weights.join(",")));
        let tuned: Vec<String> = slots.into_iter().chain(weights).collect();
        done(&format!("{name} has {} until it ends", tuned.join(" and ")))
    })
}

/// Has an agent log by another filter for a while.
pub(super) fn log(args: &AgentArgs, filter: &str, lasts: Duration) -> anyhow::Result<Exit> {
    block_on(async {
        let seconds = u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX);
        let request = || SetLogFilterRequest { filter: filter.to_owned(), seconds };
        let set = async |mut agent: Agent| agent.set_log_filter(request()).await;
        let (name, _) = reach::one(&args.server, &args.agent, set).await?;
        done(&format!("{name} logs by {filter} for {seconds} s"))
    })
}

/// Says what was done.
fn done(what: &str) -> anyhow::Result<Exit> {
    output::text(what)?;
    Ok(Exit::Done)
}

/// All agents of a stage, as they are told of.
fn every(stage: &str) -> String {
    format!("{stage}, at every agent")
}

fn is_stage(agent: &str) -> bool {
    StageName::ALL.iter().any(|stage| stage.as_str() == agent)
}

impl LaneAgentArgs {
    /// The lanes that are meant: all without one.
    fn lanes(&self) -> Vec<&'static str> {
        self.lane.map_or_else(|| Lane::ALL.map(Lane::as_str).into(), |lane| vec![lane.name()])
    }

    /// What was done to which lanes of whom. That all of them are meant is easily overlooked.
    fn done(&self, what: &str, of: &str) -> String {
        match self.lane {
            Some(lane) => format!("{what} {} of {of}", lane.name()),
            None => format!("{what} all lanes of {of}: critical, too"),
        }
    }

    /// The one that is meant; empty for all.
    fn one_lane(&self) -> String {
        self.lane.map_or_else(String::new, |lane| lane.name().to_owned())
    }
}
