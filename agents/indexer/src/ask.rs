//! One question to several indexes: what `quire search` and the search service share.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Answer, MAX_HITS, MAX_QUERY_BYTES, Query, SearchError, SearchIndex};

/// Most filters of a query.
pub const MAX_FILTERS: usize = 16;
/// Longest name and longest value of a filter, in bytes.
const MAX_FILTER_BYTES: usize = 1_000;

/// What came of a question.
#[derive(Debug, Default)]
pub struct Asked {
    /// Answers by catalogue.
    pub answers: BTreeMap<String, Answer>,
    /// Catalogues whose index cannot be read.
    pub failed: BTreeMap<String, SearchError>,
}

/// Asks indexes, named by their catalogues. Those answer that have the fields of all filters; it is an error if none has.
///
/// # Errors
/// If the question is wrong ([`SearchError::is_usage`]), whatever the indexes hold.
pub fn ask(indexes: &[(String, SearchIndex)], query: &Query<'_>) -> Result<Asked, SearchError> {
    check(query)?;
    let mut asked = Asked::default();
    let (mut unknown, mut there_are) = (None, BTreeSet::new());
    for (catalogue, index) in indexes {
        match index.search(query) {
            Ok(answer) => drop(asked.answers.insert(catalogue.clone(), answer)),
            Err(SearchError::UnknownFilter { name, known }) => {
                unknown = unknown.or(Some(name));
                there_are.extend(known);
            }
            Err(error) if error.is_usage() => return Err(error),
            Err(error) => drop(asked.failed.insert(catalogue.clone(), error)),
        }
    }
    match unknown {
        Some(name) if asked.answers.is_empty() => {
            Err(SearchError::UnknownFilter { name, known: there_are.into_iter().collect() })
        }
        _ => Ok(asked),
    }
}

/// Refuses what no index would answer, or would read only in part.
fn check(query: &Query<'_>) -> Result<(), SearchError> {
    check_text(query.text, query.limit)?;
    let long = |(field, value): &(String, String)| field.len().max(value.len()) > MAX_FILTER_BYTES;
    if query.filters.len() > MAX_FILTERS || query.filters.iter().any(long) {
        return Err(SearchError::Filters { most: MAX_FILTERS, bytes: MAX_FILTER_BYTES });
    }
    if query.text.trim().is_empty() && query.filters.is_empty() {
        return Err(SearchError::Blank);
    }
    Ok(())
}

/// Refuses text that is too long and limits that nobody keeps.
pub(crate) const fn check_text(text: &str, limit: usize) -> Result<(), SearchError> {
    if text.len() > MAX_QUERY_BYTES {
        return Err(SearchError::Long { bytes: text.len(), most: MAX_QUERY_BYTES });
    }
    if limit == 0 || limit > MAX_HITS {
        return Err(SearchError::Limit { limit, most: MAX_HITS });
    }
    Ok(())
}
