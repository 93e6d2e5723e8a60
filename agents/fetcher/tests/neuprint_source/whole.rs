//! Answers that are of two times, or leave something out: there is the right record, or none.

use quire_proto::Work;
use quire_runtime::ErrorClass;
use serde_json::{Value, json};

use crate::ground::{DATASET, asked, bench, server, texts_in, undisturbed};

/// Something that every answer about Mi1 tells, at another time each.
fn edit(number: usize) -> Vec<String> {
    vec![
        format!("MATCH (d:Meta) SET d.lastDatabaseEdit = '2025-04-01 00:00:{number:02}'"),
        format!("MATCH (n:Neuron {{bodyId: 101}}) SET n.post = {}", 100 + number),
        format!(
            "MATCH (:Neuron {{bodyId: 101}})-[c:ConnectsTo]->(:Neuron {{bodyId: 111}}) SET c.weight = {}",
            100 + number
        ),
        format!(
            "MATCH (:Neuron {{bodyId: 101}})-[:Contains]->(:SynapseSet)-[:Contains]->(s:Synapse) SET s.olLayer = {}",
            1 + number % 10
        ),
    ]
}

/// An edit just before an answer of a kind.
fn edits_before(kind: &str, numbers: std::ops::Range<usize>) -> Value {
    let fault = |number| json!({ "do": "write", "kind": kind, "times": 1, "dataset": DATASET, "cypher": edit(number) });
    numbers.map(fault).collect()
}

#[tokio::test]
async fn an_edit_between_two_answers_makes_no_record_of_both() {
    for kind in ["types", "cells", "partners", "layers", "meta"] {
        let Some(server) = server() else { return };
        let before = undisturbed(&server).await;
        server.fail(&edits_before(kind, 3..4));
        let run = bench(&server, "").run(None).await;
        assert_eq!((&run.failure, run.failed.len()), (&None, 0), "{kind}: {:?}", run.failed);
        let (after, published) = (undisturbed(&server).await, texts_in(&run));
        assert_eq!(published.len(), after.len());
        for (location, text) in &published {
            assert!(
                *text == before[location] || *text == after[location],
                "{kind}, {location}: it never was like this: {text}"
            );
        }
        assert_ne!(before["types/Mi1"], after["types/Mi1"]);
        // A batch is asked for again, and nothing else is.
        assert_eq!(published["types/Mi1"], after["types/Mi1"], "{kind}");
    }
}

#[tokio::test]
async fn a_batch_that_is_edited_again_and_again_is_read_later() {
    let Some(server) = server() else { return };
    let bench = bench(&server, ", include: [\"Mi1\"]");
    let read = bench.list(None).await.children[0].clone();
    server.clear();
    server.fail(&edits_before("partners", 0..6));
    let first = bench.process(read).await.unwrap();
    let [Work::Validate(own), later @ Work::Read { .. }] = first.children.as_slice() else {
        panic!("{:?}", first.children)
    };
    assert_eq!((own.len(), asked(&server)["cells"]), (1, 3));
    let error = bench.process(later.clone()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(error.chain().contains("was edited while it was read"), "{}", error.chain());
    let last = bench.process(later.clone()).await.unwrap();
    let [Work::Validate(items)] = last.children.as_slice() else { panic!("{:?}", last.children) };
    let record = String::from_utf8(items[0].raw.to_vec()).unwrap();
    assert_eq!(record, undisturbed(&server).await["types/Mi1"]);
}

/// What one try brings is not lost to an edit in the next, and only what is still missing is asked for again.
#[tokio::test]
async fn what_a_try_has_brought_is_kept_and_only_the_rest_is_asked_for_again() {
    let Some(server) = server() else { return };
    const TYPES: &str = ", include: [\"Mi1\", \"T4a\"]";
    let expected = texts_in(&bench(&server, TYPES).run(None).await);
    let omit = json!({ "do": "omit", "kind": "partners", "of": ["Mi1", "out"], "times": 1 });
    // Whoever asks for T4a again learns nothing, and never would.
    let again = json!({ "do": "status", "kind": "cells", "contains": "'T4a'", "skip": 1, "status": 500 });
    server.fail(&json!([omit, again]));
    server.clear();
    let run = bench(&server, TYPES).run(None).await;
    assert_eq!((texts_in(&run), run.failed.len()), (expected.clone(), 0), "{:?}", run.failed);
    assert_eq!(asked(&server)["cells"], 2);

    // Edits in the second and third try: T4a stays as it was, and Mi1 is told with what was wrong with it.
    let mut faults = vec![omit, again];
    faults.extend(edits_before("partners", 0..2).as_array().unwrap().iter().cloned());
    server.fail(&faults.into());
    server.clear();
    let run = bench(&server, TYPES).run(None).await;
    assert_eq!(texts_in(&run)["types/T4a"], expected["types/T4a"]);
    let [(location, why)] = run.failed.as_slice() else { panic!("{:?}", run.failed) };
    assert_eq!(location, "types/Mi1");
    assert!(why.starts_with("neuPrint says nothing of its outputs"), "{why}");
    assert_eq!(asked(&server)["cells"], 3);
}

/// All that can be left out of an answer about Mi1, or come twice in it.
fn omissions() -> Vec<Value> {
    let mut faults = vec![
        // The columns of one side, one of them, and one layer of it.
        json!({ "kind": "layers", "of": ["Mi1"] }),
        json!({ "kind": "layers", "of": ["Mi1"], "column": "places" }),
        json!({ "kind": "layers", "of": ["Mi1"], "column": "places", "within": [0, 2] }),
        json!({ "kind": "layers", "of": ["Mi1"], "column": "places", "within": [0, 2, 0, 2] }),
        // One of the strongest partner cells of a cell shown.
        json!({ "kind": "partners", "of": [102, "out"], "column": "partners", "within": [0, 3, 1] }),
    ];
    for of in [json!(["Mi1", "out"]), json!(["Mi1", "in"]), json!([102, "out"]), json!([103, "out"])] {
        faults.push(json!({ "kind": "partners", "of": of }));
        faults.push(json!({ "kind": "partners", "of": of, "column": "partners" }));
    }
    let twice = faults.iter().cloned().map(|mut fault| {
        fault["twice"] = true.into();
        fault
    });
    let mut all: Vec<Value> = faults.iter().cloned().chain(twice).collect();
    all.iter_mut().for_each(|fault| fault["do"] = "omit".into());
    all
}

#[tokio::test]
async fn what_is_left_out_of_an_answer_is_asked_for_again_and_makes_no_record() {
    let Some(server) = server() else { return };
    const TYPES: &str = ", include: [\"Mi1\", \"T4a\"]";
    let expected = texts_in(&bench(&server, TYPES).run(None).await);
    assert_eq!(expected.len(), 3);
    for mut fault in omissions() {
        server.fail(&json!([fault]));
        let run = bench(&server, TYPES).run(None).await;
        let texts = texts_in(&run);
        assert!(texts.iter().all(|(location, text)| expected[location] == *text), "{fault}");
        let [(location, why)] = run.failed.as_slice() else { panic!("{fault}: {:?}", run.failed) };
        assert_eq!((location.as_str(), texts.len()), ("types/Mi1", 2), "{fault}");
        assert!(why.starts_with("neuPrint "), "{why}");
        if fault.get("column").is_some() {
            continue;
        }
        // Once is chance.
        fault["times"] = 1.into();
        server.fail(&json!([fault]));
        let run = bench(&server, TYPES).run(None).await;
        assert_eq!((texts_in(&run), run.failed.len()), (expected.clone(), 0), "{fault}");
    }
}

/// Rows that are left out without a word are noticed as far as the listing tells.
#[tokio::test]
async fn an_answer_without_all_cells_makes_no_record() {
    let Some(server) = server() else { return };
    let expected = undisturbed(&server).await;
    let cells: Value = {
        let (_, body) =
            server.cypher(DATASET, &quire_fetcher::neuprint::query::cells(Default::default(), &["Mi1"]));
        serde_json::from_str(&body).unwrap()
    };
    let mut row = cells["data"][0].clone();
    row[14].as_array_mut().unwrap().pop();
    let put = json!({ "columns": cells["columns"], "data": [row] }).to_string();
    server.fail(&json!([{ "do": "body", "kind": "cells", "body": put }]));
    let bench = bench(&server, ", include: [\"Mi1\"]");
    let run = bench.run(None).await;
    assert_eq!(run.sent(), ["dataset"]);
    assert!(run.failed[0].1.contains("which is not what it listed"), "{:?}", run.failed);
    server.fail(&json!([]));
    assert_eq!(texts_in(&bench.run(None).await)["types/Mi1"], expected["types/Mi1"]);
}

#[tokio::test]
async fn what_is_edited_while_it_is_read_is_read_again() {
    let Some(server) = server() else { return };
    for kind in ["types", "cells", "partners", "layers", "meta"] {
        let mut bench = bench(&server, "");
        let time = format!("MATCH (d:Meta) SET d.lastDatabaseEdit = '2025-03-01 00:00:0{}'", kind.len());
        let changed = format!("MATCH (n:Neuron {{bodyId: 122}}) SET n.post = {}", 300 + kind.len());
        server.fail(&json!([{ "do": "write", "kind": kind, "times": 1, "dataset": DATASET, "cypher": [time, changed] }]));
        let run = bench.run(None).await;
        assert_eq!((&run.failure, run.failed.len()), (&None, 0), "{kind}: {:?}", run.failed);
        let base = bench.commit(&run);
        let mut known = texts_in(&run);
        let again = bench.run(Some(base)).await;
        known.extend(texts_in(&again));
        assert_eq!(known, undisturbed(&server).await, "{kind}");
    }
}
