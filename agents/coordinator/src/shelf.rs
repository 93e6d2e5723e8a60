//! Manifest entries in memory: a run goes over them several times, and decoding them is most of the work.
//!
//! A chunk is named by its content, so what stands here never gets old. There is room for some; what does not fit is
//! read from the store each time.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quire_proto::{
    Digest,
    manifest::{Chunk, Entry},
};
use quire_runtime::Store;
use serde::de::DeserializeOwned;

use crate::{
    RunError,
    manifest_io::{ManifestRow as _, decode},
};

/// The entries of one chunk, ascending by key.
pub(crate) type Entries = Arc<[Arc<Entry>]>;

/// A store whose entries are kept in memory. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    store: Store,
    room: usize,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    chunks: HashMap<Digest, Held>,
    /// Which chunk begins with the entry at this address.
    first: HashMap<usize, Digest>,
    weight: usize,
}

#[derive(Debug)]
struct Held {
    chunk: Chunk,
    entries: Entries,
    weight: usize,
}

impl Shelf {
    /// An empty shelf that keeps entries of about `room` bytes.
    pub(crate) fn new(store: &Store, room: usize) -> Self {
        Self { store: store.clone(), room, kept: Arc::default() }
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// The entries of a chunk.
    pub(crate) fn entries(&self, chunk: &Chunk) -> Result<Entries, RunError> {
        if let Some(entries) = self.peek(chunk) {
            return Ok(entries);
        }
        let entries: Entries = self.rows::<Arc<Entry>>(chunk)?.into();
        self.keep(chunk, &entries);
        Ok(entries)
    }

    /// Takes these chunks into memory as far as there is room, on two threads. What cannot be read is told by who
    /// needs it.
    pub(crate) fn load(&self, chunks: &[Chunk]) {
        let (one, other) = chunks.split_at(chunks.len() / 2);
        let load = |chunks: &[Chunk]| {
            chunks
                .iter()
                .take_while(|chunk| self.entries(chunk).is_ok() && self.peek(chunk).is_some())
                .count()
        };
        std::thread::scope(|scope| {
            scope.spawn(move || load(one));
            load(other);
        });
    }

    /// The entries of a chunk, if they are in memory.
    pub(crate) fn peek(&self, chunk: &Chunk) -> Option<Entries> {
        self.kept().chunks.get(&chunk.rows.pack).map(|held| Arc::clone(&held.entries))
    }

    /// Rows of a chunk, or parts of them, from the store.
    pub(crate) fn rows<T: DeserializeOwned>(&self, chunk: &Chunk) -> Result<Vec<T>, RunError> {
        decode(&self.store.get_slice(&chunk.rows)?, "rows of a manifest")
    }

    /// Keeps the entries of a chunk if there is room.
    pub(crate) fn keep(&self, chunk: &Chunk, entries: &[Arc<Entry>]) {
        let weight = entries.iter().map(|entry| entry.weight()).sum();
        let mut kept = self.kept();
        if kept.weight + weight > self.room || kept.chunks.contains_key(&chunk.rows.pack) {
            return;
        }
        let Some(first) = entries.first() else { return };
        kept.weight += weight;
        kept.first.insert(address(first), chunk.rows.pack);
        kept.chunks.insert(chunk.rows.pack, Held { chunk: chunk.clone(), entries: entries.into(), weight });
    }

    /// The chunk that holds exactly these entries, not only equal ones: nothing has to be compared or encoded.
    pub(crate) fn chunk_of(&self, entries: &[Arc<Entry>]) -> Option<Chunk> {
        let kept = self.kept();
        let held = kept.first.get(&address(entries.first()?)).and_then(|pack| kept.chunks.get(pack))?;
        let same = held.entries.len() == entries.len()
            && held.entries.iter().zip(entries).all(|(one, other)| Arc::ptr_eq(one, other));
        same.then(|| held.chunk.clone())
    }

    /// Forgets all chunks but these.
    pub(crate) fn retain(&self, live: &HashSet<Digest>) {
        let mut kept = self.kept();
        let Kept { chunks, first, weight } = &mut *kept;
        chunks.retain(|pack, held| {
            let stays = live.contains(pack);
            if !stays {
                *weight -= held.weight;
            }
            stays
        });
        first.retain(|_, pack| chunks.contains_key(pack));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn address(entry: &Arc<Entry>) -> usize {
    Arc::as_ptr(entry).addr()
}
