//! Writes documents: a small new index in one piece and on the calling thread, others through tantivy's threads.

use tantivy::{
    Index, IndexBuilder, IndexWriter, SingleSegmentIndexWriter, TantivyDocument, Term,
    directory::MmapDirectory,
    indexer::{IndexWriterOptions, LogMergePolicy},
};

/// Up to this many records, a new index is built in one piece: no thread is started, nothing merged. It is in memory until
/// it is whole, so there are not many.
const SMALL: u64 = 5_000;
/// Memory that the one piece starts with; it grows with the records.
const SMALL_MEMORY_BYTES: usize = 15_000_000;
/// Memory in which a large index is built, before a piece is written. One thread does it: with two, a build of ten thousand
/// records had up to 40 MB more resident, while lists are made beside it.
const LARGE_MEMORY_BYTES: usize = 20_000_000;
/// Memory for a difference.
const UPDATE_MEMORY_BYTES: usize = 15_000_000;
/// Share of removed documents in a piece that has it rewritten.
const MOST_REMOVED: f32 = 0.3;

/// An index being written.
pub(crate) enum Writer {
    /// A new one in one piece.
    Small(Box<SingleSegmentIndexWriter>),
    /// Any other.
    Large(Box<IndexWriter>),
}

impl Writer {
    pub(crate) fn create(
        builder: IndexBuilder,
        directory: MmapDirectory,
        count: u64,
    ) -> tantivy::Result<Self> {
        if count <= SMALL {
            let writer = builder.single_segment_index_writer(directory, SMALL_MEMORY_BYTES)?;
            return Ok(Self::Small(Box::new(writer)));
        }
        let index = builder.open_or_create(directory)?;
        Ok(Self::Large(Box::new(writer(&index, 1, LARGE_MEMORY_BYTES)?)))
    }

    pub(crate) fn add(&mut self, document: TantivyDocument) -> tantivy::Result<()> {
        match self {
            Self::Small(writer) => writer.add_document(document),
            Self::Large(writer) => writer.add_document(document).map(drop),
        }
    }

    /// Removes the documents with `key` that were added before. A new index in one piece has none to remove.
    pub(crate) fn delete(&mut self, key: Term) {
        if let Self::Large(writer) = self {
            writer.delete_term(key);
        }
    }

    /// Commits, and waits until pieces that are worth it have been merged.
    pub(crate) fn finish(self) -> tantivy::Result<Index> {
        match self {
            Self::Small(writer) => writer.finalize(),
            Self::Large(mut writer) => {
                let index = writer.index().clone();
                writer.commit()?;
                writer.wait_merging_threads()?;
                Ok(index)
            }
        }
    }
}

/// A writer that applies a difference to `index`.
pub(crate) fn update_writer(index: &Index) -> tantivy::Result<Writer> {
    Ok(Writer::Large(Box::new(writer(index, 1, UPDATE_MEMORY_BYTES)?)))
}

fn writer(index: &Index, threads: usize, memory_bytes: usize) -> tantivy::Result<IndexWriter> {
    let options = IndexWriterOptions::builder()
        .num_worker_threads(threads)
        .memory_budget_per_thread(memory_bytes)
        .num_merge_threads(1)
        .build();
    let writer = index.writer_with_options(options)?;
    let mut merging = LogMergePolicy::default();
    merging.set_min_num_segments(6);
    merging.set_del_docs_ratio_before_merge(MOST_REMOVED);
    writer.set_merge_policy(Box::new(merging));
    Ok(writer)
}
