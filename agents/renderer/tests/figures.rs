//! Figures, variants and aggregates on the pages of records.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use quire_proto::{AggregateRef, Digest, PackSlice, UsedAggregate};
use quire_renderer::{
    engine::Engine,
    look::Look,
    page::{Made, PageError, Pages},
    sight::{Decoded, Read},
};
use quire_runtime::StoreError;

const HEAD: &str = r#"
catalogue: eyes
title: Eyes
site: { base_url: "https://example.org" }
sources: [{ name: models, files: { include: ["*.json"], format: json } }]
record: { key: .id, title: .id }
"#;

/// Two regions; the second one lacks a column of the first.
const COLUMNS: &str = r#"[{"ME":{"R":[[1,7],[1,8],[2,5]]},"LO":{"R":[[1,7],[3,3]]}}]"#;

const EYEMAPS: &str = r#"
aggregates:
  - { name: columns, of: .none }
  - { name: types, of: .none }
figures:
  - name: eyemaps
    eyemap:
      from: |
        .maps[] as $map | ("synapses", "cells") as $metric
        | ($aggregates.columns[0]) as $all
        | { file: "\($map.region)-\($metric)", region: $map.region, side: "R", metric: $metric,
            layers: (if $metric == "synapses" then ["1", "2"] else [] end),
            columns: $map.columns, region_columns: $all[$map.region].R, eye_columns: [$all[].R],
            with: { side: "R" } }
pages:
  record: templates/record.html
  variants: { each: '.views[]?' }
"#;

struct World {
    pages: Pages,
    texts: Vec<(Digest, Bytes)>,
    catalogue: quire_catalogue::Catalogue,
}

impl World {
    fn new(sections: &str, template: &str, aggregates: &[&str]) -> Self {
        let yaml = format!("{HEAD}{sections}");
        let catalogue =
            support::catalogue_of(&[("catalogue.yaml", yaml.as_str()), ("templates/record.html", template)]);
        let found = catalogue.check();
        assert!(found.iter().next().is_none(), "{found}");
        let pages = Pages::new(Arc::new(Engine::new(Look::of(&catalogue)).unwrap()));
        let texts =
            aggregates.iter().map(|text| (Digest::of(text.as_bytes()), Bytes::from(text.to_string())));
        Self { pages, texts: texts.collect(), catalogue }
    }

    fn refs(&self) -> Vec<AggregateRef> {
        let reference = |(aggregate, (digest, text)): (u16, &(Digest, Bytes))| AggregateRef {
            used: UsedAggregate { aggregate, digest: *digest },
            from: PackSlice { pack: *digest, offset: 0, len: text.len() as u64 },
        };
        (0..).zip(&self.texts).map(reference).collect()
    }

    fn read(&self) -> Read {
        let texts = self.texts.clone();
        Arc::new(move |slice| {
            let found = texts.iter().find(|(digest, _)| *digest == slice.pack);
            found.map(|(_, text)| text.clone()).ok_or(StoreError::Missing(slice.pack))
        })
    }

    fn make(&self, body: &str) -> Result<Made, PageError> {
        let item = support::item("a.json", body.to_owned().into());
        let (record, body) = support::judged(&self.catalogue, &item).unwrap();
        let record = support::render_record(&item, &record);
        let record = quire_proto::RenderRecord { aggregates: self.refs(), ..record };
        self.pages.make(&record, &body, &Decoded::default(), &self.read())
    }

    /// Why a record has no pages, with its causes.
    fn refusal(&self, body: &str) -> String {
        let error = self.make(body).unwrap_err();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        text
    }
}

fn files(made: &Made) -> BTreeMap<&str, String> {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    made.pages.iter().map(|page| (page.path.as_str(), text(&page.bytes))).collect()
}

fn positions(made: &Made) -> Vec<u16> {
    made.used.iter().map(|used| used.aggregate).collect()
}

const RECORD: &str = r#"{"id":"t1","views":["L","R"],"maps":[
    {"region":"ME","columns":[[1,7,2,[3,4]],[1,8,1,[0,5]]]},
    {"region":"LO","columns":[[3,3,9,[100,1]]]}]}"#;

#[test]
fn every_output_is_a_drawing_that_joins_data_region_and_eye() {
    let template = "{% for map in figures.eyemaps %}{{ map.file }} {{ map.href }} {{ map.title }} {{ map.side }} \
                    {{ map.width }}x{{ map.height }}\n{% endfor %}";
    let world = World::new(EYEMAPS, template, &[COLUMNS, "[]"]);
    let made = world.make(RECORD).unwrap();
    let files = files(&made);
    let paths: Vec<&str> = files.keys().copied().collect();
    assert_eq!(
        paths,
        [
            "figures/t1/lo-cells.svg",
            "figures/t1/lo-synapses.svg",
            "figures/t1/me-cells.svg",
            "figures/t1/me-synapses.svg",
            "t1.html",
            "t1.json",
            "t1.l.html",
            "t1.r.html",
        ]
    );
    let map = &files["figures/t1/me-synapses.svg"];
    let titles = [
        "Column: 1, 7\nSynapse count: 7\nROI: ME (right)\nME1–2: 3 4",
        "Column: 1, 8\nSynapse count: 5\nROI: ME (right)\nME1–2: 0 5",
        "Column: 2, 5\nSynapse count: 0\nROI: ME (right)",
        "Column: 3, 3\nColumn not identified in ME (right)",
    ];
    for title in titles {
        assert!(map.contains(&format!("<title>{title}</title>")), "{title:?} is not in {map}");
    }
    assert!(map.contains("href=\"../../../assets/figures/eyemap-reds-5.css\""), "{map}");
    // Maps of one metric share their range: 5 to 101 synapses, 1 to 9 cells.
    assert!(map.contains(">101</text>") && map.contains(">5</text>"), "{map}");
    assert!(files["figures/t1/me-cells.svg"].contains(">9</text>"));
    let html = &files["t1.html"];
    assert!(
        html.starts_with("ME-synapses figures/t1/me-synapses.svg Synapse count: ME (right) R 420x410\n"),
        "{html}"
    );
    assert_eq!(positions(&made), [0]);
}

/// Cells in two of the columns, synapses in two others; column 3, 3 is in another region alone.
#[test]
fn a_column_that_one_metric_knows_has_no_data_in_the_other() {
    let world = World::new(EYEMAPS, "{{ title }}", &[COLUMNS, "[]"]);
    let columns = "[[1,7,0,[3,4]],[1,8,4,[]],[2,5,2,[0,0]],[3,3,0,[9]]]";
    let made =
        world.make(&format!(r#"{{"id":"t1","maps":[{{"region":"ME","columns":{columns}}}]}}"#)).unwrap();
    let files = files(&made);
    for (metric, word, told, legend) in [
        ("synapses", "Synapse", [Some(7), Some(0), Some(0), Some(9)], [7, 9]),
        ("cells", "Cell", [Some(0), Some(4), Some(2), None], [2, 4]),
    ] {
        let map = &files[format!("figures/t1/me-{metric}.svg").as_str()];
        for (column, value) in ["1, 7", "1, 8", "2, 5", "3, 3"].into_iter().zip(told) {
            let title = match value {
                Some(value) => format!("<title>Column: {column}\n{word} count: {value}\nROI: ME (right)"),
                None => format!("<title>Column: {column}\nColumn not identified in ME (right)</title>"),
            };
            assert!(map.contains(&title), "{title:?} is not in {map}");
        }
        // Nothing is no value: it takes no colour of the scale, and its end is not there.
        let ends = legend.map(|end| map.contains(&format!(">{end}</text>")));
        assert_eq!((ends, map.contains(">0</text>")), ([true, true], false), "{map}");
    }
}

#[test]
fn a_definition_chooses_grid_and_scale() {
    let drawn = |options: &str| {
        let sections = EYEMAPS.replace("    eyemap:\n", &format!("    eyemap:\n{options}"));
        let made = World::new(&sections, "{{ title }}", &[COLUMNS, "[]"]).make(RECORD).unwrap();
        files(&made)["figures/t1/me-synapses.svg"].clone()
    };
    let usual = drawn("");
    let said =
        ["coordinates: eye", "top: flat", "spacing: 1.1", "margin: 10", "mirrored: true", "scale: linear"];
    let said = said.map(|option| format!("      {option}\n")).concat();
    assert_eq!(drawn(&said), usual, "{said}");
    for option in [
        "coordinates: axial",
        "coordinates: odd-offset",
        "top: pointy",
        "spacing: 2",
        "margin: 50",
        "mirrored: false",
        "scale: log",
        "scale: quantile",
    ] {
        assert_ne!(drawn(&format!("      {option}\n")), usual, "{option}");
    }
}

#[test]
fn values_may_lie_beside_a_map_as_a_table() {
    let sections = EYEMAPS.replace("    eyemap:\n", "    eyemap:\n      table: true\n");
    let template = "{% for map in figures.eyemaps %}{{ map.table }}\n{% endfor %}";
    let made = World::new(&sections, template, &[COLUMNS, "[]"]).make(RECORD).unwrap();
    let files = files(&made);
    assert!(files["t1.html"].starts_with("figures/t1/me-synapses.html\n"), "{}", files["t1.html"]);
    let table = &files["figures/t1/me-synapses.html"];
    for row in [
        "<th scope=\"col\">ME1</th><th scope=\"col\">ME2</th>",
        "<tr><td>1</td><td>8</td><td>5</td><td>0</td><td>5</td></tr>",
        "<tr><td>3</td><td>3</td><td>not in the region</td><td></td><td></td></tr>",
    ] {
        assert!(table.contains(row), "{row} is not in {table}");
    }
}

#[test]
fn hexagons_fit_the_map_with_most_columns_unless_a_drawing_says_otherwise() {
    let radii = |columns: usize, said: &str| {
        let eye: Vec<[usize; 2]> = (0..columns).map(|at| [1 + at % 30, 1 + at / 30]).collect();
        let known = serde_json::json!([{ "ME": { "R": [[1, 1]] }, "LO": { "R": eye } }]).to_string();
        // A map of ME has one column.
        let sections = EYEMAPS.replace("eye_columns: [$all[].R],", said);
        let record = r#"{"id":"t1","maps":[{"region":"ME","columns":[[1,1,2,[3,4]]]},{"region":"LO","columns":[[1,1,9,[1,1]]]}]}"#;
        let made = World::new(&sections, "{{ title }}", &[&known, "[]"]).make(record).unwrap();
        let files = files(&made);
        ["me", "lo"].map(|region| {
            let map = &files[format!("figures/t1/{region}-cells.svg").as_str()];
            let shape = map.split_once("h\" d=\"M").unwrap().1;
            shape.split_once(' ').unwrap().0.parse::<f64>().unwrap()
        })
    };
    for (columns, fitting) in [(1, 24.0), (99, 24.0), (100, 12.0), (299, 12.0), (300, 6.0)] {
        assert_eq!(radii(columns, ""), [fitting, fitting], "{columns}");
    }
    assert_eq!(radii(300, "radius: (if $map.region == \"ME\" then 9 else null end),"), [9.0, 6.0]);
}

/// Colours by column of a map without layers.
fn colours(svg: &str) -> BTreeMap<(String, String), String> {
    let attribute = |text: &str, name: &str| {
        Some(text.split_once(&format!("{name}=\""))?.1.split_once('"')?.0.to_owned())
    };
    let mut found = BTreeMap::new();
    for group in svg.split("<g ") {
        let tag = group.split('>').next().unwrap();
        for column in group.split("<title>Column").skip(1) {
            let (hex1, rest) = column.trim_start_matches(": ").split_once(", ").unwrap();
            let hex2 = rest.split(['\n', '<']).next().unwrap();
            found.insert((hex1.to_owned(), hex2.to_owned()), attribute(tag, "fill").unwrap());
        }
    }
    found
}

/// A record of what a type has in columns, and a dataset's columns of each region: statuses, range and so all colours
/// are those that another program came to.
#[test]
fn golden_columns_have_the_golden_colours() {
    let Some(folder) = std::env::var_os("QUIRE_NEURONS_DATA").map(std::path::PathBuf::from) else {
        println!("skipped: $QUIRE_NEURONS_DATA names no folder of neuron data");
        return;
    };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let mut known: BTreeMap<&str, Vec<[i64; 2]>> = BTreeMap::new();
    for line in read("columns_ol_R.csv").lines().skip(1) {
        let cells: Vec<i64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        for (region, _) in [("ME", 2), ("LO", 4), ("LOP", 6)].into_iter().filter(|(_, at)| cells[*at] > 0) {
            known.entry(region).or_default().push([cells[0], cells[1]]);
        }
    }
    let known = serde_json::json!([known
        .iter()
        .map(|(of, columns)| (*of, serde_json::json!({ "R": columns })))
        .collect::<BTreeMap<_, _>>()]);
    let (mut maps, mut expected) = (BTreeMap::<String, Vec<serde_json::Value>>::new(), BTreeMap::new());
    for line in read("eyemap_golden.csv").lines().filter(|line| line.starts_with("R,")) {
        let [_, region, _, _, hex1, hex2, _, _, _, value, fill] =
            line.split(',').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
        // Where the type has no synapses it may have cells: that is another map's.
        let synapses: i64 = value.parse().unwrap_or(0);
        let ids = [&hex1, &hex2].map(|id| id.parse::<i64>().unwrap());
        let column = serde_json::json!([ids[0], ids[1], 1, [synapses]]);
        maps.entry(region.clone()).or_default().push(column);
        expected.insert((region, hex1, hex2), fill);
    }
    let maps: Vec<_> = maps
        .iter()
        .map(|(region, columns)| serde_json::json!({ "region": region, "columns": columns }))
        .collect();
    let plain = EYEMAPS.replace("[\"1\", \"2\"]", "[]");
    let world = World::new(&plain, "{{ title }}", &[&known.to_string(), "[]"]);
    let made = world.make(&serde_json::json!({ "id": "t1", "maps": maps }).to_string()).unwrap();
    let files = files(&made);
    let mut found = BTreeMap::new();
    for region in ["ME", "LO", "LOP"] {
        let map = &files[format!("figures/t1/{}-synapses.svg", region.to_lowercase()).as_str()];
        let colours = colours(map).into_iter();
        found.extend(colours.map(|((hex1, hex2), fill)| ((region.to_owned(), hex1, hex2), fill)));
    }
    assert_eq!((found.len(), found), (2676, expected));
}

#[test]
fn a_record_without_drawings_looks_at_no_aggregate() {
    let template = "{{ title }}{% if record.more %}{{ aggregates.types|length }}{% endif %}";
    let world = World::new(EYEMAPS, template, &[COLUMNS, "[1,2,3]"]);
    let made = world.make(r#"{"id":"t2","maps":[]}"#).unwrap();
    assert!(made.used.is_empty());
    let made = world.make(r#"{"id":"t2","maps":[],"more":true}"#).unwrap();
    assert_eq!((positions(&made), files(&made)["t2.html"].as_str()), (vec![1], "t23"));
}

#[test]
fn variants_are_pages_of_their_own_that_know_each_other() {
    let template = "{{ variant }}|{% for other in variants %}{{ other.name }}={{ other.href }} {% endfor %}\
                    |{{ page.canonical }}|{% if variant %}{{ record.views|length }}{% endif %}";
    let world = World::new(EYEMAPS, template, &[COLUMNS, "[]"]);
    let made = world.make(r#"{"id":"t1","views":["L","all-1","l"],"maps":[]}"#).unwrap();
    let files = files(&made);
    let html: Vec<&&str> = files.keys().filter(|path| path.ends_with(".html")).collect();
    assert_eq!(html.len(), 4);
    assert!(html.iter().any(|path| path.starts_with("t1.l~")), "{html:?}");
    assert!(files["t1.html"].starts_with("|L=t1.l.html all-1=t1.all-1.html l=t1.l~"), "{}", files["t1.html"]);
    assert!(files["t1.html"].ends_with("|https://example.org/eyes/t1.html|"));
    assert!(files["t1.l.html"].starts_with("L|L=t1.l.html"));
    assert!(files["t1.l.html"].ends_with("|https://example.org/eyes/t1.l.html|3"));
    for (views, part) in [
        (r#"[1]"#, "expected names, found 1"),
        (r#"["a","a"]"#, "the name `a` is there twice"),
        (
            r#"["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"]"#,
            "17 names, at most 16",
        ),
    ] {
        let told = world.refusal(&format!(r#"{{"id":"t1","views":{views},"maps":[]}}"#));
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_wrong_input_names_figure_drawing_and_place() {
    let world = World::new(EYEMAPS, "x", &[COLUMNS, "[]"]);
    for (maps, part) in [
        (
            r#"[{"region":"ME","columns":[[1,7,2,[3,"x"]]]}]"#,
            "figure eyemaps, drawing 1 (`ME-synapses`): columns[0][3][1]: expected a number, found text",
        ),
        (r#"[{"region":"ME","columns":[[1,7,2],[1,7,3]]}]"#, "columns: column 1, 7 is there twice"),
        (r#"[{"region":"ME","columns":[[1.5,7,2]]}]"#, "columns[0][0]: expected a whole number"),
        (r#"[{"region":"ME","columns":[[1,7]]}]"#, "columns[0]: expected [hex1, hex2, value] or"),
        (
            r#"[{"region":"ME","columns":[[1,7,1,[1,2,3]]]}]"#,
            "columns[0]: 3 values of layers, expected at most 2",
        ),
        (
            r#"[{"region":"ME","columns":[{"hex1":1,"hex2":2,"vale":3}]}]"#,
            "columns[0]: unknown member `vale`",
        ),
        (r#"[{"region":"ME"}]"#, "missing member `columns`"),
        (
            r#"[{"region":"ME","columns":[]},{"region":"ME","columns":[]}]"#,
            "two drawings of the figure have this file",
        ),
        (r#"7"#, "figure eyemaps: expression failed"),
    ] {
        let told = world.refusal(&format!(r#"{{"id":"t1","maps":{maps}}}"#));
        assert!(told.starts_with("cannot draw: figure eyemaps") && told.contains(part), "{told}");
    }
}

#[test]
fn an_aggregate_that_is_not_there_is_not_the_records_fault() {
    let mut world = World::new(EYEMAPS, "{{ aggregates.types }}", &[COLUMNS, "[]"]);
    assert!(world.make(r#"{"id":"t1","maps":[]}"#).is_ok());
    let gone = world.texts.remove(1);
    world.texts.push((gone.0, Bytes::new()));
    let told = world.refusal(r#"{"id":"t1","maps":[]}"#);
    assert!(!told.contains("cannot read an aggregate"), "it is there, and is no JSON: {told}");
    world.texts[1].0 = Digest::of(b"another");
    let refs = world.refs();
    world.texts.pop();
    let item = support::item("a.json", r#"{"id":"t1","maps":[]}"#.to_owned().into());
    let (record, body) = support::judged(&world.catalogue, &item).unwrap();
    let record = support::render_record(&item, &record);
    let record = quire_proto::RenderRecord { aggregates: refs, ..record };
    let error = world.pages.make(&record, &body, &Decoded::default(), &world.read()).unwrap_err();
    assert!(matches!(error, PageError::Aggregate(StoreError::Missing(_))), "{error:?}");
}

const SCATTER: &str = r#"
aggregates:
  - { name: types, of: "{type: .id, x: .x}" }
figures:
  - name: coverage
    scatter:
      of: catalogue
      png: true
      from: |
        ("ME", "LO") as $region
        | { file: $region, title: $region, columns: 800, with: { region: $region },
            points: [.types[] | { label: .type, x: .x, y: 2, colour: 1, href: "../\(.type | page_name).html" }] }
pages: { record: templates/record.html }
"#;

#[test]
fn a_figure_of_the_catalogue_is_drawn_from_its_aggregates_and_listed_for_pages() {
    let types = r#"[{"type":"A/b","x":10},{"type":"c","x":0}]"#;
    let mut world = World::new(SCATTER, "{{ figures.coverage[1].href }}#{{ 'A/b'|point_id }}", &[types]);
    let (files, listing) =
        world.pages.draw_shared(0, world.refs(), &Decoded::default(), &world.read()).unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["figures/me.svg", "figures/me.png", "figures/lo.svg", "figures/lo.png"]);
    let svg = String::from_utf8_lossy(&files[0].bytes);
    assert!(svg.contains("<a id=\"A.2fb\" href=\"../a-b~"), "{svg}");
    assert!(svg.contains("href=\"../../assets/figures/scatter.css\""));
    assert!(files[1].bytes.starts_with(b"\x89PNG"));
    let told: serde_json::Value = serde_json::from_slice(&listing).unwrap();
    assert_eq!(told[1]["png"], "figures/lo.png");
    assert_eq!((&told[1]["region"], &told[1]["width"]), (&"LO".into(), &480.into()));
    // Pages see the list where the run put it: behind the aggregates.
    world.texts.push((Digest::of(&listing), listing.into()));
    let made = world.make(r#"{"id":"t1"}"#).unwrap();
    assert_eq!(files_of(&made), "figures/lo.svg#A.2fb");
    assert_eq!(positions(&made), [1]);
}

fn files_of(made: &Made) -> String {
    String::from_utf8(made.ending("html").unwrap().bytes.clone()).unwrap()
}

#[test]
fn a_link_that_runs_is_refused() {
    let types = r#"[{"type":"A","x":10}]"#;
    let sections = SCATTER.replace(r#""../\(.type | page_name).html""#, r#""javascript:alert(1)""#);
    let world = World::new(&sections, "x", &[types]);
    let error = world.pages.draw_shared(0, world.refs(), &Decoded::default(), &world.read()).unwrap_err();
    let told = std::error::Error::source(&error).unwrap().to_string();
    assert!(told.contains("points[0].href: expected an address of the site"), "{told}");
}

#[test]
fn templates_that_name_what_is_not_there_are_found_without_a_record() {
    let problems = |template: &str| {
        let yaml = format!("{HEAD}{EYEMAPS}");
        let files = [("catalogue.yaml", yaml.as_str()), ("templates/record.html", template)];
        let look = Look::of(&support::catalogue_of(&files));
        let problems = Engine::new(look).err().map(|problems| problems.0).unwrap_or_default();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let found =
        problems("{{ title }}\n{{ aggregates.colums }}{% for map in figures['eyemap'] %}{% endfor %}");
    assert_eq!(
        found,
        [
            "templates/record.html:2: there is no aggregate \"colums\": the catalogue has columns, types",
            "templates/record.html:2: there is no figure \"eyemap\": the catalogue has eyemaps",
        ]
    );
    assert!(problems("{{ record.figures.any }}{% set aggregates = 1 %}{{ aggregates.any }}").is_empty());
}
