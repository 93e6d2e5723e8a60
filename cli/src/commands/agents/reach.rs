//! Where agents are: an address says so itself, of a name the coordinator knows.

use quire_api::control::{
    AgentEntry, ListAgentsRequest, agent_service_client::AgentServiceClient,
    fleet_service_client::FleetServiceClient,
};
use tonic::{Response, Status, transport::Channel};

use crate::{
    ServerArgs,
    exit::WrongUsage,
    remote::{DEADLINE, LONG_DEADLINE, Servers, Wanted},
};

/// Asks the coordinator about all agents together.
pub(super) async fn fleet<T>(
    server: &ServerArgs,
    call: impl AsyncFn(FleetServiceClient<Channel>) -> Result<Response<T>, Status>,
) -> anyhow::Result<T> {
    let mut servers = Servers::of(server)?;
    servers.ask(DEADLINE, async |channel| call(FleetServiceClient::new(channel)).await).await
}

/// The agents that the coordinator has heard of.
pub(in crate::commands) async fn all(server: &ServerArgs) -> anyhow::Result<Vec<AgentEntry>> {
    Ok(fleet(server, async |mut fleet| fleet.list_agents(ListAgentsRequest {}).await).await?.agents)
}

/// Asks every agent that the coordinator has heard of; answers by name.
pub(in crate::commands) async fn each<T>(
    server: &ServerArgs,
    call: impl AsyncFn(AgentServiceClient<Channel>) -> Result<Response<T>, Status>,
) -> anyhow::Result<Vec<(String, T)>> {
    let mut answers = Vec::new();
    for AgentEntry { name, address, .. } in all(server).await? {
        let mut agent = Servers::new(&address, &server.tls, Wanted::Agent)?;
        let asked = agent.ask(LONG_DEADLINE, async |channel| call(AgentServiceClient::new(channel)).await);
        answers.push((name, asked.await?));
    }
    Ok(answers)
}

/// Asks the agent that `agent` names: an address, or a name, of which the beginning is enough. What it is called, and its
/// answer.
pub(super) async fn one<T>(
    server: &ServerArgs,
    agent: &str,
    call: impl AsyncFn(AgentServiceClient<Channel>) -> Result<Response<T>, Status>,
) -> anyhow::Result<(String, T)> {
    let (name, address) = named(server, agent).await?;
    let mut agent = Servers::new(&address, &server.tls, Wanted::Agent)?;
    let answer = agent.ask(DEADLINE, async |channel| call(AgentServiceClient::new(channel)).await).await?;
    Ok((name, answer))
}

/// Name and address of an agent; one that was given by its address is called by it.
async fn named(server: &ServerArgs, agent: &str) -> anyhow::Result<(String, String)> {
    if agent.contains(':') {
        return Ok((agent.to_owned(), agent.to_owned()));
    }
    let known = all(server).await?;
    let exact: Vec<&AgentEntry> = known.iter().filter(|known| known.name == agent).collect();
    let named = if exact.is_empty() {
        known.iter().filter(|known| known.name.starts_with(agent)).collect()
    } else {
        exact
    };
    match named.as_slice() {
        [one] => Ok((one.name.clone(), one.address.clone())),
        [] => {
            Err(WrongUsage(format!("no agent is named `{agent}`: `quire agents` tells those there are"))
                .into())
        }
        several => {
            let names: Vec<&str> = several.iter().map(|agent| agent.name.as_str()).collect();
            Err(WrongUsage(format!("`{agent}` may be {}: write more of the name", names.join(", "))).into())
        }
    }
}
