//! `quire-indexer`: the stage *index* as a process.

use quire_catalogue::Catalogues;
use quire_indexer::Indexer;
use quire_runtime::process::{self, NoArgs, Process, Program, StageRole};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: Program = Program {
    name: "quire-indexer",
    about: "Turns records into documents of the search index",
    stage: "index",
    port: 7403,
};

fn main() -> std::process::ExitCode {
    process::main(PROGRAM, |NoArgs {}, _| {
        Ok(StageRole::new(|_: &Process| Ok(Indexer::new(Catalogues::new()))))
    })
}
