//! How long agents work at a parcel: one of each over a real nats-server, in a run of the finding models from nothing.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring program")]

use system_tests::{Cluster, RealFindings, repository};

/// Milliseconds within which 95 of a hundred parcels shall be done.
const GOAL_MS: f64 = 50.0;

fn main() {
    let models = RealFindings::find()
        .map_or_else(|| repository().join("catalogues/findings/data"), |real| real.models());
    let cluster = Cluster::start(1, &[("FINDINGS_ROOT", models.to_str().unwrap())]);
    let report = cluster.run("findings");
    for (stage, told) in &report.runs[0].stages {
        println!(
            "service {stage}: {} parcels of {} records, p50 {:.1} ms, p95 {:.1} ms, {:.2} of the goal",
            told.parcels,
            told.records,
            told.p50_ms,
            told.p95_ms,
            told.p95_ms / GOAL_MS
        );
    }
}
