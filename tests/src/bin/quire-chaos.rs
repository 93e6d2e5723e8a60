//! Real runs under faults; see `system_tests::chaos`. `cargo xtask chaos` builds it and all agents, and runs it.
#![allow(clippy::print_stdout, reason = "it talks to the person at the terminal")]

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::ensure;
use clap::Parser;
use system_tests::chaos::{self, Arena, ChaosOptions, SCENARIOS};

/// Real runs under faults, and what recovering took. Example: cargo xtask chaos --seed 7 --only kill-agents
#[derive(Parser)]
#[command(name = "cargo xtask chaos")]
struct Args {
    /// All that is random follows from it; without one it is taken from the clock and printed.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Only this scenario; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Finding models: the real ones, again and again under names of their own.
    #[arg(long, value_name = "N")]
    records: Option<usize>,
    /// A few faults of each kind, as the tests have them.
    #[arg(long)]
    short: bool,
    /// Leave every cluster's folder there, logs and all.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print the scenarios and stop.
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.list {
        SCENARIOS.iter().for_each(|scenario| println!("{:<16} {}", scenario.name, scenario.about));
        return Ok(());
    }
    for name in &args.only {
        ensure!(chaos::named(name).is_some(), "no scenario is named `{name}`: see cargo xtask chaos --list");
    }
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let options = ChaosOptions {
        seed: args.seed.unwrap_or(clock),
        records: args.records.unwrap_or(if args.short { 1_500 } else { 20_000 }),
        whole: !args.short,
        keep: args.keep.clone(),
    };
    let arena = Arena::new(options);
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    let told: Vec<_> = SCENARIOS
        .iter()
        .filter(|scenario| wanted(scenario.name))
        .map(|scenario| chaos::run(scenario, &arena))
        .collect();
    println!("\n{}", chaos::TABLE_HEAD);
    told.iter().for_each(|told| println!("{}", told.row()));
    Ok(())
}
