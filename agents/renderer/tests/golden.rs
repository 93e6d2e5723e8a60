//! The Markdown of real models, byte for byte as the original tool renders them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod support;

use std::{collections::BTreeMap, sync::Arc};

use quire_renderer::{engine::Engine, look::Look, page::Pages};

/// How many differences are told in full.
const SHOWN: usize = 3;

#[test]
fn every_real_model_has_the_markdown_that_the_original_renders() {
    let data = match support::real_data() {
        Ok(data) => data,
        Err(reason) => return println!("{reason}"),
    };
    let catalogue = support::catalogue(&support::repository().join("catalogues/findings"));
    let pages = Pages::new(Arc::new(Engine::new(Look::of(&catalogue)).unwrap()));
    let golden: BTreeMap<String, String> = support::files(&data.join("golden_markdown/text"), ".md")
        .into_iter()
        .map(|(name, text)| (name, String::from_utf8(text.to_vec()).unwrap()))
        .collect();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, raw) in support::files(&support::models(&data), ".fm.json") {
        let item = support::item(&name, raw);
        let (record, body) = support::judged(&catalogue, &item).expect("every real model is valid");
        let made = support::made(&pages, &support::render_record(&item, &record), &body).unwrap();
        let markdown = made.ending("md").unwrap();
        let markdown = std::str::from_utf8(&markdown.bytes).unwrap();
        // The original names pages by the model's name or, for one model, by its file.
        let names = [format!("{}.md", record.slug), name.replace(".fm.json", ".md")];
        let expected = names.iter().find_map(|name| golden.get(name)).expect("a golden page of that name");
        count += 1;
        if markdown != expected {
            wrong.push((name, first_difference(markdown, expected)));
        }
    }
    assert!(count > 2000, "only {count} models");
    let told: Vec<_> = wrong.iter().take(SHOWN).collect();
    assert!(wrong.is_empty(), "{} of {count} differ: {told:#?}", wrong.len());
}

fn first_difference(ours: &str, theirs: &str) -> String {
    let different = ours.lines().zip(theirs.lines()).position(|(a, b)| a != b);
    let line = different.unwrap_or_else(|| ours.lines().count().min(theirs.lines().count()));
    let show = |text: &str| text.lines().skip(line.saturating_sub(2)).take(5).collect::<Vec<_>>().join("⏎");
    format!("line {}: ours {:?}, theirs {:?}", line + 1, show(ours), show(theirs))
}
