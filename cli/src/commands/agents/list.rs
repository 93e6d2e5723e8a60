//! What agents say of themselves.

use quire_api::control::{
    AgentEntry, GetConfigRequest, LaneStatus, Setting as ApiSetting, StatusRequest, StatusResponse,
    agent_service_client::AgentServiceClient,
};
use serde::Serialize;
use tonic::transport::Channel;

use super::reach;
use crate::{AgentArgs, AgentsArgs, Exit, output, remote::block_on};

/// Tells what agents do.
pub(super) fn list(args: &AgentsArgs) -> anyhow::Result<Exit> {
    let told = block_on(async {
        if args.agents.is_empty() {
            return Ok(reach::all(&args.server).await?.into_iter().map(Told::from).collect());
        }
        let mut told = Vec::new();
        for agent in &args.agents {
            let call = async |mut agent: AgentServiceClient<Channel>| agent.status(StatusRequest {}).await;
            let (_, status) = reach::one(&args.server, agent, call).await?;
            told.push(Told::new(agent.clone(), agent.clone(), status));
        }
        Ok(told)
    })?;
    if args.json {
        output::json(&told)?;
        return Ok(Exit::Done);
    }
    if args.agents.is_empty() {
        output::text(&table(&told))?;
    } else {
        told.iter().try_for_each(Told::print)?;
    }
    Ok(Exit::Done)
}

/// Tells the settings of an agent.
pub(super) fn config(args: &AgentArgs, json: bool) -> anyhow::Result<Exit> {
    let settings: Vec<Setting> = block_on(async {
        let call = async |mut agent: AgentServiceClient<Channel>| agent.get_config(GetConfigRequest {}).await;
        let (_, answer) = reach::one(&args.server, &args.agent, call).await?;
        Ok(answer.settings.into_iter().map(Setting::from).collect())
    })?;
    if json {
        output::json(&settings)?;
        return Ok(Exit::Done);
    }
    let row = |setting: &Setting| {
        let value = setting.value.clone().unwrap_or_else(|| "-".to_owned());
        vec![setting.name.clone(), value, setting.origin.clone()]
    };
    output::text(&output::table(&["setting", "value", "from"], settings.iter().map(row)))?;
    Ok(Exit::Done)
}

/// Agents, one a line.
pub(in crate::commands) fn table(agents: &[Told]) -> String {
    let row = |agent: &Told| {
        let running: u32 = agent.lanes.iter().map(|lane| lane.running).sum();
        let processed: u64 = agent.lanes.iter().map(|lane| lane.processed).sum();
        let busy = if agent.slots == 0 { "-".to_owned() } else { format!("{running}/{}", agent.slots) };
        vec![
            agent.agent.clone(),
            agent.stage.clone(),
            agent.address.clone(),
            busy,
            processed.to_string(),
            agent.state() + &agent.paused(),
        ]
    };
    output::table(&["agent", "stage", "address", "slots", "processed", "state"], agents.iter().map(row))
}

#[derive(Serialize)]
struct Setting {
    name: String,
    value: Option<String>,
    origin: String,
}

impl From<ApiSetting> for Setting {
    fn from(ApiSetting { name, value, origin }: ApiSetting) -> Self {
        Self { name, value, origin }
    }
}

/// An agent as `--json` prints it.
#[derive(Serialize)]
pub(in crate::commands) struct Told {
    agent: String,
    address: String,
    stage: String,
    version: String,
    ready: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    draining: bool,
    slots: u32,
    weights: Vec<u32>,
    uptime_seconds: u64,
    log_filter: String,
    lanes: Vec<Lane>,
}

#[derive(Serialize)]
struct Lane {
    lane: String,
    paused: bool,
    running: u32,
    processed: u64,
    dead: u64,
    service_ms: u64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
}

impl From<LaneStatus> for Lane {
    fn from(status: LaneStatus) -> Self {
        let LaneStatus { lane, paused, running, processed, dead, service_ms, p50_ms, p95_ms, p99_ms, .. } =
            status;
        Self { lane, paused, running, processed, dead, service_ms, p50_ms, p95_ms, p99_ms }
    }
}

impl From<AgentEntry> for Told {
    fn from(AgentEntry { name, address, status, .. }: AgentEntry) -> Self {
        Self::new(name, address, status.unwrap_or_default())
    }
}

impl Told {
    fn new(agent: String, address: String, status: StatusResponse) -> Self {
        let StatusResponse { stage, version, ready, reason, draining, slots, .. } = status;
        let StatusResponse { lanes, weights, uptime_seconds, log_filter, .. } = status;
        let lanes = lanes.into_iter().map(Lane::from).collect();
        let own = (agent, address, stage, version);
        let (agent, address, stage, version) = own;
        Self {
            agent,
            address,
            stage,
            version,
            ready,
            reason,
            draining,
            slots,
            weights,
            uptime_seconds,
            log_filter,
            lanes,
        }
    }

    fn state(&self) -> String {
        match (self.draining, self.ready) {
            (true, _) => "draining".to_owned(),
            (false, true) => "ready".to_owned(),
            (false, false) => format!("not ready: {}", self.reason),
        }
    }

    /// The lanes of which it starts nothing, behind its state.
    fn paused(&self) -> String {
        let paused: Vec<&str> =
            self.lanes.iter().filter(|lane| lane.paused).map(|lane| lane.lane.as_str()).collect();
        match paused.len() {
            0 => String::new(),
            all if all == self.lanes.len() => ", all lanes paused".to_owned(),
            _ => format!(", paused: {}", paused.join(" ")),
        }
    }

    fn print(&self) -> anyhow::Result<()> {
        output::text(&format!(
            "{}  {}  {}  {}",
            self.agent,
            self.stage,
            self.state(),
            output::counted(self.slots, "slot")
        ))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_which_lanes_of_an_agent_are_paused() {
        let agent = |paused: &[&str]| {
            let lane = |name: &str| LaneStatus {
                lane: name.to_owned(),
                paused: paused.contains(&name),
                ..LaneStatus::default()
            };
            let lanes = ["critical", "high", "normal", "low"].map(lane).into();
            Told::new(
                "one".to_owned(),
                "a:1".to_owned(),
                StatusResponse { ready: true, lanes, ..StatusResponse::default() },
            )
        };
        let told = [agent(&[]), agent(&["normal", "low"]), agent(&["critical", "high", "normal", "low"])];
        let table = table(&told);
        let states: Vec<&str> = table.lines().map(|line| line.split("  ").last().unwrap()).collect();
        assert_eq!(states, ["state", "ready", "ready, paused: normal low", "ready, all lanes paused"]);
    }
}
