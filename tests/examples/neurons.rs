//! Measures the catalogue of neuron types over a neuPrint server: `builds` cold and unchanged builds of the real types, `queue` as many
//! queue files as its users have, `type` what one type of columns asks for, `columnar` what a type with twelve maps costs; `site FOLDER` makes the site of as many made-up types as
//! the male CNS has, for a browser. `QUIRE_NEURONS_DATA` names the data that the server's graph is made of.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measuring program"
)]

#[path = "neurons/world.rs"]
mod world;

use std::{fs, path::Path};

use system_tests::{Build, Quire, columnar_types, copy_tree, neuron_types};
use world::{Took, World};

/// Pauses before each answer, in milliseconds: none, and those of a network.
const LATENCIES: [u32; 2] = [0, 20];
/// The real types, in a server's graph.
const REAL_TYPES: u32 = 1_772;
/// Queue files of the groups that have that tool.
const JOBS: u32 = 11_287;
/// Types of the male CNS.
const MALE_CNS: usize = 11_313;

/// Types a second of a cold build.
const GOAL_RATE: f64 = 50.0;
/// Seconds of a build of which nothing changed.
const GOAL_UNCHANGED: f64 = 3.0;
/// Seconds until the queue is empty.
const GOAL_QUEUE: f64 = 240.0;
/// Megabytes resident.
const GOAL_MEMORY: f64 = 300.0;
/// Milliseconds of CPU of a type with twelve maps, from its file to its pages.
const GOAL_COLUMNAR: f64 = 60.0;
/// Queries a type, in batches and for one type alone.
const GOAL_QUERIES: [f64; 2] = [0.2, 3.0];
/// Megabytes that the two versions of the tool replaced fetch for a type with columns; a fifth is the limit.
const THEIR_MEGABYTES: [(&str, f64); 2] = [("2025", 3.8), ("2026", 22.2)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["builds"] => builds(),
        ["queue"] => queue(),
        ["type"] => one_type(),
        ["columnar"] => columnar(),
        ["site", folder] => site(Path::new(folder)),
        ["types", folder] => types(Path::new(folder)),
        _ => println!("usage: neurons builds | queue | type | columnar | site FOLDER | types FOLDER"),
    }
}

fn builds() {
    for latency in LATENCIES {
        let Some(world) = World::of(REAL_TYPES, latency) else { return };
        let cold = world.build(&world.quire);
        let unchanged = world.build(&world.quire);
        assert_eq!(unchanged.report().runs[0].records.unchanged, u64::from(REAL_TYPES) + 1);
        tell_build(latency, &cold);
        println!(
            "{REAL_TYPES} types, {latency} ms, unchanged: {:.2} s; {:.2} of the limit",
            unchanged.seconds,
            unchanged.seconds / GOAL_UNCHANGED
        );
    }
}

fn tell_build(latency: u32, cold: &Took) {
    let types = f64::from(REAL_TYPES);
    let pages = cold.report().runs[0].pages;
    println!(
        "{REAL_TYPES} types, {latency} ms, cold: {:.1} s wall, {:.1} s CPU, {pages} pages; {:.1} types/s, {:.2} of the goal",
        cold.seconds,
        cold.cpu_seconds,
        types / cold.seconds,
        types / cold.seconds / GOAL_RATE
    );
    println!(
        "{REAL_TYPES} types, {latency} ms: {:.0} MB resident at the peak, {:.2} of the limit",
        cold.peak_megabytes,
        cold.peak_megabytes / GOAL_MEMORY
    );
    let queries = cold.asked.queries as f64 / types;
    println!(
        "{REAL_TYPES} types, {latency} ms: {queries:.3} queries a type, {:.2} of the limit; {:.2} MB a type",
        queries / GOAL_QUERIES[0],
        cold.asked.megabytes / types
    );
}

fn queue() {
    let latency = LATENCIES[1];
    let Some(world) = World::of(JOBS, latency) else { return };
    assert_eq!(world.fill(), JOBS as usize);
    let drained = world.drain();
    println!(
        "{JOBS} queue files, {latency} ms: {:.1} s wall, {:.1} s CPU, {:.2} of the limit; {} queries, {:.0} MB resident at the peak, {:.2} of the limit",
        drained.seconds,
        drained.cpu_seconds,
        drained.seconds / GOAL_QUEUE,
        drained.asked.queries,
        drained.peak_megabytes,
        drained.peak_megabytes / GOAL_MEMORY
    );
}

/// One type with columns, into a site that is not there yet.
fn one_type() {
    let Some(world) = World::of(REAL_TYPES, 0) else { return };
    for name in ["T4a", "Mi1", "LC17"] {
        let (whole, own) = world.alone(name);
        println!(
            "{name} alone: {} queries, {:.2} of the limit; {:.2} MB of its own, {:.2} MB of the dataset",
            own.queries,
            own.queries as f64 / GOAL_QUERIES[1],
            own.megabytes,
            whole.megabytes - own.megabytes
        );
        for (version, megabytes) in THEIR_MEGABYTES {
            let share = whole.megabytes / megabytes;
            println!("{name} alone: {share:.3} of the bytes of {version}, {:.2} of the limit", share * 5.0);
        }
    }
}

/// What forty more types with twelve maps cost a build: reading, rules, index, maps, tables, pages and twins.
fn columnar() {
    let [few, many] = [10, 50].map(|types| {
        let input = tempfile::tempdir().unwrap();
        columnar_types(input.path(), types);
        let goes = (0..5).map(|_| {
            let quire = Quire::with("NEURONS_ROOT", input.path());
            let took = Took::of(quire.build_command(&Build::of("neurons")));
            assert_eq!(took.report().runs[0].records.published, types as u64 + 1);
            took.cpu_seconds
        });
        goes.fold(f64::INFINITY, f64::min)
    });
    let each = (many - few) / 40.0 * 1e3;
    println!("a type with twelve maps: {each:.1} ms CPU, {:.2} of the limit", each / GOAL_COLUMNAR);
}

/// The site of many made-up types.
fn site(folder: &Path) {
    let input = tempfile::tempdir().unwrap();
    types(input.path());
    let quire = Quire::with("NEURONS_ROOT", input.path());
    let took = Took::of(quire.build_command(&Build::of("neurons")));
    println!(
        "{MALE_CNS} made-up types: {:.1} s wall, {:.1} s CPU, {:.0} MB resident at the peak, {:.2} of the limit",
        took.seconds,
        took.cpu_seconds,
        took.peak_megabytes,
        took.peak_megabytes / GOAL_MEMORY
    );
    copy_tree(&quire.site(), folder);
}

fn types(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    neuron_types(folder, MALE_CNS);
}
