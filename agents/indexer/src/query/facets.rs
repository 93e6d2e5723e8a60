//! Filters and facets: keyword values that hits must have, and counts of those that they have.

use std::collections::HashMap;

use serde::Serialize;

use crate::{
    SearchError,
    query::Found,
    schema::{keyword_term, parse_keyword},
    snapshot::{Doc, Segment, Snapshot},
};

/// Most values counted a field, the most frequent first.
const MAX_VALUES: usize = 100;

/// The values of one facet field among all records found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FacetCounts {
    /// Name of the field.
    pub field: String,
    /// The most frequent values, then by name.
    pub values: Vec<FacetCount>,
}

/// A value and how many of the records found have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FacetCount {
    /// The value.
    pub value: String,
    /// Records.
    pub count: u32,
}

/// A set of documents.
#[derive(Debug, Clone)]
pub(crate) struct DocSet(Vec<u64>);

impl DocSet {
    fn none(docs: u32) -> Self {
        Self(vec![0; docs.div_ceil(64) as usize])
    }

    fn add(&mut self, doc: Doc) {
        if let Some(word) = self.0.get_mut((doc / 64) as usize) {
            *word |= 1 << (doc % 64);
        }
    }

    pub(crate) fn has(&self, doc: Doc) -> bool {
        self.0.get((doc / 64) as usize).is_some_and(|word| word & (1 << (doc % 64)) != 0)
    }

    fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }
}

/// The records that have all filtered values; `None` without filters.
pub(crate) fn allowed(
    snapshot: &Snapshot,
    filters: &[(String, String)],
) -> Result<Option<DocSet>, SearchError> {
    let mut allowed: Option<DocSet> = None;
    for (field, value) in filters {
        if !snapshot.specs.iter().any(|spec| !spec.text && spec.name == *field) {
            let known =
                snapshot.specs.iter().filter(|spec| !spec.text).map(|spec| spec.name.clone()).collect();
            return Err(SearchError::UnknownFilter { name: field.clone(), known });
        }
        let mut having = DocSet::none(snapshot.docs);
        if let Some(term) = keyword_term(field, value) {
            for segment in &snapshot.segments {
                segment.docs_with(&segment.keyword, term.as_bytes(), |doc| having.add(doc))?;
            }
        }
        match &mut allowed {
            Some(allowed) => allowed.keep(&having),
            None => allowed = Some(having),
        }
    }
    Ok(allowed)
}

/// Counts the values of all facet fields among the records found.
pub(crate) fn count(snapshot: &Snapshot, found: &[Found]) -> Result<Vec<FacetCounts>, SearchError> {
    let mut by_field: HashMap<String, HashMap<String, u32>> = snapshot
        .specs
        .iter()
        .filter(|spec| spec.facet && !spec.text)
        .map(|spec| (spec.name.clone(), HashMap::new()))
        .collect();
    for segment in &snapshot.segments {
        for (term, count) in count_terms(segment, found)? {
            if let Some((field, value)) = parse_keyword(&term)
                && let Some(values) = by_field.get_mut(field)
            {
                *values.entry(value.to_owned()).or_default() += count;
            }
        }
    }
    let facets = snapshot.specs.iter().filter_map(|spec| {
        let values = by_field.remove(&spec.name)?;
        let mut values: Vec<_> =
            values.into_iter().map(|(value, count)| FacetCount { value, count }).collect();
        values.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        values.truncate(MAX_VALUES);
        Some(FacetCounts { field: spec.name.clone(), values })
    });
    Ok(facets.collect())
}

/// Counts keyword terms by their number in the segment's dictionary, and names those that occur.
fn count_terms(segment: &Segment, found: &[Found]) -> Result<Vec<(String, u32)>, SearchError> {
    let Some(column) = &segment.facets else { return Ok(Vec::new()) };
    let end = segment.base + segment.reader.max_doc();
    let mut counts = vec![0_u32; column.num_terms()];
    for found in found.iter().filter(|found| (segment.base..end).contains(&found.doc)) {
        for ord in column.term_ords(found.doc - segment.base) {
            if let Some(count) = counts.get_mut(ord as usize) {
                *count += 1;
            }
        }
    }
    let mut named = Vec::new();
    for (ord, count) in (0..).zip(counts).filter(|(_, count)| *count > 0) {
        let mut term = String::new();
        if column.ord_to_str(ord, &mut term)? {
            named.push((term, count));
        }
    }
    Ok(named)
}
