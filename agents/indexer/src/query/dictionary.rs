//! The words of all segments side by side, without those that only removed records have.
//!
//! Which segments there are, and what was removed from them, is the history of an index; what a query finds depends on
//! its records alone, so that all copies of an index agree.

use std::sync::Arc;

use tantivy::{
    DocSet as _, InvertedIndexReader, TERMINATED, TantivyError, postings::TermInfo,
    schema::IndexRecordOption, termdict::TermStreamer,
};

use crate::{
    SearchError,
    snapshot::{Segment, Snapshot},
};

/// A field's words in a segment.
pub(crate) type WordsOf = fn(&Segment) -> &Arc<InvertedIndexReader>;

/// Shows the terms that start with `start` and that a record has, ascending, at most so many.
pub(crate) fn each_term(
    snapshot: &Snapshot,
    words_of: WordsOf,
    start: &str,
    most: usize,
    mut see: impl FnMut(&str) -> Result<(), SearchError>,
) -> Result<(), SearchError> {
    let mut walks = Vec::with_capacity(snapshot.segments.len());
    for segment in &snapshot.segments {
        let words = words_of(segment);
        let stream = words.terms().range().ge(start.as_bytes()).into_stream()?;
        let mut walk = Walk { segment, words, stream };
        if walk.advance(start) {
            walks.push(walk);
        }
    }
    let (mut term, mut seen) = (String::new(), 0);
    while seen < most {
        let Some(least) = walks.iter().map(|walk| walk.stream.key()).min() else { break };
        let text = std::str::from_utf8(least)
            .map_err(|error| TantivyError::InternalError(format!("word is not text: {error}")))?;
        term.clear();
        term.push_str(text);
        let mut had = false;
        let mut at = 0;
        while let Some(walk) = walks.get_mut(at) {
            if walk.stream.key() != term.as_bytes() {
                at += 1;
                continue;
            }
            had = had || is_had(walk.segment, walk.words, walk.stream.value())?;
            if walk.advance(start) {
                at += 1;
            } else {
                walks.swap_remove(at);
            }
        }
        if had {
            seen += 1;
            see(&term)?;
        }
    }
    Ok(())
}

/// Whether a record has the word.
pub(crate) fn has_word(snapshot: &Snapshot, word: &str) -> Result<bool, SearchError> {
    for segment in &snapshot.segments {
        if let Some(info) = segment.text.terms().get(word)?
            && is_had(segment, &segment.text, &info)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether one of a term's documents was not removed.
fn is_had(segment: &Segment, words: &InvertedIndexReader, info: &TermInfo) -> Result<bool, SearchError> {
    if info.doc_freq > segment.reader.num_deleted_docs() {
        return Ok(true);
    }
    let mut postings = words.read_postings_from_terminfo(info, IndexRecordOption::Basic)?;
    while postings.doc() != TERMINATED {
        if !segment.reader.is_deleted(postings.doc()) {
            return Ok(true);
        }
        postings.advance();
    }
    Ok(false)
}

/// The place of one segment in the walk.
struct Walk<'a> {
    segment: &'a Segment,
    words: &'a InvertedIndexReader,
    stream: TermStreamer<'a>,
}

impl Walk<'_> {
    /// Goes to the next term; whether there is one that starts with `start`.
    fn advance(&mut self, start: &str) -> bool {
        self.stream.advance() && self.stream.key().starts_with(start.as_bytes())
    }
}
