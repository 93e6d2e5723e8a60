//! The server, a source that asks it, and what came of a run.

use std::collections::BTreeMap;

use serde_json::json;
use test_servers::{Neuprint, NeuprintOptions};

use crate::bench::{Bench, Run};

pub(crate) const DATASET: &str = "cns:v0.9";
/// Everything but the curators' doing: what is asked of a server in a run.
const KINDS: [&str; 7] = ["edited", "types", "known", "meta", "cells", "partners", "layers"];

pub(crate) fn server() -> Option<Neuprint> {
    Neuprint::start(&NeuprintOptions::default())
}

pub(crate) fn source(server: &Neuprint, more: &str) -> String {
    format!(
        "{{ name: main, neuprint: {{ server: \"{}\", dataset: \"{DATASET}\", token: \"${{NEUPRINT_TOKEN}}\", per_second: 1000{more} }} }}",
        server.url()
    )
}

pub(crate) fn bench(server: &Neuprint, more: &str) -> Bench {
    Bench::with_source(&source(server, more))
}

/// The text of every item by its location.
pub(crate) fn texts_in(run: &Run) -> BTreeMap<String, String> {
    let text = |item: &quire_proto::Item| String::from_utf8(item.raw.to_vec()).unwrap();
    run.items.iter().map(|item| (item.id.location.to_string(), text(item))).collect()
}

pub(crate) fn asked(server: &Neuprint) -> BTreeMap<&'static str, u64> {
    let counts = KINDS.map(|kind| (kind, server.counted(kind).0));
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// What comes of a run if nothing goes wrong.
pub(crate) async fn undisturbed(server: &Neuprint) -> BTreeMap<String, String> {
    server.fail(&json!([]));
    let run = bench(server, "").run(None).await;
    assert_eq!((&run.failure, run.failed.len(), run.rejected.len()), (&None, 0, 0));
    texts_in(&run)
}

pub(crate) fn edit(server: &Neuprint, time: &str, more: &[&str]) {
    let edited = format!("MATCH (d:Meta) SET d.lastDatabaseEdit = '{time}'");
    let mut cypher = vec![edited.as_str()];
    cypher.extend(more);
    server.write(DATASET, &cypher);
}
