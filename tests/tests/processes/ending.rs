//! A process that is told to end is unready first, and alive until it is gone.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use system_tests::{Agent, COORDINATOR, Cluster, STAGES};
use test_servers::Signal;

use super::silent::{Silent, reads_neuprint};

/// More than a process may take for its end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first line of the answer; `None` once nobody listens. Whoever is hung up on gets an empty one.
fn status(agent: &Agent, path: &str) -> Option<String> {
    match agent.get(path) {
        Ok(answer) => Some(answer.lines().next().unwrap_or_default().to_owned()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
        Err(_) => Some(String::new()),
    }
}

/// Tells it to end and asks until nobody listens; how often it was unready and alive.
fn seen_unready(agent: &Agent) -> usize {
    let (mut unready, began) = (0, Instant::now());
    agent.process.tell(Signal::Term);
    loop {
        assert!(began.elapsed() < PATIENCE, "{} still listens", agent.name);
        let Some(ready) = status(agent, "/readyz") else { return unready };
        let Some(alive) = status(agent, "/livez") else { return unready };
        assert!(alive.is_empty() || alive == "HTTP/1.1 200 OK", "{} is not alive: {alive}", agent.name);
        assert!(unready == 0 || ready != "HTTP/1.1 200 OK", "{} is ready again", agent.name);
        unready += usize::from(ready == "HTTP/1.1 503 Service Unavailable" && !alive.is_empty());
    }
}

#[test]
fn an_agent_that_is_told_to_end_under_load_is_unready_first_and_alive_until_it_is_gone() {
    let silent = Silent::new();
    let [server, token] = silent.variables();
    let mut cluster =
        Cluster::start(1, &[("QUIRE_DRAIN_SECONDS", "2"), (server.0, &server.1), (token.0, &token.1)]);
    let catalogue = reads_neuprint(cluster.folder(), "types");
    let begun = cluster.quire(&["run", "start", catalogue.to_str().unwrap()]);
    assert_eq!(begun.code, Some(0), "{}", begun.err);
    // From here on the fetcher's handler waits for an answer, and the coordinator's run for the handler.
    let _asked = silent.asked();
    for kind in [STAGES.as_slice(), &[COORDINATOR]].concat() {
        let agent = cluster.take(|agent| agent.kind == kind).pop().unwrap();
        let unready = seen_unready(&agent);
        // The others have nothing to wait for: they may be gone before anyone asks.
        let at_work = ["fetcher", COORDINATOR].contains(&kind);
        assert!(!at_work || unready > 1, "{kind} was seen unready {unready} times: {}", agent.process.log());
        assert_eq!(agent.process.ended(), 0, "{kind}");
    }
}
