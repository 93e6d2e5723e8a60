//! The stage *index*, and the search index that follows the manifests.
//!
//! [`Indexer`] turns records into index documents, in packs. [`follow`] brings the search index of a catalogue to its
//! newest manifest; [`SearchIndex`] answers queries. The index holds nothing that a manifest does not name: delete it,
//! and it is made again. This is the only crate that knows which index library lies underneath.

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
mod writer;

pub use error::{IndexError, SearchError};
pub use follow::{Applied, apply, follow};
pub use query::{
    Answer, FacetCount, FacetCounts, Hit, MAX_HITS, Matched, Query, SearchIndex, Snippet, Suggestion,
};
pub use stage::Indexer;
