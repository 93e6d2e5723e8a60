//! Why an index cannot be brought up to date, or a query not be answered.

use std::{io, path::PathBuf};

use quire_catalogue::CataloguesError;
use quire_proto::CodecError;
use quire_runtime::{StoreError, manifests::ManifestError};

/// Why an index cannot follow its manifest, or cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// There is no index in the folder, or one that this program cannot read; following builds one.
    #[error("there is no usable search index in {}; a build makes one", .0.display())]
    Missing(PathBuf),
    /// It was told to stop before it had followed.
    #[error("stopped before the search index had followed")]
    Stopped,
    /// Another process writes the index.
    #[error("the search index in {} is being written by another process", .0.display())]
    Busy(PathBuf),
    /// The folder cannot be used.
    #[error("cannot {doing} the search index")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The index library says no.
    #[error("cannot {doing} the search index")]
    Index {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: tantivy::TantivyError,
    },
    /// The store cannot be read.
    #[error("cannot read the manifest's rows")]
    Store(#[from] StoreError),
    /// A manifest, row or document is not what it should be.
    #[error("cannot read {what}")]
    Decode {
        /// Which.
        what: &'static str,
        /// Why not.
        source: CodecError,
    },
    /// The manifest's catalogue cannot be used.
    #[error("cannot load the manifest's catalogue")]
    Catalogue(#[source] Box<CataloguesError<StoreError>>),
    /// The index library panicked on what it read.
    #[error("the search index in {} is damaged", .0.display())]
    Damaged(PathBuf),
}

impl From<ManifestError> for IndexError {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::Store(error) => Self::Store(error),
            ManifestError::Decode { what, source } => Self::Decode { what, source },
        }
    }
}

impl IndexError {
    /// Whether building the index anew may help.
    pub(crate) const fn is_damage(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Index { .. } | Self::Damaged(_))
    }
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Nothing to look for.
    #[error("the query is blank: type words, or filter by a value")]
    Blank,
    /// A filter names a field that is not a filter.
    #[error("no filter {name:?}; there are: {}", known.join(", "))]
    UnknownFilter {
        /// The name.
        name: String,
        /// Names of all filters.
        known: Vec<String>,
    },
    /// More text than is read.
    #[error("the query has {bytes} bytes: at most {most} are read")]
    Long {
        /// Its bytes.
        bytes: usize,
        /// Most bytes.
        most: usize,
    },
    /// None, or too many hits are asked for.
    #[error("a limit of {limit} hits: expected 1 to {most}")]
    Limit {
        /// The limit.
        limit: usize,
        /// The greatest.
        most: usize,
    },
    /// Too many filters, or too long ones.
    #[error("expected at most {most} filters, each of at most {bytes} bytes")]
    Filters {
        /// Most filters.
        most: usize,
        /// Most bytes of a name and of a value.
        bytes: usize,
    },
    /// The index cannot be read.
    #[error("cannot read the search index")]
    Index(#[from] tantivy::TantivyError),
    /// The index's files cannot be read.
    #[error("cannot read the search index")]
    Io(#[from] io::Error),
    /// The index is damaged; the next build makes it anew.
    #[error("the search index is damaged; the next build makes it anew")]
    Damaged,
}

impl SearchError {
    /// Whether the question is wrong, not the index.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        !matches!(self, Self::Index(_) | Self::Io(_) | Self::Damaged)
    }
}
