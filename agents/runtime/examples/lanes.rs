//! Prints how long critical parcels wait while everything else burns, and who gets how much under overload.
//!
//! `cargo run --release -p quire-runtime --example lanes`

#![allow(clippy::print_stdout, reason = "it prints")]
#![allow(clippy::expect_used, reason = "it stops at the first surprise")]

#[path = "../tests/common/load.rs"]
mod load;

use std::time::Duration;

use quire_proto::Lane;

#[tokio::main]
async fn main() {
    let critical = load::critical_under_load(500, 100_000).await;
    let start = critical.start;
    println!("500 critical parcels, 100,000 waiting in low, every shared slot burning:");
    println!(
        "  publish to start  p50 {:.3} ms  p99 {:.3} ms  max {:.3} ms",
        start.p50_ms, start.p99_ms, start.max_ms
    );
    println!("  low parcels done meanwhile  {}", critical.low_meanwhile);
    println!("  settled {} of {}", critical.settled, critical.published);
    println!("  without burning  {:.0} parcels/s", critical.idle_rate);
    let overload = load::shares_under_overload(Duration::from_secs(6)).await;
    println!("all lanes overloaded, {:.1} s of service:", overload.service.as_secs_f64());
    for (lane, share) in Lane::ALL.into_iter().zip(overload.shares) {
        println!("  {:<8} {:>5.1} %", lane.as_str(), share * 100.0);
    }
}
