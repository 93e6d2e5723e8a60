//! A store with a catalogue's manifests in it, made the way the flow makes them, without the flow.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use quire_catalogue::{Bundle, Catalogue};
use quire_indexer::{Answer, Applied, IndexError, Query, SearchIndex, follow};
use quire_proto::{
    CatalogueRef, Digest, Epoch, Format, Item, ItemId, Judged, RunId, codec,
    manifest::{Chunk, Entry, FORMAT, MAX_CHUNK_ROWS, Manifest, ends_chunk},
    pack::PackBuilder,
};
use quire_runtime::Store;
use tempfile::TempDir;

/// A small catalogue of everything that search knows.
pub(crate) const CATALOGUE: &str = r#"
catalogue: birds
title: Birds
sources: [{ name: s, files: { include: ["*.json"], format: json } }]
record: { key: .id, title: .name, summary: .text }
index:
  fields:
    - { name: name, from: .name, type: text, boost: 4 }
    - { name: synonyms, from: ".synonyms[]?", type: text, boost: 2, synonym: true }
    - { name: text, from: .text, type: text }
    - { name: tags, from: ".tags[]?", type: keyword, facet: true }
"#;

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
    pub(crate) catalogue: Catalogue,
    pub(crate) rows: BTreeMap<String, Entry>,
    pub(crate) epoch: u64,
}

impl World {
    pub(crate) fn new(yaml: &str) -> Self {
        Self::with(Bundle::new([("catalogue.yaml".to_owned(), yaml.as_bytes().to_vec())].into()))
    }

    /// The findings catalogue of this repository.
    pub(crate) fn findings() -> Self {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalogues/findings");
        let mut files = BTreeMap::new();
        collect(&home, &home, &mut files);
        Self::with(Bundle::new(files))
    }

    fn with(bundle: Bundle) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        store.put_blob(&bundle.digest(), &bundle.encode().into()).unwrap();
        let catalogue = Catalogue::load(bundle).unwrap();
        Self { dir, store, catalogue, rows: BTreeMap::new(), epoch: 0 }
    }

    /// Replaces the catalogue; the records stay as they are.
    pub(crate) fn change_catalogue(&mut self, yaml: &str) {
        let bundle = Bundle::new([("catalogue.yaml".to_owned(), yaml.as_bytes().to_vec())].into());
        self.store.put_blob(&bundle.digest(), &bundle.encode().into()).unwrap();
        self.catalogue = Catalogue::load(bundle).unwrap();
    }

    /// Judges and documents items, as validator and indexer do; rejects are left out.
    pub(crate) fn put(&mut self, items: impl IntoIterator<Item = (String, Vec<u8>)>) {
        let items: Vec<_> = items.into_iter().collect();
        for some in items.chunks(64) {
            let mut pack = PackBuilder::default();
            let mut entries = Vec::new();
            for (location, raw) in some {
                let id = ItemId { source: "s".into(), location: location.as_str().into(), ordinal: 0 };
                let content = Digest::of(raw);
                let item = Item { id, line: 1, format: Format::Json, content, raw: raw.clone().into() };
                let assessed = self.catalogue.judge(&item);
                let (Judged::Record(record), Some(body)) = (assessed.verdict.judged, assessed.body) else {
                    continue;
                };
                let document = self.catalogue.document(&record.key, None, &body).unwrap();
                let at = pack.add(codec::encode(&document).unwrap());
                entries.push((item.id, content, record, at));
            }
            let pack = pack.finish();
            self.store.put_pack(&pack).unwrap();
            for (item, content, record, at) in entries {
                let document = pack.slice(at).unwrap();
                let inputs = Digest::of(b"");
                let (epoch, files, decided) = (Epoch(self.epoch), Vec::new(), Vec::new());
                let key = record.key.clone();
                let page_warnings = Vec::new();
                let entry = Entry {
                    item,
                    content,
                    record,
                    decided,
                    inputs,
                    used: Vec::new(),
                    files,
                    page_warnings,
                    document,
                    epoch,
                };
                self.rows.insert(key, entry);
            }
        }
    }

    pub(crate) fn put_json(&mut self, json: serde_json::Value) {
        let key = json["id"].as_str().unwrap().to_owned();
        self.put([(format!("{key}.json"), serde_json::to_vec(&json).unwrap())]);
    }

    /// Commits what there is as the next epoch's manifest.
    pub(crate) fn commit(&mut self) -> Manifest {
        self.epoch += 1;
        let (mut rows, mut chunks) = (Vec::new(), Vec::new());
        let count = self.rows.len();
        for (n, entry) in self.rows.values().enumerate() {
            rows.push(entry);
            let key = &entry.record.key;
            if ends_chunk(key) || rows.len() == MAX_CHUNK_ROWS || n + 1 == count {
                // One pack a chunk, so that an equal chunk keeps its address.
                let mut one = PackBuilder::default();
                one.add(codec::encode(&rows).unwrap());
                let one = one.finish();
                self.store.put_pack(&one).unwrap();
                let slice = one.slice(0).unwrap();
                chunks.push(Chunk { rows: slice, count: rows.len() as u32, last: key.clone() });
                rows.clear();
            }
        }
        let manifest = Manifest {
            format: FORMAT,
            catalogue: CatalogueRef { name: self.name(), bundle: self.catalogue.bundle().digest() },
            validation: Digest::of(b""),
            run: RunId::new(&self.name(), Epoch(self.epoch)),
            epoch: Epoch(self.epoch),
            complete: true,
            entries: chunks,
            rejects: Vec::new(),
            files: Vec::new(),
            basis: Default::default(),
        };
        let bytes = codec::encode(&manifest).unwrap();
        self.store.put(&format!("manifests/{}/{}", self.name(), self.epoch), &bytes).unwrap();
        manifest
    }

    pub(crate) fn name(&self) -> String {
        self.catalogue.name().to_owned()
    }

    pub(crate) fn index_dir(&self) -> PathBuf {
        self.dir.path().join("index").join(self.name())
    }

    pub(crate) fn follow(&self) -> Result<Applied, IndexError> {
        follow(&self.store, &self.index_dir(), &self.name())
    }

    /// Commits and follows.
    pub(crate) fn publish(&mut self) -> Applied {
        self.commit();
        self.follow().unwrap()
    }

    pub(crate) fn index(&self) -> SearchIndex {
        SearchIndex::open(&self.index_dir()).unwrap()
    }

    /// Keys of the hits, best first.
    pub(crate) fn keys(&self, text: &str) -> Vec<String> {
        keys(&self.index(), text)
    }
}

fn collect(home: &Path, folder: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let relative = path.strip_prefix(home).unwrap().to_string_lossy().replace('\\', "/");
            into.insert(relative, fs::read(&path).unwrap());
        } else if !path.ends_with("data") {
            collect(home, &path, into);
        }
    }
}

pub(crate) fn ask(index: &SearchIndex, text: &str) -> Answer {
    index.search(&Query { text, limit: 10, ..Query::default() }).unwrap()
}

pub(crate) fn keys(index: &SearchIndex, text: &str) -> Vec<String> {
    ask(index, text).hits.into_iter().map(|hit| hit.key).collect()
}

/// The real models and the list of queries, if they are on this machine; says so if not.
pub(crate) fn real_data() -> Option<(PathBuf, PathBuf)> {
    let folder = env::var_os("QUIRE_FINDINGS_DATA").map(PathBuf::from);
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/findings");
    let models = folder.iter().map(|folder| folder.join("defs/defs")).find(|models| models.is_dir());
    let beside = folder.iter().map(|folder| folder.join("queries.jsonl"));
    let queries = beside.chain([shared.join("queries.jsonl")]).find(|queries| queries.is_file());
    if models.is_none() || queries.is_none() {
        println!(
            "skipped: QUIRE_FINDINGS_DATA does not name a folder with defs/defs, or there are no queries"
        );
    }
    models.zip(queries)
}

/// All models in a folder.
pub(crate) fn models(folder: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(models(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push((path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path)?));
        }
    }
    found.sort();
    Ok(found)
}
