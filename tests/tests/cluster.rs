//! The agents as processes give what the embedded build gives.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    sync::mpsc,
    thread,
    time::Duration,
};

use system_tests::{Build, Cluster, Ended, Quire, repository, tree};
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
fn figures_variants_and_aggregates_are_the_same_over_a_broker() {
    let quire = Quire::new();
    let report = quire.build(&Build::of("neurons"));
    let cluster = Cluster::start(2, &[]);
    let over_nats = cluster.run("neurons");
    assert_eq!(over_nats.manifest, report.manifest);
    assert_eq!(over_nats.runs[0].records, report.runs[0].records);
    assert_eq!(tree(&cluster.site()), tree(&quire.site()));
    let again = cluster.run("neurons").runs[0].records;
    assert_eq!((again.published, again.unchanged), (0, over_nats.runs[0].records.published));
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
    let listed = cluster.quire(&["run", "list"]).out;
    let year = shown.out.split_once("\"started\":\"").unwrap().1.get(..4).unwrap();
    assert!(year.starts_with("20") && listed.starts_with(&format!("{id}  {year}-")), "{listed}");
    assert!(listed.contains("Z  done  ") && listed.lines().count() == 1, "{listed}");
    assert_eq!(cluster.quire(&["run", "list", "--catalogue", "birds"]).out, "no runs of birds yet\n");
    let metrics = cluster.agents("fetcher").next().unwrap().get("/metrics").unwrap();
    let is_read = |line: &&str| line.starts_with("quire_upstream_requests_total{") && line.contains("\"ok\"");
    let read: Vec<&str> = metrics.lines().filter(is_read).collect();
    assert!(read[0].ends_with(&format!(" {}", report.runs[0].upstream.queries)), "{read:?}");
    let page =
        tree(&cluster.site()).into_keys().find(|path| path.starts_with("findings/") && path.ends_with(".md"));
    let slug = page.as_deref().and_then(|page| page.strip_prefix("findings/")?.strip_suffix(".md")).unwrap();
    let explained = cluster.quire(&["explain", slug]);
    assert!(explained.out.contains("published as of findings-1"), "{}{}", explained.out, explained.err);
    assert_eq!(cluster.quire(&["explain", "dodo"]).code, Some(2));
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
    let paused = cluster.quire(&["pause", &validator, "--lane", "normal"]);
    assert_eq!((paused.code, paused.out), (Some(0), format!("paused normal of {validator}\n")));
    let told = cluster.quire(&["agents", &validator, "--json"]).out;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told[0]["stage"], "validate");
    let paused: Vec<bool> =
        told[0]["lanes"].as_array().unwrap().iter().map(|lane| lane["paused"].as_bool().unwrap()).collect();
    assert_eq!(paused, [false, false, true, false]);
    cluster.until("the table tells it", |cluster| {
        let table = cluster.quire(&["agents"]).out;
        table.lines().any(|line| line.contains("validate") && line.contains("paused: normal")).then_some(())
    });
    let resumed = cluster.quire(&["resume", &validator]);
    assert_eq!(resumed.out, format!("resumed all lanes of {validator}: critical, too\n"), "{}", resumed.err);
    let _ = cluster.run("findings");

    let unknown = cluster.quire(&["pause", "127.0.0.1:1"]);
    assert_eq!(unknown.code, Some(4), "{}", unknown.err);
    let drained = cluster.quire(&["drain", &validator]);
    assert!(drained.code == Some(0) && drained.out.contains("drains"), "{}{}", drained.out, drained.err);
    let drained = cluster.take(|agent| agent.kind == "validator").pop().unwrap();
    assert_eq!(drained.process.ended(), 0);
}

#[test]
fn agents_are_known_by_name_and_lanes_are_paused_everywhere_also_for_agents_to_come() {
    let mut cluster = Cluster::start(1, &[]);
    let listed = cluster.until("five agents", |cluster| {
        let listed = cluster.quire(&["agents", "--json"]).out;
        let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).ok()?;
        (listed.len() == 5 && listed.iter().all(|agent| agent["ready"] == true)).then_some(listed)
    });
    let stages: Vec<&str> = listed.iter().map(|agent| agent["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["coordinate", "fetch", "validate", "index", "render"]);
    let renderer = listed[4]["agent"].as_str().unwrap();
    let shown = cluster.quire(&["agents", "config", renderer, "--json"]);
    assert!(shown.out.contains("\"name\":\"store\"") && shown.out.contains("QUIRE_STORE"), "{}", shown.out);
    let logs = cluster.quire(&["agents", "log", renderer, "quire_runtime=debug", "--lasts", "1m"]);
    assert_eq!(logs.out, format!("{renderer} logs by quire_runtime=debug for 60 s\n"), "{}", logs.err);
    assert_eq!(cluster.quire(&["agents", "log", renderer, "a=b=c"]).code, Some(2));
    let tuned = cluster.quire(&["agents", "tune", renderer, "--slots", "5", "--weights", "4,3,2,1"]);
    let expected = format!("{renderer} has 5 slots and weights 4,3,2,1 until it ends\n");
    assert_eq!((tuned.code, tuned.out), (Some(0), expected), "{}", tuned.err);
    let told = cluster.quire(&["agents", renderer, "--json"]).out;
    assert!(
        told.contains("\"slots\":5") && told.contains("\"log_filter\":\"quire_runtime=debug\""),
        "{told}"
    );
    let log = cluster.agents("renderer").next().unwrap().process.log();
    assert!(log.contains("quire_audit") && log.contains("\"action\":\"slots\""), "{log}");
    let coordinator = listed[0]["agent"].as_str().unwrap();
    let none = cluster.quire(&["pause", coordinator]);
    assert!(none.code == Some(1) && none.err.contains("has no lanes"), "{}", none.err);
    let unknown = cluster.quire(&["drain", "nobody"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("quire agents"), "{}", unknown.err);

    let paused = cluster.quire(&["pause", "render"]);
    assert_eq!(paused.out, "paused all lanes of render, at every agent: critical, too\n", "{}", paused.err);
    // A renderer that was not there when the lanes were paused starts nothing either.
    drop(cluster.take(|agent| agent.kind == "renderer"));
    cluster.add("renderer");
    cluster.wait_until_ready();
    let folder = repository().join("catalogues/findings");
    assert_eq!(cluster.quire(&["run", "start", folder.to_str().unwrap()]).code, Some(0));
    let lanes = cluster.until("work waits for renderers", |cluster| {
        let lanes: Vec<serde_json::Value> =
            serde_json::from_str(&cluster.quire(&["lanes", "--json"]).out).ok()?;
        let waits = |lane: &serde_json::Value| {
            let is_more = |what: &str| lane[what].as_u64() > Some(0);
            lane["stage"] == "render" && is_more("waiting") && is_more("slots")
        };
        lanes.iter().any(waits).then_some(lanes)
    });
    assert_eq!(lanes.len(), 16);
    assert!(lanes.iter().filter(|lane| lane["stage"] == "render").all(|lane| lane["paused"] == true));
    let top = cluster.quire(&["top", "--once"]);
    assert!(
        top.out.contains("findings-1") && top.out.contains("paused everywhere"),
        "{}{}",
        top.out,
        top.err
    );
    let lanes = cluster.quire(&["lanes"]).out;
    assert!(lanes.contains("bottleneck: render, paused: normal"), "{lanes}");
    // Who watches hears what stands still.
    let quire = Quire::new();
    let mut watching = quire.command(["run", "watch", "findings-1", "--json"]);
    watching.env("QUIRE_SERVER", cluster.servers()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut watching = watching.spawn().unwrap();
    let (tell, said) = mpsc::channel();
    let lines = BufReader::new(watching.stderr.take().unwrap()).lines().map_while(Result::ok);
    thread::spawn(move || lines.for_each(|line| drop(tell.send(line))));
    let hear = || said.recv_timeout(Duration::from_secs(60));
    let told = std::iter::from_fn(|| hear().ok()).find(|line| line.contains("nothing new"));
    if told.is_none() {
        watching.kill().unwrap();
    }
    let told = told.unwrap();
    assert!(told.contains("findings-1: ") && told.contains("`quire resume render --lane normal`"), "{told}");
    assert_eq!(cluster.quire(&["resume", "render"]).code, Some(0));
    let rest: Vec<String> = said.iter().collect();
    let watched = Ended::from(watching.wait_with_output().unwrap());
    assert_eq!(watched.code, Some(0), "{rest:?}\n{}", cluster.logs());
    assert_eq!(watched.report().runs[0].catalogue, "findings");
}

#[test]
fn outcomes_are_shared_among_agents_and_caches_looked_after_everywhere() {
    let mut cluster = Cluster::start(1, &[("QUIRE_SHARED_CACHE", "true")]);
    let first = cluster.run("findings");
    // Every agent anew, with an empty state: only what is shared is left.
    for kind in ["fetcher", "validator", "indexer", "renderer"] {
        cluster.take(|agent| agent.kind == kind);
        cluster.add(kind);
    }
    cluster.wait_until_ready();
    let results = |cluster: &Cluster| -> Option<u64> {
        let stats: Vec<serde_json::Value> =
            serde_json::from_str(&cluster.quire(&["cache", "stats", "--json"]).out).ok()?;
        let caches = stats.iter().flat_map(|agent| agent["caches"].as_array().unwrap());
        Some(caches.map(|cache| cache["hits_shared"].as_u64().unwrap()).sum())
    };
    // The entries of those that were killed are still there for some seconds.
    cluster.until("only those that live are known", |cluster| results(cluster));
    std::fs::remove_dir_all(cluster.store().join("manifests")).unwrap();
    let again = cluster.run("findings");
    assert_eq!(again.manifest, first.manifest);
    assert!(results(&cluster) > Some(0), "nothing came from the shared level");
    let warmed = cluster.quire(&["cache", "warm", "results"]);
    assert!(warmed.code == Some(0) && warmed.out.contains("warmed: "), "{}{}", warmed.out, warmed.err);
    assert_eq!(cluster.quire(&["cache", "clear", "results", "--json"]).code, Some(0));
    let unknown = cluster.quire(&["cache", "clear", "crumbs"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("quire cache stats"), "{}", unknown.err);
}

#[test]
fn whoever_is_asked_in_the_wrong_place_is_told_where_to_ask() {
    let cluster = Cluster::start(1, &[]);
    let indexer = cluster.agents("indexer").next().unwrap().address.to_string();
    let birds = repository().join("catalogues/findings");
    let birds = birds.to_str().unwrap();
    for command in [
        &["run", "list"][..],
        &["run", "start", birds],
        &["dead", "list"],
        &["lanes"],
        &["top", "--once"],
        &["agents"],
        &["pause", "render"],
        &["cache", "stats"],
        &["explain", "OIFM_DEMO_000004"],
    ] {
        let ended = cluster.quire(&[command, &["--server", &indexer]].concat());
        assert_eq!(ended.code, Some(2), "{command:?}: {}", ended.err);
        let expected = format!("error: {indexer} is no coordinator");
        let is_told = ended.err.starts_with(&expected) && ended.err.contains("give --server");
        assert!(is_told, "{command:?}: {}", ended.err);
    }
    let broker = cluster.nats[0].url().replace("nats://", "");
    let ended = cluster.quire(&["run", "list", "--server", &broker]);
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(ended.err.contains("server of Quire"), "{}", ended.err);
}
