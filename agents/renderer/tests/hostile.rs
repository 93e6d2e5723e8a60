//! Records that want to be more than text: whatever they hold, a page has the tags that its template wrote.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use quire_catalogue::Catalogue;
use quire_proto::{Problem, Severity, manifest::RejectRow};
use quire_renderer::{
    engine::Engine,
    look::{DEFAULT_RECORD, Look},
    page::Pages,
    project::{SiteCatalogue, root_files},
};

const DEFINITION: &str = r#"
catalogue: hostile
title: TITLE
description: TITLE
sources: [{ name: models, files: { include: ["*.json"], format: json } }]
record: { key: .key, title: .title, summary: .summary, slug: .slug }
index:
  fields:
    - { name: names, from: ".names[]?", type: text, synonym: true }
    - { name: tags, from: ".tags[]?", type: keyword, facet: true }
pages: { record: templates/record.html, markdown: templates/record.md }
"#;

/// Every way of printing that templates have.
const TEMPLATE: &str = r#"{% extends "quire/base.html" %}
{% macro say(x) %}<b title="{{ x }}">{{ x }}</b>{% endmacro %}
{% block main %}
{% set captured %}<i>{{ title }}</i>{% endset %}
<h1 title="{{ title }}">{{ title }}</h1>{{ captured }}{{ say(summary) }}
<p data-json='{{ record | tojson }}'>{{ record }}</p>
<a href="{{ title | safe_url }}" title='{{ summary }}'>{{ record.names | join(", ") }}</a>
{% filter upper %}{{ title }}{% endfilter %}{{ title ~ summary }}{{ record.names | first | replace("a", "<") }}
{% for name, value in record | items %}<p id="{{ name }}">{{ value }}</p>{% endfor %}
{% endblock %}
{% block head %}<script type="application/ld+json">{{ {"name": title, "all": record} | tojson }}</script>{% endblock %}
"#;

const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</script><script>alert(1)</script><!--",
    "javascript:alert(1)//<svg onload=x>",
    "]]></title></style>{{ 7 * 7 }}{% raw %}&lt;b&gt;",
];

fn catalogue(title: &str) -> Catalogue {
    let quoted = serde_json::to_string(title).unwrap();
    support::catalogue_of(&[
        ("catalogue.yaml", &DEFINITION.replace("TITLE", &quoted)),
        ("templates/record.html", TEMPLATE),
        ("templates/record.md", "# {{ title }}\n"),
    ])
}

fn item(text: &str) -> quire_proto::Item {
    // A key is one line.
    let key = text.replace(['\r', '\n'], " ");
    let body = serde_json::json!({
        "key": key, "title": text, "summary": text, "slug": "page", "names": [text, text], "tags": [text],
        "deep": {"a": [{"b": text}, {"b": text}], "list": [text, text], text: text},
    });
    support::item(&format!("a{text}.json"), body.to_string().into_bytes().into())
}

/// All pages of a site with one record, in which every text is `text`.
fn site(text: &str) -> Vec<(String, String)> {
    let catalogue = catalogue(text);
    let engine = Arc::new(Engine::new(Look::of(&catalogue)).unwrap());
    let mut default = Look::of(&catalogue);
    default.record = DEFAULT_RECORD.to_owned();
    let item = item(text);
    let (record, body) = support::judged(&catalogue, &item).unwrap();
    let mut pages = Vec::new();
    for (name, engine) in [("own", Arc::clone(&engine)), ("default", Arc::new(Engine::new(default).unwrap()))]
    {
        let made =
            support::made(&Pages::new(engine), &support::render_record(&item, &record), &body).unwrap();
        let html = made.ending("html").unwrap().clone();
        pages.push((name.to_owned(), String::from_utf8(html.bytes).unwrap()));
    }
    let problem = Problem {
        rule: text.to_owned(),
        pointer: text.to_owned(),
        line: Some(7),
        message: text.to_owned(),
        holder: Some(text.to_owned()),
        severity: Severity::Warn,
    };
    let mut entry = support::entry(&item, record);
    entry.decided.push(problem.clone());
    let reject = RejectRow {
        item: item.id.clone(),
        content: item.content,
        key: Some(text.to_owned()),
        problems: vec![Problem { severity: Severity::Reject, ..problem }],
        record: None,
        claims: Vec::new(),
    };
    let files = support::catalogue_files(&engine, vec![entry.clone()], vec![reject]);
    let html = files.into_iter().filter(|(path, _)| path.ends_with(".html"));
    pages.extend(html.map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap())));
    let mut sink = |path: String, bytes: Vec<u8>| {
        if path == "index.html" {
            pages.push((path, String::from_utf8(bytes).unwrap()));
        }
        Ok(())
    };
    let entries = Box::new(std::iter::once(Ok(Arc::new(entry))));
    root_files(vec![SiteCatalogue { engine, count: 1, rejected: 1, entries }], &mut sink).unwrap();
    pages
}

/// The tags of a document with the names of their attributes, and all addresses in it.
fn tags(html: &str) -> (Vec<String>, Vec<String>) {
    let (mut tags, mut addresses) = (Vec::new(), Vec::new());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let Some(first) = rest.chars().next().filter(|c| c.is_ascii_alphabetic() || *c == '/' || *c == '!')
        else {
            continue;
        };
        assert!(!(first == '!' && rest.starts_with("!--")), "no template writes a comment");
        let end = rest.find(|c: char| c == '>' || c.is_whitespace()).unwrap();
        let mut tag = rest[..end].to_ascii_lowercase();
        let element = tag.clone();
        rest = &rest[end..];
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break;
            }
            let end = rest.find(|c: char| c == '=' || c == '>' || c.is_whitespace()).unwrap();
            let name = rest[..end].to_ascii_lowercase();
            tag.push(' ');
            tag.push_str(&name);
            rest = &rest[end..];
            if let Some(value) = rest.strip_prefix('=') {
                let quote = value.chars().next().unwrap();
                assert!(quote == '"' || quote == '\'', "every attribute is in quotes: {value:.40}");
                let (value, after) = value[1..].split_once(quote).unwrap();
                if matches!(name.as_str(), "href" | "src" | "action") {
                    addresses.push(value.to_owned());
                }
                rest = after;
            }
        }
        tags.push(tag);
        if element == "script" {
            let end = rest.to_ascii_lowercase().find("</script").expect("the script ends");
            rest = &rest[end..];
        }
    }
    (tags, addresses)
}

#[test]
fn a_hostile_text_adds_no_tag_no_attribute_and_no_address() {
    let harmless = site("plain words");
    assert!(harmless.len() >= 5, "record pages, list, rejects and home are looked at");
    for text in HOSTILE {
        for ((path, harmless), (same, hostile)) in harmless.iter().zip(site(text)) {
            assert_eq!(*path, same);
            let (expected, _) = tags(harmless);
            let (found, addresses) = tags(&hostile);
            assert_eq!(found, expected, "{path} with {text:?}");
            for address in addresses {
                let lower = address.to_ascii_lowercase();
                assert!(!lower.trim().starts_with("javascript:"), "{path} links to {address:?}");
            }
        }
    }
}

#[test]
fn what_lies_in_a_script_is_json_and_stays_in_it() {
    for text in HOSTILE {
        let pages = site(text);
        let (_, own) = pages.iter().find(|(name, _)| name == "own").unwrap();
        let (_, script) = own.split_once("<script type=\"application/ld+json\">").unwrap();
        let (script, _) = script.split_once("</script>").unwrap();
        let value: serde_json::Value = serde_json::from_str(script).unwrap();
        assert_eq!(value["name"], text);
    }
}

#[test]
fn the_data_files_are_what_they_claim_to_be() {
    for text in HOSTILE.into_iter().chain(["=1+1", "a\r\nb\"c,d"]) {
        let catalogue = catalogue("x");
        let engine = Engine::new(Look::of(&catalogue)).unwrap();
        let item = item(text);
        let (record, _) = support::judged(&catalogue, &item).unwrap();
        let files = support::catalogue_files(&engine, vec![support::entry(&item, record)], Vec::new());
        let data: serde_json::Value = serde_json::from_slice(&files["hostile/data.json"]).unwrap();
        assert_eq!(data[0]["title"], text);
        assert_eq!(data[0]["fields"]["tags"][0], text);
        let csv = String::from_utf8(files["hostile/data.csv"].clone()).unwrap();
        assert!(csv.starts_with("key,title,summary,page,names,tags\r\n"));
        assert!(!csv.contains("\n=") && !csv.contains(",=") && !csv.contains("\"="));
        assert_eq!(files["hostile/rejects.json"], b"[]\n");
    }
}
