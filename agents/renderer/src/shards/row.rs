//! What is kept of a record for lists and search: some hundred bytes, with repeated values shared.

use std::{cmp::Ordering, collections::HashSet, sync::Arc};

use quire_proto::RecordVerdict;

use super::{blocks::order, fold::phrase};

/// Most values that are shared; what comes after is kept for each record.
const MAX_SHARED: usize = 1 << 17;

/// A row of the list.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Key.
    pub(crate) key: Box<str>,
    /// Title.
    pub(crate) title: Box<str>,
    /// Page name.
    pub(crate) slug: Box<str>,
    /// Summary.
    pub(crate) summary: Box<str>,
    fields: Box<[Box<[Arc<str>]>]>,
}

impl Row {
    /// The values of the field at `position`.
    pub(crate) fn values(&self, position: usize) -> &[Arc<str>] {
        self.fields.get(position).map_or(&[], |values| values)
    }

    /// The values of a facet: nobody can choose an empty one.
    pub(crate) fn facet_values(&self, position: usize) -> impl Iterator<Item = &Arc<str>> {
        self.values(position).iter().filter(|value| !value.trim().is_empty())
    }
}

/// Makes rows, and one copy of each value that many of them have.
#[derive(Debug, Default)]
pub(crate) struct Rows(HashSet<Arc<str>>);

impl Rows {
    /// The row of a record.
    pub(crate) fn row(&mut self, record: &RecordVerdict) -> Row {
        let fields = record.row.fields.iter();
        Row {
            key: record.key.as_str().into(),
            title: record.title.as_str().into(),
            slug: record.slug.as_str().into(),
            summary: record.row.summary.as_str().into(),
            fields: fields.map(|values| values.iter().map(|value| self.shared(value)).collect()).collect(),
        }
    }

    fn shared(&mut self, value: &str) -> Arc<str> {
        if let Some(known) = self.0.get(value) {
            return Arc::clone(known);
        }
        let value: Arc<str> = value.into();
        if self.0.len() < MAX_SHARED {
            self.0.insert(Arc::clone(&value));
        }
        value
    }
}

/// Text in the order of its UTF-16 code units.
#[derive(PartialEq, Eq)]
struct Units(Box<str>);

impl Ord for Units {
    fn cmp(&self, other: &Self) -> Ordering {
        order(&self.0, &other.0)
    }
}

impl PartialOrd for Units {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Sorts rows into document order, which is also the order of the list.
pub(crate) fn sort_rows(rows: &mut Vec<Row>) {
    let folded = std::mem::take(rows).into_iter().map(|row| (Units(phrase(&row.title).into()), row));
    let mut folded: Vec<(Units, Row)> = folded.collect();
    folded.sort_by(|(a, one), (b, other)| {
        let titles = a.cmp(b).then_with(|| order(&one.title, &other.title));
        titles.then_with(|| order(&one.key, &other.key))
    });
    rows.extend(folded.into_iter().map(|(_, row)| row));
}
