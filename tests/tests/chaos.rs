//! The short tier of faults: a few of each kind under real runs. `cargo xtask chaos` runs many more.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Mutex, PoisonError};

use system_tests::chaos::{self, Arena, ChaosOptions};

/// Recoveries are measured, so scenarios do not run beside each other.
static ALONE: Mutex<()> = Mutex::new(());

fn short(name: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let arena = Arena::new(ChaosOptions { seed: 1, records: 1_500, whole: false }, None);
    let told = chaos::run(chaos::named(name).unwrap(), &arena);
    assert!(told.skipped.is_some() || told.runs > 0);
}

#[test]
fn agents_and_coordinators_may_be_killed_at_any_moment() {
    short("kill-agents");
}
