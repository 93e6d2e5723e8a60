//! `quire-renderer`: the stage *render* as a process.

use quire_renderer::{Engines, Renderer, edge::site_of};
use quire_runtime::process::{self, NoArgs, Process, Program, StageRole};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: Program = Program {
    name: "quire-renderer",
    about: "Makes the pages of records and puts them into the site",
    stage: "render",
    port: 7404,
};

fn main() -> std::process::ExitCode {
    process::main(PROGRAM, |NoArgs {}, _| {
        Ok(StageRole::new(|process: &Process| {
            let site = site_of(&process.store, &process.state.tmp())?;
            Ok(Renderer::new(Engines::default(), Some(site)))
        }))
    })
}
