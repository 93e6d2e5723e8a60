//! Not a fault: one of each, four of each, and one, four and two in the course of one run give the same bytes.

use std::time::{Duration, Instant};

use test_servers::Signal;

use super::{Arena, Told, storm::Storm};
use crate::{Agent, STAGES};

pub(super) fn run(arena: &Arena) -> Told {
    let mut told = Told::default();
    for agents in [1, 4] {
        let mut storm = Storm::over(arena, "scale", arena.cluster("scale").agents(agents));
        storm.begin();
        finish(&mut storm);
        told.runs += storm.tell().runs;
    }
    let mut storm = Storm::over(arena, "scale", arena.cluster("scale"));
    for _ in 0..arena.times(1, 5) {
        grow_and_shrink(&mut storm);
    }
    storm.told.runs += told.runs;
    storm.tell()
}

fn finish(storm: &mut Storm) {
    while !storm.is_over() {}
    storm.check();
}

/// A run that begins with one of each, goes on with four and ends with two; then one of each again.
fn grow_and_shrink(storm: &mut Storm) {
    let settled = storm.ears.count();
    storm.begin();
    until_settled(storm, settled + 3);
    let grown = Instant::now();
    for _ in 0..3 {
        STAGES.iter().for_each(|kind| storm.cluster.add(kind));
    }
    storm.struck(grown);
    until_settled(storm, settled + 20);
    shrink(storm, 2);
    finish(storm);
    shrink(storm, 1);
}

fn until_settled(storm: &mut Storm, count: usize) {
    while storm.ears.count() < count && !storm.wait(Duration::from_millis(20)) {}
}

/// Has all but so many of each kind end, the oldest first.
fn shrink(storm: &mut Storm, stay: usize) {
    let shrunk = Instant::now();
    for kind in STAGES {
        let names: Vec<String> = storm.cluster.agents(kind).map(|agent| agent.name.clone()).collect();
        let surplus = names.len().saturating_sub(stay);
        let leaves = |agent: &Agent| names.iter().take(surplus).any(|name| *name == agent.name);
        let leaving = storm.cluster.take(leaves);
        leaving.iter().for_each(|agent| agent.process.tell(Signal::Term));
        for agent in leaving {
            assert_eq!(agent.process.ended(), 0, "{}: {} did not end cleanly", storm.place(), agent.name);
        }
    }
    storm.struck(shrunk);
}
