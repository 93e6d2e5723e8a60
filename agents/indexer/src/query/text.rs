//! Records by their words.
//!
//! The score is BM25F: occurrences of a word are weighed by field and length, added up over the fields, then saturated,
//! and counted by how rare the word is. A record that has more of the words typed comes before one that has fewer: the
//! sum is multiplied by the square of the share of the words' rarity that the record covers.
//!
//! What a word finds does not depend on the other words, so it is kept: most queries share words.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use tantivy::{DocSet as _, TERMINATED, postings::Postings as _, schema::IndexRecordOption};

use crate::{
    SearchError,
    query::{Found, Matched, expand, facets::DocSet},
    snapshot::{Doc, Segment, Snapshot},
    tokens::{POSITIONS_PER_FIELD, words},
};

/// How soon more occurrences of a word stop counting.
const SATURATION: f32 = 1.2;
/// What another form of a word counts, compared with the word as typed.
const OTHER_FORM: f32 = 0.67;
/// What a word that only starts with the one typed counts.
const COMPLETION: f32 = 0.5;
/// What a word that differs by a letter counts.
const MISSPELT: f32 = 0.35;
/// With fewer records than this, the last word is taken for the beginning of one.
const FEW: usize = 3;
/// Words of a query that are looked for.
const MAX_WORDS: usize = 16;
/// Occurrences that the cache may hold.
const MAX_CACHED: usize = 1_000_000;

/// What one word of a query finds.
#[derive(Debug, Default)]
pub(crate) struct WordHits {
    /// The words of the dictionary that it stands for.
    pub(crate) stands_for: BTreeSet<String>,
    /// Records with any of them, ascending.
    docs: Vec<WordHit>,
}

#[derive(Debug, Clone, Copy)]
struct WordHit {
    doc: Doc,
    /// Weighed occurrences, saturated: 0 to 1.
    weight: f32,
    matched: Matched,
}

/// What words found lately, for one snapshot. Bounded: emptied when full.
#[derive(Debug, Default)]
pub(crate) struct WordCache(Mutex<Cached>);

#[derive(Debug, Default)]
struct Cached {
    words: HashMap<(String, bool), Arc<WordHits>>,
    occurrences: usize,
}

/// Looks up the words of a query.
pub(crate) fn words_of(snapshot: &Snapshot, typed: &str) -> Result<Vec<Arc<WordHits>>, SearchError> {
    let mut distinct: Vec<String> = Vec::new();
    for word in words(typed) {
        if !distinct.contains(&word.text) {
            distinct.push(word.text);
            if distinct.len() == MAX_WORDS {
                break;
            }
        }
    }
    // A blank at the end says that the last word is complete.
    let unfinished = !typed.ends_with(char::is_whitespace);
    let count = distinct.len();
    let mut found: Vec<Arc<WordHits>> = Vec::with_capacity(count);
    for (at, word) in distinct.into_iter().enumerate() {
        let hits = snapshot.cache.get(snapshot, word, unfinished && at + 1 == count)?;
        // Two forms of one word count once.
        let repeats =
            |known: &Arc<WordHits>| !hits.stands_for.is_empty() && known.stands_for == hits.stands_for;
        if !found.iter().any(repeats) {
            found.push(hits);
        }
    }
    Ok(found)
}

/// All records with any of the words, in no particular order.
pub(crate) fn find(snapshot: &Snapshot, words: &[Arc<WordHits>], allowed: Option<&DocSet>) -> Vec<Found> {
    let rarities: Vec<f32> = words.iter().map(|word| rarity(snapshot, word.docs.len())).collect();
    let total: f32 =
        words.iter().zip(&rarities).filter(|(word, _)| !word.docs.is_empty()).map(|(_, rarity)| rarity).sum();
    let allowed = |doc: Doc| allowed.is_none_or(|allowed| allowed.has(doc));
    let mut sums = Merge::new(words);
    let mut found = Vec::new();
    while let Some(doc) = sums.next_doc() {
        let (mut score, mut covered, mut matched) = (0.0, 0.0, Matched::Typo);
        sums.take(doc, |word, hit| {
            let rarity = rarities.get(word).copied().unwrap_or(0.0);
            score += rarity * hit.weight;
            covered += rarity * certainty(hit.matched);
            matched = matched.min(hit.matched);
        });
        if allowed(doc) {
            let share: f32 = covered / total;
            found.push(Found { doc, score: score * share * share, matched });
        }
    }
    found
}

/// Walks over the records of several words side by side.
struct Merge<'a> {
    rest: Vec<&'a [WordHit]>,
}

impl<'a> Merge<'a> {
    fn new(words: &'a [Arc<WordHits>]) -> Self {
        Self { rest: words.iter().map(|word| word.docs.as_slice()).collect() }
    }

    fn next_doc(&self) -> Option<Doc> {
        self.rest.iter().filter_map(|hits| hits.first()).map(|hit| hit.doc).min()
    }

    fn take(&mut self, doc: Doc, mut see: impl FnMut(usize, &WordHit)) {
        for (word, hits) in self.rest.iter_mut().enumerate() {
            if let Some((hit, rest)) = hits.split_first().filter(|(hit, _)| hit.doc == doc) {
                see(word, hit);
                *hits = rest;
            }
        }
    }
}

/// How much a word counts that so many records have; never nothing, so that stop words find something.
fn rarity(snapshot: &Snapshot, having: usize) -> f32 {
    let (all, having) = (snapshot.alive as f32, having as f32);
    (1.0 + (all - having + 0.5).max(0.0) / (having + 0.5)).ln()
}

const fn certainty(matched: Matched) -> f32 {
    match matched {
        Matched::Prefix => COMPLETION,
        Matched::Typo => MISSPELT,
        _ => 1.0,
    }
}

impl WordCache {
    fn get(&self, snapshot: &Snapshot, word: String, unfinished: bool) -> Result<Arc<WordHits>, SearchError> {
        let key = (word, unfinished);
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).words.get(&key) {
            return Ok(Arc::clone(known));
        }
        let hits = Arc::new(look_up(snapshot, &key.0, unfinished)?);
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.occurrences > MAX_CACHED {
            *cached = Cached::default();
        }
        // An entry without occurrences takes room, too.
        cached.occurrences += hits.docs.len() + 32;
        cached.words.insert(key, Arc::clone(&hits));
        Ok(hits)
    }
}

/// Finds the records of one word: its forms; if they are few and it may be unfinished, what it begins; if there is
/// nothing, what it may have been meant to be.
fn look_up(snapshot: &Snapshot, word: &str, unfinished: bool) -> Result<WordHits, SearchError> {
    let mut hits = Gather::new(snapshot);
    let forms = expand::forms(snapshot, word)?;
    for form in &forms {
        hits.add(form, if form == word { 1.0 } else { OTHER_FORM }, Matched::Text)?;
    }
    if unfinished && hits.docs() < FEW {
        for completion in expand::completions(snapshot, word)?.difference(&forms) {
            hits.add(completion, 1.0, Matched::Prefix)?;
        }
    }
    if hits.docs() == 0 {
        for meant in expand::typos(snapshot, word)? {
            hits.add(&meant, 1.0, Matched::Typo)?;
        }
    }
    if hits.docs() == 0 && !unfinished {
        for completion in expand::completions(snapshot, word)? {
            hits.add(&completion, 1.0, Matched::Prefix)?;
        }
    }
    Ok(hits.finish())
}

/// Adds up the occurrences of the words that one typed word stands for.
struct Gather<'a> {
    snapshot: &'a Snapshot,
    stands_for: BTreeSet<String>,
    sums: HashMap<Doc, (f32, Matched)>,
}

impl<'a> Gather<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, stands_for: BTreeSet::new(), sums: HashMap::new() }
    }

    fn docs(&self) -> usize {
        self.sums.len()
    }

    fn add(&mut self, word: &str, factor: f32, matched: Matched) -> Result<(), SearchError> {
        for segment in &self.snapshot.segments {
            self.add_from(segment, word, factor, matched)?;
        }
        self.stands_for.insert(word.to_owned());
        Ok(())
    }

    fn add_from(
        &mut self,
        segment: &Segment,
        word: &str,
        factor: f32,
        matched: Matched,
    ) -> Result<(), SearchError> {
        let Some(info) = segment.text.terms().get(word)? else { return Ok(()) };
        let option = IndexRecordOption::WithFreqsAndPositions;
        let mut postings = segment.text.read_postings_from_terminfo(&info, option)?;
        let mut positions = Vec::new();
        while postings.doc() != TERMINATED {
            if !segment.reader.is_deleted(postings.doc()) {
                let doc = segment.base + postings.doc();
                postings.positions(&mut positions);
                let places = positions.iter().map(|position| (position / POSITIONS_PER_FIELD) as usize);
                let weight: f32 = places.map(|place| self.snapshot.weight(doc, place)).sum();
                let sum = self.sums.entry(doc).or_insert((0.0, matched));
                *sum = (sum.0 + factor * weight, sum.1.min(matched));
            }
            postings.advance();
        }
        Ok(())
    }

    fn finish(self) -> WordHits {
        let hit = |(doc, (sum, matched)): (Doc, (f32, Matched))| WordHit {
            doc,
            weight: certainty(matched) * sum / (SATURATION + sum),
            matched,
        };
        let mut docs: Vec<WordHit> = self.sums.into_iter().map(hit).collect();
        docs.sort_unstable_by_key(|hit| hit.doc);
        WordHits { stands_for: self.stands_for, docs }
    }
}
