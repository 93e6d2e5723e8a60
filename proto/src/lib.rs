//! The wire: every word that two agents share, and how it looks in MessagePack.
//!
//! This crate does no I/O and reads no clock. Start with [`Parcel`] (work on its way to a stage),
//! [`Settlement`] (what became of it), [`Verdict`] (what a validator says of one item) and
//! [`manifest`] (the committed state of a catalogue).

mod aggregate;
pub mod codec;
mod digest;
mod ids;
mod item;
mod lane;
pub mod manifest;
pub mod pack;
mod parcel;
mod problem;
mod report;
mod settlement;
mod verdict;

pub use aggregate::{AggregateRef, Outputs, Share, UsedAggregate};
pub use codec::{CodecError, MAX_MESSAGE_BYTES};
pub use digest::{Digest, DigestBuilder, ParseDigestError};
pub use ids::{CatalogueRef, Epoch, ParcelId, RunId};
pub use item::{Format, Item, ItemId};
pub use lane::{Lane, StageName};
pub use pack::PackSlice;
pub use parcel::{
    FileCopy, IndexRecord, ListSource, Listed, LookupHit, MAX_PARCEL_BYTES, MAX_PARCEL_RECORDS, Parcel,
    ParcelHeader, RenderRecord, Work,
};
pub use problem::{Problem, Severity};
pub use report::{BuildReport, CacheCounts, RecordCounts, RunReport, StageReport, UpstreamReport};
pub use settlement::{Announced, IndexedRecord, Outcome, PageFile, RenderedRecord, Settlement, is_page};
pub use verdict::{Claim, Judged, ListRow, RecordVerdict, Reference, Term, Verdict};
