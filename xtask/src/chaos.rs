//! Real runs under faults; see `system_tests::chaos`.

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::ensure;
use clap::Args;
use system_tests::chaos::{self, Arena, ChaosOptions, SCENARIOS};

use crate::{cluster, data, tools};

/// What befalls what.
#[derive(Args)]
pub(crate) struct ChaosArgs {
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

pub(crate) fn run(args: &ChaosArgs) -> anyhow::Result<()> {
    if args.list {
        SCENARIOS.iter().for_each(|scenario| println!("{:<16} {}", scenario.name, scenario.about));
        return Ok(());
    }
    for name in &args.only {
        ensure!(chaos::named(name).is_some(), "no scenario is named `{name}`: see cargo xtask chaos --list");
    }
    // Before anything is spawned: the scenarios find their tools by these.
    let nats = tools::nats_server()?;
    data::findings()?;
    cluster::build()?;
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let options = ChaosOptions {
        seed: args.seed.unwrap_or(clock),
        records: args.records.unwrap_or(if args.short { 1_500 } else { 20_000 }),
        whole: !args.short,
        nats: Some(nats),
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
