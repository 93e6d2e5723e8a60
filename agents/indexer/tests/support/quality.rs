//! How well the real queries are answered.

#![allow(dead_code, reason = "the example uses a part of it")]

use std::{collections::BTreeMap, fs, path::Path};

use quire_indexer::{Matched, Query, SearchIndex};
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Question {
    pub(crate) kind: String,
    pub(crate) q: String,
    pub(crate) target: Option<String>,
}

pub(crate) fn questions(path: &Path) -> Vec<Question> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Of one kind of queries: how many have a target, and how many have it first and among the first ten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Score {
    pub(crate) asked: usize,
    pub(crate) first: usize,
    pub(crate) ten: usize,
}

pub(crate) fn scores(index: &SearchIndex, questions: &[Question]) -> BTreeMap<String, Score> {
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for question in questions {
        let query = Query { text: &question.q, limit: 10, ..Query::default() };
        let hits = index.search(&query).unwrap().hits;
        let score = scores.entry(question.kind.clone()).or_default();
        if let Some(target) = &question.target {
            score.asked += 1;
            score.first += usize::from(hits.first().is_some_and(|hit| hit.key == *target));
            score.ten += usize::from(hits.iter().any(|hit| hit.key == *target));
        }
    }
    scores
}

/// Queries for a synonym that are not answered by all its holders before anything else.
pub(crate) fn wrong_synonyms(
    index: &SearchIndex,
    questions: &[Question],
    holders: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for question in questions.iter().filter(|question| question.kind == "synonym") {
        let query = Query { text: &question.q, limit: 50, ..Query::default() };
        let hits = index.search(&query).unwrap().hits;
        let exact = hits.iter().take_while(|hit| hit.matched <= Matched::Synonym).count();
        let mut found: Vec<&str> = hits.iter().take(exact).map(|hit| hit.key.as_str()).collect();
        found.sort_unstable();
        let expected = holders.get(&question.q.to_lowercase()).cloned().unwrap_or_default();
        if found != expected || question.target.as_deref().is_some_and(|target| !found.contains(&target)) {
            wrong.push(format!("{}: {found:?} instead of {expected:?}", question.q));
        }
    }
    wrong
}
