//! Runs through the coordinator's service: at once, through changes of the leader, and when things are lost or damaged.
#![allow(clippy::unwrap_used, reason = "tests")]

mod at_once;
mod killer;
mod letters;
mod lost;
mod replays;
mod takeover;
mod top;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use quire_proto::{BuildReport, manifest::Manifest};
use serde_json::Value;
use system_tests::{Build, Cluster, Ended, Quire, birds, repository, tree};
use test_servers::Signal;

const PATIENCE: Duration = Duration::from_secs(60);

fn findings() -> PathBuf {
    repository().join("catalogues/findings")
}

/// What one process makes of the catalogue.
fn embedded() -> (Quire, BuildReport) {
    let quire = Quire::with("FINDINGS_ROOT", findings().join("data"));
    let report = quire.build(&Build::of("findings"));
    (quire, report)
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "{what} should be by now");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A command that goes on in the background.
struct Background {
    child: Child,
    _quire: Quire,
}

impl Background {
    fn start(servers: &str, arguments: &[&str]) -> Self {
        let quire = Quire::new();
        let mut command = quire.command(arguments);
        command.env("QUIRE_SERVER", servers).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { child: command.spawn().unwrap(), _quire: quire }
    }

    fn end(self) -> Ended {
        self.child.wait_with_output().unwrap().into()
    }
}

fn start_findings(servers: &str) -> Background {
    Background::start(servers, &["run", "start", findings().to_str().unwrap(), "--watch", "--json"])
}

fn kill_leader(cluster: &mut Cluster, signal: Signal) {
    let leader = cluster.leader().unwrap().address;
    let taken = cluster.take(|agent| agent.address == leader);
    taken[0].process.tell(signal);
    if signal == Signal::Term {
        taken.into_iter().for_each(|agent| assert_eq!(agent.process.ended(), 0));
    }
}

fn run_is_there(cluster: &Cluster, id: &str) -> bool {
    cluster.quire(&["run", "show", id]).code == Some(0)
}

/// One word to the broker that `quire` has no command for.
fn ask_nats(port: u16, subject: &str) -> Value {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let asked = format!("CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer 0\r\n\r\n");
    stream.get_mut().write_all(asked.as_bytes()).unwrap();
    let bytes = loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        if let Some(rest) = line.strip_prefix("MSG answer 1 ") {
            break rest.trim().parse::<usize>().unwrap();
        }
    };
    let mut answer = vec![0; bytes];
    stream.read_exact(&mut answer).unwrap();
    serde_json::from_slice(&answer).unwrap()
}

fn messages(cluster: &Cluster, stream: &str) -> u64 {
    let info = ask_nats(cluster.nats[0].port(), &format!("$JS.API.STREAM.INFO.{stream}"));
    info["state"]["messages"].as_u64().unwrap()
}

#[test]
fn a_watch_goes_on_with_whoever_leads_next() {
    let (_, expected) = embedded();
    for signal in [Signal::Kill, Signal::Term] {
        let mut cluster = Cluster::start(1, &[("QUIRE_DRAIN_SECONDS", "2")]);
        cluster.add("coordinator");
        // Nothing is rendered, so that the run cannot end.
        cluster.agents("renderer").next().unwrap().process.tell(Signal::Stop);
        let watching = start_findings(&cluster.servers());
        until("the run", || run_is_there(&cluster, "findings-1"));
        kill_leader(&mut cluster, signal);
        cluster.agents("renderer").next().unwrap().process.tell(Signal::Cont);
        let ended = watching.end();
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, cluster.logs());
        assert_eq!(ended.report().manifest, expected.manifest);
        assert!(ended.err.contains("findings-1 goes on as findings-2"), "{}", ended.err);
        let shown = cluster.quire(&["run", "show", "findings-1", "--json"]).out;
        assert!(shown.contains("\"run\":\"findings-2\""), "{shown}");
    }
}

#[test]
fn a_run_survives_leaders_that_are_killed_at_every_point() {
    let (quire, expected) = embedded();
    let mut points: Vec<&str> = quire_runtime::CRASH_POINTS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| name.starts_with("coordinator.") || name.starts_with("publish."))
        .collect();
    // The first one lives long enough to say which run it has begun.
    let gathered = points.iter().position(|name| *name == "coordinator.gathered").unwrap();
    points.swap(0, gathered);
    let mut cluster = Cluster::start(1, &[("QUIRE_CRASH_AT", points[0])]);
    cluster.agents("fetcher").next().unwrap().process.tell(Signal::Stop);
    let begun = cluster.quire(&["run", "start", findings().to_str().unwrap()]);
    assert_eq!((begun.code, begun.out.trim()), (Some(0), "findings-1"), "{}", begun.err);
    cluster.agents("fetcher").next().unwrap().process.tell(Signal::Cont);
    for next in points[1..].iter().chain([&"none"]) {
        for killed in cluster.take(|agent| agent.kind == "coordinator") {
            assert_eq!(killed.process.ended(), 128 + 9, "before {next}");
        }
        cluster.set("QUIRE_CRASH_AT", next);
        cluster.add("coordinator");
    }
    cluster.wait_until_ready();
    let ended = cluster.quire(&["run", "watch", "findings-1", "--json"]);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, cluster.logs());
    assert_eq!(ended.report().manifest, expected.manifest);
    assert!(ended.report().runs[0].records.adds_up());
    assert_eq!(tree(&cluster.site()), tree(&quire.site()));
}

#[test]
fn a_leader_that_stood_still_takes_nothing_from_the_next() {
    let (quire, expected) = embedded();
    let mut cluster = Cluster::start(1, &[]);
    cluster.add("coordinator");
    cluster.agents("renderer").next().unwrap().process.tell(Signal::Stop);
    let watching = start_findings(&cluster.servers());
    until("the run", || run_is_there(&cluster, "findings-1"));
    let former = cluster.leader().unwrap().address;
    let tell = |cluster: &Cluster, signal| {
        let agent = cluster.agents("coordinator").find(|agent| agent.address == former).unwrap();
        agent.process.tell(signal);
    };
    tell(&cluster, Signal::Stop);
    until("another leader", || cluster.leader().is_some_and(|leader| leader.address != former));
    tell(&cluster, Signal::Cont);
    cluster.agents("renderer").next().unwrap().process.tell(Signal::Cont);
    let began = Instant::now();
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, cluster.logs());
    assert_eq!(ended.report().manifest, expected.manifest);
    // A settlement that is lost is planned again after a minute.
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}\n{}", began.elapsed(), cluster.logs());
    assert_eq!(tree(&cluster.site()), tree(&quire.site()));
}

#[test]
fn messages_lost_under_a_run_are_planned_again() {
    let (quire, expected) = embedded();
    let mut cluster = Cluster::start(1, &[("QUIRE_STALL_SECONDS", "2")]);
    drop(cluster.take(|agent| agent.kind == "renderer"));
    let watching = start_findings(&cluster.servers());
    until("work to render", || messages(&cluster, "Q_RENDER_NORMAL") > 0);
    ask_nats(cluster.nats[0].port(), "$JS.API.STREAM.PURGE.Q_RENDER_NORMAL");
    cluster.add("renderer");
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, cluster.logs());
    assert_eq!(ended.report().manifest, expected.manifest);
    assert!(cluster.logs().contains("planning again what is owed"), "{}", cluster.logs());
    assert_eq!(tree(&cluster.site()), tree(&quire.site()));
}

#[test]
fn two_full_runs_on_one_catalogue_at_once_end_both() {
    let (quire, expected) = embedded();
    let cluster = Cluster::start(1, &[]);
    let full =
        ["run", "start", findings().to_str().unwrap(), "--full", "--watch", "--json"].map(str::to_owned);
    let full: Vec<&str> = full.iter().map(String::as_str).collect();
    let both = [(); 2].map(|()| Background::start(&cluster.servers(), &full));
    let mut epochs = Vec::new();
    for ended in both.map(Background::end) {
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, cluster.logs());
        let report = ended.report();
        assert!(report.runs[0].records.adds_up());
        assert_eq!(report.runs[0].records.seen, expected.runs[0].records.seen);
        assert_eq!(report.manifest, expected.manifest);
        epochs.push(report.runs[0].epoch.0);
    }
    assert_ne!(epochs[0], epochs[1]);
    assert_eq!(tree(&cluster.site()), tree(&quire.site()));
}

#[test]
fn a_page_that_someone_waits_for_overtakes_a_run_of_everything() {
    let folder = tempfile::tempdir().unwrap();
    let write = |colours: &[(&str, &str)]| birds(folder.path(), "birds", colours);
    let all = |colour: &'static str| ["crane", "egret", "heron"].map(|bird| (bird, colour));
    let catalogue = write(&all(",\"colour\":\"grey\""));
    let (start, root) = (catalogue.to_str().unwrap(), catalogue.join("data"));
    let cluster = Cluster::start(1, &[("BIRDS_ROOT", root.to_str().unwrap())]);
    let page = |bird: &str| fs::read_to_string(cluster.site().join(format!("birds/{bird}.html"))).unwrap();
    fs::write(root.join("nobody.json"), "{}").unwrap();
    let first = cluster.run_folder(&catalogue).runs.remove(0);
    assert_eq!((first.records.rejected, first.rejects.values().sum::<u64>()), (1, 1), "{:?}", first.rejects);

    // A run of everything that cannot go on.
    write(&all(",\"colour\":\"white\""));
    assert_eq!(cluster.quire(&["pause", "render", "--lane", "normal"]).code, Some(0));
    let everything = Background::start(&cluster.servers(), &["run", "start", start, "--watch", "--json"]);
    until("the run", || cluster.quire(&["run", "show", "birds-2"]).out.contains("make"));
    write(&[("egret", ",\"colour\":\"little\"")]);
    let asked = ["run", "start", start, "--key", "egret", "--key", "dodo", "--watch", "--json"];
    let ended = cluster.quire(&asked);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, cluster.logs());
    let report = ended.report();
    assert_eq!((report.runs[0].records.seen, report.runs[0].records.published), (1, 1));
    assert_eq!(report.runs[0].failures, ["no item of the sources has the key dodo"]);
    assert!(page("egret").contains("little") && page("heron").contains("grey"));

    assert_eq!(cluster.quire(&["resume", "render", "--lane", "normal"]).code, Some(0));
    let ended = everything.end();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, cluster.logs());
    let quire = Quire::with("BIRDS_ROOT", &root);
    let expected = quire.build(&Build::of(start));
    assert_eq!(ended.report().manifest, expected.manifest);
    assert_eq!(tree(&cluster.site()), tree(&quire.site()));
    // What is rejected as before is not counted again.
    let metrics = cluster.leader().unwrap().get("/metrics").unwrap();
    let counted: Vec<&str> =
        metrics.lines().filter(|line| line.starts_with("quire_rejects_total{")).collect();
    assert!(counted.len() == 1 && counted[0].ends_with(" 1"), "{counted:?}");
    let refused = cluster.quire(&["run", "start", start, "--key", ""]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
}

#[test]
fn several_runs_are_one_object_and_the_worst_of_them_is_the_exit() {
    let folder = tempfile::tempdir().unwrap();
    let other = birds(folder.path(), "birds", &[("heron", ",\"colour\":\"grey\"")]);
    let root = other.join("data");
    let mut cluster = Cluster::start(1, &[("BIRDS_ROOT", root.to_str().unwrap())]);
    let (findings, other) = (findings(), other.to_str().unwrap().to_owned());
    let start = || {
        let ended = cluster.quire(&["run", "start", &other, findings.to_str().unwrap(), "--watch", "--json"]);
        assert_eq!(ended.out.lines().count(), 1, "{}\n{}", ended.err, cluster.logs());
        let names = ended.report().runs.into_iter().map(|run| run.catalogue).collect::<Vec<_>>();
        (ended.code, names.join(" "), ended)
    };
    let foreign = cluster.site().join("birds/thesis.txt");
    fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    fs::write(&foreign, "years of work").unwrap();
    let (code, names, ended) = start();
    assert_eq!((code, names.as_str()), (Some(1), "findings"), "{}", ended.err);
    assert!(ended.err.contains("birds/thesis.txt"), "{}", ended.err);
    fs::remove_file(&foreign).unwrap();
    let (code, names, ended) = start();
    assert_eq!((code, names.as_str()), (Some(0), "birds findings"), "{}", ended.err);
    let manifest = fs::read(cluster.site().join("manifest.json")).unwrap();
    assert_eq!(ended.report().manifest, quire_proto::Digest::of(&manifest));

    let ended = cluster.quire(&["run", "start", &other, findings.to_str().unwrap(), "--json"]);
    let told: Value = serde_json::from_str(ended.out.trim()).unwrap();
    assert_eq!((ended.code, told["runs"][1]["catalogue"].as_str()), (Some(0), Some("findings")));

    // Who stands by takes nothing; with the leader beside it, that one is asked.
    let leader = cluster.leader().unwrap().address;
    cluster.add("coordinator");
    let standby = cluster.agents("coordinator").find(|agent| agent.address != leader).unwrap().address;
    let ended = cluster.quire(&["run", "list", "--server", &standby.to_string()]);
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(ended.err.contains("does not lead"), "{}", ended.err);
    let ended = cluster.quire(&["run", "list", "--server", &format!("{standby},{leader}")]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

#[test]
fn what_is_found_damaged_when_the_site_is_finished_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let other = birds(folder.path(), "birds", &[("heron", ",\"colour\":\"grey\"")]);
    let root = other.join("data");
    let mut cluster = Cluster::start(1, &[("BIRDS_ROOT", root.to_str().unwrap())]);
    let _ = cluster.run("findings");
    let before = tree(&cluster.site().join("findings"));
    let manifest = fs::read(cluster.store().join("manifests/findings/1")).unwrap();
    let manifest: Manifest = quire_proto::codec::decode(&manifest).unwrap();
    let chunk = manifest.entries[0].rows.pack.to_string();
    fs::remove_file(cluster.store().join("blobs").join(&chunk[..2]).join(&chunk)).unwrap();
    // One that does not have it in memory.
    kill_leader(&mut cluster, Signal::Kill);
    cluster.add("coordinator");
    cluster.wait_until_ready();
    let ended = cluster.quire(&["run", "start", other.to_str().unwrap(), "--watch", "--json"]);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, cluster.logs());
    let shown = cluster.quire(&["run", "show", "findings-2", "--json"]);
    assert!(shown.out.contains("\"state\":\"done\""), "{}{}\n{}", shown.out, shown.err, cluster.logs());
    assert_eq!(tree(&cluster.site().join("findings")), before);
    assert!(cluster.site().join("birds/heron.html").is_file());
}
