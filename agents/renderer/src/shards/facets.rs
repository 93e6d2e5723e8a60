//! Filters: their values in the order in which readers see them, and the values of a record.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Row,
    blocks::order,
    postings,
    terms::{Terms, facet_term},
};
use crate::look::Field;

/// Most bytes of `facets.js`.
const MAX_FACETS: usize = 16_384;
/// Most values that lists show of a record.
const MAX_TAGS: usize = 12;

/// A facet with the values that the list page shows: most frequent first.
#[derive(Debug, Clone)]
pub(crate) struct Facet {
    /// Position among the fields.
    pub(crate) field: usize,
    /// Distinct values.
    pub(crate) total: usize,
    /// Value and how many records have it.
    pub(crate) values: Vec<(String, usize)>,
}

/// The facets of a catalogue, each with at most `most` values.
pub(crate) fn facets(fields: &[Field], rows: &[Row], most: usize) -> Vec<Facet> {
    let of_field = |(field, _): (usize, &Field)| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for row in rows {
            let values: BTreeSet<&str> = row.facet_values(field).map(AsRef::as_ref).collect();
            for value in values {
                *counts.entry(value).or_default() += 1;
            }
        }
        let mut sorted: Vec<(&str, usize)> = counts.into_iter().collect();
        sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| order(a.0, b.0)));
        let total = sorted.len();
        sorted.truncate(most);
        if fields.get(field).is_some_and(|field| field.natural) {
            sorted.sort_by(|a, b| natural(a.0, b.0));
        }
        let shown = sorted.into_iter().map(|(value, count)| (value.to_owned(), count)).collect();
        Facet { field, total, values: shown }
    };
    fields.iter().enumerate().filter(|(_, field)| field.facet).map(of_field).collect()
}

/// The values that lists show of a record, with their fields.
pub(crate) fn tags<'a>(fields: &'a [Field], row: &'a Row) -> impl Iterator<Item = (&'a Field, &'a Arc<str>)> {
    let tags = fields.iter().enumerate().filter_map(|(at, field)| Some((field.column?, at, field)));
    let mut tags: Vec<_> = tags.collect();
    tags.sort_by_key(|(column, at, _)| (*column, *at));
    tags.into_iter()
        .flat_map(|(_, position, field)| row.facet_values(position).map(move |value| (field, value)))
        .take(MAX_TAGS)
}

/// The same as one text: `0:value|3:value`, by the number of the filter, escaped.
pub(super) fn tags_text(fields: &[Field], row: &Row) -> String {
    let numbers: BTreeMap<&str, usize> =
        fields.iter().filter(|field| field.facet).map(|field| field.name.as_str()).zip(0..).collect();
    let terms: Vec<String> = tags(fields, row)
        .filter_map(|(field, value)| Some(facet_term(*numbers.get(field.name.as_str())?, value)))
        .collect();
    terms.join("|")
}

/// Postings of the values that the list page shows.
pub(super) fn shown(shown: &[Facet], values: &Terms) -> String {
    let mut text = String::new();
    for (number, facet) in shown.iter().enumerate() {
        for (value, _) in &facet.values {
            let mut entry = facet_term(number, value);
            let found = values.find(&entry);
            entry.push('=');
            postings::encode(found, &mut entry);
            if text.len() + entry.len() + 1 > MAX_FACETS {
                return text;
            }
            if !text.is_empty() {
                text.push('|');
            }
            text.push_str(&entry);
        }
    }
    text
}

/// By name, numbers by their size.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let ((one, after_a), (other, after_b)) = (part(a), part(b));
        let sizes = match (one.parse::<u64>(), other.parse::<u64>()) {
            (Ok(one), Ok(other)) => one.cmp(&other),
            _ => order(one, other),
        };
        match sizes.then_with(|| order(one, other)) {
            Ordering::Equal if one.is_empty() => return Ordering::Equal,
            Ordering::Equal => (a, b) = (after_a, after_b),
            unequal => return unequal,
        }
    }
}

/// The first run of digits, or of anything else, and what comes after it.
fn part(text: &str) -> (&str, &str) {
    let is_number = text.starts_with(|first: char| first.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_compared_by_size() {
        let mut names = ["more than 5000", "11–50", "T10", "2", "10", "T2", "1", "6–10", "101–500"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["1", "2", "6–10", "10", "11–50", "101–500", "T2", "T10", "more than 5000"]);
        assert_eq!(natural("a1", "a1"), Ordering::Equal);
        assert_eq!(natural("a01", "a1"), Ordering::Less, "different names are never equal");
        assert_eq!(natural("99999999999999999999999", "2"), Ordering::Greater, "what is too large is text");
    }
}
