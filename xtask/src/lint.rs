//! Formatting, clippy, documentation, dependency rules, deployment.

use std::process::Command;

use crate::{
    command::{self, cargo, root},
    deploy, tools,
};

fn deny() -> anyhow::Result<()> {
    let deny = tools::cargo_deny()?;
    command::run(Command::new(&deny).args(["check", "bans", "licenses", "sources"]).current_dir(root()))?;
    // The advisory database is fetched from a public repository, which not every machine reaches.
    let fetched = command::run(Command::new(&deny).args(["fetch", "db"]).current_dir(root()));
    match fetched {
        Ok(()) => command::run(Command::new(&deny).args(["check", "advisories"]).current_dir(root())),
        Err(_) => {
            println!("skipped: advisories (the advisory database is out of reach from this machine)");
            Ok(())
        }
    }
}

/// What production code may not do and tests may.
const ALLOWED_IN_TESTS: [&str; 10] = [
    "-A",
    "clippy::unwrap_used",
    "-A",
    "clippy::expect_used",
    "-A",
    "clippy::panic",
    "-A",
    "clippy::print_stdout",
    "-A",
    "clippy::print_stderr",
];

pub(crate) fn run() -> anyhow::Result<()> {
    command::run(cargo().args(["fmt", "--all", "--check"]))?;
    // In the profile of the tests, so that build scripts and macros are compiled once for both.
    let clippy = ["clippy", "--workspace", "--profile", "gate", "--locked", "--quiet"];
    command::run(cargo().args(clippy).args(["--", "-D", "warnings"]))?;
    let targets = ["--tests", "--examples", "--benches", "--", "-D", "warnings"];
    command::run(cargo().args(clippy).args(targets).args(ALLOWED_IN_TESTS))?;
    command::run(
        cargo()
            .args(["doc", "--workspace", "--profile", "gate", "--no-deps", "--locked", "--quiet"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    deny()?;
    deploy::run()
}
