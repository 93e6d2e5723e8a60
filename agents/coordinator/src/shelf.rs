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

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        *self.kept() = Kept::default();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn address(entry: &Arc<Entry>) -> usize {
    Arc::as_ptr(entry).addr()
}

#[cfg(test)]
mod tests {
    use quire_proto::{Epoch, ItemId, ListRow, PackSlice, RecordVerdict};

    use super::*;
    use crate::manifest_io::{ChunkWriter, EntryReader};

    fn entry(number: u32) -> Arc<Entry> {
        let (key, digest) = (format!("k{number:05}"), Digest::of(&number.to_le_bytes()));
        let slice = PackSlice { pack: digest, offset: 0, len: 1 };
        let record = RecordVerdict {
            title: key.clone(),
            slug: key.clone(),
            key,
            digest,
            body: slice,
            claims: Vec::new(),
            references: Vec::new(),
            terms: Vec::new(),
            row: ListRow::default(),
            warnings: Vec::new(),
            shares: Vec::new(),
        };
        let item = ItemId { source: "s".into(), location: "l".into(), ordinal: number };
        Arc::new(Entry {
            item,
            content: digest,
            record: record.into(),
            decided: Vec::new(),
            inputs: digest,
            used: Vec::new(),
            files: Vec::new(),
            page_warnings: Vec::new(),
            document: slice,
            epoch: Epoch(1),
        })
    }

    fn write(shelf: &Shelf, entries: &[Arc<Entry>]) -> Vec<Chunk> {
        let mut writer = ChunkWriter::new(shelf);
        entries.iter().for_each(|entry| writer.push(Arc::clone(entry)).unwrap());
        writer.finish().unwrap()
    }

    fn read(shelf: &Shelf, chunks: &[Chunk]) -> Vec<Arc<Entry>> {
        EntryReader::new(shelf, chunks.to_vec()).map(Result::unwrap).collect()
    }

    #[test]
    fn entries_are_shared_and_their_chunks_known_while_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_with(folder.path(), 0).unwrap();
        let entries: Vec<_> = (0..2_000).map(entry).collect();
        let shelf = Shelf::new(&store, 1 << 30);
        let chunks = write(&shelf, &entries);
        assert!(read(&shelf, &chunks).iter().zip(&entries).all(|(one, other)| Arc::ptr_eq(one, other)));
        assert_eq!(shelf.chunk_of(&entries[..chunks[0].count as usize]).as_ref(), Some(&chunks[0]));
        assert_eq!(shelf.chunk_of(&entries[..1]), None);
        let equal = [entry(0)];
        assert_eq!(shelf.chunk_of(&equal), None, "equal is not the same");
        // A chunk that is gone from the store is written again, though it is known.
        store.remove_blob(&chunks[0].rows.pack).unwrap();
        assert_eq!(write(&shelf, &entries), chunks);
        assert!(store.has_blob(&chunks[0].rows.pack).unwrap());
    }

    #[test]
    fn what_does_not_fit_is_read_from_the_store_and_what_is_forgotten_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_with(folder.path(), 0).unwrap();
        let entries: Vec<_> = (0..2_000).map(entry).collect();
        let chunks = write(&Shelf::new(&store, 0), &entries);
        let half = entries.iter().map(|entry| entry.weight()).sum::<usize>() / 2;
        let shelf = Shelf::new(&store, half);
        shelf.load(&chunks);
        let kept = |shelf: &Shelf| chunks.iter().filter(|chunk| shelf.peek(chunk).is_some()).count();
        assert!((1..chunks.len()).contains(&kept(&shelf)), "{} of {}", kept(&shelf), chunks.len());
        assert!(shelf.kept().weight <= half);
        assert_eq!(read(&shelf, &chunks), entries);
        shelf.retain(&HashSet::from([chunks[0].rows.pack]));
        assert!(kept(&shelf) <= 1);
        shelf.retain(&HashSet::new());
        assert_eq!(kept(&shelf), 0);
        let empty = shelf.kept();
        assert_eq!((empty.weight, empty.first.len()), (0, 0));
    }
}
