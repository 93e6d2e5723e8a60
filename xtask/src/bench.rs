//! Benchmarks: ratios against the limit or the peer of the same run.

use clap::Args;

use crate::command::{self, cargo};

/// What to measure.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Arguments for the benchmark program (`--help` lists its parts).
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    command::run(cargo().args(["build", "--workspace", "--release", "--locked", "--quiet"]))?;
    command::run(
        cargo()
            .args(["run", "--workspace", "--release", "--locked", "--quiet", "--bin", "quire-bench", "--"])
            .args(&args.rest),
    )
}
