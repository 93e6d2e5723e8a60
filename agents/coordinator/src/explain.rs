//! Everything that the committed manifests know of one record or item.

use std::collections::BTreeSet;

use quire_proto::{
    Claim, Digest, ItemId, PageFile, Problem, RecordVerdict, Reference, RunId,
    manifest::{Entry, Manifest, RejectRow, UNREAD},
};
use quire_runtime::Store;
use serde::Serialize;

use crate::{
    RunError, manifest_io,
    manifest_io::{EntryReader, RejectReader},
    shelf::Shelf,
};

/// Most records and items that are explained at once.
const MAX_FOUND: usize = 100;

/// What became of an item, and why.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The catalogue.
    pub catalogue: String,
    /// The run whose manifest says so.
    pub run: RunId,
    /// `published` or `rejected`.
    pub state: &'static str,
    /// The record's key; none if it could not be had.
    pub key: Option<String>,
    /// Its title, as plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where it comes from.
    pub item: ItemId,
    /// What it is now could not be processed: this is what it was.
    #[serde(skip_serializing_if = "is_false")]
    pub dead: bool,
    /// BLAKE3 of the item's bytes; none if it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
    /// BLAKE3 of the canonical body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The run that last changed it; of a published one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<RunId>,
    /// Digest of everything that its pages depend on; of a published one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Digest>,
    /// Its files in the site.
    pub files: Vec<FileOf>,
    /// Values that only one accepted record may hold.
    pub claims: Vec<Claim>,
    /// What it needs, or must not find, among the claims of others.
    pub references: Vec<Reference>,
    /// Why it was rejected, and warnings.
    pub problems: Vec<Problem>,
}

/// A file of the site.
#[derive(Debug, Serialize)]
pub struct FileOf {
    /// Its path.
    pub path: String,
    /// BLAKE3 of its bytes.
    pub digest: Digest,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Explains what `wanted` names in the newest manifests: a key, else a name of a page, a location of a source, or a value
/// that a record claims. Of one catalogue, or of all. At most a hundred are told. Blocks.
///
/// # Errors
/// If a manifest cannot be read.
pub fn explain(store: &Store, catalogue: Option<&str>, wanted: &str) -> Result<Vec<Explanation>, RunError> {
    let mut found = Vec::new();
    for name in store.list("manifests")? {
        if catalogue.is_some_and(|only| only != name) {
            continue;
        }
        if let Some(committed) = manifest_io::newest(store, &name)? {
            explain_in(store, committed.manifest, wanted, &mut found)?;
        }
    }
    Ok(found)
}

fn explain_in(
    store: &Store,
    manifest: Manifest,
    wanted: &str,
    found: &mut Vec<Explanation>,
) -> Result<(), RunError> {
    let shelf = Shelf::new(store, 0);
    let before = found.len();
    // Chunks are sorted by key: the first one whose last key is not smaller has it, if any has.
    if let Some(chunk) = manifest.entries.iter().find(|chunk| chunk.last.as_str() >= wanted) {
        let entries = shelf.entries(chunk)?;
        found.extend(
            entries.iter().filter(|entry| entry.record.key == wanted).map(|entry| of_entry(&manifest, entry)),
        );
    }
    let by_key = found.len() > before;
    for row in RejectReader::new(&shelf, manifest.rejects.clone()) {
        let row = row?;
        let named = if by_key { row.key.as_deref() == Some(wanted) } else { names_reject(&row, wanted) };
        if named && found.len() < MAX_FOUND {
            found.push(of_reject(&manifest, row));
        }
    }
    if by_key {
        return Ok(());
    }
    for entry in EntryReader::new(&shelf, manifest.entries.clone()) {
        let entry = entry?;
        if found.len() >= MAX_FOUND {
            break;
        }
        if names_entry(&entry, wanted) {
            found.push(of_entry(&manifest, &entry));
        }
    }
    Ok(())
}

fn names_entry(entry: &Entry, wanted: &str) -> bool {
    let Entry { item, record, files, .. } = entry;
    names_item(item, wanted)
        || record.slug == wanted
        || record.claims.iter().any(|claim| claim.value == wanted)
        || files.iter().any(|file| file.path == wanted)
}

fn names_reject(row: &RejectRow, wanted: &str) -> bool {
    let claims = row.record.iter().flat_map(|record| &record.claims).chain(&row.claims);
    row.key.as_deref() == Some(wanted)
        || names_item(&row.item, wanted)
        || claims.into_iter().any(|claim| claim.value == wanted)
}

fn names_item(item: &ItemId, wanted: &str) -> bool {
    *item.location == *wanted || item.location.rsplit('/').next() == Some(wanted)
}

fn of_entry(manifest: &Manifest, entry: &Entry) -> Explanation {
    let Entry { item, content, record, decided, inputs, files, page_warnings, epoch, .. } = entry;
    let problems = record.warnings.iter().chain(decided).chain(page_warnings);
    let files =
        files.iter().map(|PageFile { path, digest, .. }| FileOf { path: path.clone(), digest: *digest });
    Explanation {
        state: "published",
        changed_by: Some(RunId::new(&manifest.catalogue.name, *epoch)),
        inputs: Some(*inputs),
        files: files.collect(),
        problems: problems.cloned().collect(),
        ..of_record(manifest, item, *content, Some(record))
    }
}

fn of_reject(manifest: &Manifest, row: RejectRow) -> Explanation {
    let mut explained = of_record(manifest, &row.item, row.content, row.record.as_deref());
    explained.claims.extend(row.claims);
    Explanation { key: row.key, problems: row.problems, ..explained }
}

fn of_record(
    manifest: &Manifest,
    item: &ItemId,
    content: Digest,
    record: Option<&RecordVerdict>,
) -> Explanation {
    Explanation {
        catalogue: manifest.catalogue.name.clone(),
        run: manifest.run.clone(),
        state: "rejected",
        key: record.map(|record| record.key.clone()),
        title: record.map(|record| record.title.clone()),
        item: item.clone(),
        dead: content == UNREAD,
        content: (content != UNREAD).then_some(content),
        digest: record.map(|record| record.digest),
        changed_by: None,
        inputs: None,
        files: Vec::new(),
        claims: record.map(|record| record.claims.clone()).unwrap_or_default(),
        references: record.map(|record| record.references.clone()).unwrap_or_default(),
        problems: Vec::new(),
    }
}

/// Names of the catalogues that have a manifest.
///
/// # Errors
/// If the store cannot be read.
pub fn published_catalogues(store: &Store) -> Result<BTreeSet<String>, RunError> {
    Ok(store.list("manifests")?.into_iter().collect())
}

/// How many records the newest manifests know to be dead: of these they hold nothing else. Of all catalogues, or of `only`
/// this one.
///
/// # Errors
/// [`RunError::Store`].
pub fn dead_records(store: &Store, only: Option<&str>) -> Result<u64, RunError> {
    let mut dead = 0;
    for catalogue in published_catalogues(store)?.iter().filter(|name| only.is_none_or(|only| only == *name))
    {
        let newest = manifest_io::newest(store, catalogue)?;
        dead += newest.map_or(0, |committed| committed.manifest.basis.dead);
    }
    Ok(dead)
}
