//! `quire-coordinator`: plans runs, decides, commits and has the site published, as a process.
//!
//! It lies here and not in its agent's folder because the lists of a site are the renderer's work, and no agent depends on
//! another.

use std::{sync::Arc, time::Duration};

use clap::Args;
use quire_cli::edge::{RendererProjector, Site};
use quire_coordinator::{CoordinatorOptions, CoordinatorRole};
use quire_renderer::{Engines, engine_digest};
use quire_runtime::process::{self, Process, Program};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: Program = Program {
    name: "quire-coordinator",
    about: "Plans runs, decides, commits manifests and has the site published",
    stage: "coordinate",
    port: 7400,
};

/// Settings of a coordinator.
#[derive(Debug, Clone, Args)]
struct CoordinatorArgs {
    /// Runs at work at once, besides one in the critical lane; each may take 128 MiB
    #[arg(long, env = "QUIRE_RUNS", default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Runs that may wait for their turn; more are refused
    #[arg(long, env = "QUIRE_WAITING_RUNS", default_value_t = 32, value_name = "N")]
    waiting_runs: u16,
    /// After so many seconds without anything new, a run plans again what it still waits for
    #[arg(long, env = "QUIRE_STALL_SECONDS", default_value_t = 60, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    stall_seconds: u32,
}

fn main() -> std::process::ExitCode {
    process::main(PROGRAM, |args: CoordinatorArgs, _| {
        Ok(CoordinatorRole::new(move |process: &Process| {
            let tmp = process.state.tmp();
            let projector = Arc::new(RendererProjector(Engines::default()));
            let (store, broker) = (process.store.clone(), process.broker.clone());
            let mut options = CoordinatorOptions::new(store, broker, tmp.clone(), projector, engine_digest());
            (options.runs, options.waiting) = (args.runs.into(), args.waiting_runs.into());
            options.stall = Duration::from_secs(args.stall_seconds.into());
            options.site = Some(Arc::new(Site::of_store(&process.store, &tmp)?));
            Ok(options)
        }))
    })
}
