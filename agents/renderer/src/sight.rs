//! What pages see of aggregates, and which of them they looked at.
//!
//! Aggregates travel by content address. Each is read and decoded once a process, when the first page looks at it; a page that
//! looks at none costs nothing. Behind the aggregates of a catalogue stand the lists of its own figures.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use minijinja::{
    ErrorKind,
    value::{Enumerator, Object, Value},
};
use quire_catalogue::{
    Aggregated,
    decode::{self, Limits, MAX_DEPTH, Value as Jq},
};
use quire_proto::{AggregateRef, Digest, Format, PackSlice, UsedAggregate};
use quire_runtime::{Store, StoreError};

use crate::engine::from_json;

/// Most aggregates kept decoded.
const MAX_DECODED: usize = 32;
/// Largest aggregate, in bytes. Whoever makes them keeps to it.
pub const MAX_AGGREGATE_BYTES: usize = 64 * 1024 * 1024;

/// Who reads a slice of a pack.
pub type Read = Arc<dyn Fn(&PackSlice) -> Result<Bytes, StoreError> + Send + Sync>;

/// Reads from `store`.
#[must_use]
pub fn read_from(store: &Store) -> Read {
    let store = store.clone();
    Arc::new(move |slice| store.get_slice(slice))
}

/// Aggregates by their digests, the one used last at the end; shared by all threads. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Decoded(Arc<Mutex<Recent>>);

type Recent = Vec<(Digest, Arc<Content>)>;

/// One aggregate, as templates and as expressions see it.
struct Content {
    json: Bytes,
    page: OnceLock<Result<Value, String>>,
    jq: OnceLock<Result<Jq, String>>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.json.len())
    }
}

impl Content {
    fn new(json: Bytes) -> Self {
        Self { json, page: OnceLock::new(), jq: OnceLock::new() }
    }

    fn page(&self) -> Result<Value, String> {
        self.page.get_or_init(|| from_json(&self.json).map_err(|error| error.to_string())).clone()
    }

    fn jq(&self) -> Result<Jq, String> {
        let limits = Limits { max_bytes: MAX_AGGREGATE_BYTES, max_depth: MAX_DEPTH };
        let decode = || decode::decode(Format::Json, &self.json, limits).map_err(|fault| fault.message);
        self.jq.get_or_init(decode).clone()
    }
}

impl Decoded {
    fn get(
        &self,
        digest: Digest,
        read: impl FnOnce() -> Result<Bytes, StoreError>,
    ) -> Result<Arc<Content>, StoreError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = kept.iter().position(|(known, _)| *known == digest) {
            let found = kept.remove(position);
            let content = Arc::clone(&found.1);
            kept.push(found);
            return Ok(content);
        }
        // Under the lock: all threads want the same at the beginning, and one of them is to read it.
        let content = Arc::new(Content::new(read()?));
        if kept.len() >= MAX_DECODED {
            kept.remove(0);
        }
        kept.push((digest, Arc::clone(&content)));
        Ok(content)
    }
}

/// The aggregates of one record's pages.
pub(crate) struct Sight {
    /// Of aggregates alone.
    names: Arc<[String]>,
    refs: Vec<AggregateRef>,
    decoded: Decoded,
    read: Read,
    /// A bit for each that was looked at.
    used: AtomicU64,
    failure: Mutex<Option<StoreError>>,
}

impl fmt::Debug for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sight").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Sight {
    pub(crate) fn new(names: Arc<[String]>, refs: Vec<AggregateRef>, decoded: Decoded, read: Read) -> Self {
        Self { names, refs, decoded, read, used: AtomicU64::new(0), failure: Mutex::new(None) }
    }

    fn content(&self, position: usize) -> Result<Arc<Content>, String> {
        let aggregate = self.refs.get(position).ok_or("the run did not say what this aggregate is")?;
        // There are at most 64, aggregates and figures together.
        self.used.fetch_or(1 << (position % 64), Ordering::Relaxed);
        self.decoded.get(aggregate.used.digest, || (self.read)(&aggregate.from)).map_err(|error| {
            let message = error.to_string();
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            message
        })
    }

    /// The aggregate or list at a position, for templates.
    pub(crate) fn page(&self, position: usize) -> Result<Value, String> {
        self.content(position)?.page()
    }

    /// What was looked at.
    pub(crate) fn used(&self) -> Vec<UsedAggregate> {
        let used = self.used.load(Ordering::Relaxed);
        let refs = self.refs.iter().enumerate();
        refs.filter(|(position, _)| used & (1 << (position % 64)) != 0)
            .map(|(_, aggregate)| aggregate.used)
            .collect()
    }

    /// Why the store did not give one; what failed then failed for this.
    pub(crate) fn failure(&self) -> Option<StoreError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Aggregated for Sight {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn get(&self, position: usize) -> Result<Jq, String> {
        self.content(position)?.jq()
    }
}

/// `aggregates` in templates.
#[derive(Debug)]
pub(crate) struct AggregatesView(pub(crate) Arc<Sight>);

impl Object for AggregatesView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let position = self.0.names.iter().position(|name| name == key)?;
        Some(or_error(self.0.page(position)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.names.iter().map(|name| Value::from(name.as_str())).collect())
    }
}

/// `figures` in templates: of the record, and of the catalogue.
#[derive(Debug)]
pub(crate) struct FiguresView {
    pub(crate) own: Vec<(String, Value)>,
    /// Names of the catalogue's, with the positions of their lists.
    pub(crate) shared: Arc<[(String, usize)]>,
    pub(crate) sight: Arc<Sight>,
}

impl Object for FiguresView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if let Some((_, own)) = self.own.iter().find(|(name, _)| name == key) {
            return Some(own.clone());
        }
        let (_, position) = self.shared.iter().find(|(name, _)| name == key)?;
        Some(or_error(self.sight.page(*position)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.own.iter().map(|(name, _)| name).chain(self.shared.iter().map(|(name, _)| name));
        Enumerator::Values(names.map(|name| Value::from(name.as_str())).collect())
    }
}

/// A value that fails the template when it is used.
fn or_error(value: Result<Value, String>) -> Value {
    value.unwrap_or_else(|message| Value::from(minijinja::Error::new(ErrorKind::InvalidOperation, message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(texts: &'static [&'static str], decoded: &Decoded) -> Sight {
        let slice = |digest| PackSlice { pack: digest, offset: 0, len: 1 };
        let reference = |(position, text): (usize, &&str)| {
            let digest = Digest::of(text.as_bytes());
            let used = UsedAggregate { aggregate: position as u16, digest };
            AggregateRef { used, from: slice(digest) }
        };
        let refs = texts.iter().enumerate().map(reference).collect();
        let read: Read = Arc::new(|slice| {
            let found = texts.iter().find(|text| Digest::of(text.as_bytes()) == slice.pack);
            found.map(|text| Bytes::from(*text)).ok_or(StoreError::Missing(slice.pack))
        });
        Sight::new(["a".to_owned(), "b".to_owned()].into(), refs, decoded.clone(), read)
    }

    #[test]
    fn what_is_looked_at_is_known_and_nothing_else() {
        let sight = Arc::new(sight(&["[1]", "[2,3]"], &Decoded::default()));
        assert!(sight.used().is_empty());
        let view = Value::from_object(AggregatesView(Arc::clone(&sight)));
        assert_eq!(view.get_attr("b").unwrap().len(), Some(2));
        let used: Vec<u16> = sight.used().iter().map(|used| used.aggregate).collect();
        assert_eq!(used, [1]);
        assert_eq!(sight.get(0).unwrap().to_string(), "[1]");
        assert_eq!(sight.used().len(), 2);
    }

    #[test]
    fn one_that_is_not_there_is_told_apart_from_a_fault_of_the_page() {
        let sight = sight(&["[1]"], &Decoded::default());
        let gone = Sight { read: Arc::new(|slice| Err(StoreError::Missing(slice.pack))), ..sight };
        assert!(gone.page(0).is_err());
        assert!(matches!(gone.failure(), Some(StoreError::Missing(_))));
        assert!(gone.page(1).is_err() && gone.failure().is_none());
    }

    #[test]
    fn decoding_is_shared_and_bounded() {
        let decoded = Decoded::default();
        let texts: &'static [&'static str] =
            Vec::leak((0..40).map(|n| &*String::leak(format!("[{n}]"))).collect());
        for at in 0..texts.len() {
            sight(&texts[at..=at], &decoded).page(0).unwrap();
        }
        assert_eq!(decoded.0.lock().unwrap().len(), MAX_DECODED);
        let again = sight(&texts[39..], &decoded);
        let unread = Sight { read: Arc::new(|slice| Err(StoreError::Missing(slice.pack))), ..again };
        assert!(unread.page(0).is_ok(), "known already");
    }
}
