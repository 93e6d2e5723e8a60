//! Other words that a typed word may stand for: its other forms, what starts with it, what is one letter off.
//!
//! All come from the index's own dictionary, so none is ever looked for in vain.

use std::collections::BTreeSet;

use crate::{
    SearchError,
    query::dictionary::{each_term, has_word},
    snapshot::Snapshot,
    tokens::Stems,
};

/// Words of the dictionary looked at for one typed word.
const MAX_SEEN: usize = 20_000;
/// Most words that complete a typed one, the shortest first.
const MAX_COMPLETIONS: usize = 50;
/// Most words one letter off.
const MAX_TYPOS: usize = 20;
/// Shorter words are not taken for misspelt.
const MIN_TYPO_CHARS: usize = 5;

/// Words with the stem of `word`, itself among them if a record has it.
pub(crate) fn forms(snapshot: &Snapshot, word: &str) -> Result<BTreeSet<String>, SearchError> {
    let mut stems = Stems::new();
    let stem = stems.stem(word);
    // The last letter of a stem may differ from that of the word (`biopsi`, biopsy); short stems stand for themselves.
    let common = stem.char_indices().next_back().map_or(0, |(at, _)| at);
    let start = if stem.chars().count() > 3 { stem.get(..common).unwrap_or(&stem) } else { stem.as_str() };
    let mut found = BTreeSet::new();
    each_word(snapshot, start, |candidate| {
        if candidate == word || (stem.chars().count() > 2 && stems.stem(candidate) == stem) {
            found.insert(candidate.to_owned());
        }
    })?;
    if !word.starts_with(start) {
        found.extend(existing(snapshot, word.to_owned())?);
    }
    Ok(found)
}

/// Words that start with `word` and are longer.
pub(crate) fn completions(snapshot: &Snapshot, word: &str) -> Result<BTreeSet<String>, SearchError> {
    let mut found = BTreeSet::new();
    each_word(snapshot, word, |candidate| {
        if candidate.len() > word.len() {
            found.insert((candidate.len(), candidate.to_owned()));
            if found.len() > MAX_COMPLETIONS {
                found.pop_last();
            }
        }
    })?;
    Ok(found.into_iter().map(|(_, word)| word).collect())
}

/// Words that differ from `word` by one letter more, less or other, or by two letters changed over.
pub(crate) fn typos(snapshot: &Snapshot, word: &str) -> Result<BTreeSet<String>, SearchError> {
    let typed: Vec<char> = word.chars().collect();
    let mut found = BTreeSet::new();
    if typed.len() < MIN_TYPO_CHARS || typed.iter().any(char::is_ascii_digit) {
        return Ok(found);
    }
    // Mostly, the first letter is right.
    let first: String = typed.iter().take(1).collect();
    each_word(snapshot, &first, |candidate| {
        if found.len() < MAX_TYPOS && is_one_off(&typed, candidate) {
            found.insert(candidate.to_owned());
        }
    })?;
    for candidate in other_starts(&typed) {
        if found.len() >= MAX_TYPOS {
            break;
        }
        found.extend(existing(snapshot, candidate)?);
    }
    found.remove(word);
    Ok(found)
}

/// Words that differ from `typed` in their first letter, whether they exist or not.
fn other_starts(typed: &[char]) -> Vec<String> {
    let from = |at: usize| typed.iter().skip(at).collect::<String>();
    let mut starts = vec![from(1)];
    if let [first, second, rest @ ..] = typed {
        starts.push([second, first].into_iter().chain(rest).collect());
    }
    for letter in 'a'..='z' {
        starts.push(format!("{letter}{}", from(0)));
        starts.push(format!("{letter}{}", from(1)));
    }
    starts
}

/// Whether one edit makes `candidate` of `typed`: a letter more, less or other, or two neighbours changed over.
fn is_one_off(typed: &[char], candidate: &str) -> bool {
    if candidate.len().abs_diff(typed.len()) > 3 * typed.len() + 4 {
        return false;
    }
    let other: Vec<char> = candidate.chars().collect();
    let same = typed.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (a, b) = (typed.get(same..).unwrap_or(&[]), other.get(same..).unwrap_or(&[]));
    match (a, b) {
        ([], [_]) | ([_], []) => true,
        ([a0, a1, a_rest @ ..], [b0, b1, b_rest @ ..]) if a0 == b1 && a1 == b0 && a_rest == b_rest => true,
        ([_, a_rest @ ..], [_, b_rest @ ..]) => a_rest == b_rest || a_rest == b || a == b_rest,
        _ => false,
    }
}

/// `word`, if a record has it.
fn existing(snapshot: &Snapshot, word: String) -> Result<Option<String>, SearchError> {
    Ok(has_word(snapshot, &word)?.then_some(word))
}

/// Shows the words that start with `start`, ascending.
fn each_word(snapshot: &Snapshot, start: &str, mut see: impl FnMut(&str)) -> Result<(), SearchError> {
    each_term(
        snapshot,
        |segment| &segment.text,
        start,
        MAX_SEEN,
        |word| {
            see(word);
            Ok(())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_edit_is_one_edit() {
        let typed: Vec<char> = "nodule".chars().collect();
        for one in ["nodul", "nodules", "nodile", "ndoule", "noduel", "odule", "nnodule", "nodüle"] {
            assert!(is_one_off(&typed, one), "{one}");
        }
        for other in ["nodule", "nodal", "noduless", "", "n", "module s", "noluder"] {
            assert!(!is_one_off(&typed, other), "{other}");
        }
    }
}
