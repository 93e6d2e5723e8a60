//! Real runs of real processes under faults. Whatever happens: nothing is lost, the counts add up, and the site has the
//! bytes of a build that nobody disturbed.
//!
//! A scenario is one kind of fault in a file of its own. All that is random follows from the seed, which is printed.
//! `tests/tests/chaos.rs` runs the short tier, `cargo xtask chaos` the whole one.

mod arena;
mod ears;
mod kill_agents;
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
pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "kill-agents",
    about: "kill -9 of random agents and coordinators, started again at once",
    run: kill_agents::run,
}];

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
