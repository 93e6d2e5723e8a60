//! A fetcher over a real folder, store and cache, and a stand-in for the coordinator: runs a source, and commits what
//! came out as a manifest for the next run.

#![allow(dead_code)] // each test file uses its part

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use quire_cache::{CacheOptions, CacheStore};
use quire_catalogue::{Bundle, Catalogue, Catalogues};
use quire_fetcher::{Env, Fetcher, FetcherOptions};
use quire_proto::{
    CatalogueRef, Digest, Epoch, Item, ItemId, Judged, Lane, ListRow, ListSource, Outcome, PackSlice, Parcel,
    ParcelHeader, ParcelId, RecordVerdict, RunId, Verdict, Work, codec,
    manifest::{Basis, Chunk, Entry, FORMAT, Manifest, RejectRow},
    pack::PackBuilder,
};
use quire_runtime::{ComputePool, Context, Processed, Stage, StageError, Store};
use tokio_util::sync::CancellationToken;

/// What one run over the source brought.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) unchanged_locations: Vec<String>,
    pub(crate) to_read: u64,
    pub(crate) failure: Option<String>,
    pub(crate) unchanged: Vec<ItemId>,
    pub(crate) items: Vec<Item>,
    pub(crate) batches: Vec<usize>,
    pub(crate) rejected: Vec<Verdict>,
    pub(crate) failed: Vec<(String, String)>,
    pub(crate) queries: u64,
}

impl Run {
    /// Locations of the items sent on, each once.
    pub(crate) fn sent(&self) -> Vec<&str> {
        let all: BTreeSet<&str> = self.items.iter().map(|item| &*item.id.location).collect();
        all.into_iter().collect()
    }

    /// Rule, line and message of every reject, by location.
    pub(crate) fn rejects(&self) -> Vec<(String, String, Option<u32>)> {
        let one = |verdict: &Verdict| match &verdict.judged {
            Judged::Rejected { problems, .. } => {
                let problem = &problems[0];
                (verdict.item.to_string(), format!("{}: {}", problem.rule, problem.message), problem.line)
            }
            Judged::Record(_) => panic!("the fetcher accepts nothing"),
        };
        self.rejected.iter().map(one).collect()
    }
}

/// Everything around one source.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) caches: CacheStore,
    pub(crate) catalogue: Catalogue,
    source: String,
    options: FetcherOptions,
    fetcher: Fetcher,
    pool: ComputePool,
    committed: BTreeMap<(String, u32), (Digest, bool)>,
    epoch: u64,
    /// Bytes of text in a manifest row; real rows have two to three thousand.
    pub(crate) row_bytes: usize,
}

impl Bench {
    /// A source with these settings of `files` (YAML flow text) below `<dir>/data`.
    pub(crate) fn new(files: &str) -> Self {
        Self::with_source(&format!("{{ name: main, files: {{ root: data, {files} }} }}"))
    }

    pub(crate) fn with_source(source: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let caches = CacheStore::open(&dir.path().join("cache"), 512 << 20).unwrap();
        let env = Env::new(|name| match name {
            "SUB" => Some("sub".to_owned()),
            "NEUPRINT_TOKEN" => Some("neuprint-token".to_owned()),
            _ => None,
        });
        let roots = BTreeMap::from([("test".to_owned(), dir.path().to_owned())]);
        let options = FetcherOptions { roots, env, ..FetcherOptions::default() };
        let catalogue = catalogue(source, ".id");
        store.put_blob(&bundle_digest(&catalogue), &Bytes::from(catalogue.bundle().encode())).unwrap();
        let fetcher = fetcher(&options, &caches);
        let committed = BTreeMap::new();
        let (pool, source) = (ComputePool::new(2), "main".to_owned());
        Self {
            dir,
            store,
            caches,
            catalogue,
            source,
            options,
            fetcher,
            pool,
            committed,
            epoch: 0,
            row_bytes: 0,
        }
    }

    pub(crate) fn path(&self, location: &str) -> PathBuf {
        self.dir.path().join("data").join(location)
    }

    /// Writes a file and sets its time an hour back, as most files have been there for a while.
    pub(crate) fn write(&self, location: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(location);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        age(&path, 3600);
    }

    pub(crate) fn age(&self, location: &str, seconds: u64) {
        age(&self.path(location), seconds);
    }

    /// A fetcher of a new process, with the same store and cache.
    pub(crate) fn restart(&mut self) {
        self.fetcher = fetcher(&self.options, &self.caches);
    }

    /// A fetcher of a new process that opens the cache folder anew.
    pub(crate) fn reopen(&mut self) {
        self.caches.flush();
        self.caches = CacheStore::in_memory();
        self.restart();
        self.caches = CacheStore::open(&self.dir.path().join("cache"), 512 << 20).unwrap();
        self.restart();
    }

    /// Another definition of the same catalogue.
    pub(crate) fn redefine(&mut self, source: &str, key: &str) {
        self.catalogue = catalogue(source, key);
        let bundle = Bytes::from(self.catalogue.bundle().encode());
        self.store.put_blob(&bundle_digest(&self.catalogue), &bundle).unwrap();
    }

    pub(crate) fn context(&self) -> Context {
        Context::new(self.store.clone(), self.pool.clone(), CancellationToken::new(), Lane::Normal)
    }

    pub(crate) async fn process(&self, work: Work) -> Result<Processed, StageError> {
        let run = RunId::new("test", Epoch(1));
        let bundle = bundle_digest(&self.catalogue);
        let header = ParcelHeader {
            id: ParcelId::root(&run),
            run,
            epoch: Epoch(1),
            catalogue: CatalogueRef { name: "test".to_owned(), bundle },
            lane: Lane::Normal,
            anew: false,
        };
        self.fetcher.process(self.context(), Arc::new(Parcel { header, work })).await
    }

    /// Lists only.
    pub(crate) async fn list(&self, base: Option<Digest>) -> Processed {
        let work = Work::List(ListSource { source: self.source.clone(), base, only: None });
        self.process(work).await.unwrap()
    }

    /// Lists and reads.
    pub(crate) async fn run(&self, base: Option<Digest>) -> Run {
        let listed = self.list(base).await;
        self.follow(listed).await
    }

    /// Does what a listing announced.
    pub(crate) async fn follow(&self, listed: Processed) -> Run {
        let Outcome::Listed { unchanged, to_read, failure, queries, .. } = listed.outcome else {
            panic!("not a listing")
        };
        let mut run = Run { unchanged_locations: unchanged, to_read, failure, queries, ..Run::default() };
        let mut todo = listed.children;
        todo.reverse();
        while let Some(work) = todo.pop() {
            match work {
                Work::Validate(items) => {
                    run.batches.push(items.len());
                    run.items.extend(items);
                }
                read => {
                    let processed = self.process(read).await.unwrap();
                    let Outcome::Read { unchanged, rejected, failed, queries } = processed.outcome else {
                        panic!()
                    };
                    run.unchanged.extend(unchanged);
                    run.rejected.extend(rejected);
                    run.failed.extend(failed);
                    run.queries += queries;
                    todo.extend(processed.children.into_iter().rev());
                }
            }
        }
        run
    }

    /// Commits a run as a coordinator would: what is unchanged keeps its rows, what is gone loses them.
    pub(crate) fn commit(&mut self, run: &Run) -> Digest {
        let unchanged: BTreeSet<&str> = run.unchanged_locations.iter().map(String::as_str).collect();
        let failed: BTreeSet<&str> = run.failed.iter().map(|(location, _)| location.as_str()).collect();
        let ids: BTreeSet<(&str, u32)> = run.unchanged.iter().map(|id| (&*id.location, id.ordinal)).collect();
        self.committed.retain(|(location, ordinal), _| {
            let location = location.as_str();
            unchanged.contains(location) || failed.contains(location) || ids.contains(&(location, *ordinal))
        });
        let key = |id: &ItemId| (id.location.to_string(), id.ordinal);
        self.committed.extend(run.items.iter().map(|item| (key(&item.id), (item.content, true))));
        self.committed
            .extend(run.rejected.iter().map(|verdict| (key(&verdict.item), (verdict.content, false))));
        self.epoch += 1;
        self.store_manifest()
    }

    pub(crate) fn committed(&self) -> usize {
        self.committed.len()
    }

    fn store_manifest(&self) -> Digest {
        let id = |(location, ordinal): &(String, u32)| ItemId {
            source: "main".into(),
            location: location.as_str().into(),
            ordinal: *ordinal,
        };
        let rows = self.committed.iter();
        let mut entries: Vec<Entry> = rows
            .clone()
            .filter(|(_, (_, good))| *good)
            .map(|(key, (content, _))| entry(id(key), *content, self.row_bytes))
            .collect();
        entries.sort_by(|a, b| a.record.key.cmp(&b.record.key));
        let rejects: Vec<RejectRow> = rows
            .filter(|(_, (_, good))| !good)
            .map(|(key, (content, _))| RejectRow {
                item: id(key),
                content: *content,
                key: None,
                problems: Vec::new(),
                record: None,
                claims: Vec::new(),
            })
            .collect();
        let manifest = Manifest {
            format: FORMAT,
            catalogue: CatalogueRef { name: "test".to_owned(), bundle: bundle_digest(&self.catalogue) },
            validation: self.catalogue.validation_digest(),
            run: RunId::new("test", Epoch(self.epoch)),
            epoch: Epoch(self.epoch),
            complete: true,
            entries: entries.chunks(128).map(|rows| self.chunk(rows)).collect(),
            rejects: rejects.chunks(128).map(|rows| self.chunk(rows)).collect(),
            files: Vec::new(),
            basis: Basis::default(),
        };
        let bytes = codec::encode(&manifest).unwrap();
        let digest = Digest::of(&bytes);
        self.store.put_blob(&digest, &Bytes::from(bytes)).unwrap();
        digest
    }

    fn chunk<T: serde::Serialize>(&self, rows: &[T]) -> Chunk {
        let mut pack = PackBuilder::default();
        let position = pack.add(codec::encode(&rows).unwrap());
        let pack = pack.finish();
        self.store.put_pack(&pack).unwrap();
        Chunk { rows: pack.slice(position).unwrap(), count: rows.len() as u32, last: String::new() }
    }
}

fn fetcher(options: &FetcherOptions, caches: &CacheStore) -> Fetcher {
    let memo = caches.cache("memo", CacheOptions::default());
    Fetcher::new(options.clone(), Catalogues::new(), memo)
}

fn catalogue(source: &str, key: &str) -> Catalogue {
    let yaml = format!(
        "catalogue: test\ntitle: Test\nsources:\n  - {source}\nrecord: {{ key: {key}, title: {key} }}\n"
    );
    let files = BTreeMap::from([("catalogue.yaml".to_owned(), yaml.into_bytes())]);
    Catalogue::load(Bundle::new(files)).unwrap()
}

fn bundle_digest(catalogue: &Catalogue) -> Digest {
    Digest::of(&catalogue.bundle().encode())
}

fn entry(item: ItemId, content: Digest, bytes: usize) -> Entry {
    let slice = PackSlice { pack: content, offset: 0, len: 1000 };
    let key = content.to_hex();
    let record = RecordVerdict {
        key: key.clone(),
        title: String::new(),
        slug: key,
        digest: content,
        body: slice,
        claims: Vec::new(),
        references: Vec::new(),
        terms: Vec::new(),
        row: ListRow { summary: "x".repeat(bytes), fields: Vec::new() },
        warnings: Vec::new(),
        shares: Vec::new(),
    };
    Entry {
        item,
        content,
        record: record.into(),
        decided: Vec::new(),
        inputs: content,
        used: Vec::new(),
        files: Vec::new(),
        page_warnings: Vec::new(),
        document: slice,
        epoch: Epoch(1),
    }
}

pub(crate) fn age(path: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}
