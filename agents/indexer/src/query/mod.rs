//! Queries: what a reader typed, to hits in a fixed order.
//!
//! 1. Records whose key, title or page name is what was typed (any case, no diacritics), then *all* records that have
//!    it as a synonym.
//! 2. The others by their words: see [`text`].
//!
//! Filters apply before anything is counted or cut. Equal scores are ordered by key.

mod dictionary;
mod exact;
mod expand;
mod facets;
mod snippet;
mod suggest;
mod text;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use quire_proto::Epoch;
use serde::Serialize;

pub use facets::{FacetCount, FacetCounts};
pub use snippet::Snippet;
pub(crate) use text::WordCache;

use crate::{
    IndexError, SearchError,
    schema::Row,
    snapshot::{Doc, Snapshot},
};

/// Most hits of one query.
pub const MAX_HITS: usize = 1_000;
/// What is read of a query, in bytes; [`ask`](crate::ask) refuses longer ones.
pub const MAX_QUERY_BYTES: usize = 2_000;

/// An index opened for queries, at one commit. A cheap handle; open it again to see what was committed since.
#[derive(Clone)]
pub struct SearchIndex {
    snapshot: Arc<Snapshot>,
}

/// A question.
#[derive(Debug, Clone, Default)]
pub struct Query<'a> {
    /// What the reader typed. Blank finds everything that the filters leave.
    pub text: &'a str,
    /// Most hits, at most [`MAX_HITS`].
    pub limit: usize,
    /// Field and value of keyword fields that a hit must have, all of them.
    pub filters: &'a [(String, String)],
    /// Whether to count the values of the facet fields over everything found.
    pub facets: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Epoch of the manifest that the answer is from.
    pub epoch: Epoch,
    /// How many records were found.
    pub total: usize,
    /// The first of them, best first.
    pub hits: Vec<Hit>,
    /// Values of the facet fields, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facets: Vec<FacetCounts>,
}

/// A record that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// The record's key.
    pub key: String,
    /// Its title.
    pub title: String,
    /// Name of its page without ending.
    pub slug: String,
    /// Its summary, cut around the words found, which are marked.
    pub summary: Snippet,
    /// How it was found.
    pub matched: Matched,
    /// How well its words fit; comparable within one answer.
    pub score: f32,
}

/// How a record was found, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matched {
    /// Its key is what was typed.
    ExactId,
    /// Its title, or the name of its page, is.
    ExactName,
    /// One of its synonyms is.
    Synonym,
    /// It has a word that was typed, or another form of it.
    Text,
    /// It has a word that starts with the last one typed.
    Prefix,
    /// It has a word that differs from one typed by one letter.
    Typo,
    /// Nothing was typed; it has the values of the filters.
    Filter,
}

impl Matched {
    /// All, best first.
    pub(crate) const ALL: [Self; 7] =
        [Self::ExactId, Self::ExactName, Self::Synonym, Self::Text, Self::Prefix, Self::Typo, Self::Filter];

    /// Its name, also in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExactId => "exact-id",
            Self::ExactName => "exact-name",
            Self::Synonym => "synonym",
            Self::Text => "text",
            Self::Prefix => "prefix",
            Self::Typo => "typo",
            Self::Filter => "filter",
        }
    }
}

/// A record as the index shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The record's key.
    pub key: String,
    /// Its title.
    pub title: String,
    /// Name of its page without ending.
    pub slug: String,
    /// Its summary, whole.
    pub summary: String,
}

/// A title that fits the beginning of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// The record's key.
    pub key: String,
    /// Its title.
    pub title: String,
    /// Name of its page without ending.
    pub slug: String,
}

/// A record found, before it is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    pub(crate) doc: Doc,
    pub(crate) score: f32,
    pub(crate) matched: Matched,
}

impl Found {
    const fn by_filter(doc: Doc) -> Self {
        Self { doc, score: 0.0, matched: Matched::Filter }
    }
}

impl SearchIndex {
    /// Opens the index in `dir`.
    ///
    /// # Errors
    /// [`IndexError::Missing`] if there is none that this program can read, [`IndexError::Damaged`] if it is damaged.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        let opened = catch_unwind(|| Snapshot::open(dir)).map_err(|_| IndexError::Damaged(dir.to_owned()))?;
        Ok(Self { snapshot: Arc::new(opened?) })
    }

    /// Epoch of the manifest that the index has.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.snapshot.state.epoch
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::from(self.snapshot.alive)
    }

    /// Whether there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Answers a query.
    ///
    /// # Errors
    /// [`SearchError::Blank`], [`SearchError::UnknownFilter`]; otherwise only if the index cannot be read.
    pub fn search(&self, query: &Query<'_>) -> Result<Answer, SearchError> {
        contain(|| answer(&self.snapshot, query))
    }

    /// Titles for the beginning of a query: those that start with it, then those of synonyms that do, then others with
    /// its words. Blank text has none.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn suggest(&self, text: &str, limit: usize) -> Result<Vec<Suggestion>, SearchError> {
        contain(|| suggest::suggest(&self.snapshot, head(text), limit.min(MAX_HITS)))
    }

    /// The record with exactly this key.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<Shown>, SearchError> {
        contain(|| {
            let Some(doc) = self.snapshot.doc_with_key(key)? else { return Ok(None) };
            let Row { key, title, slug, summary } = self.snapshot.row(doc)?;
            Ok(Some(Shown { key, title, slug, summary }))
        })
    }
}

fn answer(snapshot: &Snapshot, query: &Query<'_>) -> Result<Answer, SearchError> {
    let typed = head(query.text);
    let allowed = facets::allowed(snapshot, query.filters)?;
    let words = text::words_of(snapshot, typed)?;
    let found = match (typed.trim().is_empty(), &allowed) {
        (true, None) => return Err(SearchError::Blank),
        (true, Some(allowed)) => allowed.docs().map(Found::by_filter).collect(),
        (false, _) => {
            let mut found = text::find(snapshot, &words, allowed.as_ref());
            promote(&mut found, exact::find(snapshot, typed, allowed.as_ref())?);
            found
        }
    };
    let total = found.len();
    let facets = if query.facets { facets::count(snapshot, &found)? } else { Vec::new() };
    let best = best(snapshot, found, query.limit.min(MAX_HITS));
    let marks = snippet::Marks::new(&words);
    let hits = best.into_iter().map(|found| hit(snapshot, found, &marks)).collect::<Result<_, _>>()?;
    Ok(Answer { epoch: snapshot.state.epoch, total, hits, facets })
}

/// Gives records found exactly their better rank, and adds those that were not found by words.
fn promote(found: &mut Vec<Found>, mut exact: BTreeMap<Doc, Matched>) {
    if exact.is_empty() {
        return;
    }
    for found in found.iter_mut() {
        if let Some(matched) = exact.remove(&found.doc) {
            found.matched = matched;
        }
    }
    found.extend(exact.into_iter().map(|(doc, matched)| Found { doc, score: 0.0, matched }));
}

/// The first `limit` in order: exact kinds first, then by score, then by key.
fn best(snapshot: &Snapshot, mut found: Vec<Found>, limit: usize) -> Vec<Found> {
    let tier = |found: &Found| found.matched.min(Matched::Text);
    let order = |a: &Found, b: &Found| {
        tier(a)
            .cmp(&tier(b))
            .then_with(|| b.score.total_cmp(&a.score))
            .then_with(|| snapshot.rank(a.doc).cmp(&snapshot.rank(b.doc)))
    };
    if limit < found.len() {
        found.select_nth_unstable_by(limit, order);
        found.truncate(limit);
    }
    found.sort_unstable_by(order);
    found
}

fn hit(snapshot: &Snapshot, found: Found, marks: &snippet::Marks<'_>) -> Result<Hit, SearchError> {
    let row = snapshot.row(found.doc)?;
    Ok(Hit {
        summary: marks.cut(&row.summary),
        key: row.key,
        title: row.title,
        slug: row.slug,
        matched: found.matched,
        score: found.score,
    })
}

/// The part of a query that is read.
fn head(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_QUERY_BYTES)]
}

/// A file damaged after it was verified may make the library panic.
fn contain<T>(call: impl FnOnce() -> Result<T, SearchError>) -> Result<T, SearchError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(SearchError::Damaged))
}
