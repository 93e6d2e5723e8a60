//! The renderer's lists and root files, as the coordinator asks for them.

use quire_coordinator::{CatalogueState, EntryIter, FileSink, Projector, RejectIter};
use quire_proto::Digest;
use quire_renderer::{
    Engines,
    project::{self, Sink, SiteCatalogue},
};
use quire_runtime::BoxError;

/// Hands rows to the renderer's functions.
pub(super) struct RendererProjector(pub(super) Engines);

impl Projector for RendererProjector {
    fn catalogue_files(
        &self,
        bundle: &[u8],
        entries: &mut EntryIter<'_>,
        rejects: &mut RejectIter<'_>,
        sink: &mut dyn FileSink,
    ) -> Result<(), BoxError> {
        let compiled = self.0.of(bundle)?;
        project::catalogue_files(&compiled.engine, &mut *entries, &mut *rejects, &mut Forward(sink))
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
        project::root_files(listed, &mut Forward(sink))
    }
}

/// The coordinator's sink as the renderer's.
struct Forward<'a>(&'a mut dyn FileSink);

impl Sink for Forward<'_> {
    fn add(&mut self, path: String, bytes: Vec<u8>) -> Result<(), BoxError> {
        self.0.add(path, bytes)
    }

    fn keep(&mut self, path: &str, inputs: Digest) -> Result<bool, BoxError> {
        self.0.keep(path, inputs)
    }
}
