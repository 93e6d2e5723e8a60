//! An open index, with what every query needs: lengths and order of the records, and what was looked up lately.
//!
//! Numbers that scores depend on are made from living documents only, so a result depends on the manifest and not on
//! the commits that led to it.

use std::{path::Path, sync::Arc};

use tantivy::{
    DocSet as _, Index, InvertedIndexReader, ReloadPolicy, SegmentReader, TERMINATED, TantivyDocument,
    columnar::StrColumn,
    schema::{Field, IndexRecordOption},
    store::StoreReader,
    termdict::TermStreamer,
};

use crate::{
    IndexError, SearchError,
    files::open,
    query::WordCache,
    schema::{
        FieldSpec, Fields, MAX_MEASURED_FIELDS, MAX_TEXT_FIELDS, Row, column_of, length_column, unpack,
    },
    state::State,
};

/// How much the length of a field counts against its words (0: not at all, 1: fully).
const LENGTH_WEIGHT: f32 = 0.5;
/// Blocks of stored rows kept in memory a segment.
const ROW_BLOCKS: usize = 256;

/// A document of the index: its number in its segment, after those of the segments before.
pub(crate) type Doc = u32;

/// An open index at one commit.
pub(crate) struct Snapshot {
    pub(crate) fields: Fields,
    pub(crate) specs: Vec<FieldSpec>,
    pub(crate) state: State,
    pub(crate) segments: Vec<Segment>,
    /// Documents, removed ones among them.
    pub(crate) docs: u32,
    /// Documents that are not removed.
    pub(crate) alive: u32,
    /// What was looked up lately.
    pub(crate) cache: WordCache,
    places: usize,
    /// Weight of a word in each document and text field: boost over length.
    weights: Vec<f32>,
    /// Place of each document in the order of the keys.
    ranks: Vec<u32>,
}

/// A part of the index.
pub(crate) struct Segment {
    /// Number of its first document.
    pub(crate) base: Doc,
    pub(crate) reader: SegmentReader,
    pub(crate) text: Arc<InvertedIndexReader>,
    pub(crate) exact: Arc<InvertedIndexReader>,
    pub(crate) keyword: Arc<InvertedIndexReader>,
    pub(crate) facets: Option<StrColumn>,
    rows: StoreReader,
}

impl Snapshot {
    pub(crate) fn open(dir: &Path) -> Result<Self, IndexError> {
        let fields = Fields::new();
        let state = State::read(dir).ok_or_else(|| IndexError::Missing(dir.to_owned()))?;
        let index = open(dir, &fields)?;
        if !state.fits(dir, &index) {
            return Err(IndexError::Missing(dir.to_owned()));
        }
        Self::load(&index, fields, state).map_err(|source| IndexError::Index { doing: "read", source })
    }

    fn load(index: &Index, fields: Fields, state: State) -> tantivy::Result<Self> {
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let mut segments = Vec::new();
        let mut base = 0;
        for reader in reader.searcher().segment_readers() {
            segments.push(Segment::open(reader, &fields, base)?);
            base += reader.max_doc();
        }
        let specs = state.fields.clone();
        let boosts: Vec<f32> =
            specs.iter().filter(|spec| spec.text).map(|spec| spec.boost).take(MAX_TEXT_FIELDS).collect();
        let alive = segments.iter().map(|segment| segment.reader.num_docs()).sum();
        let weights = weights(&segments, &boosts, base as usize)?;
        let ranks = ranks(&segments, fields.key, base as usize)?;
        let (places, cache) = (boosts.len(), WordCache::default());
        Ok(Self { fields, specs, state, segments, docs: base, alive, cache, places, weights, ranks })
    }

    /// Weight of one occurrence of a word in the text field at `place`.
    pub(crate) fn weight(&self, doc: Doc, place: usize) -> f32 {
        let place = place.min(self.places.saturating_sub(1));
        self.weights.get(doc as usize * self.places + place).copied().unwrap_or(0.0)
    }

    /// Place in the order of the keys.
    pub(crate) fn rank(&self, doc: Doc) -> u32 {
        self.ranks.get(doc as usize).copied().unwrap_or(u32::MAX)
    }

    /// The document of the record with this key.
    pub(crate) fn doc_with_key(&self, key: &str) -> Result<Option<Doc>, SearchError> {
        let mut found = None;
        for segment in &self.segments {
            let keys = segment.reader.inverted_index(self.fields.key)?;
            segment.docs_with(&keys, key.as_bytes(), |doc| found = Some(doc))?;
        }
        Ok(found)
    }

    /// What a hit shows.
    pub(crate) fn row(&self, doc: Doc) -> Result<Row, SearchError> {
        let segment =
            self.segments.iter().rev().find(|segment| segment.base <= doc).ok_or(SearchError::Damaged)?;
        let document: TantivyDocument = segment.rows.get(doc - segment.base)?;
        self.fields.row(&document).ok_or(SearchError::Damaged)
    }
}

impl Segment {
    fn open(reader: &SegmentReader, fields: &Fields, base: Doc) -> tantivy::Result<Self> {
        Ok(Self {
            base,
            text: reader.inverted_index(fields.text)?,
            exact: reader.inverted_index(fields.exact)?,
            keyword: reader.inverted_index(fields.keyword)?,
            facets: reader.fast_fields().str("keyword")?,
            rows: reader.get_store_reader(ROW_BLOCKS)?,
            reader: reader.clone(),
        })
    }

    /// Living documents with a term.
    pub(crate) fn docs_with(
        &self,
        inverted: &InvertedIndexReader,
        term: &[u8],
        mut see: impl FnMut(Doc),
    ) -> Result<(), SearchError> {
        let Some(info) = inverted.terms().get(term)? else { return Ok(()) };
        let mut postings = inverted.read_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
        while postings.doc() != TERMINATED {
            if !self.reader.is_deleted(postings.doc()) {
                see(self.base + postings.doc());
            }
            postings.advance();
        }
        Ok(())
    }
}

/// Boost over length, for every document and text field. A field counts as long compared with the average of the
/// documents that have it.
fn weights(segments: &[Segment], boosts: &[f32], docs: usize) -> tantivy::Result<Vec<f32>> {
    let places = boosts.len();
    let mut lengths = vec![0_f32; docs * places];
    for segment in segments {
        for place in 0..places.min(MAX_MEASURED_FIELDS) {
            let column = segment.reader.fast_fields().u64(&length_column(column_of(place)))?;
            for doc in segment.reader.doc_ids_alive() {
                let packed = column.first(doc).unwrap_or(0);
                if let Some(length) = lengths.get_mut((segment.base + doc) as usize * places + place) {
                    *length = f32::from(unpack(packed, place));
                }
            }
        }
    }
    let mut totals = vec![(0_f64, 0_u32); places];
    for document in lengths.chunks_exact(places.max(1)) {
        for (total, length) in totals.iter_mut().zip(document).filter(|(_, length)| **length > 0.0) {
            *total = (total.0 + f64::from(*length), total.1 + 1);
        }
    }
    for document in lengths.chunks_exact_mut(places.max(1)) {
        for ((length, boost), (sum, count)) in document.iter_mut().zip(boosts).zip(&totals) {
            let average = (*sum / f64::from((*count).max(1))) as f32;
            let relative = if *length > 0.0 && average > 0.0 { *length / average } else { 1.0 };
            *length = boost / (1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * relative);
        }
    }
    Ok(lengths)
}

/// The place of every living document in the order of the keys: walks all segments' sorted keys side by side.
fn ranks(segments: &[Segment], key: Field, docs: usize) -> tantivy::Result<Vec<u32>> {
    let mut ranks = vec![u32::MAX; docs];
    let readers: Vec<_> =
        segments.iter().map(|segment| segment.reader.inverted_index(key)).collect::<Result<_, _>>()?;
    let mut streams: Vec<TermStreamer<'_>> =
        readers.iter().map(|reader| reader.terms().stream()).collect::<Result<_, _>>()?;
    let mut open: Vec<bool> = streams.iter_mut().map(TermStreamer::advance).collect();
    let mut next = 0;
    loop {
        let smallest = streams.iter().zip(&open).enumerate().filter(|(_, (_, open))| **open);
        let Some(at) = smallest.min_by_key(|(_, (stream, _))| stream.key()).map(|(at, _)| at) else {
            return Ok(ranks);
        };
        let (Some(segment), Some(reader), Some(stream)) =
            (segments.get(at), readers.get(at), streams.get_mut(at))
        else {
            return Ok(ranks);
        };
        let mut postings = reader.read_postings_from_terminfo(stream.value(), IndexRecordOption::Basic)?;
        while postings.doc() != TERMINATED {
            if !segment.reader.is_deleted(postings.doc())
                && let Some(rank) = ranks.get_mut((segment.base + postings.doc()) as usize)
            {
                (*rank, next) = (next, next + 1);
            }
            postings.advance();
        }
        let more = stream.advance();
        if let Some(open) = open.get_mut(at) {
            *open = more;
        }
    }
}
