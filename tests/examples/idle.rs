//! What an agent costs that has nothing to do, and how soon it takes work: each program over a real nats-server.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring program")]

use std::{fs, time::Instant};

use system_tests::{Cluster, STAGES};
use test_servers::Signal;

/// Goals: resident memory in MiB, and seconds from start to ready.
const GOAL_MIB: f64 = 25.0;
const GOAL_SECONDS: f64 = 0.5;
const TIMES: usize = 5;

/// Resident memory of a process, in MiB.
fn resident(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn main() {
    let mut cluster = Cluster::start(1, &[]);
    for kind in STAGES.into_iter().chain(["coordinator"]) {
        let mut seconds = Vec::new();
        for _ in 0..TIMES {
            // Cleanly, so that a coordinator need not wait for the lease of the one before.
            let before = cluster.take(|agent| agent.kind == kind);
            before.iter().for_each(|agent| agent.process.tell(Signal::Term));
            before.into_iter().for_each(|agent| assert_eq!(agent.process.ended(), 0, "{kind}"));
            let began = Instant::now();
            cluster.add(kind);
            cluster.wait_until_ready();
            seconds.push(began.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let agent = cluster.agents(kind).next().unwrap();
        // What it allocated to start is given back meanwhile.
        std::thread::sleep(std::time::Duration::from_secs(3));
        let (mib, median) = (resident(agent.process.pid()), seconds[TIMES / 2]);
        println!(
            "idle {kind}: {mib:.1} MiB resident, {:.2} of the goal; ready after {median:.3} s (median of {TIMES}), {:.2} of the goal",
            mib / GOAL_MIB,
            median / GOAL_SECONDS
        );
    }
}
