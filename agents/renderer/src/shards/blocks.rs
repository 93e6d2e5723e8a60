//! Cutting a family of terms into blocks: small files, each with a range of terms.
//!
//! Blocks end where a prefix ends, so that a query for a prefix needs few of them, and so that a change
//! moves only the blocks around it.

use std::cmp::Ordering;

/// Most bytes of a block, unless a single term is larger.
const LIMIT: usize = 6144;
/// Deepest prefix that blocks are cut by, in characters.
const MAX_DEPTH: usize = 24;

/// How the terms of one family are cut.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// The label of every block: its terms are not less, those before are. The first is empty.
    labels: Vec<String>,
    /// How many terms every block has.
    counts: Vec<usize>,
}

/// A term, escaped, and its entry.
pub(super) struct Entry<'a> {
    /// What entries are sorted and found by.
    pub(super) term: &'a str,
    /// The term and its postings.
    pub(super) text: Box<str>,
}

/// The order of terms: by UTF-16 code units, since that is how a browser compares.
pub(super) fn order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

/// A term with the signs that part entries percent-encoded.
pub(super) fn escape(term: &str) -> String {
    if term.contains(['%', '|', '=']) {
        term.replace('%', "%25").replace('|', "%7C").replace('=', "%3D")
    } else {
        term.to_owned()
    }
}

impl Blocks {
    /// Cuts `entries`, sorted by [`order`], into blocks; at least one.
    pub(super) fn cut(entries: &[Entry<'_>]) -> Self {
        let mut blocks = Self::default();
        if entries.is_empty() {
            blocks.push(String::new(), entries);
        } else {
            blocks.cut_at(entries, 0);
        }
        if let Some(first) = blocks.labels.first_mut() {
            first.clear();
        }
        blocks
    }

    /// The number of the block that holds `term`, if any does.
    pub(super) fn position(&self, term: &str) -> usize {
        self.labels.partition_point(|label| order(label, term) != Ordering::Greater).saturating_sub(1)
    }

    /// The texts of the blocks of `entries`, which were cut into these.
    pub(super) fn payloads<'a>(&'a self, entries: &'a [Entry<'a>]) -> impl Iterator<Item = String> + 'a {
        let mut rest = entries;
        self.counts.iter().map(move |&count| {
            let (block, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            rest = after;
            block.iter().map(|entry| &*entry.text).collect::<Vec<_>>().join("|")
        })
    }

    /// All labels in one text.
    pub(super) fn label_text(&self) -> String {
        self.labels.join("|")
    }

    fn push(&mut self, label: String, entries: &[Entry<'_>]) {
        self.labels.push(label);
        self.counts.push(entries.len());
    }

    fn cut_at(&mut self, entries: &[Entry<'_>], depth: usize) {
        let Some(first) = entries.first() else { return };
        if entries.len() == 1 || size(entries) <= LIMIT {
            return self.push(prefix(first.term, depth), entries);
        }
        if depth == MAX_DEPTH {
            return self.cut_by_size(entries);
        }
        let mut collected = 0;
        let mut rest = entries;
        while let Some(next) = rest.get(collected) {
            let character = next.term.chars().nth(depth);
            let group = rest.get(collected..).unwrap_or_default();
            let group = group.partition_point(|entry| entry.term.chars().nth(depth) == character);
            let end = collected + group;
            if size(rest.get(..end).unwrap_or_default()) <= LIMIT {
                collected = end;
                continue;
            }
            rest = self.flush(rest, collected, depth);
            collected = group;
            if size(rest.get(..group).unwrap_or_default()) > LIMIT {
                let (large, after) = rest.split_at_checked(group).unwrap_or((rest, &[]));
                self.cut_at(large, depth + 1);
                (rest, collected) = (after, 0);
            }
        }
        self.flush(rest, collected, depth);
    }

    /// Makes a block of the first `count` entries; returns those after.
    fn flush<'a>(&mut self, entries: &'a [Entry<'a>], count: usize, depth: usize) -> &'a [Entry<'a>] {
        let (block, after) = entries.split_at_checked(count).unwrap_or((entries, &[]));
        if let Some(first) = block.first() {
            self.push(prefix(first.term, depth + 1), block);
        }
        after
    }

    fn cut_by_size(&mut self, entries: &[Entry<'_>]) {
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let mut count = 1;
            while count < rest.len() && size(rest.get(..=count).unwrap_or_default()) <= LIMIT {
                count += 1;
            }
            let (block, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            self.push(first.term.to_owned(), block);
            rest = after;
        }
    }
}

fn size(entries: &[Entry<'_>]) -> usize {
    entries.iter().map(|entry| entry.text.len() + 1).sum()
}

fn prefix(term: &str, characters: usize) -> String {
    term.chars().take(characters).collect()
}
