//! kill -9 of random agents and coordinators, started again at once.

use super::{
    Arena, Told,
    storm::{Storm, Weather},
};
use crate::{COORDINATOR, Cluster, Random};

/// One kill of so many hits a coordinator.
const COORDINATORS: u64 = 10;

pub(super) fn run(arena: &Arena) -> Told {
    let options = arena.cluster().agents(2).coordinators(2);
    let mut storm = Storm::over(arena, "kill-agents", options);
    let weather = Weather { faults: arena.times(12, 200), a_run: 12, gap_ms: 50..900 };
    storm.rage(&weather, kill);
    storm.told
}

fn kill(cluster: &mut Cluster, random: &mut Random) {
    let wants_coordinator = random.within(0..COORDINATORS) == 0;
    let victims = cluster.positions(|agent| (agent.kind == COORDINATOR) == wants_coordinator);
    let victim = *random.pick(&victims);
    cluster.restart(victim, &[]);
}
