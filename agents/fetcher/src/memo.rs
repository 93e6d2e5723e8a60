//! What the fetcher remembers between runs, so that an unchanged location is not read again.
//!
//! Two kinds of entries share the cache `memo`. *Stamps* say with which size and time a location was read and
//! which items came out; they lie together in blocks of the locations that were read in one parcel, under the
//! absolute path of the first: a listing asks once for 64 files. *Rows* are the few columns of a manifest chunk that
//! a comparison needs. Both are disposable: without them locations are read, chunks are decoded, and
//! the outcome is the same.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use quire_cache::Cache;
use quire_proto::{Digest, DigestBuilder, Listed, PackSlice};
use serde::{Deserialize, Serialize};

use crate::frame::Part;

/// Name of the cache.
pub const MEMO: &str = "memo";
/// A time must be this much older than the reading: a file system's clock may be that coarse.
const SETTLED_NS: i64 = 2_000_000_000;
/// Most names of a listing that is kept.
const MAX_LISTED: usize = 100_000;
/// Most stamps in a block.
const MAX_BLOCK_STAMPS: usize = 512;

/// An entry of the cache `memo`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Memo(Entry);

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Entry {
    Stamps(Arc<Vec<Stamp>>),
    Rows(Arc<Vec<BaseRow>>),
    Listing(Arc<Remembered>),
}

/// Names and sizes that a source listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    /// When what was listed was changed last.
    modified_ns: i64,
    /// When the listing began.
    made_ns: i64,
    listed: Vec<(String, u64)>,
}

/// With which stamp a location was read, and what came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StampColumns", into = "StampColumns")]
pub(crate) struct Stamp {
    pub(crate) location: Box<str>,
    pub(crate) size: u64,
    pub(crate) modified_ns: i64,
    /// When the reading began.
    pub(crate) made_ns: i64,
    pub(crate) items: Fingerprint,
}

/// An item that a manifest knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "RowColumns", into = "RowColumns")]
pub(crate) struct BaseRow {
    pub(crate) source: Box<str>,
    pub(crate) location: Box<str>,
    pub(crate) ordinal: u32,
    pub(crate) content: Digest,
}

// Kept without field names: a listing reads one a file.
type StampColumns = (Box<str>, u64, i64, i64, u32, Digest);
type RowColumns = (Box<str>, Box<str>, u32, Digest);

impl From<StampColumns> for Stamp {
    fn from((location, size, modified_ns, made_ns, count, digest): StampColumns) -> Self {
        Self { location, size, modified_ns, made_ns, items: Fingerprint { count, digest } }
    }
}

impl From<Stamp> for StampColumns {
    fn from(stamp: Stamp) -> Self {
        let Stamp { location, size, modified_ns, made_ns, items } = stamp;
        (location, size, modified_ns, made_ns, items.count, items.digest)
    }
}

impl From<RowColumns> for BaseRow {
    fn from((source, location, ordinal, content): RowColumns) -> Self {
        Self { source, location, ordinal, content }
    }
}

impl From<BaseRow> for RowColumns {
    fn from(row: BaseRow) -> Self {
        (row.source, row.location, row.ordinal, row.content)
    }
}

/// All items of a location: how many, and a digest of their ordinals and contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) count: u32,
    pub(crate) digest: Digest,
}

impl Fingerprint {
    /// Of items in the order of their ordinals.
    pub(crate) fn of(items: impl ExactSizeIterator<Item = (u32, Digest)>) -> Self {
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let mut items = items.peekable();
        if count == 1
            && let Some(&(0, digest)) = items.peek()
        {
            return Self { count, digest };
        }
        let start = DigestBuilder::new("quire location");
        let digest =
            items.fold(start, |all, (ordinal, content)| all.number(u64::from(ordinal)).digest(&content));
        Self { count, digest: digest.finish() }
    }

    pub(crate) fn of_parts(parts: &[Part]) -> Self {
        Self::of(parts.iter().map(|part| (part.ordinal, part.content)))
    }
}

impl Stamp {
    /// What came out of `listed`, if that can be known without reading it.
    fn trusted(&self, listed: &Listed) -> Option<Fingerprint> {
        let same = self.size == listed.size && i128::from(self.modified_ns) == listed.modified_ns;
        let settled = self.made_ns.saturating_sub(self.modified_ns) > SETTLED_NS;
        (same && settled).then_some(self.items)
    }
}

/// Where a source's locations are remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemoScope {
    /// What stands before a location: the absolute path of the root.
    pub(crate) prefix: Vec<u8>,
    /// Digest of everything that decides which items come out of the same bytes.
    pub(crate) reading: Digest,
}

impl MemoScope {
    fn key(&self, location: &str) -> Vec<u8> {
        let reading = self.reading.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
        [b"s", &reading[..], &self.prefix, b"/", location.as_bytes()].concat()
    }
}

/// The cache `memo`.
#[derive(Clone)]
pub(crate) struct MemoBook {
    cache: Cache<Memo>,
    /// Held while a block is changed: parcels of one run may meet in one.
    changing: Arc<Mutex<()>>,
}

impl MemoBook {
    pub(crate) fn new(cache: Cache<Memo>) -> Self {
        Self { cache, changing: Arc::default() }
    }

    fn block(&self, scope: &MemoScope, head: &str) -> Arc<Vec<Stamp>> {
        match self.cache.get(&scope.key(head)) {
            Some(Memo(Entry::Stamps(stamps))) => stamps,
            _ => Arc::default(),
        }
    }

    /// Keeps `stamps` in the block of the first of them, beside what is there of other locations.
    pub(crate) fn keep(&self, scope: &MemoScope, stamps: Vec<Stamp>) {
        let Some(head) = stamps.first().map(|stamp| stamp.location.clone()) else { return };
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut block: BTreeMap<Box<str>, Stamp> =
            self.block(scope, &head).iter().map(|stamp| (stamp.location.clone(), stamp.clone())).collect();
        for stamp in stamps {
            let newer = block.get(&stamp.location).is_none_or(|old| old.made_ns <= stamp.made_ns);
            if newer {
                block.insert(stamp.location.clone(), stamp);
            }
        }
        let mut stamps: Vec<Stamp> = block.into_values().collect();
        if stamps.len() > MAX_BLOCK_STAMPS {
            stamps.sort_by_key(|stamp| std::cmp::Reverse(stamp.made_ns));
            stamps.truncate(MAX_BLOCK_STAMPS);
            stamps.sort_by(|a, b| a.location.cmp(&b.location));
        }
        self.cache.put(&scope.key(&head), &Memo(Entry::Stamps(Arc::new(stamps))));
    }

    /// Looks locations up in their order.
    pub(crate) fn reader<'a>(&'a self, scope: &'a MemoScope) -> MemoReader<'a> {
        MemoReader { book: self, scope, known: BTreeMap::new(), homeless: Vec::new() }
    }

    /// The rows of a manifest chunk.
    pub(crate) fn rows(&self, chunk: &PackSlice) -> Option<Arc<Vec<BaseRow>>> {
        match self.cache.get(&rows_key(chunk))? {
            Memo(Entry::Rows(rows)) => Some(rows),
            Memo(Entry::Stamps(_) | Entry::Listing(_)) => None,
        }
    }

    /// What was listed below `scope` when it had been changed last at `modified_ns`.
    pub(crate) fn listing(&self, scope: &[u8], modified_ns: i64) -> Option<Vec<(String, u64)>> {
        let Memo(Entry::Listing(known)) = self.cache.get(&listing_key(scope))? else { return None };
        let settled = known.made_ns.saturating_sub(modified_ns) > SETTLED_NS;
        (known.modified_ns == modified_ns && settled).then(|| known.listed.clone())
    }

    /// Keeps a listing: when what was listed was changed last, and when the listing began.
    pub(crate) fn keep_listing(
        &self,
        scope: &[u8],
        [modified_ns, made_ns]: [i64; 2],
        listed: &[(String, u64)],
    ) {
        if listed.len() <= MAX_LISTED {
            let known = Remembered { modified_ns, made_ns, listed: listed.to_vec() };
            self.cache.put(&listing_key(scope), &Memo(Entry::Listing(Arc::new(known))));
        }
    }

    /// Has the next listing ask for everything.
    pub(crate) fn forget_listing(&self, scope: &[u8]) {
        self.cache.remove(&listing_key(scope));
    }

    pub(crate) fn keep_rows(&self, chunk: &PackSlice, rows: &Arc<Vec<BaseRow>>) {
        self.cache.put(&rows_key(chunk), &Memo(Entry::Rows(Arc::clone(rows))));
    }
}

fn listing_key(scope: &[u8]) -> Vec<u8> {
    [b"l", scope].concat()
}

fn rows_key(chunk: &PackSlice) -> Vec<u8> {
    [b"r", &chunk.pack.as_bytes()[..], &chunk.offset.to_be_bytes(), &chunk.len.to_be_bytes()].concat()
}

/// Looks up locations in ascending order; holds the stamps of the blocks met so far that are still to come.
pub(crate) struct MemoReader<'a> {
    book: &'a MemoBook,
    scope: &'a MemoScope,
    known: BTreeMap<Box<str>, Stamp>,
    /// Stamps of a block whose first location is gone.
    homeless: Vec<Stamp>,
}

impl MemoReader<'_> {
    /// What came out of `listed`, if that can be known without reading it. Locations must ascend.
    pub(crate) fn look_up(&mut self, listed: &Listed) -> Option<Stamp> {
        self.rehome(&listed.location);
        while let Some(first) = self.known.first_entry()
            && **first.key() < *listed.location
        {
            first.remove();
        }
        if let Some(stamp) = self.trusted(listed) {
            return Some(stamp);
        }
        self.load(&listed.location);
        self.trusted(listed)
    }

    /// A location that the last manifest knows is gone: the block under its name must find another home.
    pub(crate) fn gone(&mut self, location: &str) {
        let block = self.book.block(self.scope, location);
        if block.is_empty() {
            return;
        }
        self.book.cache.remove(&self.scope.key(location));
        self.homeless.extend(block.iter().filter(|stamp| *stamp.location > *location).cloned());
    }

    fn trusted(&self, listed: &Listed) -> Option<Stamp> {
        let stamp = self.known.get(listed.location.as_str())?;
        stamp.trusted(listed).map(|_| stamp.clone())
    }

    fn load(&mut self, head: &str) {
        let block = self.book.block(self.scope, head);
        self.learn(block.iter().filter(|stamp| *stamp.location >= *head));
    }

    /// The newest stamp of a location counts, in whichever block it lies.
    fn learn<'s>(&mut self, stamps: impl Iterator<Item = &'s Stamp>) {
        for stamp in stamps {
            let newer = self.known.get(&stamp.location).is_none_or(|old| old.made_ns < stamp.made_ns);
            if newer {
                self.known.insert(stamp.location.clone(), stamp.clone());
            }
        }
    }

    fn rehome(&mut self, head: &str) {
        let mut stamps = std::mem::take(&mut self.homeless);
        stamps.retain(|stamp| *stamp.location >= *head);
        if stamps.is_empty() {
            return;
        }
        stamps.sort_by(|a, b| a.location.cmp(&b.location));
        // A block is found under its first location, so it must hold that one.
        if stamps.first().is_none_or(|stamp| *stamp.location != *head) {
            self.homeless = stamps;
            return;
        }
        self.learn(stamps.iter());
        self.book.keep(self.scope, stamps);
    }
}

/// Nanoseconds since 1970 now; only ever compared with the times of files, never part of a result.
pub(crate) fn now_ns() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use quire_cache::{CacheOptions, CacheStore};

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn book() -> MemoBook {
        MemoBook::new(CacheStore::in_memory().cache("memo", CacheOptions::default()))
    }

    fn scope() -> MemoScope {
        MemoScope { prefix: b"/srv/data".to_vec(), reading: Digest::of(b"reading") }
    }

    fn stamp(location: &str, made: i64) -> Stamp {
        let items = Fingerprint { count: 1, digest: Digest::of(location.as_bytes()) };
        Stamp { location: location.into(), size: 5, modified_ns: 100 * SECOND, made_ns: made * SECOND, items }
    }

    fn listed(location: &str) -> Listed {
        Listed { location: location.to_owned(), size: 5, modified_ns: i128::from(100 * SECOND) }
    }

    fn found(book: &MemoBook, gone: &[&str], locations: &[&str]) -> Vec<bool> {
        let scope = scope();
        let mut reader = book.reader(&scope);
        let mut gone = gone.iter().peekable();
        locations
            .iter()
            .map(|location| {
                while let Some(before) = gone.next_if(|before| *before < location) {
                    reader.gone(before);
                }
                reader.look_up(&listed(location)).is_some()
            })
            .collect()
    }

    #[test]
    fn a_stamp_counts_only_if_the_file_was_settled_when_it_was_made() {
        let young = stamp("a", 102);
        assert_eq!(young.trusted(&listed("a")), None);
        assert_eq!(
            Stamp { made_ns: 102 * SECOND + 1, ..young }.trusted(&listed("a")),
            Some(stamp("a", 0).items)
        );
        assert_eq!(stamp("a", 50).trusted(&listed("a")), None, "a time in the future is never settled");
    }

    #[test]
    fn another_size_or_time_is_not_trusted() {
        let old = stamp("a", 200);
        assert!(old.trusted(&listed("a")).is_some());
        assert_eq!(old.trusted(&Listed { size: 6, ..listed("a") }), None);
        assert_eq!(old.trusted(&Listed { modified_ns: 1, ..listed("a") }), None);
    }

    #[test]
    fn one_item_stands_for_itself_and_many_for_their_order() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let of = |items: &[(u32, Digest)]| Fingerprint::of(items.iter().copied());
        assert_eq!(of(&[(0, a)]).digest, a);
        assert_ne!(of(&[(1, a)]).digest, a);
        assert_ne!(of(&[(0, a), (1, b)]), of(&[(0, b), (1, a)]));
        assert_ne!(of(&[(0, a), (1, b)]), of(&[(0, a)]), "a deleted last line is noticed");
        assert_eq!(of(&[]).count, 0);
    }

    #[test]
    fn a_block_is_found_by_its_first_location_and_serves_the_rest() {
        let book = book();
        book.keep(&scope(), vec![stamp("a", 200), stamp("b", 200), stamp("d", 200)]);
        assert_eq!(found(&book, &[], &["a", "b", "c", "d"]), [true, true, false, true]);
        let other = MemoScope { reading: Digest::of(b"other"), ..scope() };
        assert!(book.reader(&other).look_up(&listed("a")).is_none());
    }

    #[test]
    fn reading_one_location_again_forgets_no_other() {
        let book = book();
        book.keep(&scope(), vec![stamp("a", 200), stamp("b", 200), stamp("c", 200)]);
        book.keep(&scope(), vec![stamp("a", 300)]);
        book.keep(&scope(), vec![stamp("b", 300), stamp("z", 300)]);
        assert_eq!(found(&book, &[], &["a", "b", "c"]), [true, true, true]);
    }

    #[test]
    fn the_newest_stamp_counts_wherever_it_lies() {
        let book = book();
        let changed = Stamp { size: 9, ..stamp("b", 300) };
        book.keep(&scope(), vec![stamp("a", 200), stamp("b", 200)]);
        book.keep(&scope(), vec![changed]);
        let scope = scope();
        let mut reader = book.reader(&scope);
        assert!(reader.look_up(&listed("a")).is_some());
        assert!(reader.look_up(&Listed { size: 9, ..listed("b") }).is_some());
    }

    #[test]
    fn a_block_whose_first_location_is_gone_finds_another_home() {
        let book = book();
        book.keep(&scope(), vec![stamp("a", 200), stamp("b", 200), stamp("c", 200)]);
        assert_eq!(found(&book, &["a"], &["b", "c"]), [true, true]);
        assert_eq!(found(&book, &[], &["b", "c"]), [true, true], "also when the manifest has forgotten it");
        assert_eq!(found(&book, &["b"], &["bb", "c"]), [false, true], "a new location in between is no home");
        assert_eq!(found(&book, &[], &["c"]), [true]);
    }

    #[test]
    fn a_memo_survives_its_encoding() {
        let rows =
            vec![BaseRow { source: "s".into(), location: "l".into(), ordinal: 3, content: Digest::of(b"x") }];
        for entry in [Entry::Stamps(Arc::new(vec![stamp("a", 1)])), Entry::Rows(Arc::new(rows))] {
            let bytes = quire_proto::codec::encode(&Memo(entry.clone())).unwrap();
            let back: Memo = quire_proto::codec::decode(&bytes).unwrap();
            match (back.0, entry) {
                (Entry::Stamps(a), Entry::Stamps(b)) => assert_eq!(a, b),
                (Entry::Rows(a), Entry::Rows(b)) => assert_eq!(a, b),
                other => panic!("{other:?}"),
            }
        }
    }
}
