//! What the fetcher asks of a connector. A new upstream is one file beside [`crate::files`] and one arm in
//! [`connect`].

use std::{
    collections::{BTreeMap, HashSet},
    future::Future,
    pin::Pin,
    sync::Arc,
};

use quire_catalogue::{Connector, Source};
use quire_proto::Listed;
use quire_runtime::{Context, StageError};

use crate::{
    FetcherOptions,
    files::FilesUpstream,
    gather::Gather,
    memo::{MemoBook, MemoScope},
    neuprint::{Clients, Meters, NeuprintUpstream},
    take::Taker,
};

/// A future of an [`Upstream`].
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StageError>> + Send + 'a>>;

/// Reads one source. What blocks or computes goes through [`Context::compute`].
pub(crate) trait Upstream: Send + Sync {
    /// What there is. It may leave out what is not wanted; it need not.
    fn list(&self, ctx: Context, wanted: Wanted) -> Answer<'_, Listing>;

    /// Reads locations in their order into `gather` until it is full, and defers the rest.
    fn read(
        &self,
        ctx: Context,
        locations: Vec<Listed>,
        gather: Gather,
        taker: Arc<Taker>,
    ) -> Answer<'_, Gather>;

    /// Where its locations are remembered; `None` if a size and a time say nothing of their content.
    fn memo(&self, taker: &Taker) -> Option<MemoScope>;
}

/// What a listing is for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The locations that somebody asked for; `None`: all.
    pub(crate) only: Option<Vec<String>>,
    /// Whether nothing that was found out before may be believed.
    pub(crate) anew: bool,
}

/// What connectors keep from one parcel to the next.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) clients: Arc<Clients>,
    pub(crate) memo: MemoBook,
    pub(crate) meters: Arc<Meters>,
}

/// What an upstream listed.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Sorted by location, each once.
    pub(crate) found: Vec<Listed>,
    /// Why the listing is not complete; then nothing of the source may be removed.
    pub(crate) failure: Option<String>,
    /// What else its owner may want to know.
    pub(crate) notes: Vec<String>,
    /// Requests that it took, by how they ended, where they are counted.
    pub(crate) requests: BTreeMap<String, u64>,
}

impl Listing {
    /// A listing that failed.
    pub(crate) fn failed(why: String) -> Self {
        Self { failure: Some(why), ..Self::default() }
    }

    /// Without the locations that nobody asked for; `None`: all were asked for.
    pub(crate) fn only(mut self, asked: Option<Vec<String>>) -> Self {
        if let Some(asked) = asked {
            let asked: HashSet<String> = asked.into_iter().collect();
            self.found.retain(|listed| asked.contains(&listed.location));
        }
        self
    }
}

/// Why a source cannot be reached at all: in one sentence for its listing's failure.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreachable(pub(crate) String);

/// The connector of `source`.
pub(crate) fn connect(
    catalogue: &str,
    source: &Source,
    options: &FetcherOptions,
    means: &Means,
) -> Result<Arc<dyn Upstream>, Unreachable> {
    match &source.connector {
        Connector::Files(files) => Ok(Arc::new(FilesUpstream::connect(catalogue, files, options)?)),
        Connector::Neuprint(neuprint) => {
            Ok(Arc::new(NeuprintUpstream::connect(catalogue, neuprint, options, means)?))
        }
    }
}
