//! What lies in the index: one schema for every catalogue.
//!
//! All text fields of a record share one indexed field; the position of a word tells which it stands in. So a
//! word has one posting list, weights and lengths are applied when somebody asks, and a catalogue with other
//! fields needs no other schema.

use std::collections::BTreeSet;

use quire_catalogue::{Definition, FieldKind, IndexDocument};
use quire_proto::{CodecError, codec};
use serde::{Deserialize, Serialize};
use tantivy::{
    TantivyDocument,
    schema::{
        BytesOptions, FAST, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
        document::Value as _,
    },
    tokenizer::TokenizerManager,
};

use crate::rows::RecordRow;
use crate::tokens::{FieldTokenizer, MarkedText, count_words, fold_phrase};

/// Changes whenever an index of an older program cannot be used.
pub(crate) const VERSION: u32 = 1;
/// Text fields whose length counts; more of them count as if they all had the average length.
pub(crate) const MAX_MEASURED_FIELDS: usize = 16;
/// Most text fields; further ones share the last one's place.
pub(crate) const MAX_TEXT_FIELDS: usize = 64;
/// Longest value that can be filtered by, in bytes.
const MAX_KEYWORD_BYTES: usize = 1_000;
/// Lengths in one column of numbers.
const LENGTHS_PER_COLUMN: usize = 4;

/// Kinds of exact look-ups: the first character of a term in the field `exact`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ExactKind {
    Id,
    Name,
    Slug,
    Synonym,
}

impl ExactKind {
    pub(crate) fn term(self, folded: &str) -> String {
        let prefix = match self {
            Self::Id => 'i',
            Self::Name => 'n',
            Self::Slug => 'p',
            Self::Synonym => 's',
        };
        format!("{prefix}{folded}")
    }
}

/// An index field of the catalogue, as the index was built with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FieldSpec {
    pub(crate) name: String,
    pub(crate) text: bool,
    pub(crate) boost: f32,
    pub(crate) facet: bool,
    pub(crate) synonym: bool,
}

impl FieldSpec {
    pub(crate) fn of(definition: &Definition) -> Vec<Self> {
        let spec = |field: &quire_catalogue::Field| Self {
            name: field.name.clone(),
            text: field.kind == FieldKind::Text,
            boost: if field.boost.is_finite() { field.boost.max(0.0) } else { 1.0 },
            facet: field.facet,
            synonym: field.synonym,
        };
        definition.index.fields.iter().map(spec).collect()
    }
}

/// What a hit shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) slug: String,
    pub(crate) summary: String,
}

/// The fields of the index.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    pub(crate) schema: Schema,
    /// The key, whole.
    pub(crate) key: Field,
    /// Digest of what the document was made from, shortened.
    pub(crate) print: Field,
    /// Key, title, slug and synonyms, folded, each with its [`ExactKind`].
    pub(crate) exact: Field,
    /// Keyword values, each with its field's name.
    pub(crate) keyword: Field,
    /// All words.
    pub(crate) text: Field,
    /// Numbers of words in the text fields, [`LENGTHS_PER_COLUMN`] to a number.
    pub(crate) lengths: Vec<Field>,
    /// A [`Row`].
    pub(crate) row: Field,
}

impl Fields {
    pub(crate) fn new() -> Self {
        let mut builder = Schema::builder();
        let raw = |option| {
            TextFieldIndexing::default().set_tokenizer("raw").set_fieldnorms(false).set_index_option(option)
        };
        let whole = TextOptions::default().set_indexing_options(raw(IndexRecordOption::Basic));
        let words = TextFieldIndexing::default()
            .set_tokenizer("words")
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let number: NumericOptions = FAST.into();
        let lengths = MAX_MEASURED_FIELDS / LENGTHS_PER_COLUMN;
        let key = builder.add_text_field("key", whole.clone());
        let print = builder.add_u64_field("print", number.clone());
        let exact = builder.add_text_field("exact", whole.clone());
        let keyword = builder.add_text_field("keyword", whole.set_fast("raw"));
        let text = builder.add_text_field("text", TextOptions::default().set_indexing_options(words));
        let lengths =
            (0..lengths).map(|n| builder.add_u64_field(&length_column(n), number.clone())).collect();
        let row = builder.add_bytes_field("row", BytesOptions::default().set_stored());
        Self { schema: builder.build(), key, print, exact, keyword, text, lengths, row }
    }

    /// The tokenizers that the schema names.
    pub(crate) fn tokenizers() -> TokenizerManager {
        let tokenizers = TokenizerManager::default();
        tokenizers.register("words", FieldTokenizer::default());
        tokenizers
    }

    /// The document of one record.
    pub(crate) fn document(
        &self,
        specs: &[FieldSpec],
        record: &RecordRow,
        document: &IndexDocument,
        print: u64,
    ) -> Result<TantivyDocument, CodecError> {
        let row = Row {
            key: record.key.clone(),
            title: record.title.clone(),
            slug: record.slug.clone(),
            summary: record.row.summary.clone(),
        };
        let mut made = TantivyDocument::new();
        made.add_text(self.key, &row.key);
        made.add_u64(self.print, print);
        made.add_text(self.exact, ExactKind::Id.term(&fold_phrase(&row.key)));
        made.add_text(self.exact, ExactKind::Name.term(&fold_phrase(&row.title)));
        made.add_text(self.exact, ExactKind::Slug.term(&fold_phrase(&row.slug)));
        let mut text = MarkedText::default();
        let mut lengths = Lengths::default();
        // A set: a value that a record lists twice counts once.
        let mut keywords = BTreeSet::new();
        let mut place = 0;
        for (spec, values) in specs.iter().zip(&document.fields) {
            for value in values {
                if spec.synonym {
                    made.add_text(self.exact, ExactKind::Synonym.term(&fold_phrase(value)));
                }
                if spec.text {
                    text.push(place.min(MAX_TEXT_FIELDS - 1), value);
                    lengths.add(place, count_words(value));
                } else {
                    keywords.extend(keyword_term(&spec.name, value));
                }
            }
            place += usize::from(spec.text);
        }
        made.add_text(self.text, text.into_text());
        keywords.iter().for_each(|term| made.add_text(self.keyword, term));
        for (field, packed) in self.lengths.iter().zip(lengths.0) {
            made.add_u64(*field, packed);
        }
        made.add_bytes(self.row, &codec::encode(&row)?);
        Ok(made)
    }

    /// What was stored of a document.
    pub(crate) fn row(&self, document: &TantivyDocument) -> Option<Row> {
        codec::decode(document.get_first(self.row)?.as_bytes()?).ok()
    }
}

/// Name of the column with the lengths number `n`, `n + 1` ….
pub(crate) fn length_column(n: usize) -> String {
    format!("lengths{n}")
}

/// The term of a keyword value; `None` if it is too long to be filtered by.
pub(crate) fn keyword_term(field: &str, value: &str) -> Option<String> {
    (value.len() <= MAX_KEYWORD_BYTES).then(|| format!("{field}\0{value}"))
}

/// Field and value of a keyword term.
pub(crate) fn parse_keyword(term: &str) -> Option<(&str, &str)> {
    term.split_once('\0')
}

/// Numbers of words, packed.
#[derive(Debug, Default)]
struct Lengths([u64; MAX_MEASURED_FIELDS / LENGTHS_PER_COLUMN]);

impl Lengths {
    fn add(&mut self, place: usize, words: usize) {
        let shift = place % LENGTHS_PER_COLUMN * 16;
        if let Some(packed) = self.0.get_mut(place / LENGTHS_PER_COLUMN) {
            let sum = unpack(*packed, place).saturating_add(u16::try_from(words).unwrap_or(u16::MAX));
            *packed = *packed & !(0xffff << shift) | u64::from(sum) << shift;
        }
    }
}

/// The length at `place` in its column's number.
pub(crate) const fn unpack(packed: u64, place: usize) -> u16 {
    (packed >> (place % LENGTHS_PER_COLUMN * 16)) as u16
}

/// The column that holds the length of the text field at `place`.
pub(crate) const fn column_of(place: usize) -> usize {
    place / LENGTHS_PER_COLUMN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_packed_without_touching_each_other() {
        let mut lengths = Lengths::default();
        for place in 0..MAX_MEASURED_FIELDS {
            lengths.add(place, place * 100);
            lengths.add(place, 7);
        }
        lengths.add(3, 1 << 20);
        lengths.add(MAX_MEASURED_FIELDS, 5);
        for place in 0..MAX_MEASURED_FIELDS {
            let expected = if place == 3 { u16::MAX } else { place as u16 * 100 + 7 };
            assert_eq!(unpack(lengths.0[column_of(place)], place), expected, "{place}");
        }
    }
}
