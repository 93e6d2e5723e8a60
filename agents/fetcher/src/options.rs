//! What a fetcher is told once, for all its parcels.

use std::{collections::BTreeMap, path::PathBuf};

use opentelemetry::metrics::Meter;

use crate::expand::Env;

/// Options of a [`crate::Fetcher`].
#[derive(Debug, Clone, Default)]
pub struct FetcherOptions {
    /// Per catalogue, the folder that relative roots of its sources start from: that of its `catalogue.yaml`.
    pub roots: BTreeMap<String, PathBuf>,
    /// Folder with a folder a catalogue, named after it, for catalogues that have none in `roots`.
    pub data: Option<PathBuf>,
    /// Where `${VAR}` is looked up.
    pub env: Env,
    /// Folders that are never listed, canonical: what Quire makes must not be read as data.
    pub left_out: Vec<PathBuf>,
    /// Counts requests to sources, where anybody asks for that.
    pub meter: Option<Meter>,
}

impl FetcherOptions {
    /// The folder that relative roots of a catalogue's sources start from, if one is known.
    pub(crate) fn home_of(&self, catalogue: &str) -> Option<PathBuf> {
        let known = self.roots.get(catalogue).cloned();
        known.or_else(|| self.data.as_ref().map(|data| data.join(catalogue)))
    }
}
