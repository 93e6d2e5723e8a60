//! What an index says of itself: a small file beside it, replaced by rename after every commit.

use std::{fs, io, path::Path};

use quire_proto::{Digest, Epoch, PackSlice};
use serde::{Deserialize, Serialize};
use tantivy::{Index, IndexMeta};

use crate::schema::{FieldSpec, VERSION};

const NAME: &str = "followed.json";

/// Which manifest the index has, and which commit of the index that was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    version: u32,
    /// Catalogue of the manifest.
    pub(crate) catalogue: String,
    /// Its epoch.
    pub(crate) epoch: Epoch,
    /// Digest of its bytes.
    pub(crate) manifest: Digest,
    /// Digest of what documents depend on besides the record.
    pub(crate) basis: Digest,
    /// Its chunks of entries.
    pub(crate) chunks: Vec<ChunkRef>,
    /// The fields that the documents were made with.
    pub(crate) fields: Vec<FieldSpec>,
    /// The segments of the commit, as it left them.
    segments: Vec<SegmentRef>,
}

/// A chunk of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkRef {
    pub(crate) rows: PackSlice,
    /// Key of its last row.
    pub(crate) last: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct SegmentRef {
    id: String,
    alive: u32,
}

/// What a state is made from, apart from the commit.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    pub(crate) catalogue: String,
    pub(crate) epoch: Epoch,
    pub(crate) manifest: Digest,
    pub(crate) basis: Digest,
    pub(crate) chunks: Vec<ChunkRef>,
    pub(crate) fields: Vec<FieldSpec>,
}

impl State {
    /// The state of the index in `dir`; `None` if there is none, or of another version.
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        let bytes = fs::read(dir.join(NAME)).ok()?;
        let state: Self = serde_json::from_slice(&bytes).ok()?;
        (state.version == VERSION).then_some(state)
    }

    /// Whether `index` is at the commit that this state speaks of.
    pub(crate) fn fits(&self, index: &Index) -> bool {
        index.load_metas().is_ok_and(|metas| segments(&metas) == self.segments)
    }

    /// Writes the state of an index that has just been committed.
    pub(crate) fn write(dir: &Path, index: &Index, followed: Followed) -> io::Result<Self> {
        let metas = index.load_metas().map_err(io::Error::other)?;
        let state = Self {
            version: VERSION,
            catalogue: followed.catalogue,
            epoch: followed.epoch,
            manifest: followed.manifest,
            basis: followed.basis,
            chunks: followed.chunks,
            fields: followed.fields,
            segments: segments(&metas),
        };
        let new = dir.join("followed.new");
        fs::write(&new, serde_json::to_vec(&state)?)?;
        fs::rename(new, dir.join(NAME))?;
        Ok(state)
    }
}

fn segments(metas: &IndexMeta) -> Vec<SegmentRef> {
    let mut segments: Vec<_> = metas
        .segments
        .iter()
        .map(|segment| SegmentRef { id: segment.id().uuid_string(), alive: segment.num_docs() })
        .collect();
    segments.sort();
    segments
}
