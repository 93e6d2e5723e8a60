//! What an index says of itself: a small file beside it, replaced by rename after every commit.

use std::{fs, io, path::Path};

use quire_proto::{Digest, Epoch, PackSlice};
use serde::{Deserialize, Serialize};
use tantivy::{Index, IndexMeta, SegmentMeta};

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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SegmentRef {
    id: String,
    alive: u32,
    /// Its files with their lengths, sorted: the library takes some missing ones for empty.
    files: Vec<(String, u64)>,
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

    /// Forgets what the index in `dir` has: without it, none is usable.
    pub(crate) fn remove(dir: &Path) -> io::Result<()> {
        match fs::remove_file(dir.join(NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether `index`, in `dir`, is at the commit that this state speaks of, with all its files.
    pub(crate) fn fits(&self, dir: &Path, index: &Index) -> bool {
        let has =
            |(name, len): &(String, u64)| fs::metadata(dir.join(name)).is_ok_and(|file| file.len() == *len);
        let found = index.load_metas().map(|metas| segments(&metas)).unwrap_or_default();
        found.len() == self.segments.len()
            && self
                .segments
                .iter()
                .zip(&found)
                .all(|(known, (id, alive))| known.id == *id && known.alive == *alive)
            && self.segments.iter().flat_map(|segment| &segment.files).all(has)
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
            segments: with_files(dir, segments(&metas))?,
        };
        let new = dir.join("followed.new");
        fs::write(&new, serde_json::to_vec(&state)?)?;
        fs::rename(new, dir.join(NAME))?;
        Ok(state)
    }
}

/// Ids of all segments with the number of their living documents, sorted.
fn segments(metas: &IndexMeta) -> Vec<(String, u32)> {
    let segment = |segment: &SegmentMeta| (segment.id().uuid_string(), segment.num_docs());
    let mut segments: Vec<_> = metas.segments.iter().map(segment).collect();
    segments.sort();
    segments
}

fn with_files(dir: &Path, segments: Vec<(String, u32)>) -> io::Result<Vec<SegmentRef>> {
    let mut refs: Vec<_> =
        segments.into_iter().map(|(id, alive)| SegmentRef { id, alive, files: Vec::new() }).collect();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(segment) = refs.iter_mut().find(|segment| name.starts_with(&segment.id)) {
            segment.files.push((name, entry.metadata()?.len()));
        }
    }
    refs.iter_mut().for_each(|segment| segment.files.sort());
    Ok(refs)
}
