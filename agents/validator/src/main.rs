//! `quire-validator`: the stage *validate* as a process.

use quire_catalogue::Catalogues;
use quire_runtime::process::{self, NoArgs, Process, Program, StageRole};
use quire_validator::Validator;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: Program = Program {
    name: "quire-validator",
    about: "Judges each record by itself: schema, rules, claims",
    stage: "validate",
    port: 7402,
};

fn main() -> std::process::ExitCode {
    process::main(PROGRAM, |NoArgs {}, _| {
        Ok(StageRole::new(|_: &Process| Ok(Validator::new(Catalogues::new()))))
    })
}
