//! What a site holds besides the records' pages: lists, search shards, data files, rejects, root files.
//!
//! All of it is made from the manifest's rows, never from an index, so it is the same after any history.
//! A row is kept as what lists show of it, some hundred bytes.

mod data;
mod list;
mod rejects;
mod root;

use std::sync::Arc;

use quire_proto::{
    Problem,
    manifest::{Entry, RejectRow},
};
use quire_runtime::{BoxError, FileSink};

use crate::{
    engine::{Engine, object},
    page,
    shards::{self, Row, Rows, Search},
};
use minijinja::Value;

pub(crate) use root::SITE_TITLE;
pub use root::{SiteCatalogue, root_files};

/// Most values of a facet that the list shows.
const MAX_FACET_VALUES: usize = 24;

/// Makes the files of one catalogue that belong to no single record. `entries` ascend by key, `rejects` by
/// item; `dead` items could not be processed.
///
/// # Errors
/// What the iterators, the sink or a template say.
pub fn catalogue_files(
    engine: &Engine,
    dead: u64,
    entries: &mut dyn Iterator<Item = Result<Arc<Entry>, BoxError>>,
    rejects: &mut dyn Iterator<Item = Result<RejectRow, BoxError>>,
    sink: &mut dyn FileSink,
) -> Result<(), BoxError> {
    let look = engine.look();
    let (mut rows, warned) = rows(entries)?;
    shards::sort_rows(&mut rows);
    let facets = shards::facets(&look.fields, &rows, MAX_FACET_VALUES);
    // All three parts take about the same time, and only read the rows. What shards and data hold is what the rows hold.
    let made = std::thread::scope(|scope| {
        let search = Search { slug: &look.slug, fields: &look.fields, rows: &rows };
        let facets = &facets;
        let terms = scope.spawn(move || search.terms());
        let mut by_key: Vec<&Row> = rows.iter().collect();
        by_key.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        let sorted = by_key.clone();
        let documents = scope.spawn(move || (search.documents(facets), data::files(look, &sorted)));
        let counts = rejects::files(engine, &by_key, warned, (rejects, dead), sink)?;
        list::files(engine, &rows, facets, counts, sink)?;
        let terms = terms.join().map_err(|_| "making the search panicked")??;
        let (documents, data) = documents.join().map_err(|_| "making the search panicked")?;
        let search = search.files(terms, documents?)?.into_iter();
        let search = search.map(|(name, text)| (format!("search/{name}"), text.into_bytes()));
        Ok::<_, BoxError>(data.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).chain(search))
    })?;
    made.into_iter().try_for_each(|(name, bytes)| sink.add(format!("{}/{name}", look.slug), bytes))
}

/// What is kept of the entries: rows in their order, and the records with warnings.
fn rows(
    entries: &mut dyn Iterator<Item = Result<Arc<Entry>, BoxError>>,
) -> Result<(Vec<Row>, Vec<rejects::Warned>), BoxError> {
    let (mut rows, mut kept, mut warned) = (Vec::new(), Rows::default(), Vec::new());
    for entry in entries {
        let entry = entry?;
        let record = &entry.record;
        let found = [&record.warnings, &entry.decided, &entry.page_warnings];
        let problems: Vec<Problem> = found.into_iter().flatten().cloned().collect();
        if !problems.is_empty() {
            let (key, title, slug) = (record.key.clone(), record.title.clone(), record.slug.clone());
            warned.push(rejects::Warned { item: entry.item.clone(), key, title, slug, problems });
        }
        rows.push(kept.row(record));
    }
    Ok((rows, warned))
}

/// How many items were rejected, and how many warnings published records have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    rejected: usize,
    warnings: usize,
}

/// What lists and rejects know of their catalogue.
fn catalogue(engine: &Engine, count: usize, counts: Counts) -> Value {
    let look = engine.look();
    object([
        ("slug", Value::from(look.slug.as_str())),
        ("title", Value::from(look.title.as_str())),
        ("description", Value::from(look.description.as_str())),
        ("count", Value::from(count)),
        ("rejected", Value::from(counts.rejected)),
        ("warnings", Value::from(counts.warnings)),
    ])
}

/// The parts of the context that all pages of a catalogue but those of records share.
fn frame(engine: &Engine, kind: &str, path: &str, title: &str, depth: usize) -> [(&'static str, Value); 4] {
    let look = engine.look();
    let (root, base) = if depth > 1 { ("../../", "../") } else { ("../", "") };
    [
        ("root", Value::from(root)),
        ("base", Value::from(base)),
        ("page", page::page(kind, path, title, &look.description, look.base_url.as_deref())),
        ("site", page::site(look)),
    ]
}
