//! The stage over a real store: items in, packs out.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use bytes::Bytes;
use quire_catalogue::{Bundle, Catalogues};
use quire_proto::{
    CatalogueRef, Digest, Epoch, Format, Item, ItemId, Judged, Lane, Outcome, Parcel, ParcelHeader, ParcelId,
    RunId, Verdict, Work, codec,
};
use quire_runtime::{ComputePool, Context, ErrorClass, Processed, Stage, StageError, Store};
use quire_validator::Validator;
use tokio_util::sync::CancellationToken;

const YAML: &str = "catalogue: test
title: Test
sources:
  - { name: main, files: { include: ['*.json'], format: json } }
record: { key: .id, title: .name }
validate:
  rules:
    - { name: tag, unique: '.tags[]?' }
";

struct Bench {
    _dir: tempfile::TempDir,
    store: Store,
    pool: ComputePool,
    validator: Validator,
    bundle: Digest,
}

impl Bench {
    fn new() -> Self {
        Self::with(YAML)
    }

    fn with(yaml: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let bundle = Bundle::new(BTreeMap::from([("catalogue.yaml".to_owned(), yaml.as_bytes().to_vec())]));
        store.put_blob(&bundle.digest(), &Bytes::from(bundle.encode())).unwrap();
        let validator = Validator::new(Catalogues::new());
        Self { _dir: dir, store, pool: ComputePool::new(1), validator, bundle: bundle.digest() }
    }

    async fn process(&self, work: Work) -> Result<Processed, StageError> {
        let run = RunId::new("test", Epoch(1));
        let header = ParcelHeader {
            id: ParcelId::root(&run),
            run,
            epoch: Epoch(1),
            catalogue: CatalogueRef { name: "test".to_owned(), bundle: self.bundle },
            lane: Lane::Normal,
            anew: false,
        };
        let ctx = Context::new(self.store.clone(), self.pool.clone(), CancellationToken::new(), Lane::Normal);
        self.validator.process(ctx, Arc::new(Parcel { header, work })).await
    }

    async fn judge(&self, texts: &[&str]) -> Vec<Verdict> {
        let items = texts.iter().enumerate().map(|(ordinal, text)| item(ordinal, text)).collect();
        let processed = self.process(Work::Validate(items)).await.unwrap();
        assert_eq!(processed.children, []);
        let Outcome::Validated { verdicts, .. } = processed.outcome else { panic!() };
        codec::decode(&self.store.get_slice(&verdicts).unwrap()).unwrap()
    }
}

fn item(ordinal: usize, text: &str) -> Item {
    let raw = Bytes::copy_from_slice(text.as_bytes());
    let id = ItemId { source: "main".into(), location: "a.json".into(), ordinal: ordinal as u32 };
    Item { id, line: 1, format: Format::Json, content: Digest::of(&raw), raw }
}

#[tokio::test]
async fn verdicts_come_in_the_order_of_the_items_and_point_to_their_bodies() {
    let bench = Bench::new();
    let verdicts = bench.judge(&[r#"{"id": "a", "name": "A"}"#, "{", r#"{ "id": "b" , "name": "B" }"#]).await;
    assert_eq!(verdicts.iter().map(|verdict| verdict.item.ordinal).collect::<Vec<_>>(), [0, 1, 2]);
    let bodies: Vec<_> = verdicts
        .iter()
        .map(|verdict| match &verdict.judged {
            Judged::Record(record) => {
                let body = bench.store.get_slice(&record.body).unwrap();
                assert_eq!(Digest::of(&body), record.digest);
                String::from_utf8(body.to_vec()).unwrap()
            }
            Judged::Rejected { problems, .. } => problems[0].rule.clone(),
        })
        .collect();
    assert_eq!(bodies, [r#"{"id":"a","name":"A"}"#, "json", r#"{"id":"b","name":"B"}"#]);
}

#[tokio::test]
async fn an_item_has_the_same_verdict_in_any_parcel() {
    let bench = Bench::new();
    let (good, bad) = (r#"{"id": "a", "name": "A"}"#, "[]");
    let together = bench.judge(&[good, bad]).await;
    let alone = bench.judge(&[good]).await;
    let (Judged::Record(mut a), Judged::Record(b)) = (together[0].judged.clone(), alone[0].judged.clone())
    else {
        panic!()
    };
    Arc::make_mut(&mut a).body = b.body;
    assert_eq!(a, b);
}

#[tokio::test]
async fn the_same_parcel_gives_the_same_packs() {
    let bench = Bench::new();
    let work = Work::Validate(vec![item(0, r#"{"id": "a", "name": "A"}"#), item(1, "null")]);
    let first = bench.process(work.clone()).await.unwrap();
    assert_eq!(first, bench.process(work).await.unwrap());
}

#[tokio::test]
async fn a_parcel_of_rejects_has_no_bodies() {
    let bench = Bench::new();
    let verdicts = bench.judge(&["", "\u{feff}{}", "{\"id\": 1, \"id\": 2}"]).await;
    assert!(verdicts.iter().all(|verdict| matches!(verdict.judged, Judged::Rejected { .. })));
    // The bundle and the verdicts.
    assert_eq!(bench.store.blobs().count(), 2);
}

#[tokio::test]
async fn a_record_that_claims_too_much_is_rejected_and_its_neighbours_are_not() {
    let bench = Bench::new();
    let mut tags = String::new();
    for tag in 0..20_000 {
        write!(tags, "\"tag number {tag}\",").unwrap();
    }
    let greedy = format!(r#"{{"id": "greedy", "name": "G", "tags": [{}"last"]}}"#, tags);
    let verdicts = bench.judge(&[&greedy, r#"{"id": "a", "name": "A"}"#]).await;
    let Judged::Rejected { key, problems, .. } = &verdicts[0].judged else { panic!() };
    assert_eq!((key.as_deref(), problems[0].rule.as_str()), (Some("greedy"), "too-large"));
    assert!(matches!(verdicts[1].judged, Judged::Record(_)));
}

#[tokio::test]
async fn a_record_that_normalising_nests_without_end_is_rejected_and_the_thread_lives() {
    let normalise = "record: { normalise: \"if .l then .l = reduce .l[] as $x (0; [.]) else . end\", ";
    let bench = Bench::with(&YAML.replace("record: { ", normalise));
    let deep = format!(r#"{{"id": "deep", "name": "D", "l": [{}0]}}"#, "0,".repeat(300_000));
    let verdicts = bench.judge(&[&deep, r#"{"id": "a", "name": "A"}"#]).await;
    let Judged::Rejected { problems, .. } = &verdicts[0].judged else { panic!("it has a JSON form") };
    assert!(problems[0].message.contains("nested deeper"), "{problems:?}");
    assert!(matches!(verdicts[1].judged, Judged::Record(_)));
}

#[tokio::test]
async fn a_catalogue_that_is_not_in_the_store_is_told_as_lost() {
    let mut bench = Bench::new();
    bench.bundle = Digest::of(b"no bundle");
    let error = bench.process(Work::Validate(vec![item(0, "{}")])).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::InputLost(bench.bundle));
    assert!(error.chain().contains("is not in the store"), "{}", error.chain());
}

#[tokio::test]
async fn work_of_another_stage_is_refused() {
    let error = Bench::new().process(Work::Index(Vec::new())).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Permanent);
}
