//! The manifest: the committed state of a catalogue at an epoch, as sorted rows in content-addressed chunks.
//!
//! Two sections: *entries* (accepted records, sorted by key) and *rejects* (sorted by item). A chunk ends
//! where the key's digest says so (see [`ends_chunk`]), not after a number of rows: an inserted row changes
//! one chunk, all others keep their content address.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    AggregateRef, CatalogueRef, Claim, Digest, Epoch, ItemId, PackSlice, PageFile, Problem, RecordVerdict,
    RunId, UsedAggregate,
};

/// Version of the manifest's format; another version is not read but built anew.
pub const FORMAT: u32 = 1;

/// What is committed under `manifests/<catalogue>/<epoch>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// The catalogue.
    pub catalogue: CatalogueRef,
    /// Digest of what verdicts depend on (expressions, schema, rules); another digest validates all anew.
    pub validation: Digest,
    /// The run that committed it.
    pub run: RunId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Whether every source was listed completely.
    pub complete: bool,
    /// Chunks of [`Entry`] rows, ascending by key.
    pub entries: Vec<Chunk>,
    /// Chunks of [`RejectRow`] rows, ascending by item.
    pub rejects: Vec<Chunk>,
    /// Files that belong to the catalogue as a whole (lists, search shards, data files), sorted by path.
    pub files: Vec<PageFile>,
    /// What rows and files were made from: lets the coordinator see cheaply that nothing changed.
    #[serde(default)]
    pub basis: Basis,
}

/// What a manifest's rows and files were made from. An empty one only costs time: all is looked at again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Basis {
    /// Which locations the rows come from, by source, ascending by name.
    pub sources: Vec<SourceState>,
    /// Digest of what index documents depend on besides the record.
    pub index: Option<Digest>,
    /// Digest of what [`Manifest::files`] depend on: catalogue, renderer, rows.
    pub projection: Option<Digest>,
    /// Digests of what files among [`Manifest::files`] were made from, by path, ascending.
    #[serde(default)]
    pub inputs: Vec<(String, Digest)>,
    /// Items that were dead in this run; they are tried again by the next one.
    pub dead: u64,
    /// Where the bodies of records lie that are dead: no row names them, but whoever looks at their letters needs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead_bodies: Vec<DeadBody>,
    /// The catalogue's aggregates, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub together: Vec<PackSlice>,
    /// Figures of the catalogue as a whole, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<DrawnFigure>,
}

impl Basis {
    /// The aggregates and what is known of the figures, as renderers are told of them.
    #[must_use]
    pub fn aggregates(&self) -> Vec<AggregateRef> {
        let slices = self.together.iter().chain(self.figures.iter().map(|figure| &figure.listing));
        let reference = |(aggregate, from): (u16, &PackSlice)| {
            // Each is an object of its own, so its address is the digest of the content.
            AggregateRef { used: UsedAggregate { aggregate, digest: from.pack }, from: *from }
        };
        (0..).zip(slices).map(reference).collect()
    }
}

/// The body of a record that is dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadBody {
    /// Where the record comes from.
    pub item: ItemId,
    /// The pack that has it.
    pub pack: Digest,
}

/// A figure of the catalogue as a whole, drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawnFigure {
    /// Digest of what it was drawn from.
    pub inputs: Digest,
    /// Its files, sorted by path; they are among [`Manifest::files`] too.
    pub files: Vec<PageFile>,
    /// What pages know of its drawings: a JSON array.
    pub listing: PackSlice,
}

/// The locations of one source that have rows in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// Name of the source.
    pub source: String,
    /// How many distinct locations.
    pub locations: u64,
    /// Digest of their names in ascending order.
    pub digest: Digest,
}

/// A run of rows in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Where the encoded `Vec` of rows lies.
    pub rows: PackSlice,
    /// How many rows.
    pub count: u32,
    /// Key (or item, as text) of the last row.
    pub last: String,
}

/// The content of a row that is not of what its item is now, as that could not be processed: whatever the item is, the next run
/// reads it.
pub const UNREAD: Digest = Digest::from_bytes([0; 32]);

/// An accepted record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The item it came from.
    pub item: ItemId,
    /// Digest of the item's bytes, or [`UNREAD`].
    pub content: Digest,
    /// Key, claims, list row, where the body lies.
    pub record: Arc<RecordVerdict>,
    /// Warnings found by the decision (a claim of severity *warn* that another record holds …).
    pub decided: Vec<Problem>,
    /// Digest of everything its pages depend on, but aggregates.
    pub inputs: Digest,
    /// The aggregates that its pages were made from, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used: Vec<UsedAggregate>,
    /// Its published files.
    pub files: Vec<PageFile>,
    /// Warnings of the renderer about these files.
    #[serde(default)]
    pub page_warnings: Vec<Problem>,
    /// Its index document.
    pub document: PackSlice,
    /// The epoch that last changed it.
    pub epoch: Epoch,
}

/// A rejected item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectRow {
    /// The item.
    pub item: ItemId,
    /// Digest of the item's bytes, or [`UNREAD`].
    pub content: Digest,
    /// The key, where it could be had.
    pub key: Option<String>,
    /// Why.
    pub problems: Vec<Problem>,
    /// The verdict of a record that is right by itself and lost a claim: it may be accepted when the holder goes.
    pub record: Option<Arc<RecordVerdict>>,
    /// What an item that is wrong by itself would claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
}

/// Whether a chunk ends after the row with this key: one key in 128 does.
#[must_use]
pub fn ends_chunk(key: &str) -> bool {
    Digest::of(key.as_bytes()).as_bytes()[0] < 2
}

/// Most rows in a chunk, whatever [`ends_chunk`] says.
pub const MAX_CHUNK_ROWS: usize = 1024;
