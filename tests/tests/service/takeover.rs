//! How long nobody leads after a leader was killed.

use std::time::{Duration, Instant};

use quire_api::run::{ListRequest, Run, State, run_service_client::RunServiceClient};
use system_tests::Cluster;
use tokio::runtime::Runtime;

use crate::{Signal, findings, kill_leader};

/// So soon after its leader was killed a standby leads.
const TAKEOVER: Duration = Duration::from_secs(5);

/// The runs that the coordinator at `address` tells of; `None` while it does not lead.
async fn runs(address: &str) -> Option<Vec<Run>> {
    let mut runs = RunServiceClient::connect(address.to_owned()).await.ok()?;
    Some(runs.list(ListRequest::default()).await.ok()?.into_inner().runs)
}

#[test]
fn a_standby_answers_for_the_runs_within_five_seconds_after_the_leader_was_killed() {
    let mut cluster = Cluster::start(1, &[]);
    // Nothing is rendered, so that the run goes on until there is another leader.
    cluster.agents("renderer").next().unwrap().process.tell(Signal::Stop);
    let begun = cluster.quire(&["run", "start", findings().to_str().unwrap()]);
    assert_eq!(begun.code, Some(0), "{}", begun.err);
    let runtime = Runtime::new().unwrap();
    for round in 1..=3 {
        cluster.add("coordinator");
        let standby = cluster.agents.last().unwrap();
        cluster.until("one that stands by", |_| standby.unready()?.starts_with("standby").then_some(()));
        let address = format!("http://{}", standby.address);
        kill_leader(&mut cluster, Signal::Kill);
        let killed = Instant::now();
        let runs = cluster.until("the next leader", |_| runtime.block_on(runs(&address)));
        let took = killed.elapsed();
        println!("after kill {round} the standby answered within {:.2} s", took.as_secs_f64());
        assert!(took < TAKEOVER, "{took:?}\n{}", cluster.logs());
        assert!(runs.iter().any(|run| run.state() == State::Running), "{runs:?}");
    }
}
