//! `quire admin`: what an operator does at the broker, with more rights than the agents have.

use std::time::Duration;

use anyhow::Context as _;
use quire_runtime::broker::{Applied, ConnectError, JetStreamOptions, apply};
use serde::Serialize;

use crate::{
    AdminAction, AdminArgs, Exit,
    exit::{Unreachable, wrong_usage},
    output,
};

/// What was done, by name of stream or `stream/consumer`.
#[derive(Serialize)]
struct Answer {
    created: Vec<String>,
    updated: Vec<String>,
    unchanged: Vec<String>,
}

/// Prepares the broker.
///
/// # Errors
/// If the servers cannot be reached in time, or refuse.
pub fn run(args: &AdminArgs) -> anyhow::Result<Exit> {
    let AdminAction::Apply { broker, wait, json } = &args.action;
    if let Some((given, missing)) = broker.unpaired() {
        wrong_usage!("--{given} is given and --{missing} is not (nor by its variable): give both or neither");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let applied =
        runtime.block_on(apply_in_time(&broker.options("quire admin"), Duration::from_secs(*wait)))?;
    let Applied { created, updated, unchanged } = applied;
    let answer = Answer { created, updated, unchanged };
    if *json {
        output::json(&answer)?
    } else {
        print(&answer)?
    }
    Ok(Exit::Done)
}

async fn apply_in_time(options: &JetStreamOptions, wait: Duration) -> anyhow::Result<Applied> {
    // What cannot get better is told before the time is up.
    let options = JetStreamOptions { connect_grace: options.connect_grace.min(wait / 2), ..options.clone() };
    let unreachable = |remedy| Unreachable::silent(options.shown_url(), wait, remedy);
    match tokio::time::timeout(wait, apply(&options)).await {
        Ok(Err(error @ ConnectError::Unresolvable { .. })) => {
            Err(anyhow::Error::from(error).context(unreachable("is the name right (--nats)?")))
        }
        Ok(Err(error @ ConnectError::Url { .. })) => {
            Err(error).context("use the form nats://host:port, several separated by commas")
        }
        Ok(applied) => Ok(applied?),
        Err(_) => Err(unreachable("is it there (--nats), with JetStream?").into()),
    }
}

fn print(answer: &Answer) -> anyhow::Result<()> {
    for (word, names) in [("created", &answer.created), ("updated", &answer.updated)] {
        for name in names {
            output::text(&format!("{word}  {name}"))?;
        }
    }
    output::text(&format!(
        "{} created, {} updated, {} as they should be",
        answer.created.len(),
        answer.updated.len(),
        answer.unchanged.len()
    ))
}
