//! What records give together: aggregates, figures and variants of pages, from the sources to the site.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use quire_proto::Digest;
use system_tests::{Build, Quire, manifest_files, tree};

const DEFINITION: &str = r#"
catalogue: eyes
title: Eyes
site: { base_url: "https://example.org/x" }
sources:
  - name: all
    files: { root: data, include: ["*.json"], format: json }
record: { key: .id, title: .id }
aggregates:
  - { name: columns, of: 'select(.kind == "dataset") | .columns' }
  - { name: types, of: 'select(.x) | {id, x}' }
figures:
  - name: eyemaps
    eyemap:
      from: |
        .maps[]? as $map | { file: "\($map.region)", region: $map.region, side: "R", columns: $map.columns,
          region_columns: $aggregates.columns[0][$map.region], eye_columns: [$aggregates.columns[0][]] }
  - name: coverage
    scatter:
      of: catalogue
      from: |
        { file: "coverage", title: "Coverage",
          points: [.types[] | { label: .id, x: .x, y: 10, colour: 1, href: "../\(.id | page_name).html" }] }
pages:
  record: templates/record.html
  variants: { each: '.views[]?' }
"#;

const TEMPLATE: &str = r##"{% extends "quire/base.html" %}
{% block main %}
<h1>{{ title }} {{ variant }}</h1>
{% for map in figures.eyemaps %}<object type="image/svg+xml" data="{{ base }}{{ map.href }}" width="{{ map.width }}" height="{{ map.height }}">{{ map.text }}</object>{% endfor %}
{% for plot in figures.coverage %}<a href="{{ base }}{{ plot.href }}#{{ title | point_id }}">{{ plot.title }}</a>{% endfor %}
{% for other in variants %}<a href="{{ base }}{{ other.href }}">{{ other.name }}</a>{% endfor %}
{% if record.columns %}<p>{{ aggregates.types | length }} types</p>{% endif %}
{% endblock %}
"##;

struct Eyes {
    quire: Quire,
}

impl Eyes {
    fn new() -> Self {
        let eyes = Self { quire: Quire::new() };
        fs::create_dir_all(eyes.catalogue().join("templates")).unwrap();
        fs::create_dir_all(eyes.catalogue().join("data")).unwrap();
        fs::write(eyes.catalogue().join("catalogue.yaml"), DEFINITION).unwrap();
        fs::write(eyes.catalogue().join("templates/record.html"), TEMPLATE).unwrap();
        let columns: Vec<[u32; 2]> = (0..200).map(|at| [at % 14, at / 14]).collect();
        let dataset = serde_json::json!({
            "id": "dataset", "kind": "dataset", "columns": { "ME": columns, "LO": [[0, 0], [99, 99]] },
        });
        eyes.set("dataset", &dataset.to_string());
        eyes.set(
            "a",
            r#"{"id":"a","x":10,"views":["L","R"],"maps":[{"region":"ME","columns":[[0,0,5],[1,1,7]]}]}"#,
        );
        eyes.set("b", r#"{"id":"b","x":20,"maps":[{"region":"LO","columns":[[0,0,5]]}]}"#);
        eyes.set("c", r#"{"id":"c","views":["M"]}"#);
        eyes
    }

    fn catalogue(&self) -> PathBuf {
        self.quire.folder().join("eyes")
    }

    fn set(&self, name: &str, text: &str) {
        fs::write(self.catalogue().join(format!("data/{name}.json")), text).unwrap();
    }

    fn build(&self, workers: &str) -> quire_proto::BuildReport {
        let build = Build { catalogues: vec![self.catalogue()], ..Build::default() };
        let report = self.quire.build(&build.argument("--workers").argument(workers));
        assert_eq!(tree(&self.quire.site()).len(), manifest_files(&self.quire.site()).len() + 1);
        report
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.quire.site().join("eyes").join(path)).unwrap()
    }

    /// What a first build of the same input makes.
    fn afresh(&self, workers: &str) -> Digest {
        let other = Self::new();
        system_tests::copy_tree(&self.catalogue(), &other.catalogue());
        other.build(workers).manifest
    }
}

fn has(site: &Path, path: &str) -> bool {
    site.join("eyes").join(path).is_file()
}

#[test]
fn figures_variants_and_aggregates_reach_the_site_and_go_with_their_records() {
    let eyes = Eyes::new();
    let report = eyes.build("1");
    let counts = report.runs[0].records;
    assert_eq!((counts.published, counts.dead), (4, 0), "{:?}", report.runs[0].failures);
    let site = eyes.quire.site();
    for path in
        ["figures/a/me.svg", "figures/b/lo.svg", "figures/coverage.svg", "a.l.html", "a.r.html", "c.m.html"]
    {
        assert!(has(&site, path), "{path}");
    }
    let page = eyes.read("a.l.html");
    assert!(page.contains("<h1>a L</h1>") && page.contains("data=\"figures/a/me.svg\""), "{page}");
    assert!(page.contains("href=\"figures/coverage.svg#a\"") && page.contains("href=\"a.r.html\""), "{page}");
    assert!(page.contains("<link rel=\"canonical\" href=\"https://example.org/x/eyes/a.l.html\">"), "{page}");
    // Chromium asks both about an `<object>`.
    assert!(page.contains("object-src 'self';") && page.contains("frame-src 'self'"), "{page}");
    let map = eyes.read("figures/a/me.svg");
    assert!(
        map.contains("Column: 13, 13\nSynapse count: 0")
            && map.contains("Column: 99, 99\nColumn not identified")
    );
    assert!(site.join("assets/figures/eyemap-reds-5.css").is_file());
    let sitemap = fs::read_to_string(site.join("sitemap.xml")).unwrap();
    assert!(sitemap.contains("<loc>https://example.org/x/eyes/a.l.html</loc>"), "{sitemap}");
    assert!(eyes.read("dataset.html").contains("2 types"));

    eyes.set("a", r#"{"id":"a","x":10,"views":["R"]}"#);
    eyes.build("1");
    for path in ["a.l.html", "figures/a/me.svg"] {
        assert!(!has(&site, path), "{path}");
    }
    assert!(has(&site, "a.r.html"));
}

#[test]
fn a_change_makes_what_looked_at_it_again_and_ends_in_the_bytes_of_a_first_build() {
    let eyes = Eyes::new();
    let first = eyes.build("1");
    assert_eq!(first.manifest, eyes.afresh("8"));
    // The point moves: the plot is drawn again, and no page but its own, for the number of types is the same.
    eyes.set("b", r#"{"id":"b","x":30,"maps":[{"region":"LO","columns":[[0,0,5]]}]}"#);
    let second = eyes.build("1");
    let counts = second.runs[0].records;
    assert_eq!((counts.published, counts.unchanged), (1, 3), "{counts:?}");
    assert!(eyes.read("figures/coverage.svg").contains("Cells per eye: 30"));
    assert_eq!(second.manifest, eyes.afresh("1"));
    // A column comes: pages with maps are made again. One type more: the page of the dataset.
    eyes.set("dataset", r#"{"id":"dataset","kind":"dataset","columns":{"ME":[[0,0]],"LO":[[0,0]]}}"#);
    eyes.set("c", r#"{"id":"c","x":5,"views":["M"]}"#);
    let third = eyes.build("2");
    let counts = third.runs[0].records;
    assert_eq!((counts.published, counts.unchanged), (4, 0), "{counts:?}");
    assert_eq!(third.manifest, eyes.afresh("2"));
    // Nothing changes: nothing is made.
    let fourth = eyes.build("1");
    assert_eq!(fourth.runs[0].records.unchanged, 4);
    assert_eq!(fourth.manifest, third.manifest);
}

#[test]
fn a_wrong_drawing_is_a_named_failure_and_its_record_keeps_its_last_page() {
    let eyes = Eyes::new();
    eyes.build("1");
    eyes.set("b", r#"{"id":"b","x":20,"maps":[{"region":"LO","columns":[[0,0,"many"]]}]}"#);
    let report = eyes.build("1");
    assert_eq!((report.runs[0].records.dead, report.runs[0].records.unchanged), (1, 3));
    let told = report.runs[0].failures.join("\n");
    assert!(
        told.contains("figure eyemaps, drawing 1 (`LO`): columns[0][2]: expected a number, found text"),
        "{told}"
    );
    assert!(has(&eyes.quire.site(), "figures/b/lo.svg"));
}

#[test]
fn check_tells_why_a_figure_of_the_catalogue_cannot_be_drawn_in_json_too() {
    let eyes = Eyes::new();
    eyes.set("a", r#"{"id":"a","x":"ten"}"#);
    let check = |more: &[&str]| {
        let catalogue = eyes.catalogue();
        eyes.quire.run([&["check", catalogue.to_str().unwrap()], more].concat())
    };
    let ended = check(&["--json"]);
    let told: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let [failure] = told["failures"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert!(failure.as_str().unwrap().contains("figure coverage"), "{told}");
    assert!(ended.code == Some(1) && told["unseen"].is_string() && told.get("records").is_none(), "{told}");
    let ended = check(&[]);
    assert!(
        ended.code == Some(1) && ended.out.contains("failed: ") && ended.out.contains("figure coverage"),
        "{}",
        ended.out
    );
}

#[test]
fn check_tells_what_is_not_there() {
    let eyes = Eyes::new();
    let definition = DEFINITION.replace("$aggregates.columns[0][]", "$aggregates.colums[0][]");
    fs::write(eyes.catalogue().join("catalogue.yaml"), definition).unwrap();
    fs::write(eyes.catalogue().join("templates/record.html"), "{{ figures.eyemap }}").unwrap();
    let ended = eyes.quire.run(["check".as_ref(), eyes.catalogue().as_os_str()]);
    let told = format!("{}{}", ended.out, ended.err);
    assert_eq!(ended.code, Some(1), "{told}");
    assert!(
        told.contains("there is no aggregate `colums`") && told.contains("did you mean `columns`?"),
        "{told}"
    );
    assert!(told.contains("catalogue.yaml:17:90"), "{told}");
}
