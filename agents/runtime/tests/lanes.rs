//! Lanes under load: critical does not wait, low does not starve, nothing is lost.
//!
//! The times mean something in the release profile only; a debug build checks the order of magnitude, which a
//! critical parcel that waited behind the backlog would miss by far.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that meets a surprise shall fail")]

#[path = "common/load.rs"]
mod load;

use std::time::Duration;

use test_servers::{Nats, NatsOptions};
use tokio::sync::Mutex;

/// Times are measured, so these tests do not run beside each other.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn critical_starts_at_once_while_all_shared_slots_burn_and_low_is_piled_up() {
    let _alone = ALONE.lock().await;
    check(&load::critical_under_load(load::Brokers::in_process(), 500, 100_000).await, 10.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn critical_starts_at_once_over_jet_stream_as_well() {
    let _alone = ALONE.lock().await;
    let options = NatsOptions { synced: true, ..NatsOptions::default() };
    let server = &Nats::start_many(1, &options)[0];
    let brokers = load::Brokers::jet_stream(server, 20_000).await;
    // Each publish is a sync of a disk that others use, so the goal of 10 ms is the benchmark's. Behind the backlog, a
    // critical parcel would wait for half a minute.
    check(&load::critical_under_load(brokers, 500, 20_000).await, 100.0);
}

fn check(figures: &load::CriticalFigures, limit_ms: f64) {
    println!("{figures:#?}");
    assert_eq!(figures.settled, figures.published, "parcels were lost");
    assert_eq!(figures.start.count, 500);
    assert!(figures.low_meanwhile > 0, "low stood still: {figures:?}");
    let limit_ms = if cfg!(debug_assertions) { 500.0 } else { limit_ms };
    assert!(figures.start.p99_ms < limit_ms, "critical waited: {figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn low_keeps_its_share_while_every_lane_is_overloaded() {
    let _alone = ALONE.lock().await;
    let figures = load::shares_under_overload(Duration::from_secs(4)).await;
    println!("{figures:#?}");
    assert!(figures.shares[3] >= 0.05, "low starved: {figures:?}");
    let ordered = figures.shares.windows(2).all(|pair| pair[0] > pair[1]);
    assert!(ordered, "a lane got more than a higher one: {figures:?}");
}
