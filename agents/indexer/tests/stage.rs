//! The stage makes the documents that the catalogue says, and the same ones each time.

mod support;

use std::sync::Arc;

use quire_catalogue::{Catalogues, IndexDocument};
use quire_indexer::Indexer;
use quire_proto::{
    CatalogueRef, Epoch, IndexRecord, Lane, Outcome, PackSlice, Parcel, ParcelHeader, ParcelId, RunId, Work,
    codec, pack::PackBuilder,
};
use quire_runtime::{ComputePool, Context, ErrorClass, Stage as _, StageError};
use support::{CATALOGUE, World};

fn bodies(world: &World, bodies: &[&str]) -> Vec<PackSlice> {
    let mut pack = PackBuilder::default();
    for body in bodies {
        pack.add(body.as_bytes().to_vec());
    }
    let pack = pack.finish();
    world.store.put_pack(&pack).unwrap();
    pack.slices().collect()
}

async fn run(world: &World, work: Work) -> Result<Outcome, StageError> {
    let run = RunId::new("birds", Epoch(1));
    let catalogue = CatalogueRef { name: "birds".into(), bundle: world.catalogue.bundle().digest() };
    let header = ParcelHeader {
        id: ParcelId::root(&run),
        run,
        epoch: Epoch(1),
        catalogue,
        lane: Lane::Normal,
        anew: false,
    };
    let ctx = Context::new(world.store.clone(), ComputePool::new(1), Default::default(), Lane::Normal);
    let done = Indexer::new(Catalogues::new()).process(ctx, Arc::new(Parcel { header, work })).await?;
    assert!(done.children.is_empty());
    Ok(done.outcome)
}

fn record(key: &str, body: PackSlice) -> IndexRecord {
    IndexRecord { key: key.into(), body }
}

#[tokio::test]
async fn every_record_becomes_a_document_in_the_order_of_the_parcel() {
    let world = World::new(CATALOGUE);
    let slices = bodies(
        &world,
        &[
            r#"{"id":"b","name":"Wren","synonyms":["jenny"],"text":"small","tags":["x"]}"#,
            r#"{"id":"a","name":"Rook"}"#,
        ],
    );
    let work = || Work::Index(vec![record("b", slices[0]), record("a", slices[1])]);
    let outcome = run(&world, work()).await.unwrap();
    let Outcome::Indexed { documents } = &outcome else { panic!("{outcome:?}") };
    let found: Vec<IndexDocument> = documents
        .iter()
        .map(|document| codec::decode(&world.store.get_slice(&document.document).unwrap()).unwrap())
        .collect();
    assert_eq!(documents.iter().map(|document| document.key.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(found[0].title, "Wren");
    assert_eq!(found[0].fields, [vec!["Wren"], vec!["jenny"], vec!["small"], vec!["x"]]);
    assert_eq!(found[1].fields[1], Vec::<String>::new());
    assert_eq!(run(&world, work()).await.unwrap(), outcome);
}

#[tokio::test]
async fn a_body_that_is_none_fails_for_good_and_names_its_record() {
    let world = World::new(CATALOGUE);
    let slices = bodies(&world, &["not json"]);
    let error = run(&world, Work::Index(vec![record("broken", slices[0])])).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Permanent);
    assert!(error.chain().contains("broken"), "{}", error.chain());
}

#[tokio::test]
async fn work_of_another_stage_is_refused() {
    let world = World::new(CATALOGUE);
    let error = run(&world, Work::Publish(Vec::new())).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Permanent);
}
