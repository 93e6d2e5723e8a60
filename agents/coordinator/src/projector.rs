//! What a site holds besides the records' own pages, and who makes it.

use std::sync::Arc;

use quire_catalogue::{Catalogue, Diagnostic};
use quire_proto::{
    AggregateRef,
    manifest::{Entry, Manifest, RejectRow},
};
use quire_runtime::{BoxError, FileSink, Store};

use crate::{
    manifest_io::{self, EntryReader},
    shelf::Shelf,
};

/// Accepted records, ascending by key.
pub type EntryIter<'a> = dyn Iterator<Item = Result<Arc<Entry>, BoxError>> + 'a;
/// Rejected items, ascending by item.
pub type RejectIter<'a> = dyn Iterator<Item = Result<RejectRow, BoxError>> + 'a;

/// Makes the files that belong to no single record. Pure: the same rows and bundle give the same files.
pub trait Projector: Send + Sync + 'static {
    /// What is wrong with a definition beyond its structure: expressions, schema, templates, files that are not there.
    fn problems(&self, catalogue: &Catalogue) -> Vec<Diagnostic> {
        catalogue.check().into_iter().collect()
    }

    /// The files of one catalogue: lists, search shards, data files, assets. Each path begins with `<catalogue>/`. `dead` items
    /// could not be processed; they keep their last state, if they have one.
    ///
    /// # Errors
    /// Whatever goes wrong; nothing is committed then.
    fn catalogue_files(
        &self,
        bundle: &[u8],
        dead: u64,
        entries: &mut EntryIter<'_>,
        rejects: &mut RejectIter<'_>,
        sink: &mut dyn FileSink,
    ) -> Result<(), BoxError>;

    /// Draws a figure of a catalogue as a whole, by its number among them, from its aggregates, which are in `store`.
    ///
    /// # Errors
    /// Whatever goes wrong, with the figure and the place; nothing is committed then.
    fn catalogue_figure(
        &self,
        bundle: &[u8],
        figure: usize,
        aggregates: &[AggregateRef],
        store: &Store,
    ) -> Result<FigureFiles, BoxError> {
        let _ = (bundle, figure, aggregates, store);
        Ok(FigureFiles { files: Vec::new(), listing: b"[]".to_vec() })
    }

    /// The files at the site's root: the list of catalogues, sitemap, shared assets.
    ///
    /// # Errors
    /// Whatever goes wrong; the site keeps its former root then.
    fn root_files(&self, catalogues: &[CatalogueState], sink: &mut dyn FileSink) -> Result<(), BoxError>;
}

/// A figure of a catalogue as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureFiles {
    /// Path in the catalogue's folder, and bytes.
    pub files: Vec<(String, Vec<u8>)>,
    /// What templates know of it: a JSON array.
    pub listing: Vec<u8>,
}

/// A catalogue as its newest manifest has it.
#[derive(Debug, Clone)]
pub struct CatalogueState {
    /// Its slug.
    pub name: String,
    /// The encoded bundle.
    pub bundle: bytes::Bytes,
    /// The committed state.
    pub manifest: Manifest,
    /// How many records it publishes.
    pub entries: u64,
    /// How many items it rejects.
    pub rejects: u64,
    pub(crate) shelf: Shelf,
}

impl CatalogueState {
    pub(crate) fn new(shelf: &Shelf, bundle: bytes::Bytes, manifest: Manifest) -> Self {
        let entries = manifest_io::count(&manifest.entries);
        let rejects = manifest_io::count(&manifest.rejects);
        Self {
            name: manifest.catalogue.name.clone(),
            bundle,
            manifest,
            entries,
            rejects,
            shelf: shelf.clone(),
        }
    }

    /// The accepted records, ascending by key; read chunk by chunk.
    pub fn entries(&self) -> impl Iterator<Item = Result<Arc<Entry>, BoxError>> + use<> {
        let name = self.name.clone();
        EntryReader::new(&self.shelf, self.manifest.entries.clone())
            .map(move |row| row.map_err(|error| error.in_catalogue(&name).into()))
    }
}
