//! The upstream `neuprint` against a server that goes wrong: the right record or a named failure, never a wrong or half one.

#[path = "../bench/mod.rs"]
mod bench;
mod ground;
mod whole;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use bench::{Bench, Run};
use ground::{DATASET, asked, bench, edit, server, source, texts_in, undisturbed};
use quire_proto::{Digest, ListSource, Outcome, Work};
use quire_runtime::ErrorClass;
use serde_json::{Value, json};

#[tokio::test]
async fn a_run_asks_six_queries_for_a_batch_and_one_when_nothing_has_changed() {
    let Some(server) = server() else { return };
    let mut bench = bench(&server, "");
    server.clear();
    let run = bench.run(None).await;
    let all = ["edited", "types", "meta", "cells", "partners", "layers"];
    assert_eq!(asked(&server), all.into_iter().map(|kind| (kind, 1)).collect());
    assert_eq!((run.queries, run.failure.as_deref()), (6, None));
    let texts = texts_in(&run);
    for odd in
        ["types/say \"hi\"", "types/KCa'b'-ap1", "types/KC/a", "types/KC a", "types/KC_a", "types/kc_a"]
    {
        let record: Value = serde_json::from_str(&texts[odd]).unwrap();
        assert_eq!((&record["kind"], record["type"].as_str()), (&json!("type"), odd.strip_prefix("types/")));
    }
    let dataset: Value = serde_json::from_str(&texts["dataset"]).unwrap();
    assert_eq!((&dataset["kind"], &dataset["name"]), (&json!("dataset"), &json!("cns")));
    let columns = json!({ "ME": { "L": [[1, 1], [1, 2]], "R": [[1, 1], [1, 2], [2, 1], [2, 2]] }, "LO": { "R": [[1, 1], [1, 2]] } });
    assert_eq!(dataset["columns"], columns);

    let base = bench.commit(&run);
    bench.restart();
    server.clear();
    let again = bench.run(Some(base)).await;
    assert_eq!((again.to_read, again.unchanged_locations.len()), (0, texts.len()));
    assert_eq!(asked(&server), BTreeMap::from([("edited", 1)]));

    // A run that is to believe nothing asks for everything.
    server.clear();
    let anew = bench.run(None).await;
    assert_eq!(texts_in(&anew), texts);
    assert_eq!(asked(&server).values().sum::<u64>(), 6);
}

#[tokio::test]
async fn an_edit_changes_the_records_that_it_concerns() {
    let Some(server) = server() else { return };
    let mut bench = bench(&server, "");
    let run = bench.run(None).await;
    let base = bench.commit(&run);
    edit(&server, "2025-02-03 04:05:06", &["MATCH (n:Neuron {bodyId: 121}) SET n.pre = 101"]);
    let run = bench.run(Some(base)).await;
    assert_eq!(run.sent(), ["dataset", "types/DNp01"]);
    assert!(texts_in(&run)["types/DNp01"].contains(r#""pre":191"#));
    let base = bench.commit(&run);
    edit(&server, "2025-02-03 04:05:07", &["MATCH (n:Neuron {type: 'CT1'}) SET n.type = 'CT2'"]);
    let listed = bench.list(Some(base)).await;
    let Outcome::Listed { unchanged, to_read, .. } = &listed.outcome else { panic!() };
    assert_eq!((unchanged.len(), *to_read), (0, 19));
    let run = bench.follow(listed).await;
    // Who is connected with it changes too.
    assert_eq!(run.sent(), ["dataset", "types/CT2", "types/DNp01"]);
}

#[tokio::test]
async fn a_run_for_a_page_asks_for_it_alone() {
    let Some(server) = server() else { return };
    let bench = bench(&server, "");
    let all = undisturbed(&server).await;
    for (location, most) in [("types/Mi1", 4), ("types/CT1", 3), ("dataset", 2), ("types/gone", 1)] {
        server.clear();
        let only = Some(vec![location.to_owned()]);
        let work = Work::List(ListSource { source: "main".to_owned(), base: None, only });
        let run = bench.follow(bench.process(work).await.unwrap()).await;
        assert_eq!(texts_in(&run).get(location), all.get(location), "{location}");
        let asked = asked(&server);
        assert_eq!((asked.values().sum::<u64>(), asked["known"]), (most, 1), "{location}: {asked:?}");
    }
}

#[tokio::test]
async fn types_are_chosen_by_patterns() {
    let Some(server) = server() else { return };
    let run = bench(&server, ", include: [\"KC*\", \"Mi1\"], exclude: [\"*/*\"]").run(None).await;
    assert_eq!(run.sent(), ["dataset", "types/KC a", "types/KC_a", "types/KCa'b'-ap1", "types/Mi1"]);
}

/// Faults that go away: everything is right in the end.
#[tokio::test]
async fn what_goes_wrong_once_or_twice_is_asked_again() {
    let Some(server) = server() else { return };
    let expected = undisturbed(&server).await;
    for fault in [
        json!({ "do": "reset" }),
        json!({ "do": "reset", "part": 0.5 }),
        json!({ "do": "close" }),
        json!({ "do": "truncate" }),
        json!({ "do": "length", "by": 7 }),
        json!({ "do": "length", "by": -7 }),
        json!({ "do": "hang", "seconds": 3 }),
        json!({ "do": "drip", "every_ms": 400 }),
        json!({ "do": "drip", "bytes": 512, "every_ms": 1 }),
        json!({ "do": "status", "status": 500 }),
        json!({ "do": "status", "status": 502, "body": "<html>bad gateway</html>" }),
        json!({ "do": "status", "status": 429, "headers": { "Retry-After": "1" } }),
        json!({ "do": "body", "body": "<html>hello</html>" }),
        json!({ "do": "body", "body": "{}" }),
        json!({ "do": "columns", "put": ["a", "b"] }),
    ] {
        let quick = matches!(fault["do"].as_str(), Some("reset" | "truncate" | "body"));
        let all = ["types", "cells", "partners", "edited", "meta", "layers"];
        for kind in all.into_iter().take(if quick { 6 } else { 3 }) {
            let mut fault = fault.clone();
            fault["kind"] = kind.into();
            fault["times"] = 1.into();
            let bench = bench(&server, ", timeout_seconds: 1");
            server.fail(&json!([fault]));
            // What is put off comes back.
            let run = persistent(&bench).await;
            assert_eq!((&run.failure, run.failed.len()), (&None, 0), "{fault}");
            assert_eq!(texts_in(&run), expected, "{fault}");
        }
    }
}

/// A run whose parcels are tried again as the runtime tries them.
pub(crate) async fn persistent(bench: &Bench) -> Run {
    let mut todo = vec![Work::List(ListSource { source: "main".to_owned(), base: None, only: None })];
    let mut run = Run::default();
    let began = Instant::now();
    while let Some(work) = todo.pop() {
        let processed = match bench.process(work.clone()).await {
            Ok(processed) => processed,
            Err(error) => {
                let ErrorClass::Overload { retry_after } = error.class() else { panic!("{}", error.chain()) };
                assert!(began.elapsed().as_secs() < 30, "{}", error.chain());
                tokio::time::sleep(retry_after.unwrap_or_default()).await;
                todo.push(work);
                continue;
            }
        };
        match processed.outcome {
            Outcome::Listed { failure, .. } => run.failure = failure,
            Outcome::Read { failed, rejected, .. } => {
                run.failed.extend(failed);
                run.rejected.extend(rejected);
            }
            other => panic!("{other:?}"),
        }
        for child in processed.children {
            match child {
                Work::Validate(items) => run.items.extend(items),
                other => todo.push(other),
            }
        }
    }
    run
}

/// Faults that stay while the types are read: each type has its right record, or a failure with a reason.
#[tokio::test]
async fn what_stays_wrong_with_some_rows_harms_these_types_alone() {
    let Some(server) = server() else { return };
    let expected = undisturbed(&server).await;
    let odd_row =
        |kind: &str, row: usize, put: Value| json!({ "do": "rows", "kind": kind, "row": row, "put": put });
    for (fault, most) in [
        (json!({ "do": "nulls", "kind": "cells", "column": "cells", "row": 0 }), 1),
        (json!({ "do": "nulls", "kind": "partners", "column": "partners", "row": 0 }), 1),
        (json!({ "do": "nulls", "kind": "partners", "column": "number", "row": 0 }), 1),
        (json!({ "do": "nulls", "kind": "layers", "column": "places", "row": 0 }), 1),
        // It stands in the place of another row.
        (odd_row("cells", 0, json!(["Mi1"])), 2),
        (
            json!({ "do": "status", "status": 400, "contains": "'Mi1'", "kind": "cells", "body": "{\"error\":\"Timeout experienced. This could be due to database traffic\"}" }),
            1,
        ),
        (
            json!({ "do": "status", "status": 400, "contains": "'DNp01'", "kind": "partners", "body": "{\"error\":\"no such thing\"}" }),
            1,
        ),
        (json!({ "do": "status", "status": 413, "contains": "'T4a'", "kind": "layers" }), 1),
        // Struck in whatever query: every batch, down to single types.
        (odd_row("cells", 0, json!([null, 1])), 20),
        (odd_row("cells", 0, json!({ "not": "a row" })), 20),
        (odd_row("partners", 0, json!([7, "out"])), 20),
        (json!({ "do": "nulls", "kind": "cells" }), 20),
        (json!({ "do": "nulls", "kind": "meta" }), 1),
    ] {
        let bench = bench(&server, "");
        server.fail(&json!([fault]));
        let run = bench.run(None).await;
        let texts = texts_in(&run);
        for (location, text) in &texts {
            assert_eq!(text, &expected[location], "{fault}");
        }
        let failed: BTreeSet<&str> = run.failed.iter().map(|(location, _)| location.as_str()).collect();
        assert!(!failed.is_empty() && failed.len() <= most, "{fault}: {:?}", run.failed);
        assert_eq!(texts.len() + failed.len(), expected.len(), "{fault}: every location is in one place");
        assert!(run.failed.iter().all(|(_, why)| !why.is_empty()), "{:?}", run.failed);
    }
}

/// A type that takes longer than anybody waits is found, and the others have their records.
#[tokio::test]
async fn a_type_that_takes_too_long_harms_itself_alone() {
    let Some(server) = server() else { return };
    let expected = undisturbed(&server).await;
    server.fail(&json!([{ "do": "hang", "seconds": 3, "kind": "cells", "contains": "'T4a'" }]));
    let few = ", timeout_seconds: 1, include: [\"T4a\", \"Mi1\", \"DNp01\"]";
    let run = persistent(&bench(&server, few)).await;
    let failed: Vec<&str> = run.failed.iter().map(|(location, _)| location.as_str()).collect();
    assert_eq!(failed, ["types/T4a"], "{:?}", run.failed);
    assert!(run.failed[0].1.contains("does not answer in time"), "{:?}", run.failed);
    let texts = texts_in(&run);
    assert_eq!(texts.keys().collect::<Vec<_>>(), ["dataset", "types/DNp01", "types/Mi1"]);
    assert!(texts.iter().all(|(location, text)| expected[location] == *text));
}

#[tokio::test]
async fn a_listing_that_is_not_whole_says_so() {
    let Some(server) = server() else { return };
    let columns = json!(["type", "cells", "bytes"]);
    for (fault, words) in [
        (json!({ "do": "nulls", "kind": "types", "column": "type", "row": 0 }), "row 1 of the answer"),
        (json!({ "do": "rows", "kind": "types", "row": 3, "put": ["x"] }), "row 4 of the answer"),
        (
            json!({ "do": "body", "kind": "types", "body": json!({ "columns": columns, "data": [] }).to_string() }),
            "no types at all",
        ),
        (
            json!({ "do": "status", "status": 401, "body": "{\"message\":\"invalid or expired jwt\"}" }),
            "refuses the token (neuPrint answers 401 Unauthorized: invalid or expired jwt): set the environment variable NEUPRINT_TOKEN",
        ),
        (json!({ "do": "status", "status": 302, "headers": { "Location": "/elsewhere" } }), "302"),
        (
            json!({ "do": "status", "status": 400, "kind": "edited", "body": "{\"error\":\"dataset is not here\"}" }),
            "dataset is not here",
        ),
        (json!({ "do": "reset", "kind": "types" }), "(3 times)"),
    ] {
        server.fail(&json!([fault]));
        let run = bench(&server, "").run(None).await;
        let failure = run.failure.unwrap_or_default();
        assert!(failure.contains(words), "{fault}: {failure}");
        assert!(!failure.contains(server.token()));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_fails_the_listing() {
    let source = "{ name: main, neuprint: { server: \"http://127.0.0.1:1\", dataset: d, token: \"${NEUPRINT_TOKEN}\" } }";
    let run = Bench::with_source(source).run(None).await;
    let failure = run.failure.unwrap();
    assert!(failure.starts_with("neuPrint cannot be reached"), "{failure}");
    let source = "{ name: main, neuprint: { server: \"http://neuprint.example\", dataset: d, token: \"${NEUPRINT_TOKEN}\" } }";
    let failure = Bench::with_source(source).run(None).await.failure.unwrap();
    assert!(failure.contains("the token would go unprotected"), "{failure}");
    let source =
        "{ name: main, neuprint: { server: \"http://127.0.0.1:1\", dataset: d, token: \"${UNSET}\" } }";
    let failure = Bench::with_source(source).run(None).await.failure.unwrap();
    assert!(failure.contains("`UNSET` is not set"), "{failure}");
}

#[tokio::test]
async fn a_server_that_asks_for_less_is_left_alone() {
    let Some(server) = server() else { return };
    let bench = bench(&server, "");
    server.clear();
    server
        .fail(&json!([{ "do": "status", "status": 503, "headers": { "Retry-After": "7200" }, "times": 1 }]));
    let list = || Work::List(ListSource { source: "main".to_owned(), base: None, only: None });
    for _ in 0..3 {
        let error = bench.process(list()).await.unwrap_err();
        let ErrorClass::Overload { retry_after: Some(after) } = error.class() else {
            panic!("{}", error.chain())
        };
        assert!((200..=300).contains(&after.as_secs()), "{after:?}");
    }
    assert_eq!(asked(&server), BTreeMap::from([("edited", 1)]), "nothing is asked until then");
}

#[tokio::test]
async fn after_many_failures_the_server_is_left_alone() {
    let Some(server) = server() else { return };
    let bench = bench(&server, "");
    let read = bench.list(None).await.children[0].clone();
    server.clear();
    server.fail(&json!([{ "do": "reset" }]));
    let class = async || bench.process(read.clone()).await.unwrap_err().class();
    assert_eq!(class().await, ErrorClass::Transient);
    for _ in 0..3 {
        assert!(matches!(class().await, ErrorClass::Overload { retry_after: Some(_) }));
    }
    assert_eq!(server.counted("meta").0, 5, "five in a row, then none");
}

#[tokio::test]
async fn what_was_read_before_a_failure_is_kept_and_the_rest_is_read_later() {
    let Some(server) = server() else { return };
    let expected = undisturbed(&server).await;
    let bench = bench(&server, "");
    let read = bench.list(None).await.children[0].clone();
    server.fail(&json!([{ "do": "reset", "kind": "partners", "times": 3 }]));
    let first = bench.process(read).await.unwrap();
    let [Work::Validate(own), later @ Work::Read { locations, .. }] = first.children.as_slice() else {
        panic!("{:?}", first.children)
    };
    assert_eq!((own.len(), locations.len()), (1, expected.len() - 1));
    let second = bench.process(later.clone()).await.unwrap();
    let [Work::Validate(types)] = second.children.as_slice() else { panic!("{:?}", second.outcome) };
    assert_eq!(types.len(), expected.len() - 1);
}

#[tokio::test]
async fn each_dataset_is_read_in_its_own_words() {
    let Some(server) = server() else { return };
    let of = async |dataset: &str, name: &str| -> Value {
        let source = source(&server, "").replace(DATASET, dataset);
        let run = Bench::with_source(&source).run(None).await;
        assert_eq!((&run.failure, run.failed.len()), (&None, 0));
        serde_json::from_str(&texts_in(&run)[&format!("types/{name}")]).unwrap()
    };
    let cns = of("cns", "Mi1").await;
    assert_eq!(
        (&cns["sides"], &cns["views"]["all"]["central"]),
        (&json!({ "L": 1, "R": 2 }), &json!([0, 0, 0]))
    );
    // The cell itself says what the type does not agree upon.
    let lobe = of("optic-lobe:v1.0", "LC17").await;
    assert_eq!(lobe["transmitters"][0]["name"], "acetylcholine");
    assert_eq!(lobe["transmitters"].as_array().unwrap().len(), 2);
    // What is not of the optic lobe is the central brain; columns are hexadecimal where they cannot be decimal.
    assert_eq!(lobe["views"]["R"]["central"], json!([5, 0, 1]));
    assert_eq!(lobe["views"]["R"]["layers"], json!([["ME", "R", "10", 0, 6, 1]]));
    assert_eq!(lobe["eyemaps"][0]["columns"], json!([[10, 31, 1, []]]));
    // One of the two cells says its side in its instance alone.
    let hemibrain = of("hemibrain:v1.2.1", "KCa'b'-ap1").await;
    assert_eq!(hemibrain["sides"], json!({ "R": 2 }));
    assert_eq!(hemibrain["views"]["R"]["outputs"][0]["side"], "R");
    assert_eq!(hemibrain["views"]["R"]["outputs"][0]["weight"], 2);
    // Bodies are beyond what readers of floats can hold.
    let fafb = of("flywire-fafb:v783", "aMe6c").await;
    assert_eq!(fafb["sides"], json!({ "L": 1, "R": 1 }));
    assert_eq!(fafb["views"]["L"]["shown"], "720575940615928386");
    assert_eq!(fafb["views"]["L"]["outputs"][0]["bodies"], json!(["720575940632527683"]));
    assert_eq!(fafb["views"]["L"]["outputs"][0]["side"], "M");
    assert_eq!(fafb["views"]["all"]["regions"], json!([["ME_L", 4, 6, 1], ["ME_R", 5, 7, 1]]));
    assert_eq!(fafb["views"]["all"]["central"], json!([0, 0, 0]));
    assert_eq!(fafb["transmitters"], json!([{ "name": "glutamate", "cells": 2, "confidence": 0.625 }]));
}

#[tokio::test]
async fn queries_a_type_are_few() {
    let Some(server) = server() else { return };
    // Fifty types more, as most are.
    server.write(DATASET, &["UNWIND range(1, 82) AS n CREATE (:Neuron:Segment {bodyId: 9000 + n, type: 'XX' + n, somaSide: 'L', pre: n, post: n})"]);
    server.clear();
    let bench = bench(&server, "");
    let run = bench.run(None).await;
    // One of them is this one.
    let connections = server.control(&json!({}))["connections"].as_u64().unwrap();
    assert!(connections <= 3, "{connections} connections: they are kept");
    let asked = asked(&server);
    assert_eq!((run.sent().len(), run.failed.len()), (101, 0));
    let types = ["cells", "partners", "layers"].map(|kind| asked.get(kind).copied().unwrap_or_default());
    // They are two parcels, of two batches and one.
    assert_eq!(types, [3, 3, 1]);
    assert!(types.iter().sum::<u64>() as f64 / 100.0 <= 0.2);
}

/// The digest of an item is that of its bytes: the same answers in another order are the same record.
#[tokio::test]
async fn another_cutting_of_batches_makes_the_same_records() {
    let Some(server) = server() else { return };
    let expected = undisturbed(&server).await;
    for batch in [1, 3, 7] {
        let run = bench(&server, &format!(", batch: {batch}")).run(None).await;
        assert_eq!(texts_in(&run), expected);
        let digests = run.items.iter().map(|item| item.content == Digest::of(&item.raw));
        assert!(digests.count() > 0);
    }
}
