//! The short tier of faults: a few of each kind under real runs. `cargo xtask chaos` runs many more.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Mutex, PoisonError};

use system_tests::{
    chaos::{self, Arena, ChaosOptions},
    tools_promised,
};

/// Recoveries are measured, so scenarios do not run beside each other.
static ALONE: Mutex<()> = Mutex::new(());

fn short(name: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let arena = Arena::new(ChaosOptions { seed: 1, records: 1_500, ..ChaosOptions::default() });
    let told = chaos::run(chaos::named(name).unwrap(), &arena);
    // What this machine does not let us do is skipped, and said so; what it has no tool for is missing.
    let may_skip = !tools_promised() || told.lacks_rights();
    assert!(told.runs > 0 || (told.skipped.is_some() && may_skip), "{name}: {:?}", told.skipped);
}

#[test]
fn the_site_does_not_depend_on_how_many_agents_there_are() {
    short("scale");
}

#[test]
fn agents_and_coordinators_may_be_killed_at_any_moment() {
    short("kill-agents");
}

#[test]
fn the_only_server_may_be_killed() {
    short("kill-broker");
}

#[test]
fn one_two_and_all_servers_of_a_cluster_may_be_killed() {
    short("kill-brokers");
}

#[test]
fn processes_may_die_at_named_points() {
    short("crash-points");
}

#[test]
fn a_process_that_wakes_up_late_overwrites_nothing() {
    short("stand-still");
}

#[test]
fn consumers_streams_and_buckets_may_be_deleted() {
    short("deleted");
}

#[test]
fn messages_may_come_again() {
    short("duplicates");
}

#[test]
fn the_disk_of_the_broker_may_be_full() {
    short("broker-full");
}

#[test]
fn the_disk_of_the_store_may_be_full() {
    short("store-full");
}

#[test]
fn links_to_the_broker_may_be_cut() {
    short("links");
}

#[test]
fn processes_that_are_told_to_end_do_so_cleanly() {
    short("drain");
}

#[test]
fn bad_records_harm_only_themselves() {
    short("poison");
}

#[test]
fn the_broker_may_go_on_with_what_a_power_cut_left() {
    short("power-cut");
}
