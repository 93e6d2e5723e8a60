//! SIGSTOP for longer than the ack wait: others do the work meanwhile, and whoever wakes up overwrites nothing.

use std::time::{Duration, Instant};

use test_servers::Signal;

use super::{
    Arena, Told,
    storm::{Storm, Weather},
};

/// Longer than the ack wait of 6 s, in milliseconds.
const STANDS_MS: std::ops::Range<u64> = 6_500..9_000;
/// Most processes that stand still at once.
const AT_ONCE: u64 = 3;

pub(super) fn run(arena: &Arena) -> Told {
    let options = arena.cluster("stand-still").agents(2).coordinators(2);
    let mut storm = Storm::over(arena, "stand-still", options);
    let weather = Weather { faults: arena.times(2, 50), a_run: 2, gap_ms: 50..600 };
    storm.rage(&weather, stop);
    storm.tell()
}

fn stop(storm: &mut Storm) -> Instant {
    let all = storm.cluster.positions(|_| true);
    let count = storm.random.within(1..AT_ONCE + 1);
    let victims: Vec<usize> = (0..count).map(|_| *storm.random.pick(&all)).collect();
    let tell = |storm: &Storm, signal| {
        victims.iter().for_each(|victim| storm.cluster.agents[*victim].process.tell(signal));
    };
    let stopped = Instant::now();
    tell(storm, Signal::Stop);
    let stands = Duration::from_millis(storm.random.within(STANDS_MS));
    storm.hold(stands);
    tell(storm, Signal::Cont);
    stopped
}
