//! Every named crash point: a process kills itself right there, and is started again.

use std::collections::BTreeMap;

use super::{Arena, Told, storm::Storm};
use crate::{COORDINATOR, Random};

/// Points that a stage's agent passes.
const PUMP: [&str; 3] = ["pump.processed", "pump.children-published", "pump.settled"];
/// Points of those who write packs, of those who write the site, and of those who plan.
const PACKS: [&str; 1] = ["store.blob-written"];
const SITE: [&str; 2] = ["site.file-written", "publish.file"];
const PLANS: [&str; 10] = [
    "coordinator.registered",
    "coordinator.planned",
    "coordinator.gathered",
    "coordinator.decided",
    "coordinator.made",
    "coordinator.committed",
    "publish.pages",
    "publish.lists",
    "publish.removals",
    "publish.done",
];
/// At most at this pass.
const PASSES: u64 = 3;

pub(super) fn run(arena: &Arena) -> Told {
    let options = || arena.cluster("crash-points").agents(arena.times(1, 2)).coordinators(arena.times(1, 3));
    let mut storm = Storm::over(arena, "crash-points", options());
    let mut crashed: BTreeMap<&str, usize> = BTreeMap::new();
    let wanted = arena.times(1, 10);
    let (points, mut runs) = (points().len(), 0);
    // In the short tier a few runs, each with another point for every process; in the whole tier all points, often enough.
    let enough = |crashed: &BTreeMap<&str, usize>, runs: usize| {
        let all = crashed.len() == points && crashed.values().all(|times| *times >= wanted);
        all || runs >= arena.times(3, 15 * wanted)
    };
    while !enough(&crashed, runs) {
        // A run of what was done before finds most of it in caches, and passes few points.
        if arena.options.whole && runs > 0 {
            storm.afresh(options());
        }
        one_run(&mut storm, &mut crashed);
        runs += 1;
    }
    let list: Vec<String> = crashed.iter().map(|(point, times)| format!("{point} {times}")).collect();
    storm.told.notes.push(list.join(", "));
    assert!(
        !arena.options.whole || crashed.values().all(|times| *times >= wanted),
        "{}: not every point was passed: {crashed:?}",
        storm.place()
    );
    storm.tell()
}

/// Every process has a point at which it will die.
fn one_run(storm: &mut Storm, crashed: &mut BTreeMap<&'static str, usize>) {
    let mut plans = BTreeMap::new();
    for agent in 0..storm.cluster.agents.len() {
        let point = choose(storm.cluster.agents[agent].kind, crashed, &mut storm.random);
        let pass = if PLANS.contains(&point) { 1 } else { storm.random.within(1..PASSES + 1) };
        storm.cluster.restart(agent, &[("QUIRE_CRASH_AT", &format!("{point}:{pass}"))]);
        plans.insert(agent, point);
    }
    storm.cluster.wait_until_ready();
    storm.ended.clear();
    storm.begin();
    loop {
        let over = storm.is_over();
        for (agent, at) in std::mem::take(&mut storm.ended) {
            // Only the first end is the planned one: afterwards it runs without a point.
            if let Some(point) = plans.remove(&agent) {
                *crashed.entry(point).or_default() += 1;
                storm.struck(at);
            }
        }
        if over {
            break;
        }
    }
    storm.check();
}

/// The point of those that such a process passes that was had least often.
fn choose(kind: &str, crashed: &BTreeMap<&'static str, usize>, random: &mut Random) -> &'static str {
    let mine: Vec<&'static str> = match kind {
        COORDINATOR => PLANS.to_vec(),
        "fetcher" => PUMP.to_vec(),
        "renderer" => [&PUMP[..], &PACKS, &SITE].concat(),
        _ => [&PUMP[..], &PACKS].concat(),
    };
    let times = |point: &&&str| crashed.get(**point).copied().unwrap_or_default();
    let least = mine.iter().map(|point| times(&point)).min().unwrap_or_default();
    let rare: Vec<&'static str> = mine.iter().filter(|point| times(point) == least).copied().collect();
    random.pick::<&'static str>(&rare)
}

fn points() -> Vec<&'static str> {
    [&PUMP[..], &PACKS, &SITE, &PLANS].concat()
}
