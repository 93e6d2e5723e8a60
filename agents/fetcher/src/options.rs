//! What a fetcher is told once, for all its parcels.

use std::{collections::BTreeMap, path::PathBuf};

use crate::expand::Env;

/// Options of a [`crate::Fetcher`].
#[derive(Debug, Clone, Default)]
pub struct FetcherOptions {
    /// Per catalogue, the folder that relative roots of its sources start from: that of its `catalogue.yaml`.
    pub roots: BTreeMap<String, PathBuf>,
    /// Where `${VAR}` is looked up.
    pub env: Env,
    /// Folders that are never listed, canonical: what Quire makes must not be read as data.
    pub left_out: Vec<PathBuf>,
}
