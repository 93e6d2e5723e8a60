//! SIGTERM under load: unready first, alive to the end, gone within the grace, and nothing is done twice because of it.

use std::time::{Duration, Instant};

use test_servers::Signal;

use super::{
    Arena, Told,
    storm::{Storm, Weather},
};
use crate::{Agent, STAGES};

/// What a process has: 20 s for its work, and 2 s for the rest.
const GRACE: Duration = Duration::from_secs(22);

/// What a process says once it has heard that it shall end.
const TOLD: &str = "told to stop: what runs may end";

/// What was seen of those that ended.
#[derive(Default)]
struct Seen {
    /// Processes that were unready before their end, as it should be.
    unready: usize,
    /// Processes that were gone before anyone could ask.
    gone: usize,
    longest: Duration,
}

pub(super) fn run(arena: &Arena) -> Told {
    let mut storm = Storm::over(arena, "drain", arena.cluster("drain").agents(2));
    let mut seen = Seen::default();
    let weather = Weather { faults: arena.times(6, 50), a_run: 10, gap_ms: 50..700 };
    storm.rage(&weather, |storm| end_one(storm, &mut seen));
    assert!(seen.unready > 0, "{}: nobody was ever seen unready", storm.place());
    let repeats = storm.ears.repeats();
    assert_eq!(repeats, 0, "{}: parcels were settled twice", storm.place());
    storm.told.notes.push(format!(
        "seen unready before the end: {}, gone before they were asked: {}; longest end {:.2} s; parcels done twice: {repeats}",
        seen.unready,
        seen.gone,
        seen.longest.as_secs_f64()
    ));
    storm.tell()
}

fn end_one(storm: &mut Storm, seen: &mut Seen) -> Instant {
    let stages = storm.cluster.positions(|agent| STAGES.contains(&agent.kind));
    let victim = *storm.random.pick(&stages);
    let told = Instant::now();
    let place = storm.place();
    let agent = &mut storm.cluster.agents[victim];
    agent.process.tell(Signal::Term);
    agent.process.printed("word of the signal", |log| log.contains(TOLD).then_some(()));
    match watch(agent, &place) {
        0 => seen.gone += 1,
        _ => seen.unready += 1,
    }
    while !agent.process.has_ended() {
        assert!(told.elapsed() < GRACE, "{place}: {} is still there after {GRACE:?}", agent.name);
        std::thread::sleep(Duration::from_millis(2));
    }
    let log = agent.process.log();
    assert!(log.contains("\"message\":\"ended\""), "{place}: {} did not end cleanly: {log}", agent.name);
    seen.longest = seen.longest.max(told.elapsed());
    storm.cluster.restart(victim, &[]);
    told
}

/// Asks one that knows that it shall end until nobody answers; how often it said that it is unready. It does so unless it is
/// gone before it is asked, once unready it stays so, and it is alive whenever it answers.
fn watch(agent: &Agent, place: &str) -> usize {
    let (mut ready, mut unready) = (0, 0);
    let began = Instant::now();
    while began.elapsed() < GRACE {
        let Ok(answer) = agent.get("/readyz") else { break };
        let is_ready = answer.starts_with("HTTP/1.1 200");
        assert!(!(unready > 0 && is_ready), "{place}: ready again while it ends");
        ready += usize::from(is_ready);
        unready += usize::from(answer.starts_with("HTTP/1.1 503"));
        let Ok(alive) = agent.get("/livez") else { break };
        if !alive.is_empty() {
            assert!(alive.starts_with("HTTP/1.1 200"), "{place}: not alive while it ends: {alive}");
        }
    }
    assert!(ready == 0 || unready > 0, "{place}: {} was ready {ready} times, to its end", agent.name);
    unready
}
