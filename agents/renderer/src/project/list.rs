//! The pages of a catalogue's list: all records in document order, 50 a page; what is told apart comes last.

use std::sync::Arc;

use minijinja::Value;
use quire_proto::{Digest, DigestBuilder};
use quire_runtime::{BoxError, FileSink};

use super::{Counts, catalogue, frame};
use crate::{
    engine::{Engine, Output, object},
    look::Field,
    shards::{Facet, Row, fold::phrase, is_sort, tags},
};

/// Rows of a page.
const PER_PAGE: usize = 50;
/// Most letters above the list.
const MAX_LETTERS: usize = 60;
/// Pages before and after the current one that are linked.
const NEAR: usize = 2;

/// Rows in the order of the list.
struct Lines<'a> {
    all: Vec<&'a Row>,
    /// So many of them, the first, are not apart.
    together: usize,
}

impl<'a> Lines<'a> {
    fn of(rows: &'a [Row], apart: Option<usize>) -> Self {
        let is_apart = |row: &&Row| apart.is_some_and(|field| row.facet_values(field).next().is_some());
        let (last, mut all): (Vec<_>, Vec<_>) = rows.iter().partition(is_apart);
        let together = all.len();
        all.extend(last);
        Self { all, together }
    }

    fn letters(&self) -> Vec<Letter> {
        letters(self.all.get(..self.together).unwrap_or_default())
    }
}

/// A letter and the first row under it.
struct Letter {
    letter: String,
    row: usize,
}

pub(super) fn files(
    engine: &Engine,
    rows: &[Row],
    facets: &[Facet],
    counts: Counts,
    sink: &mut dyn FileSink,
) -> Result<(), BoxError> {
    let look = engine.look();
    let total = rows.len().div_ceil(PER_PAGE).max(1);
    let lines = Lines::of(rows, look.apart);
    let letters = if total > 1 { lines.letters() } else { Vec::new() };
    let catalogue = catalogue(engine, rows.len(), counts);
    let shared = shared_inputs(&lines, counts, facets, &letters);
    let (facets, sorts) = (facet_values(&look.fields, facets), sorts(&look.fields));
    for number in 1..=total {
        let start = (number - 1) * PER_PAGE;
        let shown = lines.all.get(start..rows.len().min(start + PER_PAGE)).unwrap_or_default();
        let path = format!("{}/{}", look.slug, file(number));
        if sink.keep(&path, inputs(&shared, number, &look.fields, shown))? {
            continue;
        }
        let title = if number == 1 { look.title.clone() } else { format!("{}, page {number}", look.title) };
        let base = if number == 1 { "" } else { "../" };
        let [root, base_part, page, site] =
            frame(engine, "list", &path, &title, if number == 1 { 1 } else { 2 });
        let context = object([
            root,
            base_part,
            page,
            site,
            ("catalogue", catalogue.clone()),
            ("rows", shown.iter().map(|row| list_row(&look.fields, row)).collect::<Vec<_>>().into()),
            ("facets", facets.clone()),
            ("pages", pages(number, total)),
            ("letters", letter_links(&letters, lines.together, number)),
            ("first", Value::from(if rows.is_empty() { 0 } else { start + 1 })),
            ("last", Value::from(start + shown.len())),
            ("search", object([("sorts", sorts.clone())])),
            ("downloads", downloads(base)),
        ]);
        sink.add(path, engine.render(&look.list, Output::Html, context)?.into_bytes())?;
    }
    Ok(())
}

/// Digest of what all pages of the list show besides their rows.
fn shared_inputs(lines: &Lines<'_>, counts: Counts, facets: &[Facet], letters: &[Letter]) -> Digest {
    let Counts { rejected, warnings } = counts;
    let numbers = [lines.all.len(), lines.together, rejected, warnings, facets.len(), letters.len()];
    let mut digest =
        numbers.iter().fold(DigestBuilder::new("quire list"), |digest, number| digest.number(*number as u64));
    for Facet { field, total, values } in facets {
        digest = digest.number(*field as u64).number(*total as u64).number(values.len() as u64);
        digest =
            values.iter().fold(digest, |digest, (value, count)| digest.text(value).number(*count as u64));
    }
    letters
        .iter()
        .fold(digest, |digest, letter| digest.text(&letter.letter).number(letter.row as u64))
        .finish()
}

/// Digest of all that a page of the list shows but what its template and definition say.
fn inputs(shared: &Digest, number: usize, fields: &[Field], rows: &[&Row]) -> Digest {
    let mut digest = DigestBuilder::new("quire list page").digest(shared).number(number as u64);
    for row in rows {
        digest = [&row.key, &row.title, &row.slug, &row.summary]
            .into_iter()
            .fold(digest, |digest, text| digest.text(text));
        let tags: Vec<_> = tags(fields, row).collect();
        digest = digest.number(tags.len() as u64);
        digest = tags.into_iter().fold(digest, |digest, (field, value)| digest.text(&field.name).text(value));
    }
    digest.finish()
}

/// File of page `number` in the catalogue's folder.
fn file(number: usize) -> String {
    if number == 1 { "index.html".to_owned() } else { format!("list/{number}.html") }
}

/// The way from page `from` to page `to`.
fn href(from: usize, to: usize) -> String {
    match (from, to) {
        (1, _) => file(to),
        (_, 1) => "../index.html".to_owned(),
        _ => format!("{to}.html"),
    }
}

fn list_row(fields: &[Field], row: &Row) -> Value {
    let tag = |(field, value): (&Field, &Arc<str>)| {
        object([
            ("field", Value::from(field.name.as_str())),
            ("label", Value::from(field.label.as_str())),
            ("value", Value::from(&**value)),
        ])
    };
    object([
        ("key", Value::from(&*row.key)),
        ("title", Value::from(&*row.title)),
        ("slug", Value::from(&*row.slug)),
        ("summary", Value::from(&*row.summary)),
        ("tags", tags(fields, row).map(tag).collect::<Vec<_>>().into()),
    ])
}

fn facet_values(fields: &[Field], facets: &[Facet]) -> Value {
    let value = |(value, count): &(String, usize)| {
        object([("value", Value::from(value.as_str())), ("count", Value::from(*count))])
    };
    let facets = facets.iter().filter_map(|facet| {
        let field = fields.get(facet.field)?;
        Some(object([
            ("name", Value::from(field.name.as_str())),
            ("label", Value::from(field.label.as_str())),
            ("total", Value::from(facet.total)),
            ("values", facet.values.iter().map(value).collect::<Vec<_>>().into()),
        ]))
    });
    Value::from(facets.collect::<Vec<_>>())
}

fn sorts(fields: &[Field]) -> Value {
    let sort =
        |(name, label): (&str, &str)| object([("name", Value::from(name)), ("label", Value::from(label))]);
    let numbers = fields.iter().filter(|field| is_sort(field)).map(|field| (&*field.name, &*field.label));
    Value::from([("key", "Key")].into_iter().chain(numbers).map(sort).collect::<Vec<_>>())
}

fn pages(number: usize, total: usize) -> Value {
    let linked = |page: &usize| *page == 1 || *page == total || page.abs_diff(number) <= NEAR;
    let mut links = Vec::new();
    let mut before = 0;
    // Only pages near this one and the two ends are looked at: a list may have thousands of pages.
    let near = number.saturating_sub(NEAR).max(1)..=(number + NEAR).min(total);
    let mut candidates: Vec<usize> = [1, total].into_iter().chain(near).filter(linked).collect();
    candidates.sort_unstable();
    candidates.dedup();
    for page in candidates {
        if page > before + 1 {
            links.push(object([("gap", Value::from(true))]));
        }
        before = page;
        links.push(object([
            ("number", Value::from(page)),
            ("href", Value::from(href(number, page))),
            ("current", Value::from(page == number)),
        ]));
    }
    let neighbour =
        |there: bool, page: usize| if there { Value::from(href(number, page)) } else { Value::from(()) };
    object([
        ("number", Value::from(number)),
        ("total", Value::from(total)),
        ("prev", neighbour(number > 1, number.saturating_sub(1))),
        ("next", neighbour(number < total, number + 1)),
        ("links", Value::from(links)),
    ])
}

fn letters(rows: &[&Row]) -> Vec<Letter> {
    let mut letters: Vec<Letter> = Vec::new();
    for (row, letter) in rows.iter().map(|row| letter(&row.title)).enumerate() {
        if letters.last().is_none_or(|last| last.letter != letter) && letters.len() < MAX_LETTERS {
            letters.push(Letter { letter, row });
        }
    }
    letters
}

/// What a title is found under.
fn letter(title: &str) -> String {
    match phrase(title).chars().next() {
        Some(digit) if digit.is_numeric() => "0–9".to_owned(),
        Some(letter) if letter.is_alphabetic() => letter.to_uppercase().collect(),
        _ => "#".to_owned(),
    }
}

fn letter_links(letters: &[Letter], together: usize, number: usize) -> Value {
    let start = (number - 1) * PER_PAGE;
    // The letter of the first row of this page is the last one that begins before or at it.
    let current = letters.partition_point(|letter| letter.row <= start).checked_sub(1);
    // What is apart is under none.
    let current = current.filter(|_| start < together);
    let links = letters.iter().enumerate().map(|(position, letter)| {
        let (page, row) = (letter.row / PER_PAGE + 1, letter.row % PER_PAGE + 1);
        object([
            ("letter", Value::from(letter.letter.as_str())),
            ("href", Value::from(format!("{}#r-{row}", href(number, page)))),
            ("current", Value::from(Some(position) == current)),
        ])
    });
    Value::from(links.collect::<Vec<_>>())
}

fn downloads(base: &str) -> Value {
    let download = |(file, label): (&str, &str)| {
        object([("href", Value::from(format!("{base}{file}"))), ("label", Value::from(label))])
    };
    Value::from([("data.csv", "CSV"), ("data.json", "JSON")].map(download).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_between_pages_are_relative() {
        assert_eq!(href(1, 1), "index.html");
        assert_eq!(href(1, 3), "list/3.html");
        assert_eq!(href(3, 1), "../index.html");
        assert_eq!(href(3, 4), "4.html");
    }

    #[test]
    fn the_ends_and_the_neighbours_are_linked() {
        let numbers = |number, total| {
            let links = pages(number, total).get_attr("links").unwrap();
            let text = |link: Value| match link.get_attr("number").unwrap() {
                gap if gap.is_undefined() => "…".to_owned(),
                number => number.to_string(),
            };
            links.try_iter().unwrap().map(text).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(numbers(1, 1), "1");
        assert_eq!(numbers(1, 41), "1 2 3 … 41");
        assert_eq!(numbers(20, 41), "1 … 18 19 20 21 22 … 41");
        assert_eq!(numbers(4, 5), "1 2 3 4 5");
    }

    #[test]
    fn titles_are_found_under_a_letter_digits_or_the_rest() {
        assert_eq!(letter("éa"), "E");
        assert_eq!(letter("3D"), "0–9");
        assert_eq!(letter("…"), "#");
    }
}
