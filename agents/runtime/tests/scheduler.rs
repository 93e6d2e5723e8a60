//! Properties of the lane scheduler, in simulated time with random service times.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that meets a surprise shall fail")]

use std::time::Duration;

use proptest::prelude::*;
use quire_proto::Lane;
use quire_runtime::scheduler::{Grant, LaneSet, Scheduler, Slot, WEIGHTS};

/// A small generator of our own: the same case gives the same simulation.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Parcels that run, by the time at which they end.
struct Simulation {
    scheduler: Scheduler,
    random: Random,
    /// Mean service time a lane, in microseconds; single ones vary from nothing to twice that.
    means: [u64; 4],
    now: u64,
    running: Vec<(u64, u64, Grant)>,
    /// (end, lane, service) of all that ended.
    ended: Vec<(u64, Lane, u64)>,
}

impl Simulation {
    fn new(slots: usize, weights: [u32; 4], means: [u64; 4], seed: u64) -> Self {
        let scheduler = Scheduler::new(slots, weights);
        Self { scheduler, random: Random(seed), means, now: 0, running: Vec::new(), ended: Vec::new() }
    }

    /// Starts what can start of the waiting lanes; which did.
    fn fill(&mut self, waiting: LaneSet) -> Vec<Lane> {
        let mut started = Vec::new();
        while let Some(lane) = self.scheduler.next(waiting) {
            let grant = self.scheduler.start(lane).expect("next() names a lane that has a slot");
            let service = 1 + self.random.below(2 * self.means[lane.index()]);
            self.running.push((self.now + service, service, grant));
            started.push(lane);
        }
        started
    }

    /// Lets the first running parcel end.
    fn step(&mut self) {
        let first = (0..self.running.len()).min_by_key(|index| self.running[*index].0);
        let (end, service, grant) = self.running.swap_remove(first.expect("something runs"));
        self.now = end;
        self.ended.push((end, grant.lane(), service));
        self.scheduler.finish(grant, Duration::from_micros(service));
    }

    fn run(&mut self, waiting: LaneSet, steps: usize) {
        for _ in 0..steps {
            self.fill(waiting);
            self.step();
        }
    }

    /// Shares of service time since `from`.
    fn shares(&self, from: u64) -> [f64; 4] {
        let mut served = [0.0; 4];
        for (_, lane, service) in self.ended.iter().filter(|(end, ..)| *end > from) {
            served[lane.index()] += *service as f64;
        }
        let sum: f64 = served.iter().sum();
        served.map(|served| served / sum)
    }
}

fn means() -> impl Strategy<Value = [u64; 4]> {
    prop::array::uniform4(prop::sample::select(vec![1_000_u64, 5_000, 20_000]))
}

const ALL: LaneSet = [true; 4];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn shares_of_service_time_converge_to_the_weights(slots in 4_usize..12, means in means(), seed: u64) {
        let mut simulation = Simulation::new(slots, WEIGHTS, means, seed);
        // 16 s of service time: some fifty parcels of the smallest lane, even if they take 20 ms each.
        while simulation.now < 16_000_000 / slots as u64 {
            simulation.run(ALL, 100);
        }
        let shares = simulation.shares(0);
        for (share, weight) in shares.into_iter().zip(WEIGHTS) {
            let due = f64::from(weight) / 15.0;
            prop_assert!((share - due).abs() < 0.03, "shares {shares:?} in {slots} slots of {means:?} µs");
        }
    }

    #[test]
    fn every_lane_gets_its_five_percent_under_any_weights(
        slots in 4_usize..12,
        weights in prop::array::uniform4(0_u32..2_000),
        means in means(),
        seed: u64,
    ) {
        let mut simulation = Simulation::new(slots, weights, means, seed);
        let window = 8_000_000 / slots as u64;
        let (mut served, mut ends) = ([0_u64; 4], window);
        while simulation.now < 5 * window {
            let before = simulation.ended.len();
            simulation.run(ALL, 1);
            for (_, lane, service) in &simulation.ended[before..] {
                served[lane.index()] += service;
            }
            if simulation.now < ends {
                continue;
            }
            let sum: u64 = served.iter().sum();
            for (lane, served) in Lane::ALL.into_iter().zip(std::mem::take(&mut served)) {
                // One parcel of the longest kind may end just outside of the window.
                let share = (served + 40_000) as f64 / sum as f64;
                prop_assert!(share >= 0.05, "{lane} got {share:.3} with weights {weights:?} of {means:?} µs");
            }
            ends += window;
        }
    }

    #[test]
    fn critical_never_waits_for_a_shared_slot(slots in 4_usize..12, means in means(), seed: u64, steps in 1_usize..300) {
        let mut simulation = Simulation::new(slots, WEIGHTS, means, seed);
        simulation.run([false, true, true, true], steps);
        simulation.fill([false, true, true, true]);
        prop_assert_eq!(simulation.running.len(), slots - 1);
        let started = simulation.fill([true, false, true, true]);
        prop_assert_eq!(started, [Lane::Critical]);
        let (.., grant) = simulation.running.last().expect("the critical one");
        prop_assert_eq!(grant.slot(), Slot::Critical);
    }

    #[test]
    fn an_idle_lane_saves_no_credit(idle in prop::sample::select(vec![1_usize, 2, 3]), means in means(), seed: u64) {
        let mut simulation = Simulation::new(6, WEIGHTS, means, seed);
        let mut others = [false, true, true, true];
        others[idle] = false;
        while simulation.now < 1_000_000 {
            simulation.run(others, 100);
        }
        let back = simulation.now;
        let lanes = [false, true, true, true];
        while simulation.now < back + 2_000_000 {
            simulation.run(lanes, 10);
        }
        // High owns the urgent slot besides; so compare what it leaves to the others.
        let shares = simulation.shares(back);
        let due = f64::from(WEIGHTS[idle]) / 7.0;
        prop_assert!(shares[idle] < due + 0.1, "lane {idle} took {shares:?} of {means:?} after idling");
    }

    #[test]
    fn no_waiting_lane_starves_whatever_comes_and_goes(means in means(), seed: u64, slots in 4_usize..9) {
        let mut simulation = Simulation::new(slots, WEIGHTS, means, seed);
        let mut waiting = ALL;
        // Service time that others were given since a lane that waits throughout has started last.
        let mut passed_over = [0_u64; 4];
        for _ in 0..1_000 {
            for lane in Lane::ALL {
                if simulation.random.below(20) == 0 {
                    waiting[lane.index()] = !waiting[lane.index()];
                    passed_over[lane.index()] = 0;
                }
            }
            for lane in simulation.fill(waiting) {
                passed_over[lane.index()] = 0;
            }
            if simulation.running.is_empty() {
                continue;
            }
            simulation.step();
            let (_, ended, service) = *simulation.ended.last().expect("one ended");
            for lane in Lane::ALL.into_iter().filter(|lane| *lane != ended && waiting[lane.index()]) {
                passed_over[lane.index()] += service;
            }
            // At most what its own last parcel cost at its weight, and what was already running.
            for (lane, passed) in Lane::ALL.into_iter().zip(passed_over) {
                prop_assert!(passed < 40_000 * (15 + slots as u64) * 2, "{lane} was passed over for {passed} µs");
            }
        }
    }
}

#[test]
fn a_lane_alone_uses_every_slot_that_it_may() {
    for (lane, usable) in [(Lane::Critical, 6), (Lane::High, 5), (Lane::Normal, 4), (Lane::Low, 4)] {
        let mut simulation = Simulation::new(6, WEIGHTS, [1000; 4], 1);
        let mut waiting = [false; 4];
        waiting[lane.index()] = true;
        assert_eq!(simulation.fill(waiting).len(), usable, "{lane}");
    }
}

#[test]
fn fewer_slots_take_effect_as_parcels_end_and_more_at_once() {
    let mut simulation = Simulation::new(8, WEIGHTS, [1000; 4], 1);
    let low = [false, false, false, true];
    assert_eq!(simulation.fill(low).len(), 6);
    simulation.scheduler.set_slots(5);
    (0..3).for_each(|_| simulation.step());
    assert!(simulation.fill(low).is_empty());
    simulation.step();
    assert_eq!(simulation.fill(low).len(), 1);
    simulation.scheduler.set_slots(9);
    assert_eq!(simulation.fill(low).len(), 4);
}
