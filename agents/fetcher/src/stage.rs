//! The stage *fetch*: lists sources and reads locations.

use std::sync::Arc;

use quire_cache::Cache;
use quire_catalogue::{Catalogue, Catalogues, CataloguesError, Source};
use quire_proto::{Digest, ListSource, Listed, Parcel, StageName, Work};
use quire_runtime::{Context, ErrorClass, Processed, Stage, StageError, StoreError};

use crate::{
    FetcherOptions, Memo,
    base::{BaseIndex, Bases},
    gather::Gather,
    memo::{MemoBook, MemoScope},
    neuprint::Meters,
    requests::Requests,
    sift::{Known, sift},
    take::Taker,
    upstream::{Listing, Means, Unreachable, Upstream, Wanted, connect},
};

/// The fetcher. A cheap handle.
#[derive(Clone)]
pub struct Fetcher {
    inner: Arc<Inner>,
}

struct Inner {
    options: FetcherOptions,
    catalogues: Catalogues,
    memo: MemoBook,
    bases: Bases,
    requests: Requests,
    means: Means,
}

/// A source of one parcel, ready to be asked.
struct Asked {
    taker: Arc<Taker>,
    /// What verdicts depend on, now.
    validation: Digest,
    upstream: Result<Arc<dyn Upstream>, Unreachable>,
}

impl Fetcher {
    /// A fetcher that remembers in `memo` what it read.
    #[must_use]
    pub fn new(options: FetcherOptions, catalogues: Catalogues, memo: Cache<Memo>) -> Self {
        let (memo, bases) = (MemoBook::new(memo), Bases::default());
        let requests = Requests::new(options.meter.as_ref());
        let meters = Arc::new(Meters::new(options.meter.as_ref()));
        let means = Means { clients: Arc::default(), memo: memo.clone(), meters };
        Self { inner: Arc::new(Inner { options, catalogues, memo, bases, requests, means }) }
    }

    async fn list(&self, ctx: Context, parcel: &Parcel, ask: &ListSource) -> Result<Processed, StageError> {
        let asked = self.ask(&ctx, parcel, &ask.source).await?;
        let upstream = match asked.upstream {
            Ok(upstream) => upstream,
            Err(error) => {
                let listing = Listing::failed(error.to_string());
                return Ok(sift(&ask.source, listing, None, ask.base));
            }
        };
        let scope = upstream.memo(&asked.taker);
        let anew = ask.base.is_none() || parcel.header.anew;
        let wanted = Wanted { only: ask.only.clone(), anew };
        let (base, listing) = tokio::try_join!(
            self.base(&ctx, ask.base, &ask.source, asked.validation),
            upstream.list(ctx.clone(), wanted),
        )?;
        self.inner.requests.count(&parcel.header.catalogue.name, &ask.source, &listing.requests);
        let (inner, source, digest) = (Arc::clone(&self.inner), ask.source.clone(), ask.base);
        let only = ask.only.clone();
        ctx.compute(move || {
            let listing = listing.only(only);
            let known = base.as_ref().zip(scope.as_ref()).map(|(index, scope)| {
                let memo = &inner.memo;
                Known { index, memo, scope }
            });
            sift(&source, listing, known.as_ref(), digest)
        })
        .await
    }

    async fn read(
        &self,
        ctx: Context,
        parcel: &Parcel,
        source: &str,
        locations: &[Listed],
        base: Option<Digest>,
    ) -> Result<Processed, StageError> {
        let asked = self.ask(&ctx, parcel, source).await?;
        let index = self.base(&ctx, base, source, asked.validation).await?;
        let mut gather = Gather::new(source, index);
        let upstream = match asked.upstream {
            Ok(upstream) => upstream,
            Err(error) => {
                locations.iter().for_each(|listed| gather.fail(&listed.location, error.to_string()));
                return Ok(gather.finish(base).0);
            }
        };
        let scope = upstream.memo(&asked.taker);
        let (gather, locations) = self.unread(&ctx, gather, scope.clone(), locations.to_vec()).await?;
        let gather = upstream.read(ctx.clone(), locations, gather, asked.taker).await?;
        self.inner.requests.count(&parcel.header.catalogue.name, source, gather.requests());
        let (processed, stamps) = gather.finish(base);
        if let Some(scope) = scope.filter(|_| !stamps.is_empty()) {
            let memo = self.inner.memo.clone();
            ctx.compute(move || memo.keep(&scope, stamps)).await?;
        }
        Ok(processed)
    }

    /// Takes the locations that memo and manifest agree on; gives back those that must be read.
    async fn unread(
        &self,
        ctx: &Context,
        mut gather: Gather,
        scope: Option<MemoScope>,
        locations: Vec<Listed>,
    ) -> Result<(Gather, Vec<Listed>), StageError> {
        let Some(scope) = scope.filter(|_| gather.compares()) else { return Ok((gather, locations)) };
        let book = self.inner.memo.clone();
        ctx.compute(move || {
            let mut memo = book.reader(&scope);
            let must_read = |listed: &Listed| match memo.look_up(listed) {
                Some(stamp) => !gather.take_unread(&listed.location, stamp.items),
                None => true,
            };
            let locations = locations.into_iter().filter(must_read).collect();
            (gather, locations)
        })
        .await
    }

    /// The catalogue's source and its connector.
    async fn ask(&self, ctx: &Context, parcel: &Parcel, source: &str) -> Result<Asked, StageError> {
        let (inner, store) = (Arc::clone(&self.inner), ctx.store().clone());
        let (bundle, name) = (parcel.header.catalogue.bundle, parcel.header.catalogue.name.clone());
        let source = source.to_owned();
        ctx.compute(move || {
            let load = || store.get_blob(&bundle).map(|bytes| bytes.to_vec());
            let catalogue = inner.catalogues.get(&bundle, load).map_err(|error| unusable(&name, error))?;
            let source = find(&catalogue, &source)?;
            let taker = Arc::new(Taker::new(&catalogue, source));
            let validation = catalogue.validation_digest();
            Ok(Asked { taker, validation, upstream: connect(&name, source, &inner.options, &inner.means) })
        })
        .await?
    }

    /// What the manifest `base` knows of the source; nothing if its verdicts do not hold any more.
    async fn base(
        &self,
        ctx: &Context,
        base: Option<Digest>,
        source: &str,
        validation: Digest,
    ) -> Result<Option<Arc<BaseIndex>>, StageError> {
        let Some(base) = base else { return Ok(None) };
        let (inner, store, source) = (Arc::clone(&self.inner), ctx.store().clone(), source.to_owned());
        let index = ctx.compute(move || inner.bases.get(&store, &inner.memo, base, &source)).await??;
        Ok(Some(index).filter(|index| index.holds_for(&validation)))
    }
}

fn unusable(name: &str, error: CataloguesError<StoreError>) -> StageError {
    let doing = format!("loading the catalogue {name}");
    match &error {
        CataloguesError::Load(cause) => StageError::new(ErrorClass::of(cause), doing, Some(error.into())),
        _ => StageError::permanent(doing, error),
    }
}

fn find<'c>(catalogue: &'c Catalogue, source: &str) -> Result<&'c Source, StageError> {
    let missing = || {
        let doing = format!("looking for the source {source}");
        StageError::permanent(doing, format!("the catalogue {} has no such source", catalogue.name()))
    };
    catalogue.definition().source(source).ok_or_else(missing)
}

impl Stage for Fetcher {
    fn name(&self) -> StageName {
        StageName::Fetch
    }

    async fn process(&self, ctx: Context, parcel: Arc<Parcel>) -> Result<Processed, StageError> {
        match &parcel.work {
            Work::List(ask) => self.list(ctx, &parcel, ask).await,
            Work::Read { source, locations, base } => self.read(ctx, &parcel, source, locations, *base).await,
            other => {
                let found = format!("work of the stage {}", other.stage());
                Err(StageError::permanent("fetching", found))
            }
        }
    }
}
