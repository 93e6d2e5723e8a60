//! Every test there is: Rust, then the browser.

use clap::Args;

use crate::{
    command::{self, cargo},
    tools,
};

/// What to run.
#[derive(Args, Default)]
pub(crate) struct TestArgs {
    /// Only tests whose name contains this.
    filter: Option<String>,
}

/// Tests run in the release profile: it is what users run, and the real data is too large for the other one.
pub(crate) fn run(args: &TestArgs) -> anyhow::Result<()> {
    let nats = tools::nats_server()?;
    let chromium = tools::chromium()?;
    let browser = tools::browser_packages()?;
    let mut command = cargo();
    command.args(["test", "--workspace", "--release", "--locked", "--no-fail-fast"]);
    command.args(args.filter.as_deref());
    command.env("NATS_SERVER", nats).env("CHROMIUM", chromium).env("QUIRE_BROWSER_TESTS", browser);
    command.env("QUIRE_TEST_TOOLS", "promised");
    command::run(&mut command)
}
