//! What a catalogue and a site have besides records' pages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod support;

use std::{collections::BTreeMap, sync::Arc};

use quire_proto::{
    Digest, Problem, RecordVerdict, Severity,
    manifest::{Entry, RejectRow},
};
use quire_renderer::{
    engine::Engine,
    look::Look,
    project::{SiteCatalogue, catalogue_files, root_files},
};
use quire_runtime::{BoxError, FileSink};

const DEFINITION: &str = r#"
catalogue: small
title: Small things
description: Things that are small.
site: { base_url: "https://example.org/x" }
sources: [{ name: models, files: { include: ["*.json"], format: json } }]
record: { key: .id, title: .name, summary: .text }
index:
  fields:
    - { name: other, from: ".other[]?", type: text, synonym: true }
    - { name: tags, from: ".tags[]?", type: keyword, facet: true }
    - { name: size, from: .size, type: number }
    - { name: kinds, from: '"small", "odd"', type: keyword, facet: true }
pages: { record: templates/record.html }
"#;

fn engine(base_url: bool) -> Engine {
    engine_of(&if base_url { DEFINITION.to_owned() } else { DEFINITION.replace("site: {", "#") })
}

fn engine_of(definition: &str) -> Engine {
    let files = [("catalogue.yaml", definition), ("templates/record.html", "x"), ("assets/own.css", "p{}")];
    Engine::new(Look::of(&support::catalogue_of(&files))).unwrap()
}

fn entries(count: usize) -> Vec<Entry> {
    let catalogue = support::catalogue_of(&[("catalogue.yaml", DEFINITION)]);
    let entry = |number: usize| {
        let body = serde_json::json!({
            "id": format!("K{number:04}"), "name": format!("Thing {}", (number * 7919) % count),
            "text": format!("The thing with the number {number}."), "other": [format!("other {number}")],
            "tags": [format!("tag {}", number % 30), "all"], "size": (number * 31) % 17,
        });
        let item = support::item(&format!("{number:04}.json"), body.to_string().into_bytes().into());
        let (record, _) = support::judged(&catalogue, &item).unwrap();
        support::entry(&item, record)
    };
    (0..count).map(entry).collect()
}

fn problem(rule: &str, holder: Option<&str>, severity: Severity) -> Problem {
    let (pointer, message) = ("/name".to_owned(), format!("{rule} is broken"));
    Problem { rule: rule.into(), pointer, line: Some(3), message, holder: holder.map(Into::into), severity }
}

fn text<'a>(files: &'a BTreeMap<String, Vec<u8>>, path: &str) -> &'a str {
    std::str::from_utf8(files.get(path).unwrap_or_else(|| panic!("{path} is missing"))).unwrap()
}

#[test]
fn every_record_is_on_one_page_of_the_list_in_order() {
    let files = support::catalogue_files(&engine(false), entries(120), Vec::new());
    let mut titles = Vec::new();
    for path in ["small/index.html", "small/list/2.html", "small/list/3.html"] {
        let html = text(&files, path);
        let rows = html.split("<li id=\"r-").skip(1);
        titles.extend(
            rows.map(|row| row.split_once("html\">").unwrap().1.split_once('<').unwrap().0.to_owned()),
        );
    }
    let mut expected: Vec<String> = (0..120).map(|number| format!("Thing {number}")).collect();
    expected.sort();
    assert_eq!(titles, expected);
    assert!(!files.contains_key("small/list/4.html"));
    assert!(text(&files, "small/list/2.html").contains("href=\"../index.html\""));
}

#[test]
fn an_empty_catalogue_has_all_its_files() {
    let files = support::catalogue_files(&engine(false), Vec::new(), Vec::new());
    for path in ["index.html", "rejects.html", "search/index.js", "search/w0.js", "search/facets.js"] {
        assert!(files.contains_key(&format!("small/{path}")), "{path}");
    }
    assert_eq!(text(&files, "small/data.csv"), "key,title,summary,page,other,tags,size,kinds\r\n");
    assert_eq!(text(&files, "small/data.json"), "[\n]\n");
    assert_eq!(text(&files, "small/rejects.json"), "[]\n");
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let once = support::catalogue_files(&engine(false), entries(300), Vec::new());
    let again = support::catalogue_files(&engine(false), entries(300), Vec::new());
    assert_eq!(once, again);
}

#[test]
fn data_files_hold_every_record_by_key() {
    let files = support::catalogue_files(&engine(false), entries(60), Vec::new());
    let data: serde_json::Value = serde_json::from_str(text(&files, "small/data.json")).unwrap();
    let keys: Vec<&str> = data.as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(keys, (0..60).map(|number| format!("K{number:04}")).collect::<Vec<_>>());
    assert_eq!(data[1]["fields"]["tags"], serde_json::json!(["tag 1", "all"]));
    assert_eq!(text(&files, "small/data.csv").lines().count(), 61);
    assert!(text(&files, "small/data.csv").contains("\r\nK0001,"));
}

#[test]
fn rejects_and_warnings_are_listed_by_item_with_their_holders() {
    let mut entries = entries(3);
    entries[2].decided.push(problem("unique:other", Some("K0000"), Severity::Warn));
    let reject = |location: &str, holder: Option<&str>| {
        let item = support::item(location, "{}".into());
        RejectRow {
            item: item.id,
            content: item.content,
            key: None,
            problems: vec![
                problem("schema:type", None, Severity::Reject),
                problem("key", holder, Severity::Reject),
            ],
            record: None,
            claims: Vec::new(),
        }
    };
    let rejects = vec![reject("0001.json", Some("K0001")), reject("a.json", Some("gone"))];
    let files = support::catalogue_files(&engine(false), entries, rejects);
    let json: serde_json::Value = serde_json::from_str(text(&files, "small/rejects.json")).unwrap();
    let lines: Vec<String> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|line| format!("{} {}", line["location"].as_str().unwrap(), line["rule"].as_str().unwrap()))
        .collect();
    assert_eq!(
        lines,
        [
            "0001.json key",
            "0001.json schema:type",
            "0002.json unique:other",
            "a.json key",
            "a.json schema:type"
        ]
    );
    let expected = serde_json::json!({
        "source": "models", "location": "0001.json", "ordinal": 0, "line": 3, "rule": "key", "pointer": "/name",
        "message": "key is broken", "holder": "K0001", "severity": "reject"
    });
    assert_eq!(json[0], expected);
    assert_eq!(json[2]["key"], "K0002");
    let html = text(&files, "small/rejects.html");
    assert!(html.contains("0001.json") && html.contains("unique:other is broken"));
}

fn root(catalogues: Vec<SiteCatalogue<'_>>) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut sink = |path: String, bytes: Vec<u8>| {
        assert!(files.insert(path.clone(), bytes).is_none(), "{path} is made twice");
        Ok(())
    };
    root_files(catalogues, &mut sink).unwrap();
    files
}

fn site(engine: Engine, entries: Vec<Entry>) -> BTreeMap<String, Vec<u8>> {
    let (count, entries) =
        (entries.len() as u64, Box::new(entries.into_iter().map(|entry| Ok(Arc::new(entry)))));
    root(vec![SiteCatalogue { engine: Arc::new(engine), count, rejected: 0, entries }])
}

#[test]
fn a_site_has_a_home_assets_and_with_a_base_address_a_sitemap() {
    let files = site(engine(true), entries(5));
    assert!(text(&files, "index.html").contains("Small things"));
    for path in ["assets/quire.css", "assets/quire.js", "assets/search/index.js", "assets/small/own.css"] {
        assert!(files.contains_key(path), "{path}");
    }
    let sitemap = text(&files, "sitemap.xml");
    assert!(sitemap.contains("<loc>https://example.org/x/</loc>"));
    assert!(sitemap.contains("<loc>https://example.org/x/small/</loc>"));
    assert_eq!(sitemap.matches("<url>").count(), 7);
    // Servers show it at any depth, so its links begin at the root of the server.
    assert!(text(&files, "404.html").contains("href=\"/x/assets/quire.css\""));
    assert!(text(&files, "robots.txt").ends_with("\nSitemap: https://example.org/x/sitemap.xml\n"));

    let bare = site(engine(false), entries(5));
    assert!(!bare.contains_key("sitemap.xml"));
    assert!(!bare.contains_key("404.html"));
    assert_eq!(text(&bare, "robots.txt"), "User-agent: *\nAllow: /\n");
    assert!(!text(&bare, "index.html").contains("canonical"));
}

#[test]
fn a_site_has_the_licence_that_all_its_catalogues_have() {
    let of = |slug: &str, said: &str| {
        let site = format!("site: {{ {said} }}");
        let definition = DEFINITION.replace("site: { base_url: \"https://example.org/x\" }", &site);
        let engine =
            Arc::new(engine_of(&definition.replace("catalogue: small", &format!("catalogue: {slug}"))));
        SiteCatalogue { engine, count: 0, rejected: 0, entries: Box::new(std::iter::empty()) }
    };
    let home = |catalogues| text(&root(catalogues), "index.html").to_owned();
    assert!(home(vec![of("a", "licence: MIT"), of("b", "licence: MIT")]).contains("Licence: MIT"));
    for other in ["licence: CC0-1.0", "language: en"] {
        let home = home(vec![of("a", "licence: MIT"), of("b", other)]);
        assert!(!home.contains("Licence:"), "{other}: {home}");
    }
}

#[test]
fn a_list_shows_the_facets_that_it_is_told_in_their_order() {
    let tags = |columns: &str| {
        let pages = format!("pages: {{ record: templates/record.html{columns} }}");
        let definition = DEFINITION.replace("pages: { record: templates/record.html }", &pages);
        let files = support::catalogue_files(&engine_of(&definition), entries(1), Vec::new());
        let list = text(&files, "small/index.html").to_owned();
        let values =
            list.split("data-value=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        values.collect::<Vec<_>>()
    };
    assert_eq!(tags(""), ["tag 0", "all", "small", "odd"]);
    assert_eq!(tags(", list_columns: [kinds, tags]"), ["small", "odd", "tag 0", "all"]);
    assert_eq!(tags(", list_columns: [kinds]"), ["small", "odd"]);
}

#[test]
fn records_that_are_apart_come_last_and_letters_lead_to_the_others() {
    let pages = "pages: { record: templates/record.html, list_apart: kinds }";
    let definition = DEFINITION.replace("pages: { record: templates/record.html }", pages);
    let mut entries = entries(120);
    for (number, entry) in entries.iter_mut().enumerate() {
        let record = Arc::make_mut(&mut entry.record);
        // One in ten is odd, and would be the first under a letter of its own.
        let is_odd = number % 10 == 3;
        record.row.fields[3] = if is_odd { vec!["odd".into()] } else { Vec::new() };
        record.title = if is_odd { format!("A {number:03}") } else { format!("Thing {number:03}") };
    }
    let files = support::catalogue_files(&engine_of(&definition), entries, Vec::new());
    let pages =
        ["index.html", "list/2.html", "list/3.html"].map(|page| text(&files, &format!("small/{page}")));
    let titles = pages.iter().flat_map(|page| {
        let rows = page.split("<li id=\"r-").skip(1);
        rows.map(|row| row.split_once("html\">").unwrap().1.split_once('<').unwrap().0)
    });
    let (odd, usual): (Vec<usize>, Vec<usize>) = (0..120).partition(|number| number % 10 == 3);
    let usual = usual.iter().map(|number| format!("Thing {number:03}"));
    let expected: Vec<String> = usual.chain(odd.iter().map(|number| format!("A {number:03}"))).collect();
    assert_eq!(titles.collect::<Vec<_>>(), expected);
    for page in pages {
        let letters = letters_of(page);
        assert_eq!(letters.matches("<a ").count(), 1, "{letters}");
        assert!(letters.contains("index.html#r-1\" aria-current=\"true\">T</a>"), "{letters}");
    }
    // A page of nothing else is under no letter.
    let few = [&entries_of(50, None)[..], &entries_of(10, Some("odd"))].concat();
    let files = support::catalogue_files(&engine_of(&definition), few, Vec::new());
    let last = letters_of(text(&files, "small/list/2.html"));
    assert!(last.contains("<a ") && !last.contains("aria-current"), "{last}");
}

fn letters_of(page: &str) -> &str {
    page.split_once("class=\"letters\"").unwrap().1.split_once("</nav>").unwrap().0
}

/// Records of one kind, or of none.
fn entries_of(count: usize, kind: Option<&str>) -> Vec<Entry> {
    let mut entries = entries(count);
    for entry in &mut entries {
        let record = Arc::make_mut(&mut entry.record);
        record.key = format!("{}{}", kind.unwrap_or_default(), record.key);
        record.slug = format!("{}{}", kind.unwrap_or_default(), record.slug);
        record.row.fields[3] = kind.map(Into::into).into_iter().collect();
    }
    entries
}

#[test]
fn a_site_without_catalogues_has_a_home() {
    assert!(root(Vec::new()).contains_key("index.html"));
}

#[test]
fn a_large_sitemap_is_cut_into_parts() {
    let entry = entries(1).remove(0);
    let many = (0..50_001).map(move |number| {
        let mut entry = entry.clone();
        Arc::make_mut(&mut entry.record).slug = format!("p{number}");
        Ok(Arc::new(entry))
    });
    let engine = Arc::new(engine(true));
    let files = root(vec![SiteCatalogue { engine, count: 50_001, rejected: 0, entries: Box::new(many) }]);
    assert_eq!(text(&files, "sitemap-1.xml").matches("<url>").count(), 50_000);
    assert_eq!(text(&files, "sitemap-2.xml").matches("<url>").count(), 3);
    assert!(text(&files, "sitemap.xml").contains("<loc>https://example.org/x/sitemap-2.xml</loc>"));
}

/// Files by path, with what they were said to be made from.
#[derive(Default)]
struct Kept {
    files: BTreeMap<String, Vec<u8>>,
    inputs: BTreeMap<String, Digest>,
}

impl FileSink for Kept {
    fn add(&mut self, path: String, bytes: Vec<u8>) -> Result<(), BoxError> {
        self.files.insert(path, bytes);
        Ok(())
    }

    fn keep(&mut self, path: &str, inputs: Digest) -> Result<bool, BoxError> {
        self.inputs.insert(path.to_owned(), inputs);
        Ok(false)
    }
}

#[test]
fn pages_of_the_list_are_made_from_what_they_show() {
    let projected = |entries: Vec<Entry>| {
        let mut kept = Kept::default();
        let mut entries = entries.into_iter().map(|entry| Ok(Arc::new(entry)));
        catalogue_files(&engine(false), 0, &mut entries, &mut std::iter::empty(), &mut kept).unwrap();
        kept
    };
    let change = |what: fn(&mut RecordVerdict)| {
        let mut entries = entries(120);
        what(Arc::make_mut(&mut entries[60].record));
        entries
    };
    let before = projected(entries(120));
    assert_eq!(before.inputs.len(), 3);
    let mut warned = entries(120);
    warned[5].decided.push(problem("r", None, Severity::Warn));
    let changes = [
        change(|record| record.row.summary = "Another.".into()),
        change(|record| record.title = "Thing 59 and more".into()),
        change(|record| record.slug = "elsewhere".into()),
        change(|record| record.row.fields[1] = vec!["new tag".into()]),
        change(|record| record.warnings.push(problem("r", None, Severity::Warn))),
        entries(119),
        entries(70),
        warned,
        entries(120),
    ];
    let mut differ = Vec::new();
    for changed in changes {
        let after = projected(changed);
        let pages = after.inputs.iter().filter(|(path, _)| before.inputs.contains_key(*path));
        let mut different = 0;
        for (path, inputs) in pages {
            let same = before.files[path] == after.files[path];
            assert_eq!(before.inputs[path] == *inputs, same, "{path}");
            different += usize::from(!same);
        }
        differ.push(different);
    }
    assert_eq!(differ[0], 1, "a summary stands on one page");
    assert_eq!(*differ.last().unwrap(), 0);
    assert!(differ[1..8].iter().all(|&pages| pages > 0), "{differ:?}");
}
