//! Every test there is, and how many checks were skipped.

use std::collections::BTreeMap;

use clap::Args;

use crate::{
    command::{self, cargo},
    data, tools,
};

/// What to run.
#[derive(Args, Default)]
pub(crate) struct TestArgs {
    /// Only tests whose name contains this.
    filter: Option<String>,
}

/// Tests run in the profile `gate`: compiling it takes a third of the time, and what is slow without optimisation has it.
pub(crate) fn run(args: &TestArgs) -> anyhow::Result<()> {
    let (nats, s3, neuprint) = (tools::nats_server()?, tools::s3_server()?, tools::neuprint_server()?);
    let chromium = tools::chromium()?;
    let browser = tools::browser_packages()?;
    let mut command = cargo();
    // Everything that has tests. Not examples: the lints compile them, and here they would be linked for minutes.
    command.args(["test", "--workspace", "--profile", "gate", "--locked", "--no-fail-fast"]);
    command.arg("--tests");
    command.args(args.filter.as_deref());
    command.env("NATS_SERVER", nats).env("QUIRE_S3_SERVER", s3).env("QUIRE_NEUPRINT_SERVER", neuprint);
    command.env("CHROMIUM", chromium).env("QUIRE_BROWSER_TESTS", browser);
    command.env("QUIRE_TEST_TOOLS", "promised");
    if let Some(findings) = data::findings()? {
        command.env("QUIRE_FINDINGS_DATA", findings);
    }
    if let Some(neurons) = data::neurons() {
        command.env("QUIRE_NEURONS_DATA", neurons);
    }
    // What a test prints is shown, so that no skipped check goes unseen.
    command.args(["--", "--show-output"]);
    let mut skipped = BTreeMap::new();
    let ended = command::run_watched(&mut command, &mut |line| {
        if let Some(reason) = line.strip_prefix("skipped: ") {
            *skipped.entry(reason.to_owned()).or_insert(0_u32) += 1;
        }
    });
    println!("{} checks skipped", skipped.values().sum::<u32>());
    for (reason, times) in skipped {
        println!("  {times} × {reason}");
    }
    ended?;
    if args.filter.is_some() {
        return Ok(());
    }
    command::run(cargo().args(["test", "--workspace", "--profile", "gate", "--locked", "--doc", "--quiet"]))
}
