//! What the renderer's tests and examples share: a catalogue from a folder, records judged by it.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each user takes its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use quire_catalogue::{Bundle, Catalogue};
use quire_proto::{
    Digest, Epoch, Format, Item, ItemId, Judged, PackSlice, PageFile, RecordVerdict, RenderRecord,
    manifest::{Entry, RejectRow},
};
use quire_renderer::{
    engine::Engine,
    page::{Made, PageError, Pages},
    sight::{Decoded, Read},
};
use quire_runtime::StoreError;

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

/// The folder of real models, or why there is none.
pub fn real_data() -> Result<PathBuf, String> {
    let given = std::env::var_os("QUIRE_FINDINGS_DATA").map(PathBuf::from);
    let beside = repository().join("../shared/data/findings");
    let found = given.into_iter().chain([beside]).find(|folder| models(folder).is_dir());
    found.ok_or_else(|| "skipped: no real models (set QUIRE_FINDINGS_DATA to their folder)".to_owned())
}

/// Where the models lie in the folder of real data.
pub fn models(data: &Path) -> PathBuf {
    let packed = data.join("defs/defs");
    if packed.is_dir() { packed } else { data.join("defs") }
}

/// The catalogue in `folder`, without its data.
pub fn catalogue(folder: &Path) -> Catalogue {
    let mut files = BTreeMap::new();
    collect(folder, folder, &mut files);
    Catalogue::load(Bundle::new(files)).unwrap()
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            if name != "data" {
                collect(root, &path, files);
            }
        } else {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

/// Names of the files in `folder` that end in `ending`, sorted.
pub fn names(folder: &Path, ending: &str) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    names
}

/// The files in `folder` whose name ends in `ending`, sorted.
pub fn files(folder: &Path, ending: &str) -> Vec<(String, Bytes)> {
    let read = |name: String| (name.clone(), fs::read(folder.join(name)).unwrap().into());
    names(folder, ending).into_iter().map(read).collect()
}

pub fn item(location: &str, raw: Bytes) -> Item {
    let id = ItemId { source: "models".into(), location: location.into(), ordinal: 0 };
    Item { id, line: 1, format: Format::Json, content: Digest::of(&raw), raw }
}

/// A record as the validator sends it on; `None` for a reject.
pub fn judged(catalogue: &Catalogue, item: &Item) -> Option<(RecordVerdict, Vec<u8>)> {
    let assessment = catalogue.judge(item);
    match assessment.verdict.judged {
        Judged::Record(record) => Some((Arc::unwrap_or_clone(record), assessment.body.unwrap())),
        Judged::Rejected { .. } => None,
    }
}

/// A record as the coordinator sends it to the renderer.
pub fn render_record(item: &Item, record: &RecordVerdict) -> RenderRecord {
    RenderRecord {
        key: record.key.clone(),
        title: record.title.clone(),
        slug: record.slug.clone(),
        item: item.id.clone(),
        row: record.row.clone(),
        body: PackSlice { pack: record.digest, offset: 0, len: 0 },
        lookups: vec![Vec::new()],
        inputs: record.digest,
        aggregates: Vec::new(),
    }
}

/// An accepted record as the manifest has it.
pub fn entry(item: &Item, record: RecordVerdict) -> Entry {
    let nowhere = PackSlice { pack: record.digest, offset: 0, len: 0 };
    let page = PageFile { path: format!("small/{}.html", record.slug), digest: record.digest, from: nowhere };
    Entry {
        item: item.id.clone(),
        content: item.content,
        inputs: record.digest,
        used: Vec::new(),
        document: PackSlice { pack: record.digest, offset: 0, len: 0 },
        record: Arc::new(record),
        decided: Vec::new(),
        page_warnings: Vec::new(),
        files: vec![page],
        epoch: Epoch(1),
    }
}

/// The files of a record of a catalogue without aggregates.
pub fn made(pages: &Pages, record: &RenderRecord, body: &[u8]) -> Result<Made, PageError> {
    let nowhere: Read = Arc::new(|slice| Err(StoreError::Missing(slice.pack)));
    pages.make(record, body, &Decoded::default(), &nowhere)
}

/// A catalogue from the texts of its files.
pub fn catalogue_of(files: &[(&str, &str)]) -> Catalogue {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
    Catalogue::load(Bundle::new(files)).unwrap()
}

/// All files that belong to the catalogue as a whole.
pub fn catalogue_files(
    engine: &Engine,
    entries: Vec<Entry>,
    rejects: Vec<RejectRow>,
) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut sink = |path: String, bytes: Vec<u8>| {
        assert!(files.insert(path.clone(), bytes).is_none(), "{path} is made twice");
        Ok(())
    };
    let (mut entries, mut rejects) =
        (entries.into_iter().map(|entry| Ok(Arc::new(entry))), rejects.into_iter().map(Ok));
    quire_renderer::project::catalogue_files(engine, 0, &mut entries, &mut rejects, &mut sink).unwrap();
    files
}
