//! What a site holds besides the records' pages: lists, search shards, data files, rejects, root files.
//!
//! All of it is made from the manifest's rows, never from an index, so it is the same after any history.
//! Data files are written while the rows go by; for the lists and the search a row is kept as what lists show
//! of it, some hundred bytes.

mod data;
mod list;
mod rejects;
mod root;

use std::sync::Arc;

use quire_proto::{
    Problem,
    manifest::{Entry, RejectRow},
};
use quire_runtime::BoxError;

use crate::{
    engine::{Engine, object},
    look::Look,
    page,
    shards::{self, Rows},
};
use minijinja::Value;

pub(crate) use root::SITE_TITLE;
pub use root::{SiteCatalogue, root_files};

/// Takes a file: its path in the site and its bytes.
pub type Sink<'a> = dyn FnMut(String, Vec<u8>) -> Result<(), BoxError> + 'a;

/// Most values of a facet that the list shows.
const MAX_FACET_VALUES: usize = 24;

/// Makes the files of one catalogue that belong to no single record. `entries` ascend by key, `rejects` by item.
///
/// # Errors
/// What the iterators, the sink or a template say.
pub fn catalogue_files(
    engine: &Engine,
    entries: &mut dyn Iterator<Item = Result<Arc<Entry>, BoxError>>,
    rejects: &mut dyn Iterator<Item = Result<RejectRow, BoxError>>,
    sink: &mut Sink<'_>,
) -> Result<(), BoxError> {
    let look = engine.look();
    let mut rows = Vec::new();
    let mut kept = Rows::default();
    let mut data = data::DataFiles::new(look);
    let mut warned = Vec::new();
    for entry in entries {
        let entry = entry?;
        let (record, found) = (&entry.record, [&entry.record.warnings, &entry.decided, &entry.page_warnings]);
        let problems: Vec<Problem> = found.into_iter().flatten().cloned().collect();
        if !problems.is_empty() {
            let (key, title, slug) = (record.key.clone(), record.title.clone(), record.slug.clone());
            warned.push(rejects::Warned { item: entry.item.clone(), key, title, slug, problems });
        }
        let row = kept.row(record);
        data.add(&row);
        rows.push(row);
    }
    drop(kept);
    data.finish(&look.slug, sink)?;
    let counts = rejects::files(engine, &rows, warned, rejects, sink)?;
    shards::sort_rows(&mut rows);
    let facets = shards::facets(&look.fields, &rows, MAX_FACET_VALUES);
    // Half of the time goes to the lists, half to the shards; both only read the rows. What the shards hold is what
    // the rows hold.
    let shards = std::thread::scope(|scope| {
        let shards = scope.spawn(|| search_files(look, &rows, &facets));
        let lists = list::files(engine, &rows, &facets, counts, sink);
        let shards = shards.join().map_err(|_| "making the search panicked")?;
        lists.and(shards)
    })?;
    shards.into_iter().try_for_each(|(path, bytes)| sink(path, bytes))
}

/// Paths and bytes of the static search.
fn search_files(
    look: &Look,
    rows: &[shards::Row],
    facets: &[shards::Facet],
) -> Result<Vec<(String, Vec<u8>)>, BoxError> {
    let mut files = Vec::new();
    let mut emit = |name: String, text: String| {
        files.push((format!("{}/search/{name}", look.slug), text.into_bytes()));
        Ok(())
    };
    shards::files(&look.slug, &look.fields, rows, facets, &mut emit)?;
    Ok(files)
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
