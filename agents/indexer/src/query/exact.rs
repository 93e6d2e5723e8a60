//! Exact look-ups: key, title, page name and synonyms, any case, without diacritics.

use std::collections::BTreeMap;

use crate::{
    SearchError,
    query::{Matched, facets::DocSet},
    schema::ExactKind,
    snapshot::{Doc, Snapshot},
    tokens::fold_phrase,
};

/// Records that are called what was typed, each with the best reason.
pub(crate) fn find(
    snapshot: &Snapshot,
    typed: &str,
    allowed: Option<&DocSet>,
) -> Result<BTreeMap<Doc, Matched>, SearchError> {
    let folded = fold_phrase(typed);
    let kinds = [
        (ExactKind::Id, Matched::ExactId),
        (ExactKind::Name, Matched::ExactName),
        (ExactKind::Slug, Matched::ExactName),
        (ExactKind::Synonym, Matched::Synonym),
    ];
    let mut found = BTreeMap::new();
    for (kind, matched) in kinds {
        let term = kind.term(&folded);
        for segment in &snapshot.segments {
            segment.docs_with(&segment.exact, term.as_bytes(), |doc| {
                if allowed.is_none_or(|allowed| allowed.has(doc)) {
                    found.entry(doc).or_insert(matched);
                }
            })?;
        }
    }
    Ok(found)
}
