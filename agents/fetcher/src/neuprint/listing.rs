//! What there is: the dataset and its types.

use quire_catalogue::{Neuprint, TypePatterns};
use quire_proto::Listed;

use super::{
    answer::Rows,
    ask::{AskError, Asker},
    edit::version_ns,
    query,
    rows::{Edited, Known, Type},
};
use crate::{
    memo::{MemoBook, now_ns},
    upstream::{Listing, Wanted},
};

/// The location of a dataset's own record.
pub(super) const DATASET: &str = Neuprint::DATASET;
/// What stands before a type in its location.
const TYPES: &str = "types/";
/// Types that one look at what is known asks for.
const MOST_KNOWN: usize = 200;
/// Most bytes of a type's name.
const MAX_NAME_BYTES: usize = 1024;
/// Bytes of an answer for a type, and for each of its cells, beside what is said of its regions.
const TYPE_BYTES: u64 = 400;
const CELL_BYTES: u64 = 300;

/// The type at a location.
pub(super) fn type_at(location: &str) -> Option<&str> {
    location.strip_prefix(TYPES)
}

/// About how many bytes of an answer are about a type.
pub(super) fn size(cells: i64, characters: i64) -> u64 {
    let [cells, characters] = [cells, characters].map(|number| u64::try_from(number).unwrap_or_default());
    TYPE_BYTES.saturating_add(cells.saturating_mul(CELL_BYTES)).saturating_add(characters)
}

/// Lists what is wanted.
pub(super) async fn list(
    asker: &Asker<'_>,
    memo: &MemoBook,
    scope: &[u8],
    patterns: &TypePatterns,
    wanted: &Wanted,
) -> Result<Listing, AskError> {
    if let Some(only) = &wanted.only {
        return known(asker, patterns, only).await;
    }
    let edited = asker.ask::<Edited>("edited", query::EDITED).await?;
    if let Some(odd) = edited.odd.first() {
        return Err(AskError::Broken(format!("when the dataset was changed cannot be read: {odd}")));
    }
    let edited = edited.rows.into_iter().next().unwrap_or_default();
    let version = version_ns(&edited);
    // A run that believes nothing asks for everything.
    let remembered = version.filter(|_| !wanted.anew).and_then(|version| memo.listing(scope, version));
    let (types, failure) = match remembered {
        Some(types) => (types, None),
        None => {
            let made_ns = now_ns();
            let (types, failure) = sorted(asker.ask::<Type>("types", query::TYPES).await?);
            if let (None, Some(version)) = (&failure, version) {
                memo.keep_listing(scope, [version, made_ns], &types);
            }
            (types, failure)
        }
    };
    let modified_ns = i128::from(version.unwrap_or_default());
    let at = |location: String, size: u64| Listed { location, size, modified_ns };
    let mut found = vec![at(DATASET.to_owned(), TYPE_BYTES)];
    found.extend(
        types
            .into_iter()
            .filter(|(name, _)| patterns.take(name))
            .map(|(name, size)| at(format!("{TYPES}{name}"), size)),
    );
    Ok(Listing { found, failure, ..Listing::default() })
}

/// Names and sizes of types, sorted, and why they are not all.
fn sorted(answer: Rows<Type>) -> (Vec<(String, u64)>, Option<String>) {
    let Rows { rows, odd } = answer;
    let mut failure = odd
        .first()
        .map(|first| format!("{} of the types that neuPrint names cannot be read: {first}", odd.len()));
    let mut types: Vec<(String, u64)> = Vec::with_capacity(rows.len());
    for Type { name, cells, characters } in rows {
        if name.is_empty() {
            tracing::warn!(cells = cells.0, "cells whose type is an empty text are left out");
        } else if name.len() > MAX_NAME_BYTES {
            let shown: String = name.chars().take(40).collect();
            failure = Some(format!("the name of the type {shown}… has more than {MAX_NAME_BYTES} bytes"));
        } else {
            types.push((name, size(cells.0, characters.0)));
        }
    }
    types.sort_unstable();
    let all = types.len();
    types.dedup_by(|a, b| a.0 == b.0);
    if types.len() < all {
        failure = Some("neuPrint names a type twice".to_owned());
    }
    if types.is_empty() && failure.is_none() {
        // Taken at its word, that would remove every page.
        failure = Some("neuPrint names no types at all".to_owned());
    }
    (types, failure)
}

/// Lists those of a few locations that are there.
async fn known(asker: &Asker<'_>, patterns: &TypePatterns, only: &[String]) -> Result<Listing, AskError> {
    let mut names: Vec<&str> =
        only.iter().filter_map(|location| type_at(location)).filter(|name| patterns.take(name)).collect();
    names.sort_unstable();
    names.dedup();
    let mut listing = Listing::default();
    let mut edited = None;
    let mut parts: Vec<&[&str]> = names.chunks(MOST_KNOWN).collect();
    if parts.is_empty() {
        // It says how new the dataset is.
        parts.push(&[]);
    }
    for names in parts {
        let answer = asker.ask::<Known>("known", &query::known(names)).await?;
        if let Some(odd) = answer.odd.first() {
            return Err(AskError::Broken(format!("what is known of types cannot be read: {odd}")));
        }
        for row in answer.rows {
            let modified_ns = i128::from(version_ns(&row.edited).unwrap_or_default());
            edited = Some(modified_ns);
            let Some(name) = row.name else { continue };
            if names.binary_search(&name.as_str()).is_err() {
                return Err(AskError::Broken(
                    "neuPrint answers about a type that nobody asked for".to_owned(),
                ));
            }
            let size = size(row.cells.0, row.characters.0);
            listing.found.push(Listed { location: format!("{TYPES}{name}"), size, modified_ns });
        }
    }
    if only.iter().any(|location| location == DATASET) {
        let modified_ns = edited.unwrap_or_default();
        listing.found.push(Listed { location: DATASET.to_owned(), size: TYPE_BYTES, modified_ns });
    }
    listing.found.sort_by(|a, b| a.location.cmp(&b.location));
    listing.found.dedup_by(|a, b| a.location == b.location);
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neuprint::answer::{OddRow, Whole};

    fn rows(names: &[&str]) -> Rows<Type> {
        let row = |name: &&str| Type { name: (*name).to_owned(), cells: Whole(2), characters: Whole(10) };
        Rows { rows: names.iter().map(row).collect(), odd: Vec::new() }
    }

    #[test]
    fn types_are_sorted_and_what_makes_a_listing_incomplete_is_told() {
        let (types, failure) = sorted(rows(&["b", "", "a"]));
        assert_eq!(types, [("a".to_owned(), 1010), ("b".to_owned(), 1010)]);
        assert_eq!(failure, None);
        let failed = |rows| sorted(rows).1.unwrap();
        assert!(failed(rows(&[])).contains("no types at all"));
        assert!(failed(rows(&["a", "a"])).contains("twice"));
        assert!(failed(rows(&["a", &"x".repeat(1025)])).contains("more than 1024 bytes"));
        let odd = OddRow { number: 7, of: None, message: "no".to_owned() };
        assert!(failed(Rows { odd: vec![odd], ..rows(&["a"]) }).contains("row 7"));
    }
}
