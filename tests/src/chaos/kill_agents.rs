//! kill -9 of random agents and coordinators, started again at once.

use std::time::Instant;

use super::{
    Arena, Told,
    storm::{Storm, Weather},
};
use crate::COORDINATOR;

/// One kill of so many hits a coordinator.
const COORDINATORS: u64 = 10;

pub(super) fn run(arena: &Arena) -> Told {
    let options = arena.cluster("kill-agents").agents(2).coordinators(2);
    let mut storm = Storm::over(arena, "kill-agents", options);
    storm.rage(&Weather { faults: arena.times(12, 200), a_run: 12, gap_ms: 50..900 }, kill);
    storm.tell()
}

fn kill(storm: &mut Storm) -> Instant {
    let wants_coordinator = storm.random.within(0..COORDINATORS) == 0;
    let victims = storm.cluster.positions(|agent| (agent.kind == COORDINATOR) == wants_coordinator);
    let victim = *storm.random.pick(&victims);
    let killed = Instant::now();
    storm.cluster.restart(victim, &[]);
    killed
}
