//! What the last committed manifest knows of one source: location, ordinal and content digest of every item.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use quire_proto::{
    Digest, PackSlice, codec,
    manifest::{FORMAT, Manifest},
};
use quire_runtime::{StageError, Store, StoreError};
use serde::Deserialize;

use crate::memo::{BaseRow, Fingerprint, MemoBook};

/// Manifests held at once.
const MAX_HELD: usize = 4;

/// The items that a manifest knows of one source, by location.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BaseIndex {
    validation: Option<Digest>,
    locations: Vec<Known>,
    items: Vec<(u32, Digest)>,
}

/// A location and where its items lie.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    location: Box<str>,
    first: usize,
    end: usize,
}

impl BaseIndex {
    /// From rows in any order.
    pub(crate) fn new(validation: Option<Digest>, mut rows: Vec<(Box<str>, u32, Digest)>) -> Self {
        rows.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let mut index = Self { validation, locations: Vec::new(), items: Vec::with_capacity(rows.len()) };
        for (location, ordinal, content) in rows {
            let position = index.items.len();
            index.items.push((ordinal, content));
            match index.locations.last_mut() {
                Some(last) if last.location == location => last.end = position + 1,
                _ => index.locations.push(Known { location, first: position, end: position + 1 }),
            }
        }
        index
    }

    /// Whether verdicts of that manifest still hold under a catalogue with this validation digest.
    pub(crate) fn holds_for(&self, validation: &Digest) -> bool {
        self.validation.as_ref() == Some(validation)
    }

    /// The items of a location, by ordinal.
    pub(crate) fn items(&self, location: &str) -> &[(u32, Digest)] {
        match self.locations.binary_search_by(|known| (*known.location).cmp(location)) {
            Ok(position) => self.items_at(position),
            Err(_) => &[],
        }
    }

    /// Walks the locations in their order.
    pub(crate) fn cursor(&self) -> BaseCursor<'_> {
        BaseCursor { index: self, next: 0 }
    }

    fn items_at(&self, position: usize) -> &[(u32, Digest)] {
        let known = self.locations.get(position);
        known.and_then(|known| self.items.get(known.first..known.end)).unwrap_or_default()
    }
}

/// A walk over the locations of a [`BaseIndex`] beside a sorted listing.
pub(crate) struct BaseCursor<'a> {
    index: &'a BaseIndex,
    next: usize,
}

impl<'a> BaseCursor<'a> {
    /// The next location before `location`: one that is not listed any more.
    pub(crate) fn before(&mut self, location: &str) -> Option<&'a str> {
        let known = self.index.locations.get(self.next)?;
        if *known.location >= *location {
            return None;
        }
        self.next += 1;
        Some(&known.location)
    }

    /// The items known of `location`; call [`Self::before`] until it has none.
    pub(crate) fn at(&mut self, location: &str) -> Fingerprint {
        let here = self.index.locations.get(self.next).is_some_and(|known| *known.location == *location);
        if !here {
            return Fingerprint::of(std::iter::empty());
        }
        self.next += 1;
        Fingerprint::of(self.index.items_at(self.next - 1).iter().copied())
    }
}

/// The columns of a manifest row, entry or reject, that a comparison needs.
#[derive(Deserialize)]
struct Row {
    item: RowItem,
    content: Digest,
}

#[derive(Deserialize)]
struct RowItem {
    source: Box<str>,
    location: Box<str>,
    ordinal: u32,
}

type Held = Arc<Mutex<Option<Arc<BaseIndex>>>>;

/// A manifest and the source that is asked about.
type Asked = (Digest, String);

/// Reads manifests, each once.
#[derive(Clone, Default)]
pub(crate) struct Bases {
    held: Arc<Mutex<VecDeque<(Asked, Held)>>>,
}

impl Bases {
    /// What the manifest `base` knows of `source`. Blocks.
    ///
    /// A manifest that is lost or damaged knows nothing: then everything is read and judged anew, which is
    /// exactly what heals it.
    pub(crate) fn get(
        &self,
        store: &Store,
        memo: &MemoBook,
        base: Digest,
        source: &str,
    ) -> Result<Arc<BaseIndex>, StageError> {
        let held = self.slot((base, source.to_owned()));
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = &*held {
            return Ok(Arc::clone(index));
        }
        let index = match load(store, memo, &base, source) {
            Ok(index) => Arc::new(index),
            Err(error) if error.is_transient() => {
                return Err(StageError::transient("reading the last manifest", error));
            }
            Err(error) => {
                tracing::warn!(%error, "last manifest cannot be used, everything is read anew");
                Arc::default()
            }
        };
        *held = Some(Arc::clone(&index));
        Ok(index)
    }

    fn slot(&self, key: (Digest, String)) -> Held {
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, held)) = all.iter().find(|(known, _)| *known == key) {
            return Arc::clone(held);
        }
        let held = Held::default();
        all.push_back((key, Arc::clone(&held)));
        if all.len() > MAX_HELD {
            all.pop_front();
        }
        held
    }
}

fn load(store: &Store, memo: &MemoBook, base: &Digest, source: &str) -> Result<BaseIndex, StoreError> {
    let Some(manifest) = decode::<Manifest>(&store.get_blob(base)?) else { return Ok(BaseIndex::default()) };
    if manifest.format != FORMAT {
        return Ok(BaseIndex::default());
    }
    let mut rows = Vec::new();
    for chunk in manifest.entries.iter().chain(&manifest.rejects) {
        let Some(chunk) = chunk_rows(store, memo, &chunk.rows)? else { return Ok(BaseIndex::default()) };
        let wanted = chunk.iter().filter(|row| *row.source == *source);
        rows.extend(wanted.map(|row| (row.location.clone(), row.ordinal, row.content)));
    }
    Ok(BaseIndex::new(Some(manifest.validation), rows))
}

fn chunk_rows(
    store: &Store,
    memo: &MemoBook,
    chunk: &PackSlice,
) -> Result<Option<Arc<Vec<BaseRow>>>, StoreError> {
    if let Some(rows) = memo.rows(chunk) {
        return Ok(Some(rows));
    }
    let Some(rows) = decode::<Vec<Row>>(&store.get_slice(chunk)?) else { return Ok(None) };
    let column = |Row { item: RowItem { source, location, ordinal }, content }| BaseRow {
        source,
        location,
        ordinal,
        content,
    };
    let rows = Arc::new(rows.into_iter().map(column).collect());
    memo.keep_rows(chunk, &rows);
    Ok(Some(rows))
}

/// `None` for what an older version wrote in another shape.
fn decode<T: serde::de::DeserializeOwned>(bytes: &Bytes) -> Option<T> {
    codec::decode(bytes).inspect_err(|error| tracing::warn!(%error, "last manifest cannot be decoded")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(rows: &[(&str, u32)]) -> BaseIndex {
        let row = |(location, ordinal): &(&str, u32)| {
            ((*location).into(), *ordinal, Digest::of(format!("{location}{ordinal}").as_bytes()))
        };
        BaseIndex::new(None, rows.iter().map(row).collect())
    }

    #[test]
    fn items_are_found_by_location_whatever_the_order_of_the_rows() {
        let index = index(&[("b", 1), ("a", 0), ("b", 0)]);
        assert_eq!(index.items("a").len(), 1);
        assert_eq!(index.items("b"), [(0, Digest::of(b"b0")), (1, Digest::of(b"b1"))]);
        assert_eq!(index.items("c"), []);
    }

    #[test]
    fn a_cursor_names_what_is_gone_and_stays_in_step() {
        let index = index(&[("a", 0), ("b", 0), ("d", 0), ("e", 0)]);
        let mut cursor = index.cursor();
        let mut gone = Vec::new();
        for location in ["b", "c", "e"] {
            while let Some(before) = cursor.before(location) {
                gone.push(before);
            }
            let known = cursor.at(location);
            assert_eq!(known.count, u32::from(location != "c"), "{location}");
        }
        assert_eq!(gone, ["a", "d"]);
    }
}
