//! Where agents are: an address says so itself, of a name the coordinator knows.

use quire_api::control::{
    AgentEntry, ListAgentsRequest, agent_service_client::AgentServiceClient,
    fleet_service_client::FleetServiceClient,
};
use tonic::{Status, transport::Channel};

use crate::{
    ServerArgs,
    exit::WrongUsage,
    remote::{connect, refused},
};

/// What the coordinator knows of all agents.
pub(in crate::commands) async fn fleet(server: &ServerArgs) -> anyhow::Result<FleetServiceClient<Channel>> {
    Ok(FleetServiceClient::new(connect(&server.server, &server.tls).await?))
}

/// The agents that the coordinator has heard of.
pub(super) async fn all(server: &ServerArgs) -> anyhow::Result<Vec<AgentEntry>> {
    let listed = fleet(server).await?.list_agents(ListAgentsRequest {}).await;
    Ok(listed.map_err(|status| refused(&status))?.into_inner().agents)
}

/// Asks every agent that the coordinator has heard of; answers by name.
pub(in crate::commands) async fn each<T>(
    server: &ServerArgs,
    ask: impl AsyncFn(AgentServiceClient<Channel>) -> Result<T, Status>,
) -> anyhow::Result<Vec<(String, T)>> {
    let mut answers = Vec::new();
    for AgentEntry { name, address, .. } in all(server).await? {
        let client = AgentServiceClient::new(connect(&address, &server.tls).await?);
        answers.push((name, ask(client).await.map_err(|status| refused(&status))?));
    }
    Ok(answers)
}

/// The control plane of the agent that `agent` names: an address, or a name, of which the beginning is enough.
pub(super) async fn agent(server: &ServerArgs, agent: &str) -> anyhow::Result<AgentServiceClient<Channel>> {
    Ok(AgentServiceClient::new(connect(&address(server, agent).await?, &server.tls).await?))
}

async fn address(server: &ServerArgs, agent: &str) -> anyhow::Result<String> {
    if agent.contains(':') {
        return Ok(agent.to_owned());
    }
    let known = all(server).await?;
    let exact: Vec<&AgentEntry> = known.iter().filter(|known| known.name == agent).collect();
    let named = if exact.is_empty() {
        known.iter().filter(|known| known.name.starts_with(agent)).collect()
    } else {
        exact
    };
    match named.as_slice() {
        [one] => Ok(one.address.clone()),
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
