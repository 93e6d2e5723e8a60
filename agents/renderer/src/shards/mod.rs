//! The static search of a catalogue: shards that a page loads as plain scripts, also from `file://`.
//!
//! Four families of terms (names, words, facet values, spelling), each sorted and cut into [`blocks`];
//! documents in small chunks; one root file. `search.js` is the other half.

pub(crate) mod blocks;
pub(crate) mod fold;
mod postings;

use std::collections::{BTreeMap, BTreeSet};

use blocks::{Blocks, Entry, escape, order};
use fold::{phrase, tokens};
use serde_json::{Value, json};

use crate::{look::{Field, Kind}, text::shorten};

/// Documents in a chunk.
const CHUNK: usize = 8;
/// Longest summary of a document, in characters.
const MAX_SUMMARY: usize = 120;
/// Most tokens of text fields that a document is found by.
const MAX_TEXT_TOKENS: usize = 2000;
/// A prefix that spreads over more blocks than this gets an entry in `tops`.
const WIDE: usize = 4;
/// Documents of an entry in `tops`.
const TOP: usize = 12;
/// Most bytes of `facets.js`.
const MAX_FACETS: usize = 16_384;
/// Most documents that three digits can number.
const MAX_SORTED: usize = 1 << 18;

const KEY: u8 = 0;
const TITLE: u8 = 1;
const NAME: u8 = 2;
const KEYWORD: u8 = 3;
const TEXT: u8 = 4;

/// How a field takes part in search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Other names of the record: found whole and by word.
    Names,
    /// Exact values, found by word and perhaps a facet.
    Keyword,
    /// Text that is found by word.
    Text,
    /// Not in the shards.
    Absent,
}

const fn role(field: &Field) -> Role {
    match field.kind {
        Kind::Text if field.names => Role::Names,
        Kind::Text if field.shards => Role::Text,
        Kind::Keyword => Role::Keyword,
        _ => Role::Absent,
    }
}

/// A row of the list.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Key.
    pub(crate) key: String,
    /// Title.
    pub(crate) title: String,
    /// Page name.
    pub(crate) slug: String,
    /// Summary.
    pub(crate) summary: String,
    /// Values by field.
    pub(crate) fields: Vec<Vec<String>>,
}

/// Sorts rows into document order, which is also the order of the list.
pub(crate) fn sort_rows(rows: &mut [Row]) {
    rows.sort_by_cached_key(|row| {
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        (units(&phrase(&row.title)), units(&row.title), units(&row.key))
    });
}

/// A facet with the values that the list page shows: most frequent first.
#[derive(Debug, Clone)]
pub(crate) struct Facet {
    /// Position among the fields.
    pub(crate) field: usize,
    /// Distinct values.
    pub(crate) total: usize,
    /// Value and how many records have it.
    pub(crate) values: Vec<(String, usize)>,
}

/// The facets of a catalogue, each with at most `most` values.
pub(crate) fn facets(fields: &[Field], rows: &[Row], most: usize) -> Vec<Facet> {
    let of_field = |(field, _): (usize, &Field)| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for row in rows {
            let values: BTreeSet<&str> = values(row, field).iter().map(String::as_str).collect();
            for value in values {
                *counts.entry(value).or_default() += 1;
            }
        }
        let mut sorted: Vec<(&str, usize)> = counts.into_iter().collect();
        sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| order(a.0, b.0)));
        let total = sorted.len();
        let shown = sorted.into_iter().take(most).map(|(value, count)| (value.to_owned(), count)).collect();
        Facet { field, total, values: shown }
    };
    fields.iter().enumerate().filter(|(_, field)| field.facet).map(of_field).collect()
}

/// Terms and the documents that have them, ascending, each once.
type Postings = BTreeMap<String, Vec<(u32, u8)>>;

#[derive(Default)]
struct Families {
    names: Postings,
    words: Postings,
    facets: Postings,
}

/// All files of `<catalogue>/search/`, by name. `rows` are in document order.
pub(crate) fn files(catalogue: &str, fields: &[Field], rows: &[Row], shown: &[Facet]) -> BTreeMap<String, String> {
    let families = gather(fields, rows);
    let mut files = Files { catalogue, files: BTreeMap::new() };
    let (names, words) = (entries(&families.names), entries(&families.words));
    let name_blocks = Blocks::cut(&names);
    let mut labels = serde_json::Map::new();
    for (family, blocks) in [
        ("w", &Blocks::cut(&words)),
        ("n", &name_blocks),
        ("f", &Blocks::cut(&entries(&families.facets))),
        ("r", &Blocks::cut(&spelling(&families.words))),
    ] {
        labels.insert(family.to_owned(), Value::from(blocks.labels.join("|")));
        for (number, payload) in blocks.payloads.iter().enumerate() {
            files.add(&format!("{family}{number}"), &Value::from(payload.as_str()));
        }
    }
    files.documents(rows);
    files.add("facets", &Value::from(shown_facets(shown, &families.facets)));
    let sorts = files.sorts(fields, rows);
    let facets: Vec<Value> =
        fields.iter().filter(|field| field.facet).map(|field| json!([field.name, field.label])).collect();
    let tops = tops(&names, &families.names, &name_blocks);
    let root = json!({ "v": 1, "docs": rows.len(), "chunk": CHUNK, "blocks": labels, "tops": tops, "facets": facets, "sorts": sorts });
    files.add("index", &root);
    files.files
}

struct Files<'a> {
    catalogue: &'a str,
    files: BTreeMap<String, String>,
}

impl Files<'_> {
    fn add(&mut self, stem: &str, payload: &Value) {
        let text = format!("quireShard({},{},{payload});\n", Value::from(self.catalogue), Value::from(stem));
        self.files.insert(format!("{stem}.js"), text);
    }

    fn documents(&mut self, rows: &[Row]) {
        for (number, chunk) in rows.chunks(CHUNK).enumerate() {
            let flat: Vec<Value> = chunk
                .iter()
                .flat_map(|row| [row.title.clone(), row.slug.clone(), row.key.clone(), shorten(&row.summary, MAX_SUMMARY)])
                .map(Value::from)
                .collect();
            self.add(&format!("d{number}"), &Value::from(flat));
        }
    }

    /// Orders other than document order: by key, and by every number.
    fn sorts(&mut self, fields: &[Field], rows: &[Row]) -> Vec<Value> {
        if rows.len() > MAX_SORTED {
            return Vec::new();
        }
        let mut by_key: Vec<(&str, u32)> = rows.iter().map(|row| row.key.as_str()).zip(0..).collect();
        by_key.sort_by(|a, b| order(a.0, b.0));
        self.order("key", by_key.into_iter().map(|(_, document)| document));
        let mut sorts = vec![json!(["key", "Key"])];
        for (position, field) in fields.iter().enumerate().filter(|(_, field)| is_sort(field)) {
            let number = |row: &Row| values(row, position).first().and_then(|text| text.parse::<f64>().ok());
            let mut by_number: Vec<(Option<f64>, u32)> = rows.iter().map(number).zip(0..).collect();
            by_number.sort_by(|a, b| {
                let missing = a.0.is_none().cmp(&b.0.is_none());
                missing.then_with(|| a.0.unwrap_or(0.0).total_cmp(&b.0.unwrap_or(0.0)))
            });
            self.order(&field.name, by_number.into_iter().map(|(_, document)| document));
            sorts.push(json!([field.name, field.label]));
        }
        sorts
    }

    fn order(&mut self, name: &str, documents: impl Iterator<Item = u32>) {
        let digits: String = documents.flat_map(digits).collect();
        self.add(&format!("o-{name}"), &Value::from(digits));
    }
}

/// Whether readers may sort by the field.
pub(crate) fn is_sort(field: &Field) -> bool {
    field.kind == Kind::Number && field.name != "key"
}

fn digits(document: u32) -> [char; 3] {
    [document >> 12, document >> 6, document].map(postings::digit)
}

fn values(row: &Row, field: usize) -> &[String] {
    row.fields.get(field).map_or(&[], Vec::as_slice)
}

fn gather(fields: &[Field], rows: &[Row]) -> Families {
    let mut families = Families::default();
    for (row, document) in rows.iter().zip(0..) {
        for (text, class) in [(&row.key, KEY), (&row.title, TITLE)] {
            families.name(text, document, class);
            families.text(text, document, class);
        }
        let mut texts = 0;
        // Results show the summary, so readers expect that its words are found.
        for token in tokens(&row.summary).into_iter().take(MAX_TEXT_TOKENS) {
            texts += 1;
            add(&mut families.words, token, document, TEXT);
        }
        let mut facet = 0;
        for (number, field) in fields.iter().enumerate() {
            for value in values(row, number) {
                match role(field) {
                    Role::Names => {
                        families.name(value, document, NAME);
                        families.text(value, document, NAME);
                    }
                    Role::Keyword => families.text(value, document, KEYWORD),
                    Role::Text => {
                        for token in tokens(value).into_iter().take(MAX_TEXT_TOKENS.saturating_sub(texts)) {
                            texts += 1;
                            add(&mut families.words, token, document, TEXT);
                        }
                    }
                    Role::Absent => {}
                }
                if field.facet {
                    add(&mut families.facets, escape(&format!("{facet}:{value}")), document, 0);
                }
            }
            facet += usize::from(field.facet);
        }
    }
    families
}

impl Families {
    fn name(&mut self, text: &str, document: u32, class: u8) {
        let phrase = phrase(text);
        if !phrase.is_empty() {
            add(&mut self.names, phrase, document, class);
        }
    }

    fn text(&mut self, text: &str, document: u32, class: u8) {
        for token in tokens(text) {
            add(&mut self.words, token, document, class);
        }
    }
}

/// A document counts once a term, in its best class.
fn add(family: &mut Postings, term: String, document: u32, class: u8) {
    let postings = family.entry(term).or_default();
    match postings.last_mut() {
        Some((last, of)) if *last == document => *of = class.min(*of),
        _ => postings.push((document, class)),
    }
}

fn entries(family: &Postings) -> Vec<Entry> {
    let mut entries: Vec<Entry> = family
        .iter()
        .map(|(term, found)| Entry { term: term.clone(), text: format!("{term}={}", postings::encode(found)) })
        .collect();
    entries.sort_by(|a, b| order(&a.term, &b.term));
    entries
}

/// Words from behind, for misspellings near the front.
fn spelling(words: &Postings) -> Vec<Entry> {
    let spelled = |word: &&String| (4..=24).contains(&word.chars().count()) && !word.contains(char::is_numeric);
    let mut entries: Vec<Entry> = words
        .keys()
        .filter(spelled)
        .map(|word| word.chars().rev().collect::<String>())
        .map(|term| Entry { text: term.clone(), term })
        .collect();
    entries.sort_by(|a, b| order(&a.term, &b.term));
    entries
}

/// The best documents of every short prefix that would need too many blocks.
fn tops(names: &[Entry], postings: &Postings, blocks: &Blocks) -> String {
    let mut tops = Vec::new();
    top(names, 1, postings, blocks, &mut tops);
    tops.join("|")
}

/// `names` share their first `depth - 1` characters.
fn top(names: &[Entry], depth: usize, postings: &Postings, blocks: &Blocks, tops: &mut Vec<String>) {
    if depth > fold::MAX_TOKEN {
        return;
    }
    for group in names.chunk_by(|a, b| a.term.chars().nth(depth - 1) == b.term.chars().nth(depth - 1)) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        if first.term.chars().count() < depth
            || blocks.position(&last.term).saturating_sub(blocks.position(&first.term)) < WIDE
        {
            continue;
        }
        if first.term.chars().nth(depth) != last.term.chars().nth(depth) {
            let prefix: String = first.term.chars().take(depth).collect();
            tops.push(format!("{prefix}={}", best(group, postings)));
        }
        top(group, depth + 1, postings, blocks, tops);
    }
}

fn best(group: &[Entry], of: &Postings) -> String {
    let mut chosen: BTreeMap<u32, u8> = BTreeMap::new();
    for class in [KEY, TITLE, NAME] {
        for &(document, found) in group.iter().filter_map(|entry| of.get(&entry.term)).flatten() {
            if found == class && chosen.len() < TOP {
                chosen.entry(document).or_insert(class);
            }
        }
    }
    postings::encode(&chosen.into_iter().collect::<Vec<_>>())
}

fn shown_facets(shown: &[Facet], postings: &Postings) -> String {
    let mut text = String::new();
    for (number, facet) in shown.iter().enumerate() {
        for (value, _) in &facet.values {
            let term = escape(&format!("{number}:{value}"));
            let entry = format!("{term}={}", postings::encode(postings.get(&term).map_or(&[], Vec::as_slice)));
            if text.len() + entry.len() + 1 > MAX_FACETS {
                return text;
            }
            if !text.is_empty() {
                text.push('|');
            }
            text.push_str(&entry);
        }
    }
    text
}
