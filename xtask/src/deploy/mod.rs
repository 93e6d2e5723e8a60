//! What is in `deploy/`, as far as it can be checked without a cluster, a container engine and a Grafana.

mod alerts;
mod dashboards;
mod manifests;
mod metrics;

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};

use crate::{
    command::{self, root},
    tools,
};

/// Runs every check; those whose program is missing are said to be skipped.
pub(crate) fn run() -> anyhow::Result<()> {
    let promtool = tools::promtool()?;
    let mut skipped = 0;
    let mut skip = |what: &str| {
        println!("skipped: {what}");
        skipped += 1;
    };
    image()?;
    manifests::check_broker()?;
    match tools::kubectl() {
        Some(kubectl) => manifests::check(&kubectl)?,
        None => skip("manifests (kubectl is not there; install it or set KUBECTL)"),
    }
    let metrics = metrics::documented()?;
    alerts::check(&metrics)?;
    let rules = dashboards::check(&metrics)?;
    match promtool {
        Some(promtool) => {
            alerts::check_with(&promtool)?;
            dashboards::check_with(&promtool, &rules)?;
        }
        None => skip("rules and expressions (promtool is not there; install it or set PROMTOOL)"),
    }
    println!("deploy: {skipped} checks skipped");
    Ok(())
}

/// The image: what hadolint knows, and that it builds with the pinned toolchain. Nothing here can build it.
fn image() -> anyhow::Result<()> {
    let hadolint = tools::deploy_packages()?.join("bin/hadolint");
    command::run(Command::new(hadolint).arg(root().join("deploy/Containerfile")))?;
    let pinned = text("rust-toolchain.toml")?;
    let pinned = pinned.lines().find_map(|line| line.strip_prefix("channel = "));
    let pinned = pinned.context("rust-toolchain.toml names no channel")?.trim_matches('"');
    let containerfile = text("deploy/Containerfile")?;
    for line in [format!("/rust:{pinned}-slim"), format!("ENV RUSTUP_TOOLCHAIN={pinned}\n")] {
        ensure!(
            containerfile.contains(&line),
            "deploy/Containerfile: expected {line:?}, the pinned toolchain"
        );
    }
    Ok(())
}

/// A file of the repository.
fn text(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))
}

/// Where checks put what they make.
fn scratch() -> anyhow::Result<PathBuf> {
    let folder = root().join("target/deploy");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
