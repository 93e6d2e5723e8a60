//! What the sources of a catalogue list, without a run.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use anyhow::Context as _;
use quire_cache::{CacheOptions, CacheStore};
use quire_catalogue::Catalogues;
use quire_fetcher::{Fetcher, FetcherOptions, MEMO};
use quire_proto::{
    CatalogueRef, Epoch, Lane, ListSource, Outcome, Parcel, ParcelHeader, ParcelId, RunId, Work,
};
use quire_runtime::{ComputePool, Context, Stage as _, Store};
use tokio_util::sync::CancellationToken;

use super::CatalogueFolder;

/// Disk that the listing's cache may take; it is thrown away.
const CACHE_BYTES: u64 = 64 << 20;

/// Keys of all that the sources list, of a catalogue whose sources tell where a key lies; `None` if they do not. What is
/// needed on the way is kept below `scratch`.
///
/// # Errors
/// If a source cannot be asked.
pub async fn listed_keys(
    folder: &CatalogueFolder,
    scratch: &Path,
) -> anyhow::Result<Option<BTreeSet<String>>> {
    let catalogue = &folder.catalogue;
    if catalogue.places_of("any").is_none() {
        return Ok(None);
    }
    let store = Store::open(&scratch.join("store")).context("cannot open the store")?;
    let caches = CacheStore::open(&scratch.join("cache"), CACHE_BYTES).context("cannot open the caches")?;
    let roots = [(folder.name.clone(), folder.path.clone())].into();
    let options = FetcherOptions { roots, ..FetcherOptions::default() };
    let fetcher = Fetcher::new(options, Catalogues::new(), caches.cache(MEMO, CacheOptions::default()));
    let bundle = folder.bundle.digest();
    store.put_blob(&bundle, &folder.bundle.encode().into())?;
    let mut keys = BTreeSet::new();
    for source in &catalogue.definition().sources {
        let run = RunId::new(&folder.name, Epoch(0));
        let header = ParcelHeader {
            id: ParcelId::root(&run),
            run,
            epoch: Epoch(0),
            catalogue: CatalogueRef { name: folder.name.clone(), bundle },
            lane: Lane::Normal,
            anew: true,
        };
        let work = Work::List(ListSource { source: source.name.clone(), base: None, only: None });
        let context =
            Context::new(store.clone(), ComputePool::new(1), CancellationToken::new(), Lane::Normal);
        let listed = fetcher.process(context, Arc::new(Parcel { header, work })).await;
        let listed = listed.with_context(|| format!("cannot list the source {}", source.name))?;
        if let Outcome::Listed { failure: Some(why), .. } = &listed.outcome {
            anyhow::bail!("cannot list the source {}: {why}", source.name);
        }
        for work in listed.children {
            let Work::Read { locations, .. } = work else { continue };
            let own = locations.iter().filter_map(|listed| catalogue.key_at(&source.name, &listed.location));
            keys.extend(own);
        }
    }
    Ok(Some(keys))
}
