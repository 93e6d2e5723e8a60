//! How long the coordinator's own work takes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod harness;
use harness::World;
use quire_coordinator::{Event, Progress};
use quire_proto::RunId;
use std::{
    sync::{Arc, Mutex},
    time::Instant,
};
struct P(Mutex<Instant>);
impl Progress for P {
    fn tell(&self, _run: &RunId, event: Event) {
        let mut last = self.0.lock().unwrap();
        if let Event::Entered(_) = event {
            println!("{:?} {event:?}", last.elapsed());
            *last = Instant::now();
        }
    }
}
#[tokio::test(flavor = "multi_thread")]
async fn timing() {
    let world = World::start(
        tempfile::tempdir().unwrap(),
        harness::Script { batch: 64, ..Default::default() },
        Arc::new(P(Mutex::new(Instant::now()))),
    );
    let count: u32 = std::env::var("COUNT").ok().and_then(|c| c.parse().ok()).unwrap_or(120);
    for number in 0..count {
        world.set(
            &format!("{number:06}"),
            &[&format!(
                "key=k{number} name=n{number} name=m{number} name=o{number} offer=g{} look=g{}",
                number / 7,
                number / 5
            )],
        );
    }
    for round in 0..4 {
        if round == 2 || round == 3 {
            world.set(&format!("{:06}", 7), &[&format!("key=k7 name=n7 u={round}")]);
        }
        let at = Instant::now();
        let report = world.run().await;
        let ran = at.elapsed();
        let finish = Instant::now();
        world.finish().await;
        println!("round {round}: run {ran:?} finish {:?} {:?}", finish.elapsed(), report.records);
    }
}
