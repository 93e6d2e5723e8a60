//! Real runs of real processes under faults. Whatever happens: nothing is lost, the counts add up, and the site has the
//! bytes of a build that nobody disturbed.
//!
//! A scenario is one kind of fault in a file of its own. All that is random follows from the seed, which is printed.
//! `tests/tests/chaos.rs` runs the short tier, `cargo xtask chaos` the whole one.

mod arena;
mod crash_points;
mod deleted;
mod drain;
mod duplicates;
mod ears;
mod full;
mod kill_agents;
mod kill_broker;
mod links;
mod poison;
mod power_cut;
mod scale;
mod stand_still;
mod storm;
mod told;

pub use arena::{Arena, ChaosOptions};
pub use told::{TABLE_HEAD, Times, Told};

/// A kind of fault.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What befalls the cluster.
    pub about: &'static str,
    run: fn(&Arena) -> Told,
}

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    scenario(
        "scale",
        "no fault: one of each, four of each, and from one to four to two under a run",
        scale::run,
    ),
    scenario(
        "kill-agents",
        "kill -9 of random agents and coordinators, started again at once",
        kill_agents::run,
    ),
    scenario("kill-broker", "kill -9 of the only nats-server", kill_broker::run_one),
    scenario(
        "kill-brokers",
        "kill -9 of one, two and all three nats-servers of a cluster",
        kill_broker::run_three,
    ),
    scenario("crash-points", "every named crash point", crash_points::run),
    scenario("stand-still", "SIGSTOP for longer than the ack wait", stand_still::run),
    scenario("deleted", "a consumer, stream or bucket is deleted, and applied again", deleted::run),
    scenario(
        "duplicates",
        "messages come again inside and outside the window of recognition",
        duplicates::run,
    ),
    scenario("broker-full", "the broker's disk is full, and has room again", full::run_broker),
    scenario("store-full", "the store's disk is full, and has room again", full::run_store),
    scenario("links", "links between agents and broker are cut", links::run),
    scenario("drain", "SIGTERM under load", drain::run),
    scenario("poison", "one record in twenty-one is bad, in thirteen ways", poison::run),
    scenario("power-cut", "the broker goes on with what its disk had when the power went", power_cut::run),
];

const fn scenario(name: &'static str, about: &'static str, run: fn(&Arena) -> Told) -> Scenario {
    Scenario { name, about, run }
}

/// Runs a scenario.
///
/// # Panics
/// If a promise is broken; the message says which, and with which seed.
#[must_use]
pub fn run(scenario: &Scenario, arena: &Arena) -> Told {
    println!("{}: {} (seed {})", scenario.name, scenario.about, arena.options.seed);
    let began = std::time::Instant::now();
    let mut told = (scenario.run)(arena);
    told.name = scenario.name;
    told.took = began.elapsed();
    told.print();
    told
}

/// The scenario of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}
