//! A cluster on this machine: every agent as a process over a real NATS, until Ctrl-C. `cargo xtask cluster` builds it and
//! all agents, and runs it.
#![allow(clippy::print_stdout, reason = "it talks to the person at the terminal")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use clap::{Parser, builder::PossibleValuesParser, builder::TypedValueParser as _};
use system_tests::{Cluster, ClusterOptions, Quire, repository};

/// All agents over a real NATS on this machine, until Ctrl-C. Example: cargo xtask cluster --agents 4 --nats 3
#[derive(Parser)]
#[command(name = "cargo xtask cluster")]
struct Args {
    /// Agents of each stage.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    agents: u8,
    /// Coordinators: one leads, the others stand by.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    coordinators: u8,
    /// NATS servers; three keep three copies of everything.
    #[arg(long, default_value = "1", value_name = "1|3",
          value_parser = PossibleValuesParser::new(["1", "3"]).map(|number| number.parse::<u8>().unwrap_or(1)))]
    nats: u8,
    /// A folder with a folder of files for each catalogue; default: the ready catalogues.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let folder = repository().join("target/cluster");
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    ensure!(lock.try_lock().is_ok(), "a cluster runs in {} already: end it first", folder.display());
    forget_servers(&folder)?;
    let mut options = ClusterOptions::default()
        .agents(args.agents.into())
        .coordinators(args.coordinators.into())
        .servers(args.nats.into());
    if let Some(data) = &args.data {
        options.data = data.canonicalize().with_context(|| format!("no folder {}", data.display()))?;
    }
    options.folder = Some(folder);
    let cluster = Cluster::start_with(options);
    tell(&cluster);
    wait_for_signal()?;
    println!("\nstopping: what runs may end");
    for (name, code) in cluster.stop() {
        ensure!(code == 0, "{name} ended with {code}: see its log");
    }
    println!("all ended cleanly");
    Ok(())
}

/// A broker's store is of no use to servers on other ports; all that it holds is planned again from the store.
fn forget_servers(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("nats-")) {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

fn tell(cluster: &Cluster) {
    let row = |name: &str, what: &str| println!("  {name:<16} {what}");
    println!();
    for server in &cluster.nats {
        row("nats", &server.url());
    }
    let leader = cluster.leader().map(|agent| agent.address);
    for agent in &cluster.agents {
        let leads = if Some(agent.address) == leader { "  leads" } else { "" };
        row(&agent.name, &format!("{}{leads}", agent.address));
    }
    row("site", &cluster.site().display().to_string());
    row("logs", &cluster.folder().join("*.log").display().to_string());
    let quire = Quire::program();
    let quire = quire.display();
    println!("\nIn another terminal:\n");
    if let Some(leader) = leader {
        println!("  export QUIRE_SERVER=http://{leader}");
    }
    println!("  {quire} run start catalogues/findings --watch");
    println!("  {quire} run list");
    println!("  {quire} dead list");
    if let Some(agent) = cluster.agents("renderer").next() {
        println!("  {quire} agents {}", agent.address);
        println!("  {quire} pause {} --lane low", agent.address);
        println!("  curl http://{}/metrics", agent.address);
    }
    println!("\nCtrl-C stops all of it cleanly.");
}

fn wait_for_signal() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            told = tokio::signal::ctrl_c() => told?,
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}
