//! The stage: loads the catalogue, makes one document a record, stores them in one pack.

use std::sync::Arc;

use quire_catalogue::{Catalogue, Catalogues, CataloguesError};
use quire_proto::{
    CatalogueRef, IndexRecord, IndexedRecord, Outcome, Parcel, StageName, Work, codec, pack::PackBuilder,
};
use quire_runtime::{Context, ErrorClass, Processed, Stage, StageError, Store};

/// The indexer. A cheap handle.
#[derive(Debug, Clone)]
pub struct Indexer {
    catalogues: Catalogues,
}

impl Indexer {
    /// An indexer that shares compiled catalogues with whoever holds `catalogues`.
    #[must_use]
    pub const fn new(catalogues: Catalogues) -> Self {
        Self { catalogues }
    }
}

impl Stage for Indexer {
    fn name(&self) -> StageName {
        StageName::Index
    }

    async fn process(&self, ctx: Context, parcel: Arc<Parcel>) -> Result<Processed, StageError> {
        let (catalogues, store) = (self.catalogues.clone(), ctx.store().clone());
        // One call for all: a hop to the pool costs more than making a document.
        ctx.compute(move || {
            let Work::Index(records) = &parcel.work else {
                let found = format!("work of the stage {}", parcel.work.stage());
                return Err(StageError::permanent("indexing", found));
            };
            let catalogue = load(&catalogues, &store, &parcel.header.catalogue)?;
            index(&store, &catalogue, records)
        })
        .await?
    }
}

fn load(catalogues: &Catalogues, store: &Store, catalogue: &CatalogueRef) -> Result<Catalogue, StageError> {
    let load = || store.get_blob(&catalogue.bundle).map(|bytes| bytes.to_vec());
    catalogues.get(&catalogue.bundle, load).map_err(|error| {
        let doing = format!("loading the catalogue {}", catalogue.name);
        match &error {
            CataloguesError::Load(cause) => StageError::new(ErrorClass::of(cause), doing, Some(error.into())),
            _ => StageError::permanent(doing, error),
        }
    })
}

fn index(store: &Store, catalogue: &Catalogue, records: &[IndexRecord]) -> Result<Processed, StageError> {
    let mut pack = PackBuilder::default();
    for record in records {
        let body = store.get_slice(&record.body)?;
        let document = catalogue.document(&record.key, None, &body).map_err(|problem| {
            StageError::permanent(format!("making the index document of {}", record.key), problem.message)
        })?;
        let encoded = codec::encode(&document).map_err(|error| {
            StageError::permanent(format!("encoding the document of {}", record.key), error)
        })?;
        pack.add(encoded);
    }
    let pack = pack.finish();
    store.put_pack(&pack)?;
    let documents = records
        .iter()
        .zip(pack.slices())
        .map(|(record, document)| IndexedRecord { key: record.key.clone(), document })
        .collect();
    Ok(Processed::leaf(Outcome::Indexed { documents }))
}
