//! Programs of the system tests that run real agents: built with all agents, and given their tools.

use std::{ffi::OsString, process::Command};

use clap::Args;

use crate::{
    command::{self, built, cargo},
    data, tools,
};

/// What is said to the program, which knows its own flags.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Passed {
    /// Flags; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<OsString>,
}

pub(crate) fn run(program: &str, args: &Passed) -> anyhow::Result<()> {
    command::run(cargo().args(["build", "--workspace", "--bins", "--release", "--locked", "--quiet"]))?;
    let mut command = Command::new(built(program));
    command.args(&args.flags).env("NATS_SERVER", tools::nats_server()?);
    if let Some(findings) = data::findings()? {
        command.env("QUIRE_FINDINGS_DATA", findings);
    }
    command::run(&mut command)
}
