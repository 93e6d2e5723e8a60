//! Settlements: what became of a parcel.

use serde::{Deserialize, Serialize};

use crate::{Digest, Lane, PackSlice, ParcelId, Problem, RunId, StageName, UsedAggregate, Verdict};

/// Told to the coordinator once a parcel is done; a repeat carries the same facts and counts once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settlement {
    /// The parcel that is settled.
    pub parcel: ParcelId,
    /// Its run.
    pub run: RunId,
    /// The stage that settled it.
    pub stage: StageName,
    /// Records (items, files) in the parcel.
    pub records: u64,
    /// Children, published before this settlement.
    pub announced: Vec<Announced>,
    /// What came out.
    pub outcome: Outcome,
    /// Service time of the handler, in microseconds. Never part of a result.
    pub service_us: u64,
    /// Whether the result came from the results cache.
    pub cached: bool,
}

/// A child that the run now owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Announced {
    /// Its id.
    pub id: ParcelId,
    /// The stage it waits for.
    pub stage: StageName,
    /// Its lane.
    pub lane: Lane,
}

/// What came out of a parcel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// A source was listed.
    Listed {
        /// Name of the source.
        source: String,
        /// Locations that the last manifest knows with the same content, unread. Their items keep their state.
        unchanged: Vec<String>,
        /// Locations handed to `Read` children.
        to_read: u64,
        /// Why the listing is not complete; then nothing of the source is removed.
        failure: Option<String>,
        /// What else its owner may want to know: a pattern that nothing matches.
        #[serde(default)]
        notes: Vec<String>,
        /// Upstream queries made.
        #[serde(default)]
        queries: u64,
    },
    /// Locations were read.
    Read {
        /// Items that were read and had not changed after all.
        unchanged: Vec<crate::ItemId>,
        /// Verdicts on items that could not be read or taken apart; each a reject.
        rejected: Vec<Verdict>,
        /// Locations that could not be read for reasons of the upstream, not of the item: they keep their last page.
        failed: Vec<(String, String)>,
        /// Upstream queries made.
        queries: u64,
    },
    /// Items were judged: the verdicts are MessagePack in a pack, in the order of the items.
    Validated {
        /// Where the encoded `Vec<Verdict>` lies.
        verdicts: PackSlice,
        /// The last of the bodies that the verdicts name; `None` if all are rejects.
        #[serde(default)]
        bodies: Option<PackSlice>,
    },
    /// Records were turned into index documents.
    Indexed {
        /// In the order of the parcel.
        documents: Vec<IndexedRecord>,
    },
    /// Records were turned into pages.
    Rendered {
        /// In the order of the parcel.
        pages: Vec<RenderedRecord>,
    },
    /// Files were copied into the site.
    Published {
        /// How many pages (`.html`) were written.
        pages: u64,
        /// Bytes written, of pages and of all other files.
        bytes: u64,
    },
    /// The parcel could not be processed and was split; its children are announced.
    Split,
    /// An object that the parcel refers to is missing or damaged; whoever planned the parcel plans anew.
    InputLost {
        /// The object.
        object: Digest,
    },
    /// Nothing can be written where results go: the disk is full, a quota used up, the file system read-only. Whoever
    /// planned the parcel stops, for every other parcel would meet the same.
    NoRoom {
        /// What failed, outermost first.
        error: String,
    },
    /// The parcel, down to a single record, could not be processed after its attempts.
    Dead {
        /// What failed, outermost first.
        error: String,
        /// Attempts made.
        attempts: u32,
        /// What it was about: keys, or `source:location`.
        subjects: Vec<String>,
    },
}

/// An index document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedRecord {
    /// The record's key.
    pub key: String,
    /// Where the encoded document lies.
    pub document: PackSlice,
}

/// The pages of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedRecord {
    /// The record's key.
    pub key: String,
    /// The inputs that these pages were made from.
    pub inputs: Digest,
    /// Its files, sorted by path.
    pub files: Vec<PageFile>,
    /// Warnings of the renderer (a template that used a missing value …).
    pub warnings: Vec<Problem>,
    /// The aggregates that were looked at, ascending: with other content of them these pages may differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used: Vec<UsedAggregate>,
}

/// Whether a file of the site is a page: what reports count as pages.
#[must_use]
pub fn is_page(path: &str) -> bool {
    path.ends_with(".html")
}

/// A published file and where its bytes lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFile {
    /// Path in the site, with `/`.
    pub path: String,
    /// BLAKE3 of its bytes.
    pub digest: Digest,
    /// Where the bytes lie.
    pub from: PackSlice,
}
