//! Caches of all agents.

use quire_api::control::{
    CacheStatus, ClearCachesRequest, GetCachesRequest, WarmCachesRequest,
    agent_service_client::AgentServiceClient,
};
use serde::Serialize;
use tonic::{Response, Status, transport::Channel};

use crate::{
    Exit, ServerArgs,
    commands::agents::each,
    output,
    remote::{block_on, refused},
    summary::size,
};

/// What an agent's caches hold and have done.
#[derive(Serialize)]
struct Stats {
    agent: String,
    caches: Vec<Cache>,
}

#[derive(Serialize)]
struct Cache {
    name: String,
    entries: u64,
    bytes: u64,
    hits_memory: u64,
    hits_disk: u64,
    hits_shared: u64,
    misses: u64,
    evictions: u64,
    damaged: u64,
}

impl From<CacheStatus> for Cache {
    fn from(status: CacheStatus) -> Self {
        let CacheStatus {
            name,
            entries,
            bytes,
            hits_memory,
            hits_disk,
            hits_shared,
            misses,
            evictions,
            damaged,
        } = status;
        Self { name, entries, bytes, hits_memory, hits_disk, hits_shared, misses, evictions, damaged }
    }
}

/// What was done at an agent.
#[derive(Serialize)]
struct Done {
    agent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    warmed: Option<u64>,
}

pub(super) fn stats(server: &ServerArgs, json: bool) -> anyhow::Result<Exit> {
    let told = block_on(each(server, async |mut agent: AgentServiceClient<Channel>| {
        agent.get_caches(GetCachesRequest {}).await
    }))?;
    let told: Vec<Stats> = told
        .into_iter()
        .map(|(agent, caches)| Stats { agent, caches: caches.caches.into_iter().map(Cache::from).collect() })
        .collect();
    if json {
        output::json(&told)?;
        return Ok(Exit::Done);
    }
    const HEAD: [&str; 9] = [
        "agent",
        "cache",
        "entries in memory",
        "bytes in memory",
        "hits in memory",
        "hits on disk",
        "hits shared",
        "misses",
        "damaged",
    ];
    let rows = told.iter().flat_map(|stats| stats.caches.iter().map(|cache| row(&stats.agent, cache)));
    output::text(&output::table(&HEAD, rows))?;
    Ok(Exit::Done)
}

fn row(agent: &str, cache: &Cache) -> Vec<String> {
    let Cache { name, entries, bytes, hits_memory, hits_disk, hits_shared, misses, damaged, .. } = cache;
    let numbers = [hits_memory, hits_disk, hits_shared, misses, damaged].map(u64::to_string);
    let mut row = vec![agent.to_owned(), name.clone(), entries.to_string(), size(*bytes)];
    row.extend(numbers);
    row
}

pub(super) fn clear(server: &ServerArgs, name: Option<&str>, json: bool) -> anyhow::Result<Exit> {
    let names: Vec<String> = name.map(str::to_owned).into_iter().collect();
    let done = block_on(each(server, async |mut agent: AgentServiceClient<Channel>| {
        let cleared = agent.clear_caches(ClearCachesRequest { names: names.clone() }).await;
        has_it(cleared, |_| None)
    }))?;
    tell(done, "cleared", json)
}

pub(super) fn warm(server: &ServerArgs, name: Option<&str>, json: bool) -> anyhow::Result<Exit> {
    let names: Vec<String> = name.map(str::to_owned).into_iter().collect();
    let done = block_on(each(server, async |mut agent: AgentServiceClient<Channel>| {
        let warmed = agent.warm_caches(WarmCachesRequest { names: names.clone() }).await;
        has_it(warmed, |warmed| Some(warmed.warmed))
    }))?;
    tell(done, "warmed", json)
}

/// What was done at an agent; one without a cache of that name is none to ask.
fn has_it<T, U>(
    answer: Result<Response<T>, Status>,
    done: impl FnOnce(T) -> U,
) -> Result<Response<Option<U>>, Status> {
    match answer {
        Err(status) if status.code() == tonic::Code::NotFound => Ok(Response::new(None)),
        answer => Ok(Response::new(Some(done(answer?.into_inner())))),
    }
}

fn tell(done: Vec<(String, Option<Option<u64>>)>, what: &str, json: bool) -> anyhow::Result<Exit> {
    let done: Vec<Done> =
        done.into_iter().filter_map(|(agent, done)| Some(Done { agent, warmed: done? })).collect();
    if done.is_empty() {
        return Err(refused(&Status::not_found("no agent has a cache of that name: see quire cache stats")));
    }
    if json {
        output::json(&done)?;
        return Ok(Exit::Done);
    }
    for Done { agent, warmed } in &done {
        let values =
            warmed.map_or_else(String::new, |values| format!(": {}", output::counted(values, "value")));
        output::text(&format!("{agent}  {what}{values}"))?;
    }
    Ok(Exit::Done)
}
