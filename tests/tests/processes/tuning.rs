//! What is changed of an agent while it works is in force at once, and told.

use serde_json::{Value, json};
use system_tests::Cluster;

use super::silent::{Silent, reads_neuprint};

/// What an agent tells of itself.
fn told(cluster: &Cluster, agent: &str) -> Value {
    let ended = cluster.quire(&["agents", agent, "--json"]);
    let told: Value = serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    told[0].clone()
}

/// Listings that the fetchers have not ended, and those that the only one is at.
fn listings(cluster: &Cluster, fetcher: &str) -> Option<(u64, u64)> {
    let lanes: Vec<Value> = serde_json::from_str(&cluster.quire(&["lanes", "--json"]).out).ok()?;
    let lane = lanes.iter().find(|lane| lane["stage"] == "fetch" && lane["lane"] == "normal")?;
    let unsettled = lane["waiting"].as_u64()? + lane["in_flight"].as_u64()?;
    let own = told(cluster, fetcher);
    let own = own["lanes"].as_array()?.iter().find(|lane| lane["lane"] == "normal")?;
    Some((unsettled, own["running"].as_u64()?))
}

#[test]
fn slots_and_weights_that_are_tuned_are_in_force_and_told() {
    let silent = Silent::new();
    let [server, token] = silent.variables();
    let variables = [("QUIRE_SLOTS", "4"), ("QUIRE_RUNS", "8"), (server.0, &server.1), (token.0, &token.1)];
    let cluster = Cluster::start(1, &variables);
    let fetcher = cluster.agents("fetcher").next().unwrap();
    let address = fetcher.address.to_string();
    let own = told(&cluster, &address);
    assert_eq!((&own["slots"], &own["weights"]), (&json!(4), &json!([8, 4, 2, 1])));
    // Each listing waits for an answer that never comes.
    for name in ["ants", "bees", "crabs", "dogs"] {
        let catalogue = reads_neuprint(cluster.folder(), name);
        let begun = cluster.quire(&["run", "start", catalogue.to_str().unwrap()]);
        assert_eq!(begun.code, Some(0), "{}", begun.err);
    }
    // Of four slots, one is for critical alone and one for critical and high.
    cluster.until("two of four listings", |cluster| (listings(cluster, &address)? == (4, 2)).then_some(()));
    let tuned = cluster.quire(&["agents", "tune", &address, "--slots", "5"]);
    assert_eq!(tuned.code, Some(0), "{}", tuned.err);
    cluster.until("three of four listings", |cluster| (listings(cluster, &address)? == (4, 3)).then_some(()));
    let metrics = fetcher.get("/metrics").unwrap();
    let value = |name: &str, lane: &str| {
        let of = |line: &&str| line.starts_with(&format!("{name}{{")) && line.contains(lane);
        metrics.lines().find(of).and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
    };
    assert_eq!(value("quire_slots", "").as_deref(), Some("5"), "{metrics}");
    assert_eq!(value("quire_running", "lane=\"normal\"").as_deref(), Some("3"), "{metrics}");

    let tuned = cluster.quire(&["agents", "tune", &address, "--weights", "4,3,2,1"]);
    assert_eq!(tuned.code, Some(0), "{}", tuned.err);
    let own = told(&cluster, &address);
    assert_eq!((&own["slots"], &own["weights"]), (&json!(5), &json!([4, 3, 2, 1])));
    // By way of the register, as all agents are told of.
    cluster.until("the list of all tells it", |cluster| {
        let all: Vec<Value> = serde_json::from_str(&cluster.quire(&["agents", "--json"]).out).ok()?;
        let own = all.iter().find(|agent| agent["stage"] == "fetch")?;
        (own["weights"] == json!([4, 3, 2, 1]) && own["slots"] == 5).then_some(())
    });
    let coordinator = told(&cluster, &cluster.leader().unwrap().address.to_string());
    assert_eq!(coordinator["weights"], json!([]), "it has no lanes");
}
