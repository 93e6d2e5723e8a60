//! Titles for what has been typed so far.

use std::collections::HashSet;

use crate::{
    SearchError,
    query::{Suggestion, best, dictionary::each_term, text},
    schema::ExactKind,
    snapshot::{Doc, Snapshot},
    tokens::fold_phrase,
};

/// Terms looked at.
const MAX_SEEN: usize = 1_000;

/// Titles that start with `typed`, then those of synonyms that do, then others with its words.
pub(crate) fn suggest(
    snapshot: &Snapshot,
    typed: &str,
    limit: usize,
) -> Result<Vec<Suggestion>, SearchError> {
    let folded = fold_phrase(typed);
    if folded.is_empty() {
        return Ok(Vec::new());
    }
    let mut docs = Vec::new();
    for kind in [ExactKind::Name, ExactKind::Synonym] {
        docs.extend(starting_with(snapshot, &kind.term(&folded))?);
    }
    if docs.len() < limit {
        let words = text::words_of(snapshot, typed)?;
        let found = text::find(snapshot, &words, None);
        docs.extend(best(snapshot, found, limit * 2).into_iter().map(|found| found.doc));
    }
    let mut seen = HashSet::new();
    docs.retain(|doc| seen.insert(*doc));
    docs.truncate(limit);
    let row =
        |doc| snapshot.row(doc).map(|row| Suggestion { key: row.key, title: row.title, slug: row.slug });
    docs.into_iter().map(row).collect()
}

/// Records with an exact term that starts with `start`, in the order of the terms, then of the keys.
fn starting_with(snapshot: &Snapshot, start: &str) -> Result<Vec<Doc>, SearchError> {
    let mut found: Vec<(String, u32, Doc)> = Vec::new();
    each_term(
        snapshot,
        |segment| &segment.exact,
        start,
        MAX_SEEN,
        |term| {
            for segment in &snapshot.segments {
                let see = |doc| found.push((term.to_owned(), snapshot.rank(doc), doc));
                segment.docs_with(&segment.exact, term.as_bytes(), see)?;
            }
            Ok(())
        },
    )?;
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, _, doc)| doc).collect())
}
