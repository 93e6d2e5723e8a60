//! The table of metrics in the guide is a contract: dashboards and alerts rely on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use system_tests::{Cluster, birds, repository};

use super::silent::reads_neuprint;

/// Metrics that tell of what does not happen here: a server that answers bytes, and an index that cannot follow.
const ON_OCCASION: [&str; 2] = ["quire_upstream_bytes_total", "quire_index_failures_total"];

/// A metric's kind and labels.
type Shape = (String, BTreeSet<String>);

/// The rows of the guide's table.
fn rows() -> BTreeMap<String, Shape> {
    let guide = fs::read_to_string(repository().join("docs/guide/operate.md")).unwrap();
    let rows = guide.lines().filter(|line| line.starts_with("| `quire_"));
    let row = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split(',').map(|label| label.trim().trim_matches('`'));
        let labels = labels.filter(|label| *label != "–").map(str::to_owned).collect();
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels))
    };
    rows.map(row).collect()
}

/// What a scrape tells, without what exporters and histograms add.
fn scraped(text: &str, into: &mut BTreeMap<String, Shape>) {
    let mut name = String::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (family, kind) = family.split_once(' ').unwrap();
            family.clone_into(&mut name);
            if family.starts_with("quire_") {
                into.entry(name.clone()).or_default().0 = kind.to_owned();
            }
        } else if line.starts_with("quire_") {
            let labels = line
                .split_once('{')
                .and_then(|(_, rest)| rest.rsplit_once('}'))
                .map_or("", |(labels, _)| labels);
            let labels =
                labels.split("\",").filter_map(|label| label.split_once("=\"")).map(|(label, _)| label);
            let own = labels.filter(|label| *label != "le" && !label.starts_with("otel_scope_"));
            into.entry(name.clone()).or_default().1.extend(own.map(str::to_owned));
        }
    }
}

fn all(cluster: &Cluster) -> BTreeMap<String, Shape> {
    let mut all = BTreeMap::new();
    cluster.agents.iter().for_each(|agent| scraped(&agent.get("/metrics").unwrap(), &mut all));
    all
}

#[test]
fn metrics_are_those_of_the_table_with_its_kinds_and_labels() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = birds(folder.path(), "birds", &[("heron", ",\"colour\":\"grey\""), ("swan", "")]);
    let root = catalogue.join("data");
    fs::write(root.join("nobody.json"), "{}").unwrap();
    let variables = [
        ("BIRDS_ROOT", root.to_str().unwrap()),
        // Nobody listens there.
        ("NEUPRINT_SERVER", "http://127.0.0.1:1"),
        ("NEUPRINT_TOKEN", "none"),
    ];
    let cluster = Cluster::start(1, &variables);
    let report = cluster.run_folder(&catalogue);
    assert_eq!((report.runs[0].records.rejected, report.runs[0].records.dead), (1, 1));
    let types = reads_neuprint(folder.path(), "types");
    let begun = cluster.quire(&["run", "start", types.to_str().unwrap()]);
    assert_eq!(begun.code, Some(0), "{}", begun.err);
    let indexer = cluster.agents("indexer").next().unwrap();
    cluster.until("an answer", |_| {
        let answer = indexer.get("/api/v1/search?q=heron&catalogue=birds").ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    });

    let rows = rows();
    assert!(rows.len() > 30, "the table is read: {rows:?}");
    let missing = |cluster: &Cluster| -> Vec<String> {
        let told = all(cluster);
        let is_due = |name: &&String| !ON_OCCASION.contains(&name.as_str()) && !told.contains_key(*name);
        rows.keys().filter(is_due).cloned().collect()
    };
    let shown = std::cell::RefCell::new(Vec::new());
    cluster.until("metrics of the table that nobody tells", |cluster| {
        shown.replace(missing(cluster));
        shown.borrow().is_empty().then_some(())
    });
    for name in ON_OCCASION {
        assert!(rows.contains_key(name), "{name} is not in the table any more");
    }
    for (name, (kind, labels)) in all(&cluster) {
        let Some((expected, known)) = rows.get(&name) else {
            panic!("{name} is not in the table of metrics")
        };
        assert_eq!(&kind, expected, "{name}");
        assert_eq!(&labels, known, "{name}");
    }
}
