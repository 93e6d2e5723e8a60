//! The agents as processes give what the embedded build gives.
#![allow(clippy::unwrap_used, reason = "tests")]

use system_tests::{Build, Cluster, Quire, repository, tree};
use test_servers::Signal;

fn embedded() -> (Quire, quire_proto::BuildReport) {
    let quire = Quire::with("FINDINGS_ROOT", repository().join("catalogues/findings/data"));
    let report = quire.build(&Build::of("findings"));
    (quire, report)
}

#[test]
fn processes_over_a_broker_make_the_same_site_as_one_process() {
    let (quire, report) = embedded();
    for each in [1, 4] {
        let cluster = Cluster::start(each, &[]);
        let over_nats = cluster.run("findings");
        assert_eq!(over_nats.manifest, report.manifest);
        assert_eq!(over_nats.runs[0].records, report.runs[0].records);
        assert_eq!(tree(&cluster.site()), tree(&quire.site()));

        let again = cluster.run("findings");
        assert_eq!(again.manifest, report.manifest);
        assert_eq!(
            again.runs[0].records.unchanged + again.runs[0].records.rejected,
            again.runs[0].records.seen
        );
    }
}

#[test]
fn an_agent_that_is_told_to_end_is_unready_first_and_ends_with_zero() {
    let mut cluster = Cluster::start(1, &[]);
    for kind in ["fetcher", "validator", "indexer", "renderer", "coordinator"] {
        let agent = cluster.take(|agent| agent.kind == kind).pop().unwrap();
        assert!(agent.get("/livez").unwrap().starts_with("HTTP/1.1 200"), "{kind}");
        agent.process.tell(Signal::Term);
        assert_eq!(agent.process.ended(), 0, "{kind}");
    }
}

#[test]
fn runs_are_listed_shown_and_cancelled() {
    let cluster = Cluster::start(1, &[]);
    let report = cluster.run("findings");
    let id = report.runs[0].run.to_string();
    let shown = cluster.quire(&["run", "show", &id, "--json"]);
    assert!(
        shown.out.contains(&report.manifest.to_string()) && shown.out.contains("\"state\":\"done\""),
        "{}",
        shown.out
    );
    assert!(cluster.quire(&["run", "list"]).out.contains(&id));
    let unknown = cluster.quire(&["run", "show", "findings-999"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.err);
    assert!(unknown.err.contains("findings-999"), "{}", unknown.err);
}

#[test]
fn a_standby_takes_over_what_a_killed_leader_had_begun() {
    let (_, report) = embedded();
    let mut cluster = Cluster::start(1, &[]);
    cluster.add("coordinator");
    // Nothing is rendered, so that the run cannot end.
    let renderer = cluster.agents("renderer").next().unwrap();
    renderer.process.tell(Signal::Stop);
    let folder = repository().join("catalogues/findings");
    let begun = cluster.quire(&["run", "start", folder.to_str().unwrap()]);
    assert_eq!(begun.code, Some(0), "{}", begun.err);
    let leader = cluster.agents("coordinator").find(|agent| agent.unready().is_none()).unwrap().address;
    let killed = cluster.take(|agent| agent.address == leader);
    killed[0].process.tell(Signal::Kill);
    drop(killed);
    cluster.agents("renderer").next().unwrap().process.tell(Signal::Cont);
    cluster.wait_until_ready();
    let listed = cluster.quire(&["run", "list", "--json"]);
    assert!(listed.out.contains("findings-2"), "{}\n{}", listed.out, cluster.logs());
    let watched = cluster.quire(&["run", "watch", "findings-2", "--json"]);
    assert_eq!(watched.report().manifest, report.manifest, "{}", watched.err);
}

#[test]
fn lanes_are_paused_and_resumed_and_agents_drained_by_command() {
    let mut cluster = Cluster::start(1, &[]);
    let validator = cluster.agents("validator").next().unwrap().address.to_string();
    assert_eq!(cluster.quire(&["pause", &validator, "--lane", "normal"]).code, Some(0));
    let told = cluster.quire(&["agents", &validator, "--json"]).out;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told[0]["stage"], "validate");
    let paused: Vec<bool> =
        told[0]["lanes"].as_array().unwrap().iter().map(|lane| lane["paused"].as_bool().unwrap()).collect();
    assert_eq!(paused, [false, false, true, false]);
    assert_eq!(cluster.quire(&["resume", &validator]).code, Some(0));
    let _ = cluster.run("findings");

    let unknown = cluster.quire(&["pause", "127.0.0.1:1"]);
    assert_eq!(unknown.code, Some(4), "{}", unknown.err);
    assert_eq!(cluster.quire(&["drain", &validator]).code, Some(0));
    let drained = cluster.take(|agent| agent.kind == "validator").pop().unwrap();
    assert_eq!(drained.process.ended(), 0);
}
