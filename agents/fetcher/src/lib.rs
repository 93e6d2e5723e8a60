//! The stage *fetch*: lists and reads upstreams.
//!
//! A `List` parcel names a source. What the last manifest has with the same content is reported unchanged, without
//! being read where size and time say so (see [`Memo`]); the rest becomes `Read` parcels. A `Read` parcel takes
//! its locations apart into items and sends those on that the manifest does not have.
//!
//! Nothing here decides what is valid. An item that cannot be read for reasons of its own is rejected with the reason;
//! one that cannot be read for reasons of the upstream *failed*, and keeps its last page.

mod base;
mod expand;
mod files;
mod frame;
mod gather;
mod inflate;
mod memo;
pub mod neuprint;
mod options;
mod requests;
mod sift;
mod stage;
mod take;
mod upstream;

pub use expand::{Env, ExpandError, expand};
pub use memo::{MEMO, Memo};
pub use options::FetcherOptions;
pub use stage::Fetcher;
