//! The stage: loads the catalogue, judges the parcel's items, stores bodies and verdicts.

use std::sync::Arc;

use quire_catalogue::{Catalogue, Catalogues, CataloguesError};
use quire_proto::{CatalogueRef, Outcome, Parcel, StageName, Work};
use quire_runtime::{Context, ErrorClass, Processed, Stage, StageError, Store, StoreError};

use crate::verdicts::{Judgement, judge};

/// The validator. A cheap handle.
#[derive(Clone)]
pub struct Validator {
    catalogues: Catalogues,
}

impl Validator {
    /// A validator that shares compiled catalogues with whoever holds `catalogues`.
    #[must_use]
    pub const fn new(catalogues: Catalogues) -> Self {
        Self { catalogues }
    }
}

impl Stage for Validator {
    fn name(&self) -> StageName {
        StageName::Validate
    }

    async fn process(&self, ctx: Context, parcel: Arc<Parcel>) -> Result<Processed, StageError> {
        let (catalogues, store) = (self.catalogues.clone(), ctx.store().clone());
        // One call for all: a hop to the pool costs more than judging a small item.
        ctx.compute(move || {
            let Work::Validate(items) = &parcel.work else {
                let found = format!("work of the stage {}", parcel.work.stage());
                return Err(StageError::permanent("validating", found));
            };
            let catalogue = load(&catalogues, &store, &parcel.header.catalogue)?;
            let judgement = judge(&catalogue, items)
                .map_err(|error| StageError::permanent("packing the verdicts of a parcel", error))?;
            put(&store, &judgement)
        })
        .await?
    }
}

fn load(catalogues: &Catalogues, store: &Store, catalogue: &CatalogueRef) -> Result<Catalogue, StageError> {
    let load = || store.get_blob(&catalogue.bundle).map(|bytes| bytes.to_vec());
    catalogues.get(&catalogue.bundle, load).map_err(|error| unusable(&catalogue.name, error))
}

fn unusable(name: &str, error: CataloguesError<StoreError>) -> StageError {
    let doing = format!("loading the catalogue {name}");
    match &error {
        CataloguesError::Load(cause) => StageError::new(ErrorClass::of(cause), doing, Some(error.into())),
        _ => StageError::permanent(doing, error),
    }
}

/// Bodies first: a verdict never names a pack that is not there.
fn put(store: &Store, judgement: &Judgement) -> Result<Processed, StageError> {
    if let Some(bodies) = &judgement.bodies {
        store.put_pack(bodies)?;
    }
    store.put_pack(&judgement.verdicts)?;
    let verdicts = judgement.slice;
    let bodies = judgement.bodies.as_ref().and_then(|pack| pack.slices().last());
    Ok(Processed::leaf(Outcome::Validated { verdicts, bodies }))
}
