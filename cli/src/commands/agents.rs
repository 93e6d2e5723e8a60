//! `quire agents`, `pause`, `resume`, `drain`: the control planes of agents.

use quire_api::control::{
    DrainRequest, LaneStatus, PauseRequest, ResumeRequest, StatusRequest, StatusResponse,
    agent_service_client::AgentServiceClient,
};
use serde::Serialize;
use tonic::transport::Channel;

use crate::{
    AgentArgs, AgentsArgs, Exit, LaneAgentArgs, output,
    remote::{DEADLINE, Servers, block_on},
};

/// Where stages listen unless they are told otherwise.
const DEFAULTS: [&str; 4] = ["127.0.0.1:7401", "127.0.0.1:7402", "127.0.0.1:7403", "127.0.0.1:7404"];

/// Tells what agents do.
///
/// # Errors
/// If none of them can be reached.
pub fn list(args: &AgentsArgs) -> anyhow::Result<Exit> {
    let asked: Vec<String> =
        if args.agents.is_empty() { DEFAULTS.map(str::to_owned).into() } else { args.agents.clone() };
    block_on(async {
        let mut told = Vec::new();
        let mut failed = None;
        for agent in &asked {
            match status(agent).await {
                Ok(status) => told.push(Told::new(agent, status)),
                Err(error) if told.is_empty() && failed.is_none() => failed = Some(error),
                Err(error) => tracing::debug!(agent, error = %error, "not reached"),
            }
        }
        match failed {
            Some(error) if told.is_empty() => return Err(error),
            _ => {}
        }
        if args.json {
            output::json(&told)?;
        } else {
            told.iter().try_for_each(Told::print)?;
            if told.len() < asked.len() {
                output::text(&format!("{} of {} do not answer", asked.len() - told.len(), asked.len()))?;
            }
        }
        Ok(Exit::Done)
    })
}

/// Starts nothing more of a lane of an agent.
///
/// # Errors
/// If it cannot be reached or refuses.
pub fn pause(args: &LaneAgentArgs) -> anyhow::Result<Exit> {
    block_on(async {
        let mut agent = Servers::new(&args.agent)?;
        for lane in args.lanes() {
            let request = || PauseRequest { lane: lane.to_owned() };
            agent.ask(DEADLINE, async |channel| client(channel).pause(request()).await).await?;
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
        let mut agent = Servers::new(&args.agent)?;
        for lane in args.lanes() {
            let request = || ResumeRequest { lane: lane.to_owned() };
            agent.ask(DEADLINE, async |channel| client(channel).resume(request()).await).await?;
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
        let mut agent = Servers::new(&args.agent)?;
        agent.ask(DEADLINE, async |channel| client(channel).drain(DrainRequest {}).await).await?;
        Ok(Exit::Done)
    })
}

fn client(channel: Channel) -> AgentServiceClient<Channel> {
    AgentServiceClient::new(channel)
}

async fn status(agent: &str) -> anyhow::Result<StatusResponse> {
    let mut agent = Servers::new(agent)?;
    agent.ask(DEADLINE, async |channel| client(channel).status(StatusRequest {}).await).await
}

/// An agent as `--json` prints it.
#[derive(Serialize)]
struct Told {
    agent: String,
    stage: String,
    version: String,
    ready: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    draining: bool,
    slots: u32,
    uptime_seconds: u64,
    lanes: Vec<Lane>,
}

#[derive(Serialize)]
struct Lane {
    lane: String,
    paused: bool,
    running: u32,
    processed: u64,
    service_ms: u64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
}

impl From<LaneStatus> for Lane {
    fn from(status: LaneStatus) -> Self {
        let LaneStatus { lane, paused, running, processed, service_ms, p50_ms, p95_ms, p99_ms } = status;
        Self { lane, paused, running, processed, service_ms, p50_ms, p95_ms, p99_ms }
    }
}

impl Told {
    fn new(agent: &str, status: StatusResponse) -> Self {
        let StatusResponse { stage, version, ready, reason, draining, slots, lanes, uptime_seconds } = status;
        let lanes = lanes.into_iter().map(Lane::from).collect();
        Self {
            agent: agent.to_owned(),
            stage,
            version,
            ready,
            reason,
            draining,
            slots,
            uptime_seconds,
            lanes,
        }
    }

    fn print(&self) -> anyhow::Result<()> {
        let state = match (self.draining, self.ready) {
            (true, _) => "draining".to_owned(),
            (false, true) => "ready".to_owned(),
            (false, false) => format!("not ready: {}", self.reason),
        };
        output::text(&format!("{}  {}  {state}  {} slots", self.agent, self.stage, self.slots))?;
        for lane in &self.lanes {
            let paused = if lane.paused { "  paused" } else { "" };
            output::text(&format!(
                "  {:8}  {} running, {} processed, p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms{paused}",
                lane.lane, lane.running, lane.processed, lane.p50_ms, lane.p95_ms, lane.p99_ms
            ))?;
        }
        Ok(())
    }
}

impl LaneAgentArgs {
    /// The lanes that are meant: all without one.
    fn lanes(&self) -> Vec<&'static str> {
        let all = quire_proto::Lane::ALL.map(quire_proto::Lane::as_str);
        match self.lane {
            Some(lane) => vec![lane.name()],
            None => all.into(),
        }
    }
}
