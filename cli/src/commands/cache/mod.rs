//! `quire cache`: what the caches hold; emptying them costs time, never output.

mod agents;

use std::path::Path;

use quire_cache::CacheOptions;
use quire_fetcher::{MEMO, Memo};
use quire_proto::Outcome;
use quire_runtime::{RESULTS, State};
use serde::Serialize;

use crate::{CacheAction, CacheArgs, Exit, exit::wrong_usage, output, summary::size};

#[derive(Serialize)]
struct Answer {
    disk_bytes: u64,
    caches: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    entries: usize,
}

#[derive(Serialize)]
struct Cleared<'a> {
    cleared: &'a str,
}

/// Names of the caches that a build uses.
const NAMES: [&str; 2] = [MEMO, RESULTS];

/// Looks, clears or warms.
///
/// # Errors
/// If the state folder is in use, no cache has that name, or an agent cannot be reached.
pub fn run(args: &CacheArgs) -> anyhow::Result<Exit> {
    match &args.action {
        CacheAction::Stats { state, server, json } => match server.given() {
            Some(server) => agents::stats(&server, *json),
            None => stats(&state.state, *json),
        },
        CacheAction::Clear { name, state, server, json } => match server.given() {
            Some(server) => agents::clear(&server, name.as_deref(), *json),
            None => clear(name.as_deref(), &state.state, *json),
        },
        CacheAction::Warm { name, server, json } => agents::warm(server, name.as_deref(), *json),
    }
}

fn stats(state: &Path, json: bool) -> anyhow::Result<Exit> {
    let caches = State::open_existing(state)?.open_caches()?;
    let memo = caches.cache::<Memo>(MEMO, CacheOptions::default()).scan().count();
    let results = caches.cache::<Outcome>(RESULTS, CacheOptions::default()).scan().count();
    let row = |name, entries| Row { name, entries };
    let caches_found = vec![row(MEMO, memo), row(RESULTS, results)];
    print(&Answer { disk_bytes: caches.bytes_on_disk(), caches: caches_found }, json)
}

fn clear(name: Option<&str>, state: &Path, json: bool) -> anyhow::Result<Exit> {
    if let Some(name) = name
        && !NAMES.contains(&name)
    {
        wrong_usage!("no cache is named `{name}`: there are {}", NAMES.join(" and "));
    }
    State::open_existing(state)?.open_caches()?.clear(name).map_err(anyhow::Error::msg)?;
    let cleared = name.unwrap_or("all");
    if json {
        output::json(&Cleared { cleared })?;
    } else {
        output::text(&format!("cleared: {cleared}"))?;
    }
    Ok(Exit::Done)
}

fn print(answer: &Answer, json: bool) -> anyhow::Result<Exit> {
    if json {
        output::json(answer)?;
        return Ok(Exit::Done);
    }
    for row in &answer.caches {
        output::text(&format!("{:<8} {:>16}", row.name, output::counted(row.entries, "entry")))?;
    }
    output::text(&format!("on disk: {}", size(answer.disk_bytes)))?;
    Ok(Exit::Done)
}
