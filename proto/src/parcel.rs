//! Parcels: the unit of work on the wire.

use serde::{Deserialize, Serialize};

use crate::{
    AggregateRef, CatalogueRef, Digest, DigestBuilder, Epoch, Item, ItemId, Lane, ListRow, PackSlice,
    ParcelId, RunId, StageName,
};

/// Most records in one parcel.
pub const MAX_PARCEL_RECORDS: usize = 64;
/// A parcel is closed when its bodies reach this many bytes.
pub const MAX_PARCEL_BYTES: usize = 256 * 1024;

/// Up to [`MAX_PARCEL_RECORDS`] records of one run, stage and lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// Whose, and what for.
    pub header: ParcelHeader,
    /// What to do.
    pub work: Work,
}

/// What every stage needs to know of a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelHeader {
    /// Derived id.
    pub id: ParcelId,
    /// The run.
    pub run: RunId,
    /// The run's epoch.
    pub epoch: Epoch,
    /// The catalogue's definition.
    pub catalogue: CatalogueRef,
    /// The lane; children stay in it.
    pub lane: Lane,
    /// Results of earlier runs are not to be used: the run is a full one, or what they name may be damaged.
    pub anew: bool,
}

/// The work of a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Fetch: list one source, report what is unchanged, announce [`Work::Read`] children.
    List(ListSource),
    /// Fetch: read these locations of one source, announce [`Work::Validate`] children.
    Read {
        /// Name of the source.
        source: String,
        /// What to read.
        locations: Vec<Listed>,
        /// The committed manifest that "unchanged" is judged against; `None`: everything is new.
        base: Option<Digest>,
    },
    /// Validate: judge these items.
    Validate(Vec<Item>),
    /// Index: make documents of these records.
    Index(Vec<IndexRecord>),
    /// Render: make the pages of these records.
    Render(Vec<RenderRecord>),
    /// Render (its store edge): copy files from packs into the site.
    Publish(Vec<FileCopy>),
}

/// Which source to list, and against what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSource {
    /// Name of the source.
    pub source: String,
    /// The committed manifest that "unchanged" is judged against; `None`: everything is new.
    pub base: Option<Digest>,
    /// The locations to look at; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
}

/// A location that a source listed, with what is known of it without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Relative to the source.
    pub location: String,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, nanoseconds since 1970; 0 where there is none.
    pub modified_ns: i128,
}

/// A record to index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRecord {
    /// The record's key.
    pub key: String,
    /// The canonical body.
    pub body: PackSlice,
}

/// A record to render, with all that its pages may depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderRecord {
    /// The record's key.
    pub key: String,
    /// Title.
    pub title: String,
    /// Page name without ending.
    pub slug: String,
    /// Where the record stands in its source.
    pub item: ItemId,
    /// What lists show of it: its pages show it too.
    pub row: ListRow,
    /// The canonical body.
    pub body: PackSlice,
    /// Results of the catalogue's look-ups, in their order; each sorted by key.
    pub lookups: Vec<Vec<LookupHit>>,
    /// Digest of all of the above with template, assets, catalogue and renderer version.
    pub inputs: Digest,
    /// The catalogue's aggregates, in their order; pages depend on those that they use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aggregates: Vec<AggregateRef>,
}

/// Another record found by a look-up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LookupHit {
    /// Its key.
    pub key: String,
    /// Its title.
    pub title: String,
    /// Its page name without ending.
    pub slug: String,
    /// The terms by which it was found, sorted.
    pub via: Vec<String>,
}

/// A file to be copied from a pack into the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCopy {
    /// Path in the site, with `/`, without leading `/`.
    pub path: String,
    /// BLAKE3 of the file's bytes.
    pub digest: Digest,
    /// Where the bytes lie.
    pub from: PackSlice,
}

impl Work {
    /// The stage that does it.
    #[must_use]
    pub const fn stage(&self) -> StageName {
        match self {
            Self::List(_) | Self::Read { .. } => StageName::Fetch,
            Self::Validate(_) => StageName::Validate,
            Self::Index(_) => StageName::Index,
            Self::Render(_) | Self::Publish(_) => StageName::Render,
        }
    }

    /// How many records (items, files) it concerns.
    #[must_use]
    pub fn records(&self) -> usize {
        match self {
            Self::List(_) => 0,
            Self::Read { locations, .. } => locations.len(),
            Self::Validate(items) => items.len(),
            Self::Index(records) => records.len(),
            Self::Render(records) => records.len(),
            Self::Publish(files) => files.len(),
        }
    }

    /// Digest of what a *pure* stage makes its result from, or `None` for work that looks at the outside
    /// world. Equal digests under one catalogue give equal results, whichever run asks.
    #[must_use]
    pub fn pure_digest(&self, catalogue: &CatalogueRef) -> Option<Digest> {
        let builder =
            |domain: &str| DigestBuilder::new(domain).text(&catalogue.name).digest(&catalogue.bundle);
        match self {
            Self::List(_) | Self::Read { .. } | Self::Publish(_) => None,
            Self::Validate(items) => {
                let digest = items.iter().fold(builder("validate"), |digest, item| {
                    digest
                        .text(&item.id.source)
                        .text(&item.id.location)
                        .number(u64::from(item.id.ordinal))
                        .number(u64::from(item.line))
                        .digest(&item.content)
                });
                Some(digest.finish())
            }
            Self::Index(records) => {
                let digest = records.iter().fold(builder("index"), |digest, record| {
                    digest
                        .text(&record.key)
                        .digest(&record.body.pack)
                        .number(record.body.offset)
                        .number(record.body.len)
                });
                Some(digest.finish())
            }
            Self::Render(records) => {
                let digest = records.iter().fold(builder("render"), |digest, record| {
                    let digest = digest.digest(&record.inputs);
                    record
                        .aggregates
                        .iter()
                        .fold(digest, |digest, aggregate| digest.digest(&aggregate.used.digest))
                });
                Some(digest.finish())
            }
        }
    }
}
