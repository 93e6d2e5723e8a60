//! The static search of a catalogue: shards that a page loads as plain scripts, also from `file://`.
//!
//! Five families of terms (names, words, facet values, spelling, parts of names), each sorted and cut into [`blocks`];
//! documents in small chunks; one root file. `assets/search/index.js` is the other half.

mod blocks;
mod facets;
pub(crate) mod fold;
mod postings;
mod row;
mod terms;

use std::collections::BTreeMap;

use quire_runtime::BoxError;
use serde::Serialize;
use serde_json::{Value, json};

pub(crate) use facets::{Facet, facets, tags};
pub(crate) use row::{Row, Rows, sort_rows};

use crate::{
    look::{Field, Kind},
    text::shorten,
};
use blocks::{Blocks, Entry, order};
use terms::{Families, Terms};

/// Documents in a chunk.
const CHUNK: usize = 8;
/// Longest summary of a document, in characters.
const MAX_SUMMARY: usize = 120;
/// A prefix that spreads over more blocks than this gets an entry in `tops`.
const WIDE: usize = 4;
/// Documents of an entry in `tops`.
const TOP: usize = 12;
/// Most documents that three digits can number.
const MAX_SORTED: usize = 1 << 18;

/// Whether readers may sort by the field.
pub(crate) fn is_sort(field: &Field) -> bool {
    field.kind == Kind::Number && field.name != "key"
}

/// Names and texts of files of `<catalogue>/search/`.
pub(crate) type Texts = Vec<(String, String)>;

/// The static search of one catalogue. Its two parts may be made at once.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a> {
    /// Slug of the catalogue.
    pub(crate) slug: &'a str,
    /// The catalogue's index fields.
    pub(crate) fields: &'a [Field],
    /// In document order.
    pub(crate) rows: &'a [Row],
}

/// Names, their parts, words and spelling: their files, and what the root file says of them.
pub(crate) struct TermsPart {
    files: Texts,
    /// Labels of the blocks of words, names and spelling, and of parts of names.
    labels: [String; 4],
    tops: String,
}

/// Documents, facets and orders: their files, and what the root file says of them.
pub(crate) struct DocumentsPart {
    files: Texts,
    /// Labels of the blocks of facet values.
    labels: String,
    sorts: Vec<Value>,
}

impl Search<'_> {
    /// Whether names are found by what stands inside their words.
    fn has_parts(&self) -> bool {
        self.fields.iter().any(|field| field.infix)
    }

    /// Makes the first part.
    pub(crate) fn terms(&self) -> Result<TermsPart, BoxError> {
        let mut files = Files::new(self.slug);
        let families = Families { fields: self.fields, rows: self.rows };

        let names = families.names();
        let sorted = names.sorted();
        let entries = posting_entries(&names, &sorted);
        let blocks = files.family("n", &entries)?;
        let named = blocks.label_text();
        let tops = Tops { entries: &entries, terms: &names, ids: &sorted, blocks: &blocks }.text();
        drop((entries, sorted));
        drop(names);

        let words = families.words();
        let sorted = words.sorted();
        let worded = files.family("w", &posting_entries(&words, &sorted))?.label_text();
        drop(sorted);
        let reversed = reversed(&words);
        drop(words);
        let spelled = files.family("r", &spelling_entries(&reversed))?.label_text();
        drop(reversed);
        let mut parted = String::new();
        if self.has_parts() {
            let parts = families.parts();
            parted = files.family("s", &posting_entries(&parts, &parts.sorted()))?.label_text();
        }
        Ok(TermsPart { files: files.texts, labels: [worded, named, spelled, parted], tops })
    }

    /// Makes the second part; lists show the values in `shown`.
    pub(crate) fn documents(&self, shown: &[Facet]) -> Result<DocumentsPart, BoxError> {
        let mut files = Files::new(self.slug);
        let values = Families { fields: self.fields, rows: self.rows }.facets();
        let labels = files.family("f", &posting_entries(&values, &values.sorted()))?.label_text();
        files.add("facets", &facets::shown(shown, &values))?;
        drop(values);
        files.documents(self.fields, self.rows)?;
        let sorts = files.sorts(self.fields, self.rows)?;
        Ok(DocumentsPart { files: files.texts, labels, sorts })
    }

    /// All files: those of both parts, and the root file.
    pub(crate) fn files(&self, terms: TermsPart, documents: DocumentsPart) -> Result<Texts, BoxError> {
        let facets: Vec<Value> = self
            .fields
            .iter()
            .filter(|field| field.facet)
            .map(|field| json!([field.name, field.label]))
            .collect();
        let [words, names, spelling, parts] = terms.labels;
        let labels = json!({ "w": words, "n": names, "f": documents.labels, "r": spelling, "s": parts });
        let mut files = Files { catalogue: self.slug, texts: terms.files };
        files.texts.extend(documents.files);
        let (docs, tops, sorts) = (self.rows.len(), terms.tops, documents.sorts);
        let root = json!({
            "v": 2, "docs": docs, "parts": self.has_parts(), "chunk": CHUNK, "blocks": labels, "tops": tops, "facets": facets, "sorts": sorts
        });
        files.add("index", &root)?;
        Ok(files.texts)
    }
}

struct Files<'a> {
    catalogue: &'a str,
    texts: Texts,
}

impl<'a> Files<'a> {
    const fn new(catalogue: &'a str) -> Self {
        Self { catalogue, texts: Vec::new() }
    }

    fn add(&mut self, stem: &str, payload: &impl Serialize) -> Result<(), BoxError> {
        let mut text = String::from("quireShard(");
        for part in [serde_json::to_string(self.catalogue)?, serde_json::to_string(stem)?] {
            text.push_str(&part);
            text.push(',');
        }
        text.push_str(&serde_json::to_string(payload)?);
        text.push_str(");\n");
        self.texts.push((format!("{stem}.js"), text));
        Ok(())
    }

    /// Writes the blocks of a family of terms.
    fn family(&mut self, family: &str, entries: &[Entry<'_>]) -> Result<Blocks, BoxError> {
        let blocks = Blocks::cut(entries);
        for (number, payload) in blocks.payloads(entries).enumerate() {
            self.add(&format!("{family}{number}"), &payload)?;
        }
        Ok(blocks)
    }

    /// Documents, each with title, page, key, summary and the values that lists show of it.
    fn documents(&mut self, fields: &[Field], rows: &[Row]) -> Result<(), BoxError> {
        for (number, chunk) in rows.chunks(CHUNK).enumerate() {
            let texts: Vec<[String; 2]> = chunk
                .iter()
                .map(|row| [shorten(&row.summary, MAX_SUMMARY), facets::tags_text(fields, row)])
                .collect();
            let flat: Vec<&str> = chunk
                .iter()
                .zip(&texts)
                .flat_map(|(row, [summary, tags])| [&*row.title, &*row.slug, &*row.key, summary, tags])
                .collect();
            self.add(&format!("d{number}"), &flat)?;
        }
        Ok(())
    }

    /// Orders other than document order: by key, and by every number.
    fn sorts(&mut self, fields: &[Field], rows: &[Row]) -> Result<Vec<Value>, BoxError> {
        if rows.len() > MAX_SORTED {
            return Ok(Vec::new());
        }
        let mut by_key: Vec<(&str, u32)> = rows.iter().map(|row| &*row.key).zip(0..).collect();
        by_key.sort_by(|a, b| order(a.0, b.0));
        self.order("key", by_key.into_iter().map(|(_, document)| document))?;
        let mut sorts = vec![json!(["key", "Key"])];
        for (position, field) in fields.iter().enumerate().filter(|(_, field)| is_sort(field)) {
            let number = |row: &Row| row.values(position).first().and_then(|text| text.parse::<f64>().ok());
            let mut by_number: Vec<(Option<f64>, u32)> = rows.iter().map(number).zip(0..).collect();
            by_number.sort_by(|a, b| {
                let missing = a.0.is_none().cmp(&b.0.is_none());
                missing.then_with(|| a.0.unwrap_or(0.0).total_cmp(&b.0.unwrap_or(0.0)))
            });
            self.order(&field.name, by_number.into_iter().map(|(_, document)| document))?;
            sorts.push(json!([field.name, field.label]));
        }
        Ok(sorts)
    }

    fn order(&mut self, name: &str, documents: impl Iterator<Item = u32>) -> Result<(), BoxError> {
        let digits: String = documents.flat_map(|d| [d >> 12, d >> 6, d].map(postings::digit)).collect();
        self.add(&format!("o-{name}"), &digits)
    }
}

/// Entries of terms with their postings, in the order of `ids`.
fn posting_entries<'a>(terms: &'a Terms, ids: &[(&'a str, u32)]) -> Vec<Entry<'a>> {
    let entry = |&(term, id): &(&'a str, u32)| {
        let mut text = String::with_capacity(term.len() + 8);
        text.push_str(term);
        text.push('=');
        postings::encode(terms.postings(id), &mut text);
        Entry { term, text: text.into() }
    };
    ids.iter().map(entry).collect()
}

/// Words from behind, for misspellings near the front.
fn reversed(words: &Terms) -> Vec<String> {
    let spelled = |word: &&str| (4..=24).contains(&word.chars().count()) && !word.contains(char::is_numeric);
    let mut reversed: Vec<String> =
        words.all().filter(spelled).map(|word| word.chars().rev().collect()).collect();
    reversed.sort_by(|a, b| order(a, b));
    reversed
}

fn spelling_entries(reversed: &[String]) -> Vec<Entry<'_>> {
    reversed.iter().map(|word| Entry { term: word, text: word.as_str().into() }).collect()
}

/// The best documents of every short prefix of names that would need too many blocks.
struct Tops<'a> {
    entries: &'a [Entry<'a>],
    terms: &'a Terms,
    ids: &'a [(&'a str, u32)],
    blocks: &'a Blocks,
}

impl Tops<'_> {
    fn text(&self) -> String {
        let mut tops = Vec::new();
        self.below(0, self.entries, 1, &mut tops);
        tops.join("|")
    }

    /// `group` starts at `start` and shares its first `depth - 1` characters.
    fn below(&self, start: usize, group: &[Entry<'_>], depth: usize, tops: &mut Vec<String>) {
        if depth > fold::MAX_TOKEN {
            return;
        }
        let mut start = start;
        for group in group.chunk_by(|a, b| a.term.chars().nth(depth - 1) == b.term.chars().nth(depth - 1)) {
            let here = start;
            start += group.len();
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let blocks = self.blocks.position(last.term).saturating_sub(self.blocks.position(first.term));
            if first.term.chars().count() < depth || blocks < WIDE {
                continue;
            }
            if first.term.chars().nth(depth) != last.term.chars().nth(depth) {
                let mut top: String = first.term.chars().take(depth).collect();
                top.push('=');
                postings::encode(&self.best(here, group.len()), &mut top);
                tops.push(top);
            }
            self.below(here, group, depth + 1, tops);
        }
    }

    fn best(&self, start: usize, count: usize) -> Vec<u32> {
        let ids = self.ids.get(start..start + count).unwrap_or_default();
        let mut chosen: BTreeMap<u32, u8> = BTreeMap::new();
        for class in terms::KEY..=terms::NAME {
            for &posting in ids.iter().flat_map(|&(_, id)| self.terms.postings(id)) {
                if postings::class(posting) == class && chosen.len() < TOP {
                    chosen.entry(postings::document(posting)).or_insert(class);
                }
            }
        }
        chosen.into_iter().map(|(document, class)| postings::posting(document, class)).collect()
    }
}
