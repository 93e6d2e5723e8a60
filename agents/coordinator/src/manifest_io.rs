//! Reading and writing manifests.
use crate::RunError;
use quire_proto::manifest::{Chunk, Entry};
use quire_runtime::Store;

pub(crate) fn count(chunks: &[Chunk]) -> u64 {
    chunks.iter().map(|chunk| u64::from(chunk.count)).sum()
}
pub(crate) struct EntryReader;
impl EntryReader {
    pub(crate) fn new(_store: &Store, _chunks: Vec<Chunk>) -> Self {
        Self
    }
}
impl Iterator for EntryReader {
    type Item = Result<Entry, RunError>;
    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
