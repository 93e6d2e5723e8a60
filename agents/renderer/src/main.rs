//! `quire-renderer`: the stage *render* and the page service as a process.

use quire_renderer::{Engines, Renderer, RendererRole, edge::site_of};
use quire_runtime::process::{self, NoArgs, Process, Program, StageRole};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: Program = Program {
    name: "quire-renderer",
    about: "Makes the pages of records and puts them into the site, and makes one at once when asked",
    stage: "render",
    port: 7404,
};

fn main() -> std::process::ExitCode {
    process::main(PROGRAM, |NoArgs {}, _| {
        let engines = Engines::default();
        let shared = engines.clone();
        let stage = StageRole::new(move |process: &Process| {
            let site = site_of(&process.store, &process.state.tmp())?;
            Ok(Renderer::new(shared, Some(site)))
        });
        Ok(RendererRole::new(stage, engines))
    })
}
