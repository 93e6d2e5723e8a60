//! The neuPrint server, and the queries of the upstream that it stands for.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::{path::Path, process::Command};

use serde_json::json;
use test_servers::{Neuprint, NeuprintOptions};

#[test]
fn queries_return_what_was_worked_out_by_hand() {
    if Neuprint::start(&NeuprintOptions::default()).is_none() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = Command::new("python3");
    tests.args(["-m", "unittest", "test_neuprint"]).current_dir(folder);
    // The large graph is measured by hand: making it takes a minute.
    let output = tests.env_remove("QUIRE_NEURONS_DATA").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn it_counts_goes_wrong_and_changes_as_it_is_told() {
    let Some(server) = Neuprint::start(&NeuprintOptions::default()) else { return };
    let count = "/* quire: types */ MATCH (n:Neuron {type: 'T4a'}) RETURN count(n) AS cells";
    assert_eq!(server.cypher("cns", count), (200, r#"{"columns":["cells"],"data":[[3]]}"#.to_owned()));
    server.fail(&json!([{ "do": "status", "status": 503, "kind": "types", "times": 1 }]));
    assert_eq!(server.cypher("cns", count).0, 503);
    server.write("cns", &["MATCH (n:Neuron {bodyId: 111}) SET n.type = 'T4b'"]);
    assert_eq!(server.cypher("cns", count).1, r#"{"columns":["cells"],"data":[[2]]}"#);
    assert_eq!(server.counted("types").0, 3);
    server.clear();
    assert_eq!(server.counted("types"), (0, 0));
}
