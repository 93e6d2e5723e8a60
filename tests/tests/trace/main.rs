//! One run is one trace, across processes and leaders: a real receiver hears it over OTLP. Log lines and dead letters name the
//! trace also where nobody receives it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod queries;
mod receiver;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use receiver::{Caller, Traced, attributes};
use serde_json::Value as Json;
use system_tests::{COORDINATOR, Cluster, ClusterOptions, birds, tree};
use test_servers::Signal;

/// A catalogue of birds, or of what `name` says, with two records. The page of one cannot be made, as it has no colour.
fn catalogue(folder: &Path, name: &str) -> PathBuf {
    birds(folder, name, &[("crane", ",\"colour\":\"grey\""), ("egret", "")])
}

/// Gives the other one its colour.
fn mend(catalogue: &Path) {
    fs::write(catalogue.join("data/egret.json"), r#"{"id":"egret","colour":"white"}"#).unwrap();
}

fn options(catalogues: &[&Path]) -> ClusterOptions {
    catalogues.iter().fold(ClusterOptions::default(), |options, catalogue| {
        let name = catalogue.file_name().unwrap().to_str().unwrap().to_uppercase();
        options.variable(&format!("{name}_ROOT"), catalogue.join("data").to_str().unwrap())
    })
}

/// Spans whose parent nobody sent, but for those in `known`.
fn orphans<'a>(spans: &'a [(String, Span)], known: &[[u8; 8]]) -> Vec<&'a (String, Span)> {
    let ids: BTreeSet<&[u8]> =
        spans.iter().map(|(_, span)| span.span_id.as_slice()).chain(known.iter().map(|id| &id[..])).collect();
    let is_known =
        |span: &Span| span.parent_span_id.is_empty() || ids.contains(span.parent_span_id.as_slice());
    spans.iter().filter(|(_, span)| !is_known(span)).collect()
}

/// The span of a run.
fn run_span<'a>(spans: &'a [(String, Span)], run: &str) -> &'a Span {
    let is =
        |span: &Span| span.name == "run" && attributes(span).get("run").is_some_and(|named| named == run);
    &spans.iter().find(|(_, span)| is(span)).unwrap_or_else(|| panic!("no span of {run}: {spans:#?}")).1
}

#[test]
fn a_run_is_one_connected_trace_with_the_conventions_names() {
    let traced = Traced::start(ClusterOptions::default().agents(2));
    let _ = traced.cluster.run("findings");
    let spans = traced.end();
    let traces: BTreeSet<&[u8]> = spans.iter().map(|(_, span)| span.trace_id.as_slice()).collect();
    assert_eq!(traces.len(), 1, "{spans:#?}");
    let roots: Vec<_> = spans.iter().filter(|(_, span)| span.parent_span_id.is_empty()).collect();
    assert_eq!(roots.len(), 1, "{roots:#?}");
    assert_eq!((roots[0].0.as_str(), roots[0].1.name.as_str()), ("quire-coordinator", "run"));
    let run = attributes(&roots[0].1);
    assert_eq!((run["run"].as_str(), run["quire.catalogue"].as_str()), ("findings-1", "findings"));
    let orphans = orphans(&spans, &[]);
    assert!(orphans.is_empty(), "{orphans:#?}");

    let services: BTreeSet<&str> = spans.iter().map(|(service, _)| service.as_str()).collect();
    let stages = ["quire-fetcher", "quire-indexer", "quire-renderer", "quire-validator"];
    assert!(stages.iter().all(|stage| services.contains(stage)), "{services:?}");
    for queue in ["Q_FETCH_NORMAL", "Q_VALIDATE_NORMAL", "Q_INDEX_NORMAL", "Q_RENDER_NORMAL"] {
        let processed = spans.iter().find(|(_, span)| span.name == format!("process {queue}"));
        let span = &processed.unwrap_or_else(|| panic!("no span for {queue}")).1;
        assert_eq!(span.kind(), SpanKind::Consumer);
        let attributes = attributes(span);
        assert_eq!(attributes["messaging.system"], "nats");
        assert_eq!(attributes["messaging.operation.type"], "process");
        assert_eq!(attributes["messaging.destination.name"], queue);
        assert!(!attributes["messaging.message.id"].is_empty());
    }
    parcels_are_linked_to_who_published_them(&spans);
    settlements_have_producers(&spans);
}

fn parcels_are_linked_to_who_published_them(spans: &[(String, Span)]) {
    let by_id: BTreeMap<&[u8], &Span> =
        spans.iter().map(|(_, span)| (span.span_id.as_slice(), span)).collect();
    let mut processed = 0;
    for (_, span) in spans.iter().filter(|(_, span)| span.name.starts_with("process ")) {
        let producer = by_id[span.parent_span_id.as_slice()];
        assert_eq!(producer.kind(), SpanKind::Producer, "{producer:#?}");
        assert_eq!(producer.name, span.name.replace("process", "publish"));
        let links: Vec<_> = span.links.iter().map(|link| (&link.trace_id, &link.span_id)).collect();
        assert_eq!(links, [(&producer.trace_id, &producer.span_id)], "{span:#?}");
        assert!(attributes(span)["run"].ends_with("findings-1"), "{span:#?}");
        processed += 1;
    }
    assert!(processed > 4, "{spans:#?}");
    let own = spans
        .iter()
        .find(|(service, span)| service == "quire-coordinator" && span.name == "publish Q_FETCH_NORMAL");
    assert_eq!(attributes(&own.unwrap().1)["messaging.operation.type"], "send");
}

/// Each parcel that was processed has been settled by a message of its own.
fn settlements_have_producers(spans: &[(String, Span)]) {
    let processed: BTreeSet<&[u8]> = spans
        .iter()
        .filter(|(_, span)| span.name.starts_with("process "))
        .map(|(_, span)| span.span_id.as_slice())
        .collect();
    let settled = spans.iter().filter(|(_, span)| span.name == "publish Q_SETTLED");
    let settled: BTreeSet<&[u8]> = settled
        .inspect(|(_, span)| assert_eq!(span.kind(), SpanKind::Producer))
        .map(|(_, span)| span.parent_span_id.as_slice())
        .collect();
    assert_eq!(processed, settled);
}

#[test]
fn a_run_goes_on_with_the_trace_of_who_began_it_replayed_it_or_led_before() {
    let folder = tempfile::tempdir().unwrap();
    let birds = catalogue(folder.path(), "birds");
    let mut traced = Traced::start(options(&[&birds]).coordinators(2));
    let callers = [1, 2, 3].map(Caller::new);
    let first = traced.begin(&birds, &callers[0]);
    traced.wait_for(&first);
    let replayed = traced.replay(&callers[1]);
    traced.wait_for(&replayed[0]);

    // Nothing is rendered, so that the run cannot end under the leader that it was begun under.
    let renderer =
        |traced: &Traced, signal| traced.cluster.agents("renderer").next().unwrap().process.tell(signal);
    renderer(&traced, Signal::Stop);
    mend(&birds);
    let begun = traced.begin(&birds, &callers[2]);
    let leader = traced.cluster.leader_address().unwrap();
    for agent in traced.cluster.take(|agent| agent.address == leader) {
        agent.process.tell(Signal::Term);
        assert_eq!(agent.process.ended(), 0);
    }
    renderer(&traced, Signal::Cont);
    let went_on = traced.cluster.until("the next leader goes on with it", |cluster| {
        cluster.newest_run("birds").map(|run| run.run).filter(|run| *run != begun)
    });
    traced.wait_for(&went_on);

    let spans = traced.end();
    let orphans = orphans(&spans, &callers.each_ref().map(|caller| caller.span));
    assert!(orphans.is_empty(), "{orphans:#?}");
    for (run, caller) in [&first, &replayed[0], &begun].into_iter().zip(&callers) {
        let span = run_span(&spans, run);
        assert_eq!(
            (&span.trace_id[..], &span.parent_span_id[..]),
            (&caller.trace[..], &caller.span[..]),
            "{run}"
        );
        let is_rendering =
            |span: &Span| span.name.starts_with("process Q_RENDER") && span.trace_id == caller.trace;
        assert!(spans.iter().any(|(_, span)| is_rendering(span)), "{run}: {spans:#?}");
    }
    let died = spans.iter().find(|(_, span)| span.name == "publish Q_DEAD").unwrap();
    let links = &run_span(&spans, &replayed[0]).links;
    assert_eq!(links.iter().map(|link| &link.span_id).collect::<Vec<_>>(), [&died.1.span_id]);
    let (begun, went_on) = (run_span(&spans, &begun), run_span(&spans, &went_on));
    assert_eq!((&went_on.trace_id, &went_on.parent_span_id), (&begun.trace_id, &begun.span_id));
}

#[test]
fn a_run_that_mends_is_a_part_of_what_found_the_damage() {
    let folder = tempfile::tempdir().unwrap();
    let [birds, trees] = ["birds", "trees"].map(|name| catalogue(folder.path(), name));
    mend(&trees);
    let mut traced = Traced::start(options(&[&birds, &trees]));
    let _ = traced.cluster.run_folder(&birds);
    let blobs = traced.cluster.store().join("blobs");
    let of_birds = tree(&blobs);
    let _ = traced.cluster.run_folder(&trees);
    for agent in traced.cluster.take(|agent| agent.kind == COORDINATOR) {
        agent.process.tell(Signal::Term);
        assert_eq!(agent.process.ended(), 0);
    }
    // All that there is of the trees, but for their definition; and a site that is to be finished.
    for path in tree(&blobs).into_keys().filter(|path| !of_birds.contains_key(path)) {
        let path = blobs.join(path);
        if !String::from_utf8_lossy(&fs::read(&path).unwrap()).contains("catalogue.yaml") {
            fs::write(path, "damaged").unwrap();
        }
    }
    fs::remove_file(traced.cluster.site().join("manifest.json")).unwrap();
    traced.cluster.add(COORDINATOR);
    traced.cluster.wait_until_ready();
    traced.cluster.until("the trees are mended", |cluster| {
        cluster.newest_run("trees").filter(|run| run.epoch > 1 && run.state == "done")
    });
    let spans = traced.end();
    let mended = run_span(&spans, "trees-2");
    let found = spans.iter().find(|(_, span)| span.span_id == mended.parent_span_id);
    let found = &found.unwrap_or_else(|| panic!("{mended:#?}")).1;
    assert_eq!((found.name.as_str(), &found.trace_id), ("finish", &mended.trace_id));
    assert!(found.parent_span_id.is_empty());
    let orphans = orphans(&spans, &[]);
    assert!(orphans.is_empty(), "{orphans:#?}");
}

/// The lines with this message that processes of a kind wrote.
fn lines(cluster: &Cluster, kind: &str, message: &str) -> Vec<Json> {
    let logs: String = cluster.agents(kind).map(|agent| agent.process.log()).collect();
    let lines = logs.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    lines.filter(|line| line["message"] == message).collect()
}

#[test]
fn log_lines_and_dead_letters_name_the_trace_though_nobody_receives_it() {
    let folder = tempfile::tempdir().unwrap();
    let birds = catalogue(folder.path(), "birds");
    let cluster = Cluster::start_with(options(&[&birds]));
    let _ = cluster.run_folder(&birds);
    let letters = cluster.quire(&["dead", "list", "--json"]);
    let letters: Json = serde_json::from_str(&letters.out).unwrap();
    let trace = letters[0]["trace"].as_str().unwrap();
    assert_eq!((trace.len(), letters.as_array().unwrap().len()), (32, 1), "{letters}");

    let dead = lines(&cluster, "renderer", "parcel dead");
    let told = ["trace_id", "run", "subjects"].map(|name| dead[0][name].as_str().unwrap());
    assert_eq!((dead.len(), told), (1, [trace, "birds-1", "egret"]), "{dead:#?}");
    let ended = lines(&cluster, COORDINATOR, "run ended");
    let told = ["trace_id", "run", "catalogue"].map(|name| ended[0][name].as_str().unwrap());
    assert_eq!((ended.len(), told), (1, [trace, "birds-1", "birds"]), "{ended:#?}");
}
