//! `quire build`: the whole pipeline in this process.

use std::{sync::Arc, thread};

use anyhow::Context as _;
use quire_coordinator::RunError;
use quire_proto::{BuildReport, RunReport};
use quire_runtime::{Memory, State, Store};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    BuildArgs, Exit,
    commands::place,
    definition,
    embedded::{CatalogueFolder, ENTRY_MEMORY_BYTES, Embedded, Options, find_catalogues},
    output,
    progress::Reporter,
    summary,
};

/// Builds.
///
/// # Errors
/// What went wrong, with its causes.
pub fn run(args: &BuildArgs) -> anyhow::Result<Exit> {
    let folders = find_catalogues(&args.catalogues)?;
    place::refuse_overlap(&args.out, &args.state.state, &folders)?;
    let state = State::open(&args.state.state)?;
    let workers = args.workers.map_or_else(cores, usize::from);
    runtime(workers)?.block_on(build(args, &state, &folders, workers))
}

/// Where everything runs that waits, beside so many threads for what computes.
pub(super) fn runtime(workers: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers.clamp(2, 8))
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

async fn build(
    args: &BuildArgs,
    state: &State,
    folders: &[CatalogueFolder],
    workers: usize,
) -> anyhow::Result<Exit> {
    let cancelled = interruptible();
    let progress = Arc::new(Reporter::new());
    let options = Options {
        out: args.out.clone(),
        workers,
        full: args.full,
        prune: args.prune,
        entry_bytes: ENTRY_MEMORY_BYTES,
        progress,
    };
    definition::refuse_broken(folders, &Store::open(&state.store()).context("cannot open the store")?)?;
    let embedded = Embedded::start(state, folders, options)?;
    let result = embedded.build(folders, &cancelled).await;
    let metrics = embedded.metrics().clone();
    let stopped = embedded.stop().await;
    // What ended the build is the cause of what went wrong after it.
    let built = match result {
        Ok(built) => built,
        Err(error) if is_interrupt(&error) => {
            eprintln!("{error}: run the same command again to go on");
            return Ok(Exit::Interrupted);
        }
        Err(error) => return Err(error),
    };
    stopped?;
    if args.json {
        let peak_memory_bytes = Memory::now().map(|memory| memory.peak);
        output::json(&Told { report: &built.report, peak_memory_bytes })?;
    } else {
        output::text(summary::text(&built, &metrics).trim_end())?;
    }
    let nothing = built.report.runs.iter().find_map(|run| Some((run, nothing(run)?)));
    Ok(if let Some((run, why)) = nothing {
        let told = if args.json { "`failures` of its run" } else { "`partial` above" };
        output::note(&format!("{}: {why}: see {told}", run.catalogue));
        Exit::Failed
    } else if args.strict && built.report.runs.iter().any(is_incomplete) {
        Exit::Strict
    } else {
        Exit::Done
    })
}

/// What `--json` prints.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    report: &'a BuildReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_memory_bytes: Option<u64>,
}

/// Why a run did nothing of what it was to do, if it did: that is a failure, however it ended.
pub(super) fn nothing(run: &RunReport) -> Option<&'static str> {
    let records = &run.records;
    if records.seen == 0 && !run.failures.is_empty() {
        return Some("nothing was found to look at");
    }
    (records.dead > 0 && records.dead == records.seen).then_some("none of its records could be processed")
}

/// Cancelled by the first interrupt or termination; a second one ends the process at once.
pub(super) fn interruptible() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        if wait_for_signal().await.is_ok() {
            eprintln!("stopping after what has begun; once more to stop at once");
            cancelled.cancel();
            if wait_for_signal().await.is_ok() {
                std::process::exit(Exit::Interrupted as i32);
            }
        }
    });
    token
}

async fn wait_for_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminated.recv() => Ok(()),
    }
}

fn is_interrupt(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<RunError>(), Some(RunError::Interrupted))
}

/// Whether anything is missing from the site that a source has.
pub(super) fn is_incomplete(run: &RunReport) -> bool {
    run.records.rejected + run.records.dead > 0 || !run.failures.is_empty()
}

pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(2, std::num::NonZero::get)
}
