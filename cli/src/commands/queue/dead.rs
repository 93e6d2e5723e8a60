//! `quire queue retry` and `quire queue drop`.

use std::ffi::OsString;

use quire_queue::{Dead, QueueFolder, Retried};
use serde::Serialize;

use crate::{DeadJobsArgs, Exit, exit::wrong_usage, output};

/// What became of dead letters.
#[derive(Debug, Default, Serialize)]
struct Counted {
    letters: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Refused>,
    dry_run: bool,
}

/// A dead letter that stays one.
#[derive(Debug, Serialize)]
struct Refused {
    file: String,
    reason: String,
}

/// Has dead letters wait again.
///
/// # Errors
/// If there are none of these names, or the queue cannot be written.
pub(super) fn retry(args: &DeadJobsArgs) -> anyhow::Result<Exit> {
    let queue = super::opened(&args.folder.queue)?;
    let mut counted = Counted { dry_run: args.dry_run, ..Counted::default() };
    for (file, dead) in meant(&queue, args)? {
        let retried = if args.dry_run { Retried::Waits } else { queue.retry(&file)? };
        match retried {
            Retried::Waits | Retried::WaitedAlready => counted.letters.push(dead.file),
            Retried::NoJob(odd) => counted.refused.push(Refused { file: dead.file, reason: odd.0 }),
        }
    }
    for Refused { file, reason } in &counted.refused {
        output::note(&format!("{file} stays a dead letter: {reason}"));
    }
    counted.print("wait again", args)
}

/// Removes dead letters.
///
/// # Errors
/// If there are none of these names, or the queue cannot be written.
pub(super) fn drop(args: &DeadJobsArgs) -> anyhow::Result<Exit> {
    let queue = super::opened(&args.folder.queue)?;
    let mut counted = Counted { dry_run: args.dry_run, ..Counted::default() };
    for (file, dead) in meant(&queue, args)? {
        if args.dry_run || queue.drop_dead(&file)? {
            counted.letters.push(dead.file);
        }
    }
    counted.print("removed", args)
}

fn meant(queue: &QueueFolder, args: &DeadJobsArgs) -> anyhow::Result<Vec<(OsString, Dead)>> {
    let mut letters = queue.dead_letters()?;
    for typed in &args.types {
        if !letters.iter().any(|(_, dead)| dead.is_meant(typed)) {
            wrong_usage!("no dead letter is named {typed}: `quire queue list` shows them");
        }
    }
    letters.retain(|(_, dead)| args.all || args.types.iter().any(|typed| dead.is_meant(typed)));
    Ok(letters)
}

impl Counted {
    fn print(&self, what: &str, args: &DeadJobsArgs) -> anyhow::Result<Exit> {
        if args.json {
            output::json(self)?;
        } else {
            let would = if self.dry_run { " would" } else { "" };
            let letters = output::counted(self.letters.len(), "dead letter");
            output::text(&format!("{letters}{would}: {what}"))?;
        }
        Ok(if self.refused.is_empty() { Exit::Done } else { Exit::Failed })
    }
}
