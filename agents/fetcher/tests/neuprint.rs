//! The queries of the upstream `neuprint`, run by a real Cypher engine.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;

use proptest::{prelude::*, test_runner::TestRunner};
use quire_fetcher::neuprint::{
    answer::{self, Row},
    dataset,
    query::{self, Sides},
    record::{self, Answers, Central},
    rows,
};
use serde_json::{Value, json};
use test_servers::{Neuprint, NeuprintOptions};

const DATASETS: [&str; 4] = ["cns:v0.9", "optic-lobe:v1.0", "hemibrain:v1.2.1", "flywire-fafb:v783"];

fn ask<R: Row>(server: &Neuprint, dataset: &str, cypher: &str) -> Vec<R> {
    let (status, body) = server.cypher(dataset, cypher);
    assert_eq!(status, 200, "{body}: {cypher}");
    let read = answer::read::<R>(body.as_bytes()).unwrap();
    assert_eq!(read.odd, []);
    read.rows
}

#[test]
fn every_query_is_understood_and_its_rows_are_read_in_every_dataset() {
    let Some(server) = Neuprint::start(&NeuprintOptions::default()) else { return };
    for dataset in DATASETS {
        assert_eq!(ask::<rows::Edited>(&server, dataset, query::EDITED).len(), 1);
        assert_eq!(
            ask::<rows::Meta>(&server, dataset, query::META)[0].dataset,
            dataset.split(':').next().unwrap()
        );
        let types = ask::<rows::Type>(&server, dataset, query::TYPES);
        let names: Vec<&str> = types.iter().map(|found| found.name.as_str()).collect();
        let cells = ask::<rows::Cells>(&server, dataset, &query::cells(Sides::of(dataset), &names));
        let found: BTreeSet<&str> = cells.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(found, names.iter().copied().collect::<BTreeSet<&str>>());
        let count: usize = cells.iter().map(|row| row.cells.len()).sum();
        assert_eq!(count as i64, types.iter().map(|found| found.cells.0).sum::<i64>());
        let bodies: Vec<i64> =
            cells.iter().flat_map(|row| row.cells.iter().map(|cell| cell.body.0)).collect();
        let partners =
            ask::<rows::Partners>(&server, dataset, &query::partners(Sides::of(dataset), &names, &bodies));
        let about_cells = partners.iter().filter(|row| matches!(row.of, rows::Of::Body(_))).count();
        assert!(about_cells > 0 && about_cells < partners.len());
        ask::<rows::Layers>(&server, dataset, &query::layers(Sides::of(dataset), &names));
    }
}

/// The records of some types, read as the upstream reads a batch: two queries, and a third if some have columns.
fn records(server: &Neuprint, dataset: &str, names: &[&str]) -> Vec<Value> {
    let cells = ask::<rows::Cells>(server, dataset, &query::cells(Sides::of(dataset), names));
    let of = |name: &str| -> Vec<&rows::Cells> { cells.iter().filter(|row| row.name == name).collect() };
    let shown: BTreeSet<i64> = names.iter().flat_map(|name| record::shown(&of(name))).collect();
    let shown: Vec<i64> = shown.into_iter().collect();
    let partners =
        ask::<rows::Partners>(server, dataset, &query::partners(Sides::of(dataset), names, &shown));
    let columnar: Vec<&str> = names.iter().copied().filter(|name| record::has_columns(&of(name))).collect();
    let layers = if columnar.is_empty() {
        Vec::new()
    } else {
        ask::<rows::Layers>(server, dataset, &query::layers(Sides::of(dataset), &columnar))
    };
    let one = |name: &&str| {
        let ours = record::shown(&of(name));
        let about = |row: &&rows::Partners| match &row.of {
            rows::Of::Type(found) => found == name,
            rows::Of::Body(body) => ours.contains(&body.0),
        };
        let answers = Answers {
            cells: of(name),
            partners: partners.iter().filter(about).collect(),
            layers: layers.iter().filter(|row| row.name == *name).collect(),
        };
        serde_json::from_slice(&record::record(name, &answers, Central::of(dataset)).unwrap()).unwrap()
    };
    names.iter().map(one).collect()
}

#[test]
fn a_record_says_what_was_worked_out_by_hand() {
    let Some(server) = Neuprint::start(&NeuprintOptions::default()) else { return };
    let types = ask::<rows::Type>(&server, DATASETS[0], query::TYPES);
    let names: Vec<&str> = types.iter().map(|found| found.name.as_str()).collect();
    server.clear();
    let records = records(&server, DATASETS[0], &names);
    assert_eq!(["cells", "partners", "layers"].map(|kind| server.counted(kind).0), [1, 1, 1]);

    let of = |name: &str| records.iter().find(|record| record["type"] == name).unwrap();
    let mi1 = of("Mi1");
    assert_eq!(mi1["sides"], json!({ "L": 1, "R": 2 }));
    assert_eq!(mi1["transmitters"], json!([{ "name": "acetylcholine", "cells": 3, "confidence": 0.9 }]));
    let all = &mi1["views"]["all"];
    assert_eq!((&all["cells"], &all["pre"], &all["shown"]), (&json!(3), &json!(30), &json!("102")));
    assert_eq!(all["regions"], json!([["ME(L)", 8, 9, 1], ["ME(R)", 22, 40, 2]]));
    assert_eq!(all["layers"], json!([["ME", "R", "01", 0, 20, 1], ["ME", "R", "02", 10, 0, 1]]));
    // T4a: bodies 111 and 112 on the right (11 and 2), 113 on the left (5). DNp01: 121 (3) and 122 (7).
    // Bodies are partners of 102 on the right (111: 6, 122: 7) and of 103 on the left (111: 1, 113: 5), which are shown.
    let expected = json!([
        { "type": "T4a", "side": null, "cells": 3, "weight": 18, "cv": 0.462, "transmitter": "acetylcholine", "bodies": ["111", "113"] },
        { "type": "DNp01", "side": null, "cells": 2, "weight": 10, "cv": 0.4, "transmitter": "glutamate", "bodies": ["122"] },
        { "type": "Mi1", "side": null, "cells": 1, "weight": 9, "cv": 0.0, "transmitter": "acetylcholine", "bodies": [] },
    ]);
    assert_eq!(all["outputs"], expected);
    assert_eq!(all["inputs"][0]["bodies"], json!(["101"]));
    assert_eq!(mi1["views"]["L"]["outputs"].as_array().unwrap().len(), 2);
    let bodies = |view: &str| [0, 1].map(|at| mi1["views"][view]["outputs"][at]["bodies"].clone());
    assert_eq!((&mi1["views"]["L"]["shown"], &mi1["views"]["R"]["shown"]), (&json!("103"), &json!("102")));
    assert_eq!(
        (bodies("L"), bodies("R")),
        ([json!(["113"]), json!(["111"])], [json!(["111"]), json!(["122"])])
    );
    let map = &mi1["eyemaps"][1];
    assert_eq!(
        (&map["cells_of"], &map["region"], &map["twice_median"]),
        (&json!("R"), &json!("ME"), &json!(3))
    );
    assert_eq!(map["columns"], json!([[1, 1, 1, [3, 1]], [1, 2, 2, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]]]));

    assert_eq!(of("DNp01")["sides"], json!({ "L": 1, "R": 1 }));
    assert_eq!(of("CT1")["sides"], json!({ "M": 1, "unknown": 1 }));
    assert_eq!(of("KC/a")["views"]["all"]["cells"], json!(1));
}

/// Whether an object has the members that the catalogue's schema asks for, and no others. `added` are the catalogue's own.
fn assert_members(value: &Value, schema: &Value, added: &[&str], what: &str) {
    let found: BTreeSet<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let asked = schema["required"].as_array().unwrap().iter().filter_map(Value::as_str);
    let missing: Vec<&str> = asked.filter(|name| !added.contains(name) && !found.contains(name)).collect();
    let known = schema["properties"].as_object().unwrap();
    let strange: Vec<&&str> = found.iter().filter(|name| !known.contains_key(**name)).collect();
    assert!(missing.is_empty() && strange.is_empty(), "{what}: no {missing:?}, but {strange:?}: {value}");
}

/// Templates may look at every member that the schema asks for, whatever the dataset calls its properties.
#[test]
fn records_of_all_datasets_have_the_members_that_templates_use() {
    let Some(server) = Neuprint::start(&NeuprintOptions::default()) else { return };
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../../catalogues/neurons/schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
    let of = |name: &str| &schema["$defs"][name];
    for dataset in DATASETS {
        let types = ask::<rows::Type>(&server, dataset, query::TYPES);
        let names: Vec<&str> = types.iter().map(|found| found.name.as_str()).collect();
        let (mut connections, mut regions) = (0, 0);
        for record in records(&server, dataset, &names) {
            let what = format!("{dataset} {}", record["type"]);
            assert_members(&record, of("type"), &["also", "side", "merged", "points"], &what);
            for transmitter in record["transmitters"].as_array().unwrap() {
                assert_members(transmitter, of("transmitter"), &[], &what);
            }
            for map in record["eyemaps"].as_array().unwrap() {
                assert_members(map, of("eyemap"), &["drawn"], &what);
            }
            for view in record["views"].as_object().unwrap().values() {
                assert_members(view, of("view"), &[], &what);
                assert!(view["shown"].is_string(), "{what}");
                regions += view["regions"].as_array().unwrap().len();
                for row in ["inputs", "outputs"].iter().flat_map(|way| view[way].as_array().unwrap()) {
                    assert_members(row, &of("connections")["items"], &[], &what);
                    connections += 1;
                }
            }
        }
        assert!(connections > 0 && regions > 0, "{dataset}: {connections} connections, {regions} regions");
        let meta = ask::<rows::Meta>(&server, dataset, query::META).remove(0);
        let own: Value =
            serde_json::from_slice(&dataset::record(&meta, "https://np.example.org").unwrap()).unwrap();
        assert_members(&own, of("dataset"), &[], dataset);
    }
}

/// Layers 5 and 6 are 5A and 5B where there is a seventh; whether there is, only the dataset tells.
#[test]
fn layers_of_the_lobula_are_named_as_the_field_does_whatever_layers_a_type_has() {
    let Some(server) = Neuprint::start(&NeuprintOptions::default()) else { return };
    let dataset = DATASETS[0];
    let place = json!({ "LO(R)": { "post": 9 }, "LO_R_layer_04": { "post": 4 }, "LO_R_layer_6": { "post": 5 }, "ME_R_layer_06": { "post": 1 } });
    let write = |property: &str, text: &Value| {
        let cypher = format!("{property} = {}", query::literal(&text.to_string()));
        server.write(dataset, &[cypher.as_str()]);
    };
    write("MATCH (n:Neuron {type: 'T4a'}) SET n.roiInfo", &place);
    let layers = || -> Vec<Value> {
        let record = records(&server, dataset, &["T4a"]).remove(0);
        let rows = record["views"]["all"]["layers"].as_array().unwrap().iter();
        rows.map(|row| json!([row[0], row[2]])).collect()
    };
    let (as_written, named) = (
        [json!(["LO", "04"]), json!(["LO", "6"]), json!(["ME", "06"])],
        [json!(["LO", "04"]), json!(["LO", "5B"]), json!(["ME", "06"])],
    );
    assert_eq!(layers(), as_written);
    for (other, name, expected) in [
        ("roiInfo", "LO_L_layer_5A", &as_written),
        ("roiInfo", "ME_R_layer_7", &as_written),
        ("roiInfo", "LO_R_layer_70", &as_written),
        ("roiInfo", "LO_L_layer_07", &named),
        ("roiHierarchy", "LO_R_layer_7", &named),
    ] {
        let region = json!({ "name": "LO(R)", "children": [{ "name": name }] });
        let of = if other == "roiInfo" { json!({ (name): { "pre": 1 } }) } else { region };
        server.write(dataset, &["MATCH (d:Meta) SET d.roiInfo = null"]);
        write(&format!("MATCH (d:Meta) SET d.{other}"), &of);
        assert_eq!(layers(), *expected, "{name}");
    }
}

#[test]
fn a_record_of_a_real_type_is_small() {
    let Some(data) = std::env::var_os("QUIRE_NEURONS_DATA") else {
        println!("skipped: $QUIRE_NEURONS_DATA names no folder of neuron data");
        return;
    };
    let options = NeuprintOptions { large: Some((data.into(), 1772)), ..NeuprintOptions::default() };
    let Some(server) = Neuprint::start(&options) else { return };
    for name in ["DNp01", "LC17", "T4a", "Mi1"] {
        server.clear();
        let record = records(&server, "cns", &[name]).remove(0).to_string();
        let fetched: u64 = ["cells", "partners", "layers"].iter().map(|kind| server.counted(kind).1).sum();
        println!("{name}: {fetched} bytes fetched, a record of {} bytes", record.len());
        assert!(record.len() < 512 * 1024 && fetched < 4_440_000);
    }
}

#[test]
fn no_types_and_no_bodies_are_a_query_too() {
    let Some(server) = Neuprint::start(&NeuprintOptions::default()) else { return };
    assert_eq!(ask::<rows::Partners>(&server, DATASETS[0], &query::partners(Sides::Written, &[], &[])), []);
}

#[test]
fn any_text_is_a_literal_of_itself() {
    let Some(server) = Neuprint::start(&NeuprintOptions::default()) else { return };
    // Not of NUL: the engine of the tests takes that for the end of a query, though Neo4j does not.
    let piece = prop_oneof![
        Just("'".to_owned()),
        Just("\\".to_owned()),
        Just("\\u0027".to_owned()),
        Just("u005c".to_owned()),
        any::<char>().prop_filter("NUL", |character| *character != '\0').prop_map(String::from),
    ];
    let text = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat());
    let texts = prop::collection::vec(text, 1..50);
    let run = |texts: Vec<String>| {
        let literals: Vec<String> = texts.iter().map(|text| query::literal(text)).collect();
        let (status, body) =
            server.cypher(DATASETS[0], &format!("RETURN [{}] AS texts", literals.join(", ")));
        prop_assert_eq!(status, 200, "{}", body);
        let answer: Value = serde_json::from_str(&body).unwrap();
        prop_assert_eq!(&answer["data"][0][0], &Value::from(texts));
        Ok(())
    };
    TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })
        .run(&texts, run)
        .unwrap();
}
