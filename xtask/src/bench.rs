//! Benchmarks: the measuring programs of the crates, one after the other; each prints ratios against the limit or the peer of the same run.

use std::{path::PathBuf, process::Command};

use clap::Args;

use crate::command::{self, cargo, root};

/// What to measure.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Folder of unpacked finding models (`defs/defs`, `golden_markdown` … below it); without it, only what needs no data is measured.
    #[arg(long, value_name = "DIR")]
    findings: Option<PathBuf>,
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    command::run(cargo().args(["build", "--workspace", "--examples", "--release", "--locked", "--quiet"]))?;
    let program = |name: &str| Command::new(root().join("target/release/examples").join(name));
    command::run(&mut program("throughput"))?;
    command::run(&mut program("lanes"))?;
    let Some(findings) = &args.findings else {
        println!("skipped: judge, pages, lists, search_quality (they need --findings DIR)");
        return Ok(());
    };
    let (models, catalogue) = (findings.join("defs/defs"), root().join("catalogues/findings"));
    command::run(program("judge").arg(&models))?;
    command::run(program("pages").arg(&catalogue).arg(&models))?;
    command::run(program("lists").arg(&catalogue).arg(&models))?;
    command::run(program("search_quality").env("QUIRE_FINDINGS_DATA", findings))
}
