//! Collects what the reading of one parcel brings, within bounds.
//!
//! Items that the last manifest knows are reported, the others go on to the validator in batches. When enough
//! has come together, the locations that are left go into another parcel: a parcel's memory and
//! messages stay small whatever its files expand to.

use std::{collections::BTreeMap, sync::Arc};

use quire_proto::{
    Digest, Item, ItemId, Judged, Listed, MAX_PARCEL_BYTES, MAX_PARCEL_RECORDS, Outcome, Problem, Severity,
    Verdict, Work,
};
use quire_runtime::Processed;

use crate::{
    base::BaseIndex,
    frame::{Body, Part, Refusal},
    memo::{Fingerprint, Stamp},
};

/// Raw bytes after which no further location is begun.
const FULL_BYTES: usize = 16 * 1024 * 1024;
/// Items after which no further location is begun.
const FULL_ITEMS: usize = 64 * 1024;
/// Bytes of an encoded outcome after which no further location is begun.
const FULL_OUTCOME_BYTES: usize = 3 * 1024 * 1024;
/// Most bytes of refusals of one location; with more it is refused as a whole.
const MAX_REFUSAL_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of an encoded outcome beyond which unchanged items are sent on: they are judged again, to the same end.
const MAX_OUTCOME_BYTES: usize = 6 * 1024 * 1024;
/// What an item's id takes beside its names when it is encoded, at most.
const ID_BYTES: usize = 40;
/// What a reject takes beside its texts when it is encoded, at most.
const REJECT_BYTES: usize = 240;

/// What a parcel's reading has brought so far.
pub(crate) struct Gather {
    source: Arc<str>,
    base: Option<Arc<BaseIndex>>,
    batches: Vec<Vec<Item>>,
    batch_bytes: usize,
    raw_bytes: usize,
    items: usize,
    unchanged: Vec<ItemId>,
    rejected: Vec<Verdict>,
    failed: Vec<(String, String)>,
    /// Requests to the upstream, by how they ended.
    requests: BTreeMap<String, u64>,
    outcome_bytes: usize,
    stamps: Vec<Stamp>,
    deferred: Vec<Listed>,
}

impl Gather {
    pub(crate) fn new(source: &str, base: Option<Arc<BaseIndex>>) -> Self {
        Self {
            source: source.into(),
            base,
            batches: Vec::new(),
            batch_bytes: 0,
            raw_bytes: 0,
            items: 0,
            unchanged: Vec::new(),
            rejected: Vec::new(),
            failed: Vec::new(),
            requests: BTreeMap::new(),
            outcome_bytes: 0,
            stamps: Vec::new(),
            deferred: Vec::new(),
        }
    }

    /// Whether the locations that are left should go into another parcel.
    pub(crate) fn is_full(&self) -> bool {
        self.raw_bytes >= FULL_BYTES || self.items >= FULL_ITEMS || self.outcome_bytes >= FULL_OUTCOME_BYTES
    }

    /// Whether there is a manifest to compare with.
    pub(crate) fn compares(&self) -> bool {
        self.base.is_some()
    }

    /// Leaves these locations to another parcel.
    pub(crate) fn defer(&mut self, locations: impl IntoIterator<Item = Listed>) {
        self.deferred.extend(locations);
    }

    /// Counts a request to the upstream by how it ended: an HTTP status, `ok`, or the kind of error.
    pub(crate) fn asked(&mut self, status: &str) {
        match self.requests.get_mut(status) {
            Some(count) => *count += 1,
            None => drop(self.requests.insert(status.to_owned(), 1)),
        }
    }

    /// Counts requests to the upstream by how they ended.
    pub(crate) fn asked_all(&mut self, requests: BTreeMap<String, u64>) {
        for (status, count) in requests {
            *self.requests.entry(status).or_default() += count;
        }
    }

    /// Requests to the upstream by how they ended.
    pub(crate) const fn requests(&self) -> &BTreeMap<String, u64> {
        &self.requests
    }

    /// A location that could not be read for reasons of the upstream; its items keep their state.
    pub(crate) fn fail(&mut self, location: &str, why: impl Into<String>) {
        let why = why.into();
        self.outcome_bytes += location.len() + why.len() + 16;
        self.failed.push((location.to_owned(), why));
    }

    /// A location that is known not to have changed, without being read.
    ///
    /// Returns whether it could be taken: what came out of it then must be what the manifest has.
    pub(crate) fn take_unread(&mut self, location: &str, items: Fingerprint) -> bool {
        let Some(base) = self.base.clone() else { return false };
        let known = base.items(location);
        let bytes = known.len().saturating_mul(ID_BYTES + self.source.len() + location.len());
        if self.outcome_bytes.saturating_add(bytes) > FULL_OUTCOME_BYTES
            || Fingerprint::of(known.iter().copied()) != items
        {
            return false;
        }
        self.outcome_bytes += bytes;
        let location: Arc<str> = location.into();
        for &(ordinal, _) in known {
            self.unchanged.push(ItemId {
                source: Arc::clone(&self.source),
                location: Arc::clone(&location),
                ordinal,
            });
        }
        true
    }

    /// A location that was read and taken apart. Returns what is to be remembered of it.
    pub(crate) fn take(&mut self, location: &str, parts: Vec<Part>) -> Fingerprint {
        let parts = self.bounded(location, parts);
        let fingerprint = Fingerprint::of_parts(&parts);
        let base = self.base.clone();
        let mut known = base.as_ref().map_or(&[][..], |base| base.items(location)).iter().peekable();
        let location: Arc<str> = location.into();
        let refusals: usize = parts.iter().map(|part| self.refusal_bytes(&location, part)).sum();
        self.outcome_bytes += refusals;
        for part in parts {
            while known.next_if(|(ordinal, _)| *ordinal < part.ordinal).is_some() {}
            let same = known.peek().is_some_and(|item| **item == (part.ordinal, part.content));
            let source = Arc::clone(&self.source);
            let id = ItemId { source, location: Arc::clone(&location), ordinal: part.ordinal };
            self.put(id, part, same);
        }
        fingerprint
    }

    /// Remembers a location that was read.
    pub(crate) fn remember(&mut self, stamp: Stamp) {
        self.stamps.push(stamp);
    }

    /// The outcome, the children, and what is to be remembered.
    pub(crate) fn finish(self, base: Option<Digest>) -> (Processed, Vec<Stamp>) {
        let Self { source, batches, unchanged, rejected, failed, requests, stamps, deferred, .. } = self;
        let queries = requests.values().sum();
        let mut children: Vec<Work> = batches.into_iter().map(Work::Validate).collect();
        if !deferred.is_empty() {
            children.push(Work::Read { source: source.to_string(), locations: deferred, base });
        }
        (Processed { outcome: Outcome::Read { unchanged, rejected, failed, queries }, children }, stamps)
    }

    fn put(&mut self, id: ItemId, part: Part, same: bool) {
        self.items += 1;
        let Part { line, content, body, .. } = part;
        match body {
            Body::Refused(refusal) => self.rejected.push(verdict(id, content, refusal)),
            Body::Raw { .. } if same && self.outcome_bytes < MAX_OUTCOME_BYTES => {
                self.outcome_bytes += ID_BYTES + id.source.len() + id.location.len();
                self.unchanged.push(id);
            }
            Body::Raw { format, raw } => self.send_on(Item { id, line, format, content, raw }),
        }
    }

    fn send_on(&mut self, item: Item) {
        let bytes = item.raw.len();
        self.raw_bytes += bytes;
        let fits = |batch: &Vec<Item>| {
            batch.len() < MAX_PARCEL_RECORDS && self.batch_bytes.saturating_add(bytes) <= MAX_PARCEL_BYTES
        };
        if let Some(batch) = self.batches.last_mut().filter(|batch| fits(batch)) {
            batch.push(item);
            self.batch_bytes += bytes;
        } else {
            self.batches.push(vec![item]);
            self.batch_bytes = bytes;
        }
    }

    /// A location that is mostly refusals is not what its source says: one refusal says so.
    fn bounded(&self, location: &str, parts: Vec<Part>) -> Vec<Part> {
        let mut refused = parts.iter().filter(|part| matches!(part.body, Body::Refused(_)));
        let Some(first) = refused.next() else { return parts };
        let bytes: usize = parts.iter().map(|part| self.refusal_bytes(location, part)).sum();
        if bytes <= MAX_REFUSAL_BYTES {
            return parts;
        }
        let count = refused.count() + 1;
        let of = parts.len();
        let message =
            format!("{count} of {of} items cannot be read, which is too many to list; see the first");
        vec![Refusal::new("too-many", message).on_line(first.line).into_part()]
    }

    fn refusal_bytes(&self, location: &str, part: &Part) -> usize {
        match &part.body {
            Body::Raw { .. } => 0,
            Body::Refused(refusal) => {
                REJECT_BYTES + self.source.len() + location.len() + refusal.message.len()
            }
        }
    }
}

fn verdict(item: ItemId, content: Digest, refusal: Refusal) -> Verdict {
    let problem = Problem {
        rule: refusal.rule.to_owned(),
        pointer: String::new(),
        line: refusal.line,
        message: refusal.message,
        holder: None,
        severity: Severity::Reject,
    };
    Verdict {
        item,
        content,
        judged: Judged::Rejected { key: None, problems: vec![problem], claims: Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quire_proto::{Format, codec};

    use super::*;

    fn part(ordinal: u32, text: &str) -> Part {
        let raw = Bytes::copy_from_slice(text.as_bytes());
        Part {
            ordinal,
            line: ordinal + 1,
            content: Digest::of(text.as_bytes()),
            body: Body::Raw { format: Format::Json, raw },
        }
    }

    fn refused(ordinal: u32) -> Part {
        let refusal = Refusal::new("table", "row has 1 cells, its header 2").on_line(ordinal + 1);
        Part { ordinal, ..refusal.into_part() }
    }

    fn base(items: &[(&str, u32, &str)]) -> Option<Arc<BaseIndex>> {
        let rows = items
            .iter()
            .map(|(location, ordinal, text)| ((*location).into(), *ordinal, Digest::of(text.as_bytes())));
        Some(Arc::new(BaseIndex::new(None, rows.collect())))
    }

    fn batches(processed: &Processed) -> Vec<usize> {
        processed.children.iter().map(Work::records).collect()
    }

    #[test]
    fn known_items_are_reported_and_changed_or_new_ones_sent_on() {
        let mut gather = Gather::new("s", base(&[("a", 0, "0"), ("a", 1, "1"), ("a", 3, "3")]));
        gather.take("a", vec![part(0, "0"), part(1, "one"), part(2, "2"), part(3, "3")]);
        let (processed, _) = gather.finish(None);
        let Outcome::Read { unchanged, .. } = &processed.outcome else { panic!() };
        assert_eq!(unchanged.iter().map(|id| id.ordinal).collect::<Vec<_>>(), [0, 3]);
        let Work::Validate(items) = &processed.children[0] else { panic!() };
        assert_eq!(
            items.iter().map(|item| (item.id.ordinal, item.line)).collect::<Vec<_>>(),
            [(1, 2), (2, 3)]
        );
    }

    #[test]
    fn a_batch_is_closed_at_64_items_or_256_kib() {
        let mut gather = Gather::new("s", None);
        gather.take("small", (0..130).map(|ordinal| part(ordinal, "{}")).collect());
        assert_eq!(batches(&gather.finish(None).0), [64, 64, 2]);

        let mut gather = Gather::new("s", None);
        let large = "x".repeat(100 * 1024);
        gather.take("large", (0..5).map(|ordinal| part(ordinal, &large)).collect());
        gather.take("huge", vec![part(0, &"x".repeat(1024 * 1024)), part(1, "")]);
        assert_eq!(batches(&gather.finish(None).0), [2, 2, 1, 1, 1]);
    }

    #[test]
    fn a_full_gathering_leaves_the_rest_to_another_parcel() {
        let mut gather = Gather::new("s", None);
        gather.take("a", vec![part(0, &"x".repeat(FULL_BYTES))]);
        assert!(gather.is_full());
        let rest = Listed { location: "b".to_owned(), size: 1, modified_ns: 0 };
        gather.defer([rest.clone()]);
        let (processed, _) = gather.finish(Some(Digest::of(b"base")));
        let last = Work::Read { source: "s".into(), locations: vec![rest], base: Some(Digest::of(b"base")) };
        assert_eq!(processed.children.last(), Some(&last));
    }

    #[test]
    fn refusals_become_rejects_with_their_line_and_too_many_of_them_one() {
        let mut gather = Gather::new("s", None);
        gather.take("a", vec![part(0, "{}"), refused(1)]);
        gather.take("b", (0..100_000).map(refused).collect());
        let (processed, _) = gather.finish(None);
        let Outcome::Read { rejected, .. } = &processed.outcome else { panic!() };
        assert_eq!(rejected.len(), 2);
        let Judged::Rejected { problems, .. } = &rejected[1].judged else { panic!() };
        assert_eq!((problems[0].rule.as_str(), problems[0].line), ("too-many", Some(1)));
    }

    #[test]
    fn an_outcome_fits_into_a_message_whatever_comes() {
        let many = 400_000;
        let contents: Vec<String> = (0..many).map(|ordinal| ordinal.to_string()).collect();
        let location = "some/folder/with/a/long/name/data.jsonl";
        let known: Vec<_> =
            (0..many).zip(&contents).map(|(ordinal, text)| (location, ordinal, text.as_str())).collect();
        let mut gather = Gather::new("source", base(&known));
        gather.take(location, (0..many).zip(&contents).map(|(ordinal, text)| part(ordinal, text)).collect());
        gather.take("b", (0..6_000).map(refused).collect());
        assert!(gather.is_full());
        let (processed, _) = gather.finish(None);
        let Outcome::Read { unchanged, rejected, .. } = &processed.outcome else { panic!() };
        assert_eq!(rejected.len(), 6_000);
        let sent: usize = batches(&processed).iter().sum();
        assert_eq!(unchanged.len() + sent, many as usize, "every item is in exactly one place");
        assert!(codec::encode(&processed.outcome).unwrap().len() <= MAX_OUTCOME_BYTES + MAX_REFUSAL_BYTES);
    }

    #[test]
    fn an_unread_location_is_taken_only_if_the_manifest_has_what_came_out_of_it() {
        let mut gather = Gather::new("s", base(&[("a", 0, "0"), ("a", 1, "1")]));
        let whole = Fingerprint::of_parts(&[part(0, "0"), part(1, "1")]);
        let longer = Fingerprint::of_parts(&[part(0, "0"), part(1, "1"), part(2, "2")]);
        assert!(!gather.take_unread("a", longer));
        assert!(gather.take_unread("a", whole));
        assert!(!gather.take_unread("b", whole));
        let (processed, _) = gather.finish(None);
        let Outcome::Read { unchanged, queries, .. } = processed.outcome else { panic!() };
        assert_eq!((unchanged.len(), queries), (2, 0));
    }
}
