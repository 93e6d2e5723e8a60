//! The stage *index*, and the search index that follows the manifests.
//!
//! [`Indexer`] turns records into index documents, in packs. [`follow`] brings the search index of a catalogue to its
//! newest manifest; [`SearchIndex`] answers queries, [`ask`] those to several catalogues. [`IndexerRole`] is all of it as a
//! process. The index holds nothing that a manifest does not name: delete it,
//! and it is made again. This is the only crate that knows which index library lies underneath.

mod agent;
mod ask;
mod error;
mod files;
mod follow;
mod old;
mod query;
mod rows;
mod schema;
mod snapshot;
mod stage;
mod state;
mod tokens;
pub mod wire;
mod writer;

pub use agent::{FollowArgs, IndexerRole};
pub use ask::{Asked, MAX_FILTERS, ask};
pub use error::{IndexError, SearchError};
pub use follow::{Applied, apply, distrust, follow, follow_while};
pub use query::{
    Answer, FacetCount, FacetCounts, Hit, MAX_HITS, MAX_QUERY_BYTES, Matched, Query, SearchIndex, Shown,
    Snippet, Suggestion,
};
pub use stage::Indexer;
