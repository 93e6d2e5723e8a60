//! kill -9 of nats-servers: of the only one, and of one, two and all three of a cluster.

use std::time::{Duration, Instant};

use super::{
    Arena, Told,
    storm::{Storm, Weather},
};

/// Longest absence of a server, in milliseconds.
const AWAY_MS: u64 = 2_000;

pub(super) fn run_one(arena: &Arena) -> Told {
    let mut storm = Storm::over(arena, "kill-broker", arena.cluster("kill-broker").agents(2));
    let weather = Weather { faults: arena.times(3, 50), a_run: 6, gap_ms: 50..1_500 };
    storm.rage(&weather, |storm| kill(storm, &[0]));
    storm.tell()
}

pub(super) fn run_three(arena: &Arena) -> Told {
    let options = arena.cluster("kill-brokers").agents(2).servers(3);
    let mut storm = Storm::over(arena, "kill-brokers", options);
    let mut turn = 0;
    let weather = Weather { faults: arena.times(3, 50), a_run: 3, gap_ms: 200..1_500 };
    storm.rage(&weather, |storm| {
        turn += 1;
        let first = usize::try_from(storm.random.within(0..3)).unwrap();
        // One, two, all three, and so on.
        let victims: Vec<usize> = (0..1 + turn % 3).map(|next| (first + next) % 3).collect();
        kill(storm, &victims)
    });
    storm.tell()
}

/// Kills these servers at once and starts them after a while. A majority that stays goes on meanwhile; otherwise
/// recovering begins when they are back.
fn kill(storm: &mut Storm, victims: &[usize]) -> Instant {
    let killed = Instant::now();
    victims.iter().for_each(|victim| storm.cluster.nats[*victim].kill());
    let away = Duration::from_millis(storm.random.within(0..AWAY_MS));
    storm.hold(away);
    victims.iter().for_each(|victim| storm.cluster.nats[*victim].resume());
    let majority_stays = victims.len() * 2 < storm.cluster.nats.len();
    if majority_stays { killed } else { Instant::now() }
}
