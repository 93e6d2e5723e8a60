//! The stage: *render* parcels become packs of pages, *publish* parcels become files of the site.

use std::sync::Arc;

use quire_proto::{
    CatalogueRef, Digest, FileCopy, Outcome, PageFile, Parcel, ParcelHeader, RenderRecord, RenderedRecord,
    StageName, Work, is_page, pack::PackBuilder,
};
use quire_runtime::{Context, Processed, Stage, StageError, Store, StoreError, manifests};

use crate::{
    edge::{SiteError, SiteFiles},
    engines::{CompileError, Compiled, Engines},
    page::{Made, PageError},
    sight::{Decoded, read_from},
};

/// Why the templates of a parcel's catalogue are not to be had.
enum LoadError {
    Store(StoreError),
    Compile(CompileError),
}

impl From<StoreError> for LoadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<CompileError> for LoadError {
    fn from(error: CompileError) -> Self {
        Self::Compile(error)
    }
}

/// Most bytes that the files of one parcel have together; a parcel with more is split.
const MAX_PACK_BYTES: usize = 96 << 20;

/// Makes pages and puts them into the site. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Renderer {
    engines: Engines,
    decoded: Decoded,
    site: Option<Arc<dyn SiteFiles>>,
}

impl Renderer {
    /// A renderer that publishes through `site`. Without one it only renders, and publish parcels fail.
    #[must_use]
    pub fn new(engines: Engines, site: Option<Arc<dyn SiteFiles>>) -> Self {
        Self { engines, decoded: Decoded::default(), site }
    }

    fn compiled(&self, store: &Store, catalogue: &CatalogueRef) -> Result<Arc<Compiled>, StageError> {
        self.engines.get(&catalogue.bundle, || Ok(store.get_blob(&catalogue.bundle)?)).map_err(|error| {
            match error {
                LoadError::Store(error) => error.into(),
                LoadError::Compile(error) => StageError::permanent("preparing the templates", error),
            }
        })
    }

    /// A record that fails beside others is set apart: by itself it is dead, and the pages of the others are not made twice.
    fn render(
        &self,
        store: &Store,
        catalogue: &CatalogueRef,
        records: &[RenderRecord],
    ) -> Result<Processed, StageError> {
        let compiled = self.compiled(store, catalogue)?;
        let folder = &compiled.engine.look().slug;
        let mut pack = PackBuilder::default();
        let read = read_from(store);
        let (mut made, mut set_apart) = (Vec::with_capacity(records.len()), Vec::new());
        for record in records {
            let body = store.get_slice(&record.body)?;
            let Made { pages, used } = match compiled.pages.make(record, &body, &self.decoded, &read) {
                Ok(made) => made,
                Err(error) if records.len() > 1 && error.is_of_record() => {
                    set_apart.push(Work::Render(vec![record.clone()]));
                    continue;
                }
                Err(error) => return Err(failed(record, error)),
            };
            let files = pages.into_iter().map(|page| {
                let path = format!("{folder}/{}", page.path);
                (path, Digest::of(&page.bytes), pack.add(page.bytes))
            });
            made.push((record, files.collect::<Vec<_>>(), used));
            if pack.len() > MAX_PACK_BYTES {
                let message = format!("the files have more than {MAX_PACK_BYTES} bytes together");
                return Err(StageError::permanent(format!("rendering {}", record.key), message));
            }
        }
        let pack = pack.finish();
        let mut pages = Vec::with_capacity(made.len());
        for (record, files, used) in made {
            let files = files.into_iter().filter_map(|(path, digest, position)| {
                Some(PageFile { path, digest, from: pack.slice(position)? })
            });
            let (key, inputs, files) = (record.key.clone(), record.inputs, files.collect());
            pages.push(RenderedRecord { key, inputs, files, warnings: Vec::new(), used });
        }
        store.put_pack(&pack)?;
        Ok(Processed { outcome: Outcome::Rendered { pages }, children: set_apart })
    }

    fn publish(
        &self,
        store: &Store,
        header: &ParcelHeader,
        files: &[FileCopy],
    ) -> Result<Outcome, StageError> {
        let Some(site) = &self.site else {
            return Err(StageError::permanent("publishing", "this renderer has no site"));
        };
        if is_late(store, header)? {
            return Ok(Outcome::Published { pages: 0, bytes: 0 });
        }
        let failed = |error: SiteError| {
            StageError::new(error.class(), format!("publishing {}", error.path()), Some(error.into()))
        };
        let mut contents = Vec::with_capacity(files.len());
        for file in files {
            if !site.holds(&file.path, &file.digest).map_err(failed)? {
                contents.push((file.path.as_str(), file.digest, store.get_slice(&file.from)?));
            }
        }
        let written = site.write_all(&contents).map_err(failed)?;
        let (mut pages, mut bytes) = (0, 0);
        for ((path, _, content), _) in contents.iter().zip(written).filter(|(_, written)| *written) {
            pages += u64::from(is_page(path));
            bytes += content.len() as u64;
        }
        Ok(Outcome::Published { pages, bytes })
    }
}

/// What a page's failure means: an aggregate that cannot be had is no fault of the record.
fn failed(record: &RenderRecord, error: PageError) -> StageError {
    match error {
        PageError::Aggregate(error) => error.into(),
        error => StageError::permanent(format!("rendering {}", record.key), error),
    }
}

/// Whether a later manifest of the catalogue is committed: what a former leader still has in the lanes, or somebody had who
/// stood still, must not come over newer files.
fn is_late(store: &Store, header: &ParcelHeader) -> Result<bool, StageError> {
    Ok(manifests::newest_epoch(store, &header.catalogue.name)? > Some(header.epoch))
}

impl Stage for Renderer {
    fn name(&self) -> StageName {
        StageName::Render
    }

    async fn process(&self, ctx: Context, parcel: Arc<Parcel>) -> Result<Processed, StageError> {
        let renderer = self.clone();
        let store = ctx.store().clone();
        let work = move || match &parcel.work {
            Work::Render(records) => renderer.render(&store, &parcel.header.catalogue, records),
            Work::Publish(files) => renderer.publish(&store, &parcel.header, files).map(Processed::leaf),
            _ => Err(StageError::permanent("rendering", "the parcel is for another stage")),
        };
        ctx.compute(work).await?
    }
}
