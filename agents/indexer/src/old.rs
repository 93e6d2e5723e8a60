//! What the index has: its keys in order, range by range, each with what its document was made from.

use std::{collections::VecDeque, vec};

use tantivy::{
    DocSet as _, Index, ReloadPolicy, Searcher, SegmentReader, TERMINATED, TantivyError,
    schema::IndexRecordOption,
};

use crate::{schema::Fields, state::ChunkRef};

/// A key of the index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OldKey {
    pub(crate) key: String,
    pub(crate) print: u64,
}

/// Keys after `after` and up to `last`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRange {
    after: Option<String>,
    last: Option<String>,
}

/// The ranges of the chunks that are not `kept`, and what lies behind the last chunk.
pub(crate) fn ranges_without(chunks: &[ChunkRef], kept: impl Fn(&ChunkRef) -> bool) -> Vec<KeyRange> {
    let mut ranges: Vec<KeyRange> = Vec::new();
    let mut before: Option<&ChunkRef> = None;
    for chunk in chunks {
        let after = before.map(|chunk| chunk.last.clone());
        if !kept(chunk) {
            match ranges.last_mut().filter(|range| range.last == after) {
                Some(range) => range.last = Some(chunk.last.clone()),
                None => ranges.push(KeyRange { after, last: Some(chunk.last.clone()) }),
            }
        }
        before = Some(chunk);
    }
    ranges.push(KeyRange { after: before.map(|chunk| chunk.last.clone()), last: None });
    ranges
}

/// Walks over the keys of an index; one range at a time is in memory.
pub(crate) struct OldKeys {
    searcher: Searcher,
    fields: Fields,
    ranges: vec::IntoIter<KeyRange>,
    ready: VecDeque<OldKey>,
}

impl OldKeys {
    pub(crate) fn new(index: &Index, fields: &Fields, ranges: Vec<KeyRange>) -> tantivy::Result<Self> {
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let ranges = ranges.into_iter();
        Ok(Self { searcher: reader.searcher(), fields: fields.clone(), ranges, ready: VecDeque::new() })
    }

    /// The next key without taking it.
    pub(crate) fn peek(&mut self) -> tantivy::Result<Option<&OldKey>> {
        while self.ready.is_empty() {
            let Some(range) = self.ranges.next() else { return Ok(None) };
            let mut keys = Vec::new();
            for segment in self.searcher.segment_readers() {
                keys_of(segment, &self.fields, &range, &mut keys)?;
            }
            keys.sort_unstable();
            self.ready = keys.into();
        }
        Ok(self.ready.front())
    }

    /// Takes the key that [`Self::peek`] showed.
    pub(crate) fn take(&mut self) -> Option<OldKey> {
        self.ready.pop_front()
    }
}

fn keys_of(
    segment: &SegmentReader,
    fields: &Fields,
    range: &KeyRange,
    keys: &mut Vec<OldKey>,
) -> tantivy::Result<()> {
    let inverted = segment.inverted_index(fields.key)?;
    let prints = segment.fast_fields().u64("print")?;
    let mut builder = inverted.terms().range();
    if let Some(after) = &range.after {
        builder = builder.gt(after.as_bytes());
    }
    if let Some(last) = &range.last {
        builder = builder.le(last.as_bytes());
    }
    let mut stream = builder.into_stream()?;
    while let Some((term, info)) = stream.next() {
        let mut postings = inverted.read_postings_from_terminfo(info, IndexRecordOption::Basic)?;
        while postings.doc() != TERMINATED {
            if !segment.is_deleted(postings.doc()) {
                let key = String::from_utf8(term.to_vec())
                    .map_err(|error| TantivyError::InternalError(format!("key is not text: {error}")))?;
                keys.push(OldKey { key, print: prints.first(postings.doc()).unwrap_or(0) });
            }
            postings.advance();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quire_proto::{Digest, PackSlice};

    use super::*;

    fn chunk(last: &str) -> ChunkRef {
        let rows = PackSlice { pack: Digest::of(last.as_bytes()), offset: 0, len: 1 };
        ChunkRef { rows, last: last.to_owned() }
    }

    fn range(after: Option<&str>, last: Option<&str>) -> KeyRange {
        KeyRange { after: after.map(str::to_owned), last: last.map(str::to_owned) }
    }

    #[test]
    fn neighbouring_ranges_are_joined_and_the_end_is_always_looked_at() {
        let chunks = ["b", "d", "f", "h"].map(chunk);
        let kept = |chunk: &ChunkRef| chunk.last == "f";
        assert_eq!(
            ranges_without(&chunks, kept),
            [range(None, Some("d")), range(Some("f"), Some("h")), range(Some("h"), None)]
        );
        assert_eq!(ranges_without(&[], kept), [range(None, None)]);
        assert_eq!(ranges_without(&chunks, |_| true), [range(Some("h"), None)]);
    }
}
