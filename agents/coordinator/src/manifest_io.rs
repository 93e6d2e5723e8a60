//! Manifests in the store: rows are written to and read from chunks, one chunk at a time.
//!
//! Every chunk is a blob of its own and ends where its last key says so, so a row that comes or goes changes one
//! chunk and all others keep their address.

use std::sync::Arc;

use quire_proto::{
    Digest, ItemId, PackSlice, codec,
    manifest::{Chunk, Entry, FORMAT, MAX_CHUNK_ROWS, Manifest, RejectRow, ends_chunk},
};
use quire_runtime::Store;
use serde::{Serialize, de::DeserializeOwned};

use crate::{RunError, decide::record_weight, shelf::Shelf};

/// A chunk ends at this weight whatever its keys say, to stay far below the largest message.
const MAX_CHUNK_WEIGHT: usize = 2 << 20;

/// How many rows these chunks have.
pub(crate) fn count(chunks: &[Chunk]) -> u64 {
    chunks.iter().map(|chunk| u64::from(chunk.count)).sum()
}

/// A row of one of the manifest's sections.
pub(crate) trait ManifestRow: Serialize {
    /// What the section is sorted by, as text.
    fn sort_text(&self) -> String;
    /// Roughly its size.
    fn weight(&self) -> usize;
    /// The chunk of these very rows, if one is known.
    fn chunk_of(_rows: &[Self], _shelf: &Shelf) -> Option<Chunk>
    where
        Self: Sized,
    {
        None
    }
    /// Told of a chunk that was written.
    fn written(_rows: &[Self], _chunk: &Chunk, _shelf: &Shelf)
    where
        Self: Sized,
    {
    }
}

impl ManifestRow for Arc<Entry> {
    fn sort_text(&self) -> String {
        self.record.key.clone()
    }

    fn weight(&self) -> usize {
        let problems = (self.decided.len() + self.page_warnings.len()) * 256;
        512 + record_weight(&self.record) + self.files.len() * 160 + problems
    }

    fn chunk_of(rows: &[Self], shelf: &Shelf) -> Option<Chunk> {
        shelf.chunk_of(rows)
    }

    fn written(rows: &[Self], chunk: &Chunk, shelf: &Shelf) {
        shelf.keep(chunk, rows);
    }
}

impl ManifestRow for RejectRow {
    fn sort_text(&self) -> String {
        item_text(&self.item)
    }

    fn weight(&self) -> usize {
        256 + self.problems.len() * 256
            + self.claims.len() * 256
            + self.record.as_deref().map_or(0, record_weight)
    }
}

/// An item as text: unique, though not in the order of items.
pub(crate) fn item_text(item: &ItemId) -> String {
    format!("{}:{}#{}", item.source, item.location, item.ordinal)
}

/// Writes one section of a manifest; rows come in order.
pub(crate) struct ChunkWriter<T> {
    shelf: Shelf,
    rows: Vec<T>,
    weight: usize,
    chunks: Vec<Chunk>,
}

impl<T: ManifestRow> ChunkWriter<T> {
    pub(crate) fn new(shelf: &Shelf) -> Self {
        Self { shelf: shelf.clone(), rows: Vec::new(), weight: 0, chunks: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: T) -> Result<(), RunError> {
        let last = row.sort_text();
        self.weight += row.weight();
        self.rows.push(row);
        let full = self.rows.len() >= MAX_CHUNK_ROWS || self.weight >= MAX_CHUNK_WEIGHT;
        if full || ends_chunk(&last) { self.close(last) } else { Ok(()) }
    }

    fn close(&mut self, last: String) -> Result<(), RunError> {
        let chunk = match T::chunk_of(&self.rows, &self.shelf) {
            Some(chunk) if self.shelf.store().has_slice(&chunk.rows)? => chunk,
            _ => self.write(last)?,
        };
        self.chunks.push(chunk);
        self.rows.clear();
        self.weight = 0;
        Ok(())
    }

    fn write(&self, last: String) -> Result<Chunk, RunError> {
        let encoded = encode(&self.rows, "rows of a manifest")?;
        let rows = PackSlice { pack: Digest::of(&encoded), offset: 0, len: encoded.len() as u64 };
        self.shelf.store().put_blob(&rows.pack, &encoded.into())?;
        let count = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let chunk = Chunk { rows, count, last };
        T::written(&self.rows, &chunk, &self.shelf);
        Ok(chunk)
    }

    /// The section.
    pub(crate) fn finish(mut self) -> Result<Vec<Chunk>, RunError> {
        if let Some(row) = self.rows.last() {
            let last = row.sort_text();
            self.close(last)?;
        }
        Ok(self.chunks)
    }
}

/// What a [`RowReader`] gives: a row, or a part of one.
pub(crate) trait RowPart: Sized {
    /// That of all rows of a chunk.
    fn read(shelf: &Shelf, chunk: &Chunk) -> Result<Vec<Self>, RunError>;
}

impl RowPart for Arc<Entry> {
    fn read(shelf: &Shelf, chunk: &Chunk) -> Result<Vec<Self>, RunError> {
        Ok(shelf.entries(chunk)?.to_vec())
    }
}

impl RowPart for RejectRow {
    fn read(shelf: &Shelf, chunk: &Chunk) -> Result<Vec<Self>, RunError> {
        shelf.rows(chunk)
    }
}

/// A part of the entries that is made from those in memory, or read by itself.
pub(crate) fn part_of_entries<T: DeserializeOwned>(
    shelf: &Shelf,
    chunk: &Chunk,
    part: fn(&Entry) -> T,
) -> Result<Vec<T>, RunError> {
    match shelf.peek(chunk) {
        Some(entries) => Ok(entries.iter().map(|entry| part(entry)).collect()),
        None => shelf.rows(chunk),
    }
}

/// Reads rows chunk by chunk.
pub(crate) struct RowReader<T> {
    shelf: Shelf,
    chunks: std::vec::IntoIter<Chunk>,
    rows: std::vec::IntoIter<T>,
}

/// Reads accepted records.
pub(crate) type EntryReader = RowReader<Arc<Entry>>;
/// Reads rejected items.
pub(crate) type RejectReader = RowReader<RejectRow>;

impl<T: RowPart> RowReader<T> {
    pub(crate) fn new(shelf: &Shelf, chunks: Vec<Chunk>) -> Self {
        Self { shelf: shelf.clone(), chunks: chunks.into_iter(), rows: Vec::new().into_iter() }
    }

    fn next_chunk(&mut self, chunk: &Chunk) -> Result<(), RunError> {
        self.rows = T::read(&self.shelf, chunk)?.into_iter();
        Ok(())
    }
}

impl<T: RowPart> Iterator for RowReader<T> {
    type Item = Result<T, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            let chunk = self.chunks.next()?;
            if let Err(error) = self.next_chunk(&chunk) {
                // What follows a chunk that cannot be read is not a manifest's rest.
                self.chunks = Vec::new().into_iter();
                return Some(Err(error));
            }
        }
    }
}

/// Encodes a message of ours.
pub(crate) fn encode<T: Serialize>(value: &T, what: &'static str) -> Result<Vec<u8>, RunError> {
    codec::encode(value).map_err(|source| RunError::Encode { what, source })
}

/// Decodes a message of ours.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, RunError> {
    codec::decode(bytes).map_err(|source| RunError::Decode { what, source })
}

/// A committed manifest with its own address.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    pub(crate) manifest: Manifest,
    pub(crate) digest: Digest,
}

/// The name under which a manifest is committed.
pub(crate) fn manifest_name(catalogue: &str, epoch: u64) -> String {
    format!("manifests/{catalogue}/{epoch}")
}

/// The epochs that lie under `prefix`, ascending; anything else there is not ours.
pub(crate) fn epochs(store: &Store, prefix: &str) -> Result<Vec<u64>, RunError> {
    let mut epochs: Vec<u64> = store.list(prefix)?.iter().filter_map(|name| name.parse().ok()).collect();
    epochs.sort_unstable();
    Ok(epochs)
}

/// The committed manifest of an epoch; `None` if there is none, or one of another format.
pub(crate) fn read_manifest(
    store: &Store,
    catalogue: &str,
    epoch: u64,
) -> Result<Option<Committed>, RunError> {
    let Some(bytes) = store.read(&manifest_name(catalogue, epoch))? else { return Ok(None) };
    match decode::<Manifest>(&bytes, "a manifest") {
        Ok(manifest) if manifest.format == FORMAT => {
            Ok(Some(Committed { manifest, digest: Digest::of(&bytes) }))
        }
        Ok(_) => Ok(None),
        Err(error) => {
            tracing::warn!(
                catalogue,
                epoch,
                error = &error as &dyn std::error::Error,
                "manifest cannot be read; building anew"
            );
            Ok(None)
        }
    }
}

/// The newest manifest of a catalogue.
pub(crate) fn newest(store: &Store, catalogue: &str) -> Result<Option<Committed>, RunError> {
    match epochs(store, &format!("manifests/{catalogue}"))?.last() {
        Some(epoch) => read_manifest(store, catalogue, *epoch),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn reject(number: u32) -> RejectRow {
        let item = ItemId { source: "s".into(), location: format!("{number:06}").into(), ordinal: 0 };
        RejectRow {
            item,
            content: Digest::of(b"x"),
            key: None,
            problems: Vec::new(),
            record: None,
            claims: Vec::new(),
        }
    }

    fn write(shelf: &Shelf, numbers: impl Iterator<Item = u32>) -> Vec<Chunk> {
        let mut writer = ChunkWriter::new(shelf);
        for number in numbers {
            writer.push(reject(number)).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn a_row_more_changes_one_chunk_and_all_others_keep_their_address() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(&Store::open(folder.path()).unwrap(), 0);
        let all = write(&shelf, 0..5_000);
        assert!(all.len() > 20, "{} chunks", all.len());
        for left_out in [0, 1, 2_500, 4_999] {
            let before = write(&shelf, (0..5_000).filter(|&number| number != left_out));
            let addresses: HashSet<Digest> = before.iter().map(|chunk| chunk.rows.pack).collect();
            let new = all.iter().filter(|chunk| !addresses.contains(&chunk.rows.pack)).count();
            // Where the row that came ends a chunk, one is cut in two.
            assert!(new <= 2, "{new} new chunks for {left_out}");
        }
    }

    #[test]
    fn rows_read_back_in_order_and_a_missing_chunk_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_with(folder.path(), 0).unwrap();
        let shelf = Shelf::new(&store, 0);
        let chunks = write(&shelf, 0..2_000);
        assert_eq!(count(&chunks), 2_000);
        let rows: Vec<RejectRow> = RejectReader::new(&shelf, chunks.clone()).map(Result::unwrap).collect();
        assert_eq!(rows, (0..2_000).map(reject).collect::<Vec<_>>());
        store.remove_blob(&chunks[1].rows.pack).unwrap();
        let read: Vec<_> = RejectReader::new(&shelf, chunks.clone()).collect();
        assert_eq!(read.len(), chunks[0].count as usize + 1);
        assert!(read.last().unwrap().as_ref().unwrap_err().is_damage());
    }
}
