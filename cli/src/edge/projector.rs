//! The renderer's lists and root files, as the coordinator asks for them.

use quire_catalogue::{Catalogue, Diagnostic};
use quire_coordinator::{CatalogueState, EntryIter, FigureFiles, Projector, RejectIter};
use quire_proto::AggregateRef;
use quire_renderer::{
    Engines,
    project::{self, SiteCatalogue},
    sight::{Decoded, read_from},
};
use quire_runtime::{BoxError, FileSink, Store};

use crate::definition;

/// Hands rows to the renderer's functions.
pub struct RendererProjector(pub Engines);

impl Projector for RendererProjector {
    fn problems(&self, catalogue: &Catalogue) -> Vec<Diagnostic> {
        definition::problems_of(catalogue, "catalogue.yaml")
    }

    fn catalogue_files(
        &self,
        bundle: &[u8],
        dead: u64,
        entries: &mut EntryIter<'_>,
        rejects: &mut RejectIter<'_>,
        sink: &mut dyn FileSink,
    ) -> Result<(), BoxError> {
        let compiled = self.0.of(bundle)?;
        project::catalogue_files(&compiled.engine, dead, &mut *entries, &mut *rejects, sink)
    }

    fn catalogue_figure(
        &self,
        bundle: &[u8],
        figure: usize,
        aggregates: &[AggregateRef],
        store: &Store,
    ) -> Result<FigureFiles, BoxError> {
        let compiled = self.0.of(bundle)?;
        let (files, listing) = compiled.pages.draw_shared(
            figure,
            aggregates.to_vec(),
            &Decoded::default(),
            &read_from(store),
        )?;
        let files = files.into_iter().map(|file| (file.path, file.bytes)).collect();
        Ok(FigureFiles { files, listing })
    }

    fn root_files(&self, catalogues: &[CatalogueState], sink: &mut dyn FileSink) -> Result<(), BoxError> {
        let mut listed = Vec::with_capacity(catalogues.len());
        for state in catalogues {
            listed.push(SiteCatalogue {
                engine: self.0.of(&state.bundle)?.engine.clone(),
                count: state.entries,
                rejected: state.rejects,
                entries: Box::new(state.entries()),
            });
        }
        project::root_files(listed, sink)
    }
}
