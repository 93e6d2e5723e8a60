//! Benchmarks: the measuring programs of the crates, one after the other; each prints ratios against the limit or the peer of the same run.

mod neurons;

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::Context as _;
use clap::Args;

use crate::{
    command::{self, cargo, root},
    data, tools,
};

/// What to measure.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// One part alone; default: all.
    #[arg(value_enum)]
    part: Option<Part>,
    /// Folder of unpacked finding models (`defs/defs`, `golden_markdown` … below it); default: those beside the repository.
    #[arg(long, value_name = "DIR")]
    findings: Option<PathBuf>,
    /// Also build and search 100,000 records, which takes minutes.
    #[arg(long)]
    scale: bool,
}

/// A part that can be measured by itself.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The catalogue of neuron types: a server of made-up neuPrint data, eyemaps, the queue, the list in a browser.
    Neurons,
}

/// How much of what the cores could do with the bare libraries a build shall reach.
const SHARE: f64 = 0.7;

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    command::run(cargo().args([
        "build",
        "--workspace",
        "--examples",
        "--bins",
        "--release",
        "--locked",
        "--quiet",
    ]))?;
    if args.part == Some(Part::Neurons) {
        return neurons::run();
    }
    measure(&mut program("throughput"))?;
    neurons::run()?;
    let nats = tools::nats_server()?;
    for name in ["hops", "lanes", "idle"] {
        measure(program(name).env("NATS_SERVER", &nats))?;
    }
    measure(program("scale_out").arg("upstream").env("NATS_SERVER", &nats))?;
    let noop = measure(program("scale_out").arg("noop").env("NATS_SERVER", &nats))?;
    beside_celery(&noop)?;
    let given = args.findings.clone();
    let Some(findings) = given.map_or_else(data::findings, |given| Ok(Some(given)))? else {
        println!(
            "skipped: judge, pages, lists, search_quality, build, search_scale, service_times (there are no real models; give --findings DIR)"
        );
        return Ok(());
    };
    let (models, catalogue) = (findings.join("defs/defs"), root().join("catalogues/findings"));
    let mut told = measure(program("judge").arg(&models))?;
    told += &measure(program("pages").arg(&catalogue).arg(&models))?;
    measure(program("lists").arg(&catalogue).arg(&models))?;
    told += &measure(program("search_quality").env("QUIRE_FINDINGS_DATA", &findings))?;
    told += &measure(&mut program("build"))?;
    whole_against_bare(&told)?;
    let nats = tools::nats_server()?;
    let search_scale = || {
        let mut search_scale = program("search_scale");
        search_scale.env("NATS_SERVER", &nats);
        search_scale
    };
    measure(&mut search_scale())?;
    measure(program("service_times").env("NATS_SERVER", &nats).env("QUIRE_FINDINGS_DATA", &findings))?;
    if args.scale {
        measure(program("lanes").arg("1000000").env("NATS_SERVER", &nats))?;
        measure(program("build").arg("scale"))?;
        measure(search_scale().args(["20000", "100000"]))?;
    }
    Ok(())
}

fn program(name: &str) -> Command {
    Command::new(command::built("examples").join(name))
}

/// Runs a measuring program and returns what it printed, which is printed here too.
fn measure(program: &mut Command) -> anyhow::Result<String> {
    let output =
        program.stderr(Stdio::inherit()).output().with_context(|| format!("cannot run {program:?}"))?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{told}");
    anyhow::ensure!(output.status.success(), "{program:?} ended with {}", output.status);
    Ok(told)
}

/// So many times the tasks that Celery gets done.
const GOAL_CELERY: f64 = 10.0;
/// Tasks of a round with Celery.
const TASKS: &str = "5000";

/// Records a second of an agent that does nothing, against Celery's tasks.
fn beside_celery(noop: &str) -> anyhow::Result<()> {
    let packages = tools::celery_packages()?;
    for (broker, server) in [("redis", "redis-server"), ("rabbitmq", "rabbitmq-server")] {
        if command::output(Command::new("which").arg(server)).is_none() {
            println!(
                "skipped: Celery with {broker} (there is no {server}: it is in Debian's package of that name)"
            );
            continue;
        }
        let mut peer = Command::new("python3");
        peer.arg(root().join("tests/peers/celery_peer.py")).args([broker, TASKS]);
        let told = measure(peer.env("PYTHONPATH", &packages))?;
        let tasks = number_before(&told, " tasks/s").context("Celery told no rate")?;
        for line in noop.lines() {
            let (what, _) = line.split_once(':').unwrap_or((line, ""));
            let records = number_before(line, " records/s").context("the agent told no rate")?;
            println!(
                "{what}: {:.1} times Celery with {broker}, {:.2} of the goal",
                records / tasks,
                records / tasks / GOAL_CELERY
            );
        }
    }
    Ok(())
}

/// The number that stands before a unit.
fn number_before(text: &str, unit: &str) -> Option<f64> {
    text.split_once(unit).and_then(|(before, _)| before.rsplit([' ', '\n']).next()?.parse().ok())
}

/// The cold build's rate against 1 ÷ Σ bare CPU seconds a record × cores.
fn whole_against_bare(told: &str) -> anyhow::Result<()> {
    let bare: f64 = told
        .lines()
        .filter(|line| line.starts_with("bare work of"))
        .filter_map(|line| number_before(line, " us CPU"))
        .sum();
    let cold = told
        .lines()
        .find(|line| line.starts_with("cold:"))
        .and_then(|line| number_before(line, " records/s"));
    let cold = cold.context("the build told no rate")?;
    let cores = std::thread::available_parallelism()?.get();
    let possible = 1e6 / bare * cores as f64;
    println!(
        "whole pipeline: {cold:.0} records/s of {possible:.0} that {cores} cores could do with {bare:.0} us of bare work a record: {:.0} %, {:.2} of the goal",
        100.0 * cold / possible,
        cold / possible / SHARE
    );
    Ok(())
}
