//! The stage against a real store: packs of pages, files in the site, and whom an error blames.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod support;

use std::{path::Path, sync::Arc};

use quire_catalogue::Catalogue;
use quire_proto::{
    CatalogueRef, Digest, Epoch, FileCopy, Lane, Outcome, PackSlice, Parcel, ParcelHeader, ParcelId,
    RenderRecord, RunId, Work, pack::PackBuilder,
};
use quire_renderer::{Engines, Renderer, edge::SiteWriter};
use quire_runtime::{ComputePool, Context, ErrorClass, Processed, Stage, StageError, Store};
use tempfile::TempDir;

const DEFINITION: &str = r#"
catalogue: small
title: Small
sources: [{ name: models, files: { include: ["*.json"], format: json } }]
record: { key: .id, title: .name }
pages: { record: templates/record.html, markdown: templates/record.md }
"#;

struct World {
    base: TempDir,
    store: Store,
    catalogue: Catalogue,
}

impl World {
    fn new(template: &str) -> Self {
        let base = TempDir::new().unwrap();
        let store = Store::open(&base.path().join("store")).unwrap();
        let files = [
            ("catalogue.yaml", DEFINITION),
            ("templates/record.html", template),
            ("templates/record.md", "\n\n# {{ title }}\n\n\n\n{{ record.n }}\n"),
        ];
        let catalogue = support::catalogue_of(&files);
        let bundle = catalogue.bundle();
        store.put_blob(&bundle.digest(), &bundle.encode().into()).unwrap();
        Self { base, store, catalogue }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.base.path().join(name)
    }

    fn site(&self) -> Arc<SiteWriter> {
        Arc::new(SiteWriter::open(&self.path("site"), &self.path("tmp")).unwrap())
    }

    fn records(&self, bodies: &[&str]) -> Vec<RenderRecord> {
        let mut pack = PackBuilder::default();
        let judged: Vec<_> = bodies
            .iter()
            .map(|body| {
                let item = support::item("a.json", body.to_string().into());
                let (record, body) = support::judged(&self.catalogue, &item).unwrap();
                pack.add(body);
                support::render_record(&item, &record)
            })
            .collect();
        let pack = pack.finish();
        self.store.put_pack(&pack).unwrap();
        judged.into_iter().zip(pack.slices()).map(|(record, body)| RenderRecord { body, ..record }).collect()
    }

    async fn process(&self, renderer: &Renderer, work: Work) -> Result<Processed, StageError> {
        let run = RunId::new("small", Epoch(1));
        let catalogue = CatalogueRef { name: "small".into(), bundle: self.catalogue.bundle().digest() };
        let header = ParcelHeader {
            id: ParcelId::root(&run),
            run,
            epoch: Epoch(1),
            catalogue,
            lane: Lane::Normal,
            anew: false,
        };
        let context = Context::new(self.store.clone(), ComputePool::new(1), Default::default(), Lane::Normal);
        renderer.process(context, Arc::new(Parcel { header, work })).await
    }
}

fn text(store: &Store, slice: &PackSlice) -> String {
    String::from_utf8(store.get_slice(slice).unwrap().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_of_records_becomes_one_pack_of_pages() {
    let world = World::new("<h1>{{ title }}</h1>");
    let records =
        world.records(&[r#"{"id":"b","name":"B & C","n":1e3}"#, r#"{"id":"a","name":"A","n":0.10}"#]);
    let renderer = Renderer::new(Engines::default(), None);
    let work = Work::Render(records.clone());
    let processed = world.process(&renderer, work.clone()).await.unwrap();
    let Outcome::Rendered { pages } = &processed.outcome else { panic!("{:?}", processed.outcome) };
    assert!(processed.children.is_empty());
    assert_eq!(pages.iter().map(|page| page.key.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    let files: Vec<(&str, String)> =
        pages[0].files.iter().map(|file| (file.path.as_str(), text(&world.store, &file.from))).collect();
    assert_eq!(files[0], ("small/b.html", "<h1>B &amp; C</h1>".to_owned()));
    assert_eq!(files[1].0, "small/b.json");
    let twin: serde_json::Value = serde_json::from_str(&files[1].1).unwrap();
    assert_eq!(twin["record"]["name"], "B & C");
    assert_eq!(twin["source"]["location"], "a.json");
    assert_eq!(twin["digest"], Digest::of(&world.store.get_slice(&records[0].body).unwrap()).to_hex());
    assert_eq!(files[2], ("small/b.md", "# B & C\n\n1000.0".to_owned()));
    for file in pages.iter().flat_map(|page| &page.files) {
        assert_eq!(Digest::of(text(&world.store, &file.from).as_bytes()), file.digest);
    }
    let again = world.process(&renderer, work).await.unwrap();
    assert_eq!(again, processed, "the same parcel has the same outcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_its_template_fails_on_is_set_apart_and_named_and_costs_the_others_nothing() {
    let world = World::new("{{ title }}\n{{ record.must }}");
    let records =
        world.records(&[r#"{"id":"bad","name":"B","n":1}"#, r#"{"id":"good","name":"G","n":1,"must":2}"#]);
    let renderer = Renderer::new(Engines::default(), None);
    let together = world.process(&renderer, Work::Render(records.clone())).await.unwrap();
    let apart = Work::Render(records[..1].to_vec());
    assert_eq!(together.children, std::slice::from_ref(&apart));
    let good = world.process(&renderer, Work::Render(records[1..].to_vec())).await.unwrap();
    assert_eq!((together.outcome, good.children), (good.outcome, Vec::new()));
    let error = world.process(&renderer, apart).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Permanent);
    let chain = error.chain();
    for part in ["rendering bad", "template record.html, line 2", "record.must"] {
        assert!(chain.contains(part), "{part} is not in {chain}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn published_files_are_written_once() {
    let world = World::new("<h1>{{ title }}</h1>");
    let renderer = Renderer::new(Engines::default(), Some(world.site()));
    let records = world.records(&[r#"{"id":"a","name":"A","n":1}"#]);
    let outcome = world.process(&renderer, Work::Render(records)).await.unwrap().outcome;
    let Outcome::Rendered { pages } = outcome else { panic!("{outcome:?}") };
    let files: Vec<FileCopy> = pages[0]
        .files
        .iter()
        .map(|file| FileCopy { path: file.path.clone(), digest: file.digest, from: file.from })
        .collect();
    let publish = || world.process(&renderer, Work::Publish(files.clone()));
    let Outcome::Published { pages, bytes } = publish().await.unwrap().outcome else { panic!() };
    assert_eq!(pages, 1);
    assert!(bytes > "<h1>A</h1>".len() as u64);
    assert_eq!(read(&world.path("site/small/a.html")), "<h1>A</h1>");
    assert_eq!(publish().await.unwrap().outcome, Outcome::Published { pages: 0, bytes: 0 });

    // A later epoch is committed: what comes of a former one comes too late.
    std::fs::write(world.path("site/small/a.html"), "newer").unwrap();
    assert!(world.store.create("manifests/small/999", b"m").unwrap());
    assert_eq!(publish().await.unwrap().outcome, Outcome::Published { pages: 0, bytes: 0 });
    assert_eq!(read(&world.path("site/small/a.html")), "newer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_out_of_the_site_is_a_permanent_error() {
    let world = World::new("x");
    let renderer = Renderer::new(Engines::default(), Some(world.site()));
    let record = &world.records(&[r#"{"id":"a","name":"A","n":1}"#])[0];
    let file = FileCopy { path: "../x".into(), digest: Digest::of(b"x"), from: record.body };
    let error = world.process(&renderer, Work::Publish(vec![file])).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Permanent);
    assert!(error.chain().contains("refused to touch"), "{}", error.chain());
    assert!(!world.path("x").exists());
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
