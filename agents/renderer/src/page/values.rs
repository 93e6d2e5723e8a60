//! Small values that templates see.

use minijinja::value::Value;
use quire_proto::RenderRecord;

use crate::{
    engine::{object, texts},
    look::Look,
    project::SITE_TITLE,
    text::{absolute, shorten},
};

/// Longest description of a page, in characters.
const MAX_DESCRIPTION: usize = 200;

/// `variants` in templates.
pub(super) fn listed(slug: &str, variants: &[(String, String)]) -> Value {
    let variant = |(name, file): &(String, String)| {
        object([("name", text(name)), ("href", Value::from(format!("{slug}.{file}.html")))])
    };
    Value::from(variants.iter().map(variant).collect::<Vec<_>>())
}

pub(super) fn text(text: &str) -> Value {
    Value::from(text)
}

/// What every page of a catalogue knows of the site: nothing of other catalogues, so that a page does not
/// change when one comes or goes.
pub(crate) fn site(look: &Look) -> Value {
    let Look { base_url, licence, language, frames, .. } = look;
    site_titled(SITE_TITLE, [base_url, licence, language].map(Option::as_deref), frames)
}

/// A site of this title, with its address, licence and language.
pub(crate) fn site_titled(title: &str, said: [Option<&str>; 3], frames: &[String]) -> Value {
    let [base_url, licence, language] = said.map(|text| text.map_or(Value::from(()), Value::from));
    object([
        ("title", text(title)),
        ("base_url", base_url),
        ("licence", licence),
        ("language", language),
        ("frames", texts(frames)),
    ])
}

/// What a page knows of itself.
pub(crate) fn page(kind: &str, path: &str, title: &str, summary: &str, base_url: Option<&str>) -> Value {
    let parts = [
        ("kind", text(kind)),
        ("path", text(path)),
        ("title", text(title)),
        ("description", Value::from(shorten(summary, MAX_DESCRIPTION))),
    ];
    let [kind, path_part, title, description] = parts;
    match absolute(base_url, path) {
        Some(canonical) => {
            object([kind, path_part, title, description, ("canonical", Value::from(canonical))])
        }
        None => object([kind, path_part, title, description]),
    }
}

pub(super) fn source(record: &RenderRecord) -> Value {
    object([
        ("name", text(&record.item.source)),
        ("location", text(&record.item.location)),
        ("ordinal", Value::from(record.item.ordinal)),
        ("label", Value::from(record.item.to_string())),
    ])
}

pub(super) fn twins(slug: &str, markdown: bool) -> Value {
    let json = ("json", Value::from(format!("{slug}.json")));
    if markdown { object([json, ("md", Value::from(format!("{slug}.md")))]) } else { object([json]) }
}
