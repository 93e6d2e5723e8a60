//! Garbage collection: blobs that no kept manifest needs are removed from the store.
//!
//! Kept are the last [`KEPT_MANIFESTS`] manifests of every catalogue; blobs are kept for the last two of them, so that
//! whoever still reads the former one can end. Nothing may be running meanwhile: packs of a run under way belong to no
//! manifest yet.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use quire_proto::{
    Digest, PackSlice, PageFile, Share,
    manifest::{Chunk, Entry, Manifest},
};
use quire_runtime::{Store, chain};
use serde::Deserialize;

use crate::{
    RunError,
    manifest_io::{self, Committed, RowPart, RowReader, manifest_name, part_of_entries},
    shelf::Shelf,
};

/// Manifests kept of every catalogue.
const KEPT_MANIFESTS: usize = 3;
/// Manifests whose blobs are kept.
const LIVE_MANIFESTS: usize = 2;

/// Blobs removed at a time.
const SWEPT_AT_ONCE: usize = 256;

/// Removes what is not needed; knows from call to call which packs a chunk needs.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    packs_of: HashMap<Digest, Arc<[Digest]>>,
}

/// What a collection did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    pub(crate) blobs: u64,
    pub(crate) bytes: u64,
}

/// The part of an entry that names packs.
#[derive(Deserialize)]
struct EntryPacks {
    record: BodyPack,
    files: Vec<PageFile>,
    document: PackSlice,
}

/// The part of a reject that names packs.
#[derive(Deserialize)]
struct RejectPacks {
    record: Option<BodyPack>,
}

#[derive(Deserialize)]
struct BodyPack {
    body: PackSlice,
    #[serde(default)]
    shares: Vec<Share>,
}

impl BodyPack {
    fn packs(self) -> impl Iterator<Item = Digest> {
        let shares = self.shares.into_iter().filter_map(|share| Some(share.outputs.packed()?.pack));
        std::iter::once(self.body.pack).chain(shares)
    }
}

impl RowPart for EntryPacks {
    fn read(shelf: &Shelf, chunk: &Chunk) -> Result<Vec<Self>, RunError> {
        part_of_entries(shelf, chunk, |entry: &Entry| Self {
            record: BodyPack { body: entry.record.body, shares: entry.record.shares.clone() },
            files: entry.files.clone(),
            document: entry.document,
        })
    }
}

impl RowPart for RejectPacks {
    fn read(shelf: &Shelf, chunk: &Chunk) -> Result<Vec<Self>, RunError> {
        shelf.rows(chunk)
    }
}

impl Collector {
    /// Collects. A newest manifest that cannot be read stops the collection, for it may need anything; the next run heals
    /// it. A former one that cannot be read is of no use to anyone and goes.
    pub(crate) fn collect(&mut self, shelf: &Shelf) -> Result<Collected, RunError> {
        let store = shelf.store();
        let mut live = HashSet::new();
        let mut chunks = HashSet::new();
        for catalogue in store.list("manifests")? {
            let epochs = manifest_io::epochs(store, &format!("manifests/{catalogue}"))?;
            let kept = epochs.len().saturating_sub(KEPT_MANIFESTS);
            for epoch in epochs.iter().take(kept) {
                store.remove(&manifest_name(&catalogue, *epoch))?;
            }
            for (age, &epoch) in epochs.iter().rev().take(LIVE_MANIFESTS).enumerate() {
                let Some(committed) = manifest_io::read_manifest(store, &catalogue, epoch)? else {
                    return Ok(Collected::default());
                };
                if let Err(error) = self.mark(shelf, &committed, &mut live, &mut chunks) {
                    tracing::warn!(catalogue, %epoch, error = chain(&error), "a manifest's rows cannot be read");
                    if age == 0 {
                        return Ok(Collected::default());
                    }
                    store.remove(&manifest_name(&catalogue, epoch))?;
                }
            }
        }
        self.packs_of.retain(|chunk, _| chunks.contains(chunk));
        shelf.retain(&chunks);
        sweep(store, &live)
    }

    fn mark(
        &mut self,
        shelf: &Shelf,
        committed: &Committed,
        live: &mut HashSet<Digest>,
        chunks: &mut HashSet<Digest>,
    ) -> Result<(), RunError> {
        let Manifest { catalogue, entries, rejects, files, basis, .. } = &committed.manifest;
        live.extend([committed.digest, catalogue.bundle]);
        live.extend(files.iter().map(|file| file.from.pack));
        live.extend(basis.figures.iter().map(|figure| figure.listing.pack));
        live.extend(basis.dead_bodies.iter().map(|body| body.pack));
        live.extend(basis.together.iter().map(|aggregate| aggregate.pack));
        for chunk in entries {
            live.extend(self.packs(shelf, chunk, entry_packs)?.iter().copied());
        }
        for chunk in rejects {
            live.extend(self.packs(shelf, chunk, reject_packs)?.iter().copied());
        }
        chunks.extend(entries.iter().chain(rejects).map(|chunk| chunk.rows.pack));
        Ok(())
    }

    /// The packs that a chunk and its rows need.
    fn packs<T: RowPart>(
        &mut self,
        shelf: &Shelf,
        chunk: &Chunk,
        of_row: fn(T, &mut Vec<Digest>),
    ) -> Result<Arc<[Digest]>, RunError> {
        if let Some(packs) = self.packs_of.get(&chunk.rows.pack) {
            return Ok(Arc::clone(packs));
        }
        let mut packs = vec![chunk.rows.pack];
        for row in RowReader::<T>::new(shelf, vec![chunk.clone()]) {
            of_row(row?, &mut packs);
        }
        packs.sort_unstable();
        packs.dedup();
        let packs: Arc<[Digest]> = packs.into();
        self.packs_of.insert(chunk.rows.pack, Arc::clone(&packs));
        Ok(packs)
    }
}

fn entry_packs(row: EntryPacks, packs: &mut Vec<Digest>) {
    packs.push(row.document.pack);
    packs.extend(row.record.packs());
    packs.extend(row.files.iter().map(|file| file.from.pack));
}

fn reject_packs(row: RejectPacks, packs: &mut Vec<Digest>) {
    packs.extend(row.record.into_iter().flat_map(BodyPack::packs));
}

fn sweep(store: &Store, live: &HashSet<Digest>) -> Result<Collected, RunError> {
    let mut collected = Collected::default();
    let mut dead = Vec::new();
    for blob in store.blobs() {
        let (digest, bytes, _) = blob?;
        if !live.contains(&digest) {
            collected.blobs += 1;
            collected.bytes += bytes;
            dead.push(digest);
        }
        if dead.len() >= SWEPT_AT_ONCE {
            store.remove_blobs(&std::mem::take(&mut dead))?;
        }
    }
    store.remove_blobs(&dead)?;
    Ok(collected)
}
