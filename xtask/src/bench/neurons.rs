//! The catalogue of neuron types, against the limits that are a hundredth and less of what the tool that it replaces takes.

use std::{fs, path::Path, process::Command};

use anyhow::Context as _;

use super::{measure, number_before, program};
use crate::{command::root, data, tools};

pub(super) fn run() -> anyhow::Result<()> {
    measure(&mut program("figures"))?;
    measure(program("neurons").arg("columnar"))?;
    match data::neurons() {
        Some(data) => over_a_server(&data)?,
        None => println!("skipped: neurons (the data that the server's graph is made of is not there)"),
    }
    the_list()
}

fn over_a_server(data: &Path) -> anyhow::Result<()> {
    let packages = tools::neuprint_server()?;
    for part in ["builds", "type", "queue"] {
        let mut program = program("neurons");
        program.env("QUIRE_NEURONS_DATA", data).env("QUIRE_NEUPRINT_SERVER", &packages);
        measure(program.arg(part))?;
    }
    Ok(())
}

/// Most seconds and megabytes that lists and search shards of so many types may take.
const GOAL_INDEX: (f64, f64) = (1.0, 150.0);

fn tell_index(told: &str) -> anyhow::Result<()> {
    let seconds = told.lines().filter_map(|line| number_before(line, " s, ")).reduce(f64::min);
    let seconds = seconds.context("no time was told")?;
    let megabytes =
        told.lines().last().and_then(|line| number_before(line, " MiB")).context("no memory was told")?
            * 1.048_576;
    println!(
        "index of these types: {seconds:.2} s, {:.2} of the limit; {megabytes:.0} MB resident at the peak, {:.2} of the limit",
        seconds / GOAL_INDEX.0,
        megabytes / GOAL_INDEX.1
    );
    Ok(())
}

/// The list of as many types as the male CNS has: made, and used in a browser.
fn the_list() -> anyhow::Result<()> {
    let folder = root().join("target/bench-neurons");
    if folder.is_dir() {
        fs::remove_dir_all(&folder)?;
    }
    let (types, site) = (folder.join("types"), folder.join("site"));
    measure(program("neurons").arg("types").arg(&types))?;
    let told = measure(program("lists").arg(root().join("catalogues/neurons")).arg(&types))?;
    tell_index(&told)?;
    measure(program("neurons").arg("site").arg(&site))?;
    let (chromium, browser) = (tools::chromium()?, tools::browser_packages()?);
    let check = format!("budget,first={}", site.display());
    measure(Command::new("node").arg("run.mjs").arg(check).current_dir(browser).env("CHROMIUM", chromium))?;
    fs::remove_dir_all(folder)?;
    Ok(())
}
