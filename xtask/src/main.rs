//! `cargo xtask`: the chores of this repository, so that nobody has to remember them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "chores talk to the person at the terminal")]

mod bench;
mod cluster;
mod command;
mod data;
mod deploy;
mod lint;
mod preview;
mod test;
mod tools;

use clap::{Parser, Subcommand};

/// Chores of the Quire repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what the tests need, then run every test. Example: cargo xtask test
    Test(test::TestArgs),
    /// Formatting, clippy, documentation, licences, deployment. Example: cargo xtask lint
    Lint,
    /// Manifests, image, alerts and dashboards; the lints run it, too. Example: cargo xtask deploy
    Deploy,
    /// All that must pass before a change lands: lint, then test. Example: cargo xtask ci
    Ci,
    /// Measure, and print ratios against the limit or the peer. Example: cargo xtask bench
    Bench(bench::BenchArgs),
    /// All agents over a real NATS on this machine, until Ctrl-C. Example: cargo xtask cluster --agents 4 --nats 3
    Cluster(cluster::Passed),
    /// Real runs under faults, and what recovering took. Example: cargo xtask chaos --seed 7 --only kill-agents
    Chaos(cluster::Passed),
    /// Build the ready catalogues and serve the site on a loopback port. Example: cargo xtask site
    Site(preview::SiteArgs),
}

fn main() -> anyhow::Result<()> {
    match Args::parse().chore {
        Chore::Test(args) => test::run(&args),
        Chore::Lint => lint::run(),
        Chore::Deploy => deploy::run(),
        Chore::Ci => lint::run().and_then(|()| test::run(&test::TestArgs::default())),
        Chore::Bench(args) => bench::run(&args),
        Chore::Cluster(args) => cluster::run("quire-cluster", &args),
        Chore::Chaos(args) => cluster::run("quire-chaos", &args),
        Chore::Site(args) => preview::run(&args),
    }
}
