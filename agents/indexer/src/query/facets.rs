//! Filters and facets: keyword values that hits must have, and counts of those that they have.

use std::{
    collections::HashMap,
    ops::{Bound, Range},
};

use serde::Serialize;
use tantivy::columnar::Dictionary;

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

    /// Its documents, ascending.
    pub(crate) fn docs(&self) -> impl Iterator<Item = Doc> + '_ {
        let of_word = |(word, base): (&u64, Doc)| {
            let word = *word;
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| base + bit)
        };
        self.0.iter().zip((0..).step_by(64)).flat_map(of_word)
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
    let counted: Vec<Counted<'_>> =
        snapshot.segments.iter().filter_map(|segment| Counted::new(segment, found)).collect();
    // Only of a single segment are the most frequent values those of the whole.
    let most = if counted.len() == 1 { MAX_VALUES } else { usize::MAX };
    let facets = snapshot.specs.iter().filter(|spec| spec.facet && !spec.text);
    facets
        .map(|spec| {
            let mut sums: HashMap<String, u32> = HashMap::new();
            for segment in &counted {
                segment.values(&spec.name, most, &mut |value, count| {
                    *sums.entry(value.to_owned()).or_default() += count;
                })?;
            }
            let mut values: Vec<_> =
                sums.into_iter().map(|(value, count)| FacetCount { value, count }).collect();
            values.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
            values.truncate(MAX_VALUES);
            Ok(FacetCounts { field: spec.name.clone(), values })
        })
        .collect()
}

/// How often keyword terms of a segment occur among the records found, by their number in its dictionary.
struct Counted<'a> {
    dictionary: &'a Dictionary,
    counts: Vec<u32>,
}

impl<'a> Counted<'a> {
    fn new(segment: &'a Segment, found: &[Found]) -> Option<Self> {
        let column = segment.facets.as_ref()?;
        let end = segment.base + segment.reader.max_doc();
        let mut counts = vec![0_u32; column.num_terms()];
        for found in found.iter().filter(|found| (segment.base..end).contains(&found.doc)) {
            for ord in column.term_ords(found.doc - segment.base) {
                if let Some(count) = counts.get_mut(ord as usize) {
                    *count += 1;
                }
            }
        }
        Some(Self { dictionary: column.dictionary(), counts })
    }

    /// Tells the `most` frequent values of a field that occur at all.
    fn values(&self, field: &str, most: usize, tell: &mut dyn FnMut(&str, u32)) -> Result<(), SearchError> {
        let range = self.range(field)?;
        let start = range.start as u64;
        let counts = self.counts.get(range).unwrap_or_default();
        let mut occurring: Vec<(u64, u32)> =
            (start..).zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect();
        if occurring.len() > most {
            // The dictionary is sorted, so of equal counts the first value comes first.
            occurring.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            occurring.truncate(most);
            occurring.sort_unstable_by_key(|(ord, _)| *ord);
        }
        let ords: Vec<u64> = occurring.iter().map(|(ord, _)| *ord).collect();
        let mut counts = occurring.into_iter().map(|(_, count)| count);
        self.dictionary.sorted_ords_to_term_cb(&ords, |term| {
            let term = std::str::from_utf8(term).ok().and_then(parse_keyword);
            if let (Some((_, value)), Some(count)) = (term, counts.next()) {
                tell(value, count);
            }
        })?;
        Ok(())
    }

    /// Numbers of a field's terms: they begin with its name and stand together.
    fn range(&self, field: &str) -> Result<Range<usize>, SearchError> {
        let (first, behind) = (format!("{field}\0"), format!("{field}\u{1}"));
        let bounds = self.dictionary.term_bounds_to_ord(Bound::Included(first), Bound::Excluded(behind))?;
        let place = |bound: Bound<u64>, unbounded: usize| match bound {
            Bound::Included(ord) | Bound::Excluded(ord) => {
                usize::try_from(ord).map_or(self.counts.len(), |ord| ord.min(self.counts.len()))
            }
            Bound::Unbounded => unbounded,
        };
        let (start, end) = (place(bounds.0, 0), place(bounds.1, self.counts.len()));
        Ok(start..end.max(start))
    }
}
