//! `quire-indexer`: the stage *index* and the search service as a process.

use quire_catalogue::Catalogues;
use quire_indexer::{FollowArgs, Indexer, IndexerRole};
use quire_runtime::process::{self, Process, Program, StageRole};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: Program = Program {
    name: "quire-indexer",
    about: "Turns records into documents, and answers searches",
    stage: "index",
    port: 7403,
};

fn main() -> std::process::ExitCode {
    process::main(PROGRAM, |args: FollowArgs, _| {
        let stage = StageRole::new(|_: &Process| Ok(Indexer::new(Catalogues::new())));
        Ok(IndexerRole::new(stage, args))
    })
}
