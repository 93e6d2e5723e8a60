//! Prints how long critical parcels wait while everything else burns, and who gets how much under overload.
//!
//! `NATS_SERVER=… cargo run --release -p quire-runtime --example lanes [-- BACKLOG]`, where the backlog is the one over JetStream

#![allow(clippy::print_stdout, reason = "it prints")]
#![allow(clippy::expect_used, reason = "it stops at the first surprise")]

#[path = "../tests/common/load.rs"]
mod load;

use std::time::Duration;

use quire_proto::Lane;
use test_servers::{Nats, NatsOptions};

/// A critical parcel starts so soon in 99 of 100 cases.
const GOAL_MS: f64 = 10.0;

#[tokio::main]
async fn main() {
    println!("in process:");
    tell(load::Brokers::in_process(), 100_000).await;
    let backlog = std::env::args().nth(1).map_or(20_000, |backlog| backlog.parse().expect("a number"));
    let options = NatsOptions { synced: true, ..NatsOptions::default() };
    let server = &Nats::start_many(1, &options)[0];
    println!("over JetStream, sync always:");
    tell(load::Brokers::jet_stream(server, backlog).await, backlog).await;
    let overload = load::shares_under_overload(Duration::from_secs(6)).await;
    println!("all lanes overloaded, {:.1} s of service:", overload.service.as_secs_f64());
    for (lane, share) in Lane::ALL.into_iter().zip(overload.shares) {
        println!("  {:<8} {:>5.1} %", lane.as_str(), share * 100.0);
    }
}

async fn tell(brokers: load::Brokers, backlog: usize) {
    let critical = load::critical_under_load(brokers, 500, backlog).await;
    let start = critical.start;
    println!("500 critical parcels, {backlog} waiting in low, every shared slot burning:");
    println!(
        "  publish to start  p50 {:.3} ms  p99 {:.3} ms  max {:.3} ms: {:.2} of the goal",
        start.p50_ms,
        start.p99_ms,
        start.max_ms,
        start.p99_ms / GOAL_MS
    );
    println!("  low parcels done meanwhile  {}", critical.low_meanwhile);
    println!("  settled {} of {}", critical.settled, critical.published);
    println!("  without burning  {:.0} parcels/s", critical.idle_rate);
}
