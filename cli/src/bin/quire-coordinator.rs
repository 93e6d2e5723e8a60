//! `quire-coordinator`: plans runs, decides, commits and has the site published, as a process.
//!
//! It lies here and not in its agent's folder because the lists of a site are the renderer's work, and no agent depends on
//! another.

use std::sync::Arc;

use quire_cli::edge::{RendererProjector, Site};
use quire_coordinator::{CoordinatorOptions, CoordinatorRole};
use quire_renderer::{Engines, engine_digest};
use quire_runtime::process::{self, NoArgs, Process, Program};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: Program = Program {
    name: "quire-coordinator",
    about: "Plans runs, decides, commits manifests and has the site published",
    stage: "coordinate",
    port: 7400,
};

fn main() -> std::process::ExitCode {
    process::main(PROGRAM, |NoArgs {}, _| {
        Ok(CoordinatorRole::new(|process: &Process| {
            let (out, tmp) = (process.store_folder.join("site"), process.state.tmp());
            let projector = Arc::new(RendererProjector(Engines::default()));
            let (store, broker) = (process.store.clone(), process.broker.clone());
            let mut options = CoordinatorOptions::new(store, broker, tmp.clone(), projector, engine_digest());
            options.site = Some(Arc::new(Site::open(&out, &tmp, process.state.stamps(&out))?));
            Ok(options)
        }))
    })
}
