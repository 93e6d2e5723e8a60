//! The terms of a catalogue's rows, family by family, with the documents that have them.

use std::collections::HashMap;

use super::{
    Row,
    blocks::{escape, order},
    fold::{each_token, phrase},
    postings::{class, document, posting},
};
use crate::look::{Field, Kind};

/// Most tokens of text fields that a document is found by.
const MAX_TEXT_TOKENS: usize = 2000;

/// Class of a term in a key.
pub(super) const KEY: u8 = 0;
/// In a title.
const TITLE: u8 = 1;
/// In another name.
pub(super) const NAME: u8 = 2;
const KEYWORD: u8 = 3;
const TEXT: u8 = 4;

/// Terms and their postings, ascending by document.
#[derive(Debug, Default)]
pub(super) struct Terms {
    ids: HashMap<Box<str>, u32>,
    postings: Vec<Vec<u32>>,
}

impl Terms {
    /// A document counts once a term, in its best class.
    fn add(&mut self, term: &str, of: u32, best: u8) {
        let id = match self.ids.get(term) {
            Some(&id) => id,
            None => {
                let id = u32::try_from(self.postings.len()).unwrap_or(u32::MAX);
                self.ids.insert(term.into(), id);
                self.postings.push(Vec::new());
                id
            }
        };
        let Some(postings) = self.postings.get_mut(id as usize) else { return };
        match postings.last_mut() {
            Some(last) if document(*last) == of => *last = posting(of, best.min(class(*last))),
            _ => postings.push(posting(of, best)),
        }
    }

    /// All terms with their numbers, in the order of blocks.
    pub(super) fn sorted(&self) -> Vec<(&str, u32)> {
        let mut sorted: Vec<(&str, u32)> = self.ids.iter().map(|(term, &id)| (&**term, id)).collect();
        sorted.sort_unstable_by(|a, b| order(a.0, b.0));
        sorted
    }

    /// All terms, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.ids.keys().map(AsRef::as_ref)
    }

    /// The postings of a term by its number.
    pub(super) fn postings(&self, id: u32) -> &[u32] {
        self.postings.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// The postings of a term.
    pub(super) fn find(&self, term: &str) -> &[u32] {
        self.ids.get(term).map_or(&[], |&id| self.postings(id))
    }
}

/// How a field takes part in search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Other names of the record: found whole and by word.
    Names,
    /// Exact values, found by word.
    Keyword,
    /// Text that is found by word.
    Text,
    /// Not in the shards.
    Absent,
}

const fn role(field: &Field) -> Role {
    match field.kind {
        Kind::Text if field.names => Role::Names,
        Kind::Text if field.shards => Role::Text,
        Kind::Keyword => Role::Keyword,
        Kind::Text | Kind::Number => Role::Absent,
    }
}

/// Where the families come from.
pub(super) struct Families<'a> {
    pub(super) fields: &'a [Field],
    /// In document order.
    pub(super) rows: &'a [Row],
}

impl Families<'_> {
    /// Whole names, folded.
    pub(super) fn names(&self) -> Terms {
        let mut terms = Terms::default();
        let mut add = |text: &str, document, class| {
            let phrase = phrase(text);
            if !phrase.is_empty() {
                terms.add(&phrase, document, class);
            }
        };
        for (row, document) in self.rows.iter().zip(0..) {
            add(&row.key, document, KEY);
            add(&row.title, document, TITLE);
            for (position, _) in self.of_role(Role::Names) {
                row.values(position).iter().for_each(|value| add(value, document, NAME));
            }
        }
        terms
    }

    /// What stands inside the words of names: everything from a character that begins no word to the end. A prefix of it is a
    /// part of the name.
    pub(super) fn parts(&self) -> Terms {
        let mut terms = Terms::default();
        let fields: Vec<usize> =
            self.fields.iter().enumerate().filter(|(_, field)| field.infix).map(|(at, _)| at).collect();
        for (row, document) in self.rows.iter().zip(0..) {
            for &position in &fields {
                for value in row.values(position) {
                    each_part(&phrase(value), |part| terms.add(part, document, 0));
                }
            }
        }
        terms
    }

    /// Words of everything that is searched, and of the summary: readers see it in what they find.
    pub(super) fn words(&self) -> Terms {
        let mut terms = Terms::default();
        for (row, document) in self.rows.iter().zip(0..) {
            each_token(&row.key, |token| terms.add(token, document, KEY));
            each_token(&row.title, |token| terms.add(token, document, TITLE));
            for (role, class) in [(Role::Names, NAME), (Role::Keyword, KEYWORD)] {
                for (position, _) in self.of_role(role) {
                    for value in row.values(position) {
                        each_token(value, |token| terms.add(token, document, class));
                    }
                }
            }
            let mut left = MAX_TEXT_TOKENS;
            let mut text = |text: &str| {
                each_token(text, |token| {
                    if left > 0 {
                        left -= 1;
                        terms.add(token, document, TEXT);
                    }
                });
            };
            text(&row.summary);
            for (position, _) in self.of_role(Role::Text) {
                row.values(position).iter().for_each(|value| text(value));
            }
        }
        terms
    }

    /// Values of facets, as they are.
    pub(super) fn facets(&self) -> Terms {
        let mut terms = Terms::default();
        let facets: Vec<usize> =
            self.fields.iter().enumerate().filter(|(_, field)| field.facet).map(|(at, _)| at).collect();
        for (row, document) in self.rows.iter().zip(0..) {
            for (number, &position) in facets.iter().enumerate() {
                for value in row.facet_values(position) {
                    terms.add(&facet_term(number, value), document, 0);
                }
            }
        }
        terms
    }

    fn of_role(&self, wanted: Role) -> impl Iterator<Item = (usize, &Field)> {
        self.fields.iter().enumerate().filter(move |(_, field)| role(field) == wanted)
    }
}

/// Longest part of a name, in characters.
const MAX_PART: usize = 16;

fn each_part(phrase: &str, mut found: impl FnMut(&str)) {
    let mut before = ' ';
    for (at, here) in phrase.char_indices() {
        let tail = phrase.get(at..).unwrap_or_default();
        if before != ' ' && here != ' ' && tail.chars().nth(1).is_some() {
            let end = tail.char_indices().nth(MAX_PART).map_or(tail.len(), |(end, _)| end);
            found(tail.get(..end).unwrap_or_default());
        }
        before = here;
    }
}

/// The term of a value of the facet with this number.
pub(super) fn facet_term(number: usize, value: &str) -> String {
    escape(&format!("{number}:{value}"))
}
