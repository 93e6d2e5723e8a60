//! Takes the bytes of one location apart into items.
//!
//! JSON and YAML locations are one item as they stand; JSONL has an item a non-empty line, CSV and TSV one a
//! row. What cannot be taken apart becomes a refused part with its line, or refuses the whole location.

mod lines;
mod table;

use bytes::Bytes;
use quire_proto::{Digest, DigestBuilder, Format};

/// Most items of one location.
pub(crate) const MAX_ITEMS: usize = 1_000_000;
/// Part of every memo key: raise it when the same bytes would be taken apart differently.
pub(crate) const VERSION: u64 = 1;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How a location is taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// One JSON text.
    Json,
    /// One YAML document.
    Yaml,
    /// A JSON text a line.
    JsonLines,
    /// A header row, then a record a row, with this between the fields.
    Table { delimiter: u8 },
}

impl Framing {
    /// Whether a location may hold many items.
    pub(crate) fn is_many(self) -> bool {
        matches!(self, Self::JsonLines | Self::Table { .. })
    }
}

/// One item of a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) ordinal: u32,
    /// Line on which it starts, counted from 1.
    pub(crate) line: u32,
    /// What "unchanged" is judged by.
    pub(crate) content: Digest,
    pub(crate) body: Body,
}

/// The bytes of an item, or why there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Raw { format: Format, raw: Bytes },
    Refused(Refusal),
}

/// Why a location or an item of it is rejected without being judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) rule: &'static str,
    pub(crate) message: String,
    /// Line in the location, where known.
    pub(crate) line: Option<u32>,
}

impl Refusal {
    pub(crate) fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self { rule, message: message.into(), line: None }
    }

    pub(crate) fn on_line(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new("too-large", format!("item has more than {limit} bytes, the limit of its source"))
    }

    /// Stands for the bytes of an item that has none: the same trouble, the same digest.
    pub(crate) fn content(&self) -> Digest {
        DigestBuilder::new("quire refused item")
            .text(self.rule)
            .text(&self.message)
            .number(u64::from(self.line.unwrap_or(0)))
            .finish()
    }

    /// The whole location as one refused item.
    pub(crate) fn into_part(self) -> Part {
        Part { ordinal: 0, line: self.line.unwrap_or(1), content: self.content(), body: Body::Refused(self) }
    }
}

/// Takes `bytes` apart into items of at most `max_bytes` each.
///
/// # Errors
/// A [`Refusal`] of the location as a whole.
pub(crate) fn take_apart(bytes: Bytes, framing: Framing, max_bytes: usize) -> Result<Vec<Part>, Refusal> {
    match framing {
        Framing::Json => whole(bytes, Format::Json, max_bytes),
        Framing::Yaml => whole(bytes, Format::Yaml, max_bytes),
        Framing::JsonLines => lines::take_apart(&without_mark(bytes), max_bytes),
        Framing::Table { delimiter } => table::take_apart(&without_mark(bytes), delimiter, max_bytes),
    }
}

fn whole(raw: Bytes, format: Format, max_bytes: usize) -> Result<Vec<Part>, Refusal> {
    if raw.len() > max_bytes {
        return Err(Refusal::too_large(max_bytes));
    }
    Ok(vec![Part { ordinal: 0, line: 1, content: Digest::of(&raw), body: Body::Raw { format, raw } }])
}

fn without_mark(mut bytes: Bytes) -> Bytes {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes = bytes.slice(BYTE_ORDER_MARK.len()..);
    }
    bytes
}

/// Collects the items of a location with many.
#[derive(Debug, Default)]
pub(crate) struct Parts(Vec<Part>);

impl Parts {
    pub(crate) fn into_parts(self) -> Vec<Part> {
        self.0
    }

    pub(crate) fn raw(&mut self, line: u32, format: Format, raw: Bytes) -> Result<(), Refusal> {
        // The line is part of the digest: reports name it, so an item that moved is not the same.
        let content = DigestBuilder::new("quire row").number(u64::from(line)).bytes(&raw).finish();
        self.push(line, content, Body::Raw { format, raw })
    }

    pub(crate) fn refused(&mut self, line: u32, refusal: Refusal) -> Result<(), Refusal> {
        let refusal = refusal.on_line(line);
        self.push(line, refusal.content(), Body::Refused(refusal))
    }

    fn push(&mut self, line: u32, content: Digest, body: Body) -> Result<(), Refusal> {
        let too_many = || Refusal::new("too-many", format!("location has more than {MAX_ITEMS} items"));
        if self.0.len() >= MAX_ITEMS {
            return Err(too_many());
        }
        let ordinal = u32::try_from(self.0.len()).map_err(|_| too_many())?;
        self.0.push(Part { ordinal, line, content, body });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_are_one_item_as_they_stand() {
        for (framing, format) in [(Framing::Json, Format::Json), (Framing::Yaml, Format::Yaml)] {
            for text in ["\u{feff}{\"a\": 1}\r\n", ""] {
                let parts = take_apart(Bytes::from(text), framing, 100).unwrap();
                assert_eq!(parts.len(), 1);
                assert_eq!((parts[0].ordinal, parts[0].line), (0, 1));
                assert_eq!(parts[0].content, Digest::of(text.as_bytes()));
                assert_eq!(parts[0].body, Body::Raw { format, raw: Bytes::from(text) });
            }
        }
    }

    #[test]
    fn an_item_larger_than_its_source_allows_is_refused() {
        let refusal = take_apart(Bytes::from_static(b"12345"), Framing::Json, 4).unwrap_err();
        assert_eq!(refusal.rule, "too-large");
        assert!(refusal.message.contains("more than 4 bytes"), "{}", refusal.message);
    }

    use proptest::prelude::*;

    const ALL: [Framing; 5] = [
        Framing::Json,
        Framing::Yaml,
        Framing::JsonLines,
        Framing::Table { delimiter: b',' },
        Framing::Table { delimiter: b'\t' },
    ];

    /// Bytes of the kind that framing looks at.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'"'), Just(b','), Just(b'\t'), any::<u8>()];
        prop::collection::vec(byte, 0..200)
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_in_order_or_refused(bytes in text()) {
            let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() + 1;
            for framing in ALL {
                let Ok(parts) = take_apart(Bytes::copy_from_slice(&bytes), framing, 50) else { continue };
                for (position, part) in (0..).zip(&parts) {
                    prop_assert_eq!(part.ordinal, position);
                }
                // A return alone ends a row, but no line.
                prop_assert!(parts.is_sorted_by_key(|part| part.line));
                prop_assert!(parts.iter().all(|part| (part.line as usize) <= lines));
            }
        }

        #[test]
        fn a_table_reads_back_as_it_was_written(rows in prop::collection::vec(prop::array::uniform3(".{0,12}|\"a\"\r?\nb,"), 0..8)) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["a", "b", "c"]).unwrap();
            rows.iter().for_each(|row| writer.write_record(row).unwrap());
            let bytes = Bytes::from(writer.into_inner().unwrap());
            let parts = take_apart(bytes, Framing::Table { delimiter: b',' }, 10_000).unwrap();
            let read: Vec<[String; 3]> = parts.iter().map(|part| match &part.body {
                Body::Raw { raw, .. } => {
                    let value: serde_json::Value = serde_json::from_slice(raw).unwrap();
                    ["a", "b", "c"].map(|key| value[key].as_str().unwrap().to_owned())
                }
                Body::Refused(refusal) => panic!("{refusal:?}"),
            }).collect();
            prop_assert_eq!(read, rows);
        }
    }
}
