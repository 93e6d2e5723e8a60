//! Which records need a document or pages made, and the manifest's rows once they are.
//!
//! Accepted records and the last manifest's entries are walked side by side, both ascending by key. A record whose
//! *inputs* are those of its former entry keeps its pages; one with the same body under the same definition keeps its
//! document. Everything else becomes `Render` and `Index` parcels.

use std::{
    collections::{HashMap, HashSet},
    iter::Peekable,
    sync::Arc,
};

use quire_proto::{
    AggregateRef, Digest, DigestBuilder, Epoch, IndexRecord, ItemId, LookupHit, MAX_PARCEL_BYTES,
    MAX_PARCEL_RECORDS, PackSlice, PageFile, RecordVerdict, RenderRecord, Work,
    manifest::{Chunk, Entry, RejectRow, UNREAD},
};
use quire_runtime::{Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::{
    RunError,
    aggregates::Together,
    dead::{Dead, Tried},
    decide::{Accepted, Decided, Origin, Pair, hits, record_weight},
    manifest_io::{Committed, EntryReader, ManifestRow as _},
    runs::{Row, Spooled},
    shelf::Shelf,
    workspace::Workspace,
};

/// A parcel's records may weigh so much besides their bodies.
const MAX_PARCEL_WEIGHT: usize = 1 << 20;

/// What planning needs to know.
pub(crate) struct MakePlan<'a> {
    pub(crate) base: Option<&'a Committed>,
    pub(crate) shelf: &'a Shelf,
    pub(crate) epoch: Epoch,
    /// Digest of everything but the record that pages depend on: bundle and renderer.
    pub(crate) frame: Digest,
    /// Digest of everything but the record that documents depend on.
    pub(crate) index: Digest,
    /// How many look-ups the catalogue has.
    pub(crate) lookups: usize,
    /// The catalogue's aggregates and figures.
    pub(crate) together: &'a Together,
    /// Make everything anew.
    pub(crate) full: bool,
    /// Rows of the round before this one, whose pages and documents are at hand.
    pub(crate) made: &'a [Chunk],
    /// What could not be made in the rounds before.
    pub(crate) dead: &'a Dead,
}

/// An accepted record on its way to its entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// The entry; pages and document are still the former ones where they are to be made.
    pub(crate) entry: Arc<Entry>,
    /// Its last state, where anything is to be made or was changed.
    pub(crate) former: Option<Arc<Entry>>,
    pub(crate) render: bool,
    pub(crate) index: bool,
    /// Pages or document are of the round before this one.
    pub(crate) made: bool,
    /// Why it cannot be made: it was tried in a round before.
    pub(crate) died: Option<String>,
    /// The item could not be processed; this is its last state.
    pub(crate) dead: bool,
    /// The run does not look at the item: it is not counted.
    pub(crate) held: bool,
    /// Keys of the records that it looks up, where pages are to be made.
    pub(crate) seen: Vec<String>,
    /// Digest of the aggregates.
    pub(crate) together: Digest,
}

impl Row for Planned {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.entry.record.key.cmp(&other.entry.record.key)
    }

    fn weight(&self) -> usize {
        let seen: usize = self.seen.iter().map(|key| 32 + key.len()).sum();
        self.entry.weight() + self.former.as_ref().map_or(0, |former| former.weight()) + seen
    }
}

/// What is to be made.
#[derive(Debug)]
pub(crate) struct Made {
    /// Ascending by key.
    pub(crate) planned: Spooled<Planned>,
    /// Entries of the last manifest whose keys no accepted record has: key and item. Not in runs: few, or the site
    /// shrinks anyway.
    pub(crate) gone: HashMap<String, ItemId>,
}

/// Plans; works go to `emit` as they are found.
pub(crate) fn plan(
    decided: Decided,
    plan: &MakePlan<'_>,
    workspace: &Workspace,
    emit: &mut dyn FnMut(Work) -> Result<(), RunError>,
) -> Result<Made, RunError> {
    let entries = plan.base.map(|base| base.manifest.entries.clone()).unwrap_or_default();
    let mut former = EntryReader::new(plan.shelf, entries).peekable();
    let mut made = EntryReader::new(plan.shelf, plan.made.to_vec()).peekable();
    let mut pairs = decided.pairs.into_rows().map_err(RunError::Spill)?.peekable();
    let mut packs = Packs::of(plan.shelf.store())?;
    let mut batches = Batches::default();
    let mut planned = workspace.spool();
    let mut gone = HashMap::new();
    for (number, accepted) in decided.accepted.into_rows().map_err(RunError::Spill)?.enumerate() {
        let accepted = accepted.map_err(RunError::Spill)?;
        if number.is_multiple_of(1024) {
            workspace.check()?;
        }
        let key = accepted.record.key.clone();
        let former = advance(&mut former, &key, &mut |entry| {
            gone.insert(entry.record.key.clone(), entry.item.clone());
        })?;
        let made = advance(&mut made, &key, &mut |_| {})?;
        let lookups = hits(plan.lookups, pairs_of(&mut pairs, &key)?);
        let row = plan.row(accepted, former, made.as_deref(), &lookups, &mut packs)?;
        if (row.index || row.render) && !packs.have(&row.entry.record.body)? {
            return Err(StoreError::Missing(row.entry.record.body.pack).into());
        }
        batches.add(&row, lookups, &plan.together.refs, emit)?;
        planned.push(row).map_err(RunError::Spill)?;
    }
    for entry in former {
        let entry = entry?;
        gone.insert(entry.record.key.clone(), entry.item.clone());
    }
    batches.finish(emit)?;
    Ok(Made { planned: planned.finish().map_err(RunError::Spill)?, gone })
}

/// The entry of `key`; those before it are passed by.
fn advance(
    entries: &mut Peekable<EntryReader>,
    key: &str,
    pass: &mut dyn FnMut(&Entry),
) -> Result<Option<Arc<Entry>>, RunError> {
    while let Some(entry) =
        entries.next_if(|entry| entry.as_ref().is_ok_and(|entry| entry.record.key.as_str() <= key))
    {
        let entry = entry?;
        if entry.record.key == key {
            return Ok(Some(entry));
        }
        pass(&entry);
    }
    // An error is not less than any key: it ends the walk here.
    entries.next_if(Result::is_err).transpose()
}

fn pairs_of(
    pairs: &mut Peekable<impl Iterator<Item = std::io::Result<Pair>>>,
    key: &str,
) -> Result<Vec<Pair>, RunError> {
    let mut own = Vec::new();
    while let Some(pair) =
        pairs.next_if(|pair| pair.as_ref().map_or(true, |pair| pair.seeker.as_str() <= key))
    {
        let pair = pair.map_err(RunError::Spill)?;
        if pair.seeker == key {
            own.push(pair);
        }
    }
    Ok(own)
}

impl MakePlan<'_> {
    fn row(
        &self,
        accepted: Accepted,
        former: Option<Arc<Entry>>,
        made: Option<&Entry>,
        lookups: &[Vec<LookupHit>],
        packs: &mut Packs<'_>,
    ) -> Result<Planned, RunError> {
        let Accepted { item, content, origin, mut record, decided } = accepted;
        let same_body = former.as_ref().is_some_and(|former| former.record.digest == record.digest);
        if let Some(former) = former.as_ref().filter(|_| same_body)
            && packs.have(&former.record.body)?
        {
            // The body that is there already: rows stay as they are, and the new pack may go.
            if record.body != former.record.body {
                Arc::make_mut(&mut record).body = former.record.body;
            }
        }
        if let Some(former) = former.as_ref().filter(|former| former.record.shares != record.shares) {
            keep_shares(Arc::make_mut(&mut record), &former.record, packs)?;
        }
        let inputs = self.inputs(&record, &item, lookups);
        let (held, dead) = (origin == Origin::Held, origin.is_dead());
        let last = former.as_deref().filter(|_| !self.full || held);
        let made = made.filter(|_| !self.dead.has_key(&record.key));
        let document = self.document(last, made, &record, packs)?;
        let pages = self.pages(last, made, inputs, packs)?;
        let together = self.together.digest();
        let tried = Tried { body: record.digest, inputs, together };
        let is_missing = document.is_none() || pages.is_none();
        let died = self.dead.error(&item, &tried).filter(|_| is_missing).map(ToString::to_string);
        let (index, render) = (died.is_none() && document.is_none(), died.is_none() && pages.is_none());
        let seen =
            if render { lookups.iter().flatten().map(|hit| hit.key.clone()).collect() } else { Vec::new() };
        let is_made = |row: Option<&Entry>| row.zip(made).is_some_and(|(row, made)| std::ptr::eq(row, made));
        let made = is_made(document) || is_made(pages);
        if let (Some(former), Some(_), Some(_)) = (&former, document, pages)
            && (&former.item, &former.record, &former.decided) == (&item, &record, &decided)
            && (former.content == content || content == UNREAD)
            && !made
            && died.is_none()
        {
            // As it was, and at its place: nothing of it has to be written again.
            let entry = with_content(Arc::clone(former), content);
            return Ok(Planned {
                entry,
                former: None,
                render,
                index,
                made,
                died,
                dead,
                held,
                seen,
                together,
            });
        }
        let entry = Entry {
            item,
            content,
            record,
            decided,
            inputs,
            used: pages.map(|row| row.used.clone()).unwrap_or_default(),
            files: pages.map(|row| row.files.clone()).unwrap_or_default(),
            page_warnings: pages.map(|row| row.page_warnings.clone()).unwrap_or_default(),
            document: document.map_or(nowhere(), |row| row.document),
            epoch: self.epoch,
        };
        let former = former.filter(|_| index || render || made || died.is_some());
        let entry = Arc::new(entry);
        Ok(Planned { entry, former, render, index, made, died, dead, held, seen, together })
    }

    /// The row whose document is the record's, if it is at hand.
    fn document<'b>(
        &self,
        last: Option<&'b Entry>,
        made: Option<&'b Entry>,
        record: &RecordVerdict,
        packs: &mut Packs<'_>,
    ) -> Result<Option<&'b Entry>, RunError> {
        let keeps_index = self.base.is_some_and(|base| base.manifest.basis.index == Some(self.index));
        for row in last.filter(|_| keeps_index).into_iter().chain(made) {
            if row.record.digest == record.digest && packs.have(&row.document)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The row whose pages are made of the same, if they are at hand.
    fn pages<'b>(
        &self,
        last: Option<&'b Entry>,
        made: Option<&'b Entry>,
        inputs: Digest,
        packs: &mut Packs<'_>,
    ) -> Result<Option<&'b Entry>, RunError> {
        for row in last.into_iter().chain(made) {
            if row.inputs == inputs && self.together.are_still(&row.used) && packs.have_all(&row.files)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Digest of everything that a record's pages depend on but aggregates; misses of look-ups too, as their numbers are in it.
    fn inputs(&self, record: &RecordVerdict, item: &ItemId, lookups: &[Vec<LookupHit>]) -> Digest {
        let mut digest = DigestBuilder::new("quire page inputs")
            .digest(&self.frame)
            .digest(&record.digest)
            .text(&record.key)
            .text(&record.title)
            .text(&record.slug)
            .text(&item.source)
            .text(&item.location)
            .number(u64::from(item.ordinal))
            .text(&record.row.summary)
            .number(record.row.fields.len() as u64);
        for values in &record.row.fields {
            digest =
                values.iter().fold(digest.number(values.len() as u64), |digest, value| digest.text(value));
        }
        for hits in lookups {
            digest = digest.number(hits.len() as u64);
            for hit in hits {
                digest = digest.text(&hit.key).text(&hit.title).text(&hit.slug).number(hit.via.len() as u64);
                digest = hit.via.iter().fold(digest, |digest, via| digest.text(via));
            }
        }
        digest.finish()
    }
}

/// The same row; that a record is dead changes nothing of what it was.
fn with_content(mut entry: Arc<Entry>, content: Digest) -> Arc<Entry> {
    if entry.content != content {
        Arc::make_mut(&mut entry).content = content;
    }
    entry
}

/// Shares that are as they were keep their place, so that the new pack may go.
fn keep_shares(
    record: &mut RecordVerdict,
    former: &RecordVerdict,
    packs: &mut Packs<'_>,
) -> Result<(), RunError> {
    for share in &mut record.shares {
        let same = former.shares.iter().find(|known| {
            known.aggregate == share.aggregate && known.outputs.digest() == share.outputs.digest()
        });
        if let Some(known) = same
            && known.outputs.packed().is_none_or(|from| packs.have(from).unwrap_or(false))
        {
            share.outputs = known.outputs.clone();
        }
    }
    Ok(())
}

/// Stands for a document that is still to be made.
fn nowhere() -> PackSlice {
    PackSlice { pack: Digest::from_bytes([0; 32]), offset: 0, len: 0 }
}

/// Which packs are in the store; each is looked for once.
struct Packs<'a> {
    store: &'a Store,
    known: HashMap<Digest, bool>,
}

impl<'a> Packs<'a> {
    fn of(store: &'a Store) -> Result<Self, RunError> {
        let mut known = HashMap::new();
        if store.bucket().is_some() {
            // A list of all of them costs less than a request for each.
            for blob in store.blobs() {
                known.insert(blob?.0, true);
            }
        }
        Ok(Self { store, known })
    }

    fn have_all(&mut self, files: &[PageFile]) -> Result<bool, RunError> {
        for file in files {
            if !self.have(&file.from)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn have(&mut self, slice: &PackSlice) -> Result<bool, RunError> {
        if let Some(known) = self.known.get(&slice.pack) {
            return Ok(*known);
        }
        let have = self.store.has_blob(&slice.pack)?;
        self.known.insert(slice.pack, have);
        Ok(have)
    }
}

/// Records collected into parcels.
#[derive(Default)]
struct Batches {
    index: Batch<IndexRecord>,
    render: Batch<RenderRecord>,
}

impl Batches {
    fn add(
        &mut self,
        row: &Planned,
        lookups: Vec<Vec<LookupHit>>,
        aggregates: &[AggregateRef],
        emit: &mut dyn FnMut(Work) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let record = &row.entry.record;
        if row.index {
            let work = IndexRecord { key: record.key.clone(), body: record.body };
            if let Some(full) = self.index.add(work, record.body.len, 128) {
                emit(Work::Index(full))?;
            }
        }
        if row.render {
            let hits: usize = lookups.iter().flatten().map(|hit| 160 + 32 * hit.via.len()).sum();
            let work = RenderRecord {
                key: record.key.clone(),
                title: record.title.clone(),
                slug: record.slug.clone(),
                item: row.entry.item.clone(),
                body: record.body,
                row: record.row.clone(),
                lookups,
                inputs: row.entry.inputs,
                aggregates: aggregates.to_vec(),
            };
            let weight = record_weight(record) + hits + 160 * aggregates.len();
            if let Some(full) = self.render.add(work, record.body.len, weight) {
                emit(Work::Render(full))?;
            }
        }
        Ok(())
    }

    fn finish(self, emit: &mut dyn FnMut(Work) -> Result<(), RunError>) -> Result<(), RunError> {
        if !self.render.records.is_empty() {
            emit(Work::Render(self.render.records))?;
        }
        if !self.index.records.is_empty() {
            emit(Work::Index(self.index.records))?;
        }
        Ok(())
    }
}

struct Batch<T> {
    records: Vec<T>,
    bytes: u64,
    weight: usize,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { records: Vec::new(), bytes: 0, weight: 0 }
    }
}

impl<T> Batch<T> {
    /// Adds a record; returns the batch before it if that is full.
    fn add(&mut self, record: T, bytes: u64, weight: usize) -> Option<Vec<T>> {
        let full = self.records.len() >= MAX_PARCEL_RECORDS
            || self.bytes + bytes > MAX_PARCEL_BYTES as u64
            || self.weight + weight > MAX_PARCEL_WEIGHT;
        let before = (full && !self.records.is_empty()).then(|| std::mem::take(self).records);
        self.records.push(record);
        self.bytes += bytes;
        self.weight += weight;
        before
    }
}

/// Whether two sets of files look the same to a reader.
pub(crate) fn same_files(one: &[PageFile], other: &[PageFile]) -> bool {
    let seen = |file: &PageFile| (file.path.clone(), file.digest);
    one.iter().map(seen).eq(other.iter().map(seen))
}

/// Former keys that are gone for good: no item of this run carries them, not even as a reject.
pub(crate) fn removed(
    gone: HashMap<String, ItemId>,
    rejects: impl Iterator<Item = Result<RejectRow, RunError>>,
) -> Result<u64, RunError> {
    if gone.is_empty() {
        return Ok(0);
    }
    let by_item: HashMap<&ItemId, &String> = gone.iter().map(|(key, item)| (item, key)).collect();
    let mut rejected: HashSet<&String> = HashSet::new();
    for row in rejects {
        let row = row?;
        rejected.extend(by_item.get(&row.item).copied());
        rejected.extend(row.key.and_then(|key| gone.get_key_value(&key)).map(|(key, _)| key));
    }
    Ok((gone.len() - rejected.len()) as u64)
}
