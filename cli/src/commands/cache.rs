//! `quire cache`: what the caches hold; emptying them costs time, never output.

use serde::Serialize;

use crate::{CacheAction, CacheArgs, Exit, embedded::State, output, summary::size};

#[derive(Serialize)]
struct Answer {
    disk_bytes: u64,
    caches: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    entries: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Cleared<'a> {
    cleared: &'a str,
}

/// Names of the caches that a build uses.
const NAMES: [&str; 2] = ["memo", "results"];

/// Looks, or clears.
///
/// # Errors
/// If the state folder is in use, or no cache has that name.
pub fn run(args: &CacheArgs) -> anyhow::Result<Exit> {
    match &args.action {
        CacheAction::Stats { state, json } => {
            let caches = State::open(&state.state)?.open_caches()?;
            let rows = caches.contents(&NAMES);
            let rows = rows.into_iter().map(|(name, entries, bytes)| Row { name, entries, bytes }).collect();
            print(&Answer { disk_bytes: caches.bytes_on_disk(), caches: rows }, *json)
        }
        CacheAction::Clear { name, state, json } => {
            if let Some(name) = name
                && !NAMES.contains(&name.as_str())
            {
                anyhow::bail!("no cache is named `{name}`: there are {}", NAMES.join(" and "));
            }
            State::open(&state.state)?.open_caches()?.clear(name.as_deref());
            let cleared = name.as_deref().unwrap_or("all");
            if *json { output::json(&Cleared { cleared })? } else { output::text(&format!("cleared: {cleared}"))? }
            Ok(Exit::Done)
        }
    }
}

fn print(answer: &Answer, json: bool) -> anyhow::Result<Exit> {
    if json {
        output::json(answer)?;
        return Ok(Exit::Done);
    }
    output::text(&format!("{:<12} {:>10} {:>12}", "cache", "entries", "bytes"))?;
    for row in &answer.caches {
        output::text(&format!("{:<12} {:>10} {:>12}", row.name, row.entries, row.bytes))?;
    }
    output::text(&format!("on disk: {}", size(answer.disk_bytes)))?;
    Ok(Exit::Done)
}
