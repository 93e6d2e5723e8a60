//! CSV and TSV: a header row with the keys, then an item a row.
//!
//! A row becomes a JSON object of strings, keys in the order of the header. Cells keep their text: whether
//! "007" is a number is for the catalogue to say.

use std::{collections::BTreeSet, str};

use bytes::Bytes;
use csv::{ByteRecord, ReaderBuilder};
use quire_proto::Format;

use super::{Part, Parts, Refusal};

/// Most columns.
const MAX_COLUMNS: usize = 10_000;

pub(super) fn take_apart(bytes: &Bytes, delimiter: u8, max_bytes: usize) -> Result<Vec<Part>, Refusal> {
    let mut rows = Rows::new(bytes, delimiter);
    let mut row = ByteRecord::new();
    let Some(line) = rows.next(&mut row)? else { return Ok(Vec::new()) };
    let keys = header(&row, delimiter).map_err(|refusal| refusal.on_line(line))?;
    let mut parts = Parts::default();
    while let Some(line) = rows.next(&mut row)? {
        match object(&keys, &row, max_bytes) {
            Ok(raw) => parts.raw(line, Format::Row, raw)?,
            Err(refusal) => parts.refused(line, refusal)?,
        }
    }
    Ok(parts.into_parts())
}

/// The rows with the line on which each starts.
struct Rows<'a> {
    bytes: &'a [u8],
    reader: csv::Reader<&'a [u8]>,
    delimiter: u8,
    /// Where `line` was counted to.
    counted: usize,
    line: u32,
}

impl<'a> Rows<'a> {
    fn new(bytes: &'a [u8], delimiter: u8) -> Self {
        let reader =
            ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bytes);
        Self { bytes, reader, delimiter, counted: 0, line: 1 }
    }

    fn next(&mut self, row: &mut ByteRecord) -> Result<Option<u32>, Refusal> {
        let broken = |error: csv::Error| Refusal::new("table", format!("table cannot be read: {error}"));
        if !self.reader.read_byte_record(row).map_err(broken)? {
            return Ok(None);
        }
        let start =
            row.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(usize::MAX));
        let line = self.line_of_row(start);
        let rest = self.bytes.get(self.counted..).unwrap_or_default();
        if self.at_end() && !is_closed(rest, self.delimiter) {
            // The quote that is too many may stand in any row before, which then holds what belongs to others.
            let message = "a quoted cell that starts in this row is not closed before the end of the file; \
                           so no row of the file is taken: a quote before it may be the wrong one";
            return Err(Refusal::new("table", message).on_line(line));
        }
        Ok(Some(line))
    }

    /// The reader's own count stands before the blank lines that it skips; ours after them.
    fn line_of_row(&mut self, start: usize) -> u32 {
        let blank = |byte: &&u8| matches!(byte, b'\n' | b'\r');
        let blanks = self.bytes.get(start..).unwrap_or_default().iter().take_while(blank).count();
        let from = start + blanks;
        let passed = self.bytes.get(self.counted..from).unwrap_or_default();
        let lines = passed.iter().filter(|&&byte| byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.counted = from;
        self.line
    }

    fn at_end(&self) -> bool {
        self.reader.position().byte() >= self.bytes.len() as u64
    }
}

/// Whether every quoted cell of the last row has its closing quote.
fn is_closed(row: &[u8], delimiter: u8) -> bool {
    let mut quoted = false;
    let mut at_start = true;
    let mut bytes = row.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if quoted {
            if byte == b'"' && bytes.next_if_eq(&b'"').is_none() {
                quoted = false;
            }
        } else if byte == b'"' && at_start {
            quoted = true;
        }
        at_start = !quoted && (byte == delimiter || byte == b'\n' || byte == b'\r');
    }
    !quoted
}

/// The keys, each already as JSON text.
fn header(row: &ByteRecord, delimiter: u8) -> Result<Vec<String>, Refusal> {
    refuse_other_separator(row, delimiter)?;
    if row.len() > MAX_COLUMNS {
        return Err(Refusal::new("table", format!("header has more than {MAX_COLUMNS} columns")));
    }
    let mut seen = BTreeSet::new();
    let mut keys = Vec::with_capacity(row.len());
    for cell in row {
        let name = text(cell)?;
        if !seen.insert(name) {
            return Err(Refusal::new("table", format!("header names the column `{}` twice", shown(name))));
        }
        keys.push(quoted(name)?);
    }
    Ok(keys)
}

/// A header that is one column with separators of another kind in it: spreadsheets of many countries write `;`.
fn refuse_other_separator(row: &ByteRecord, delimiter: u8) -> Result<(), Refusal> {
    let named = |byte| {
        if byte == b'\t' {
            "tab"
        } else if byte == b';' {
            "semicolon"
        } else {
            "comma"
        }
    };
    let others = [b';', b'\t', b','].into_iter().filter(|other| *other != delimiter);
    let single = row.get(0).filter(|_| row.len() == 1).unwrap_or_default();
    match others.into_iter().find(|other| single.contains(other)) {
        None => Ok(()),
        Some(other) => {
            let (wrong, right) = (named(other), named(delimiter));
            let format =
                if other == b'\t' { "give the source `format: tsv`" } else { "save the file with the other" };
            let message = format!(
                "header is a single column with a {wrong} in it, but a {right} separates cells: {format}"
            );
            Err(Refusal::new("table", message))
        }
    }
}

fn object(keys: &[String], row: &ByteRecord, max_bytes: usize) -> Result<Bytes, Refusal> {
    if row.len() != keys.len() {
        let message = format!("row has {} cells, its header {}", row.len(), keys.len());
        return Err(Refusal::new("table", message));
    }
    let mut json = String::with_capacity(row.as_slice().len() + keys.len() * 16);
    for (key, cell) in keys.iter().zip(row) {
        json.push(if json.is_empty() { '{' } else { ',' });
        json.push_str(key);
        json.push(':');
        json.push_str(&quoted(text(cell)?)?);
        if json.len() > max_bytes {
            return Err(Refusal::too_large(max_bytes));
        }
    }
    json.push('}');
    Ok(Bytes::from(json))
}

fn text(cell: &[u8]) -> Result<&str, Refusal> {
    str::from_utf8(cell).map_err(|error| {
        let message = format!("cell is not UTF-8 from its byte {} on", error.valid_up_to() + 1);
        Refusal::new("utf8", message)
    })
}

fn quoted(text: &str) -> Result<String, Refusal> {
    serde_json::to_string(text).map_err(|error| Refusal::new("table", error.to_string()))
}

fn shown(name: &str) -> &str {
    name.get(..name.floor_char_boundary(80)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{super::Body, *};

    fn table(text: &[u8], delimiter: u8) -> Result<Vec<(u32, String)>, Refusal> {
        let bytes = Bytes::copy_from_slice(text);
        let parts = super::super::take_apart(bytes, super::super::Framing::Table { delimiter }, 1000)?;
        Ok(parts
            .into_iter()
            .map(|part| match part.body {
                Body::Raw { format, raw } => {
                    assert_eq!(format, Format::Row);
                    (part.line, String::from_utf8(raw.to_vec()).unwrap())
                }
                Body::Refused(refusal) => {
                    assert_eq!(refusal.line, Some(part.line));
                    (part.line, format!("{}: {}", refusal.rule, refusal.message))
                }
            })
            .collect())
    }

    fn csv(text: &str) -> Vec<(u32, String)> {
        table(text.as_bytes(), b',').unwrap()
    }

    fn rows(expected: &[(u32, &str)]) -> Vec<(u32, String)> {
        expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect()
    }

    #[test]
    fn a_row_is_an_object_of_strings_in_the_order_of_the_header() {
        assert_eq!(
            csv("z,a\n007,\n\"x\",1.50\n"),
            rows(&[(2, r#"{"z":"007","a":""}"#), (3, r#"{"z":"x","a":"1.50"}"#)])
        );
    }

    #[test]
    fn quotes_commas_and_line_ends_inside_cells_are_kept() {
        let found = csv("a,b\n\"x, \"\"y\"\"\",\"one\ntwo\"\nlast,1\n");
        assert_eq!(found, rows(&[(2, r#"{"a":"x, \"y\"","b":"one\ntwo"}"#), (4, r#"{"a":"last","b":"1"}"#)]));
    }

    #[test]
    fn byte_order_marks_returns_and_blank_lines_do_not_shift_lines() {
        let found = csv("\u{feff}a,b\r\n\r\n1,2\r\n\r\n\r\n3,4");
        assert_eq!(found, rows(&[(3, r#"{"a":"1","b":"2"}"#), (6, r#"{"a":"3","b":"4"}"#)]));
        assert_eq!(csv("\n\na\n\n1\n"), rows(&[(5, r#"{"a":"1"}"#)]));
    }

    #[test]
    fn tabs_separate_a_tsv() {
        let found = table(b"a\tb\n1,2\t3\n", b'\t').unwrap();
        assert_eq!(found, rows(&[(2, r#"{"a":"1,2","b":"3"}"#)]));
    }

    #[test]
    fn a_ragged_row_is_refused_with_its_line_and_the_others_are_not() {
        let found = csv("a,b\n1\n1,2\n1,2,3\n");
        assert_eq!(
            found,
            rows(&[
                (2, "table: row has 1 cells, its header 2"),
                (3, r#"{"a":"1","b":"2"}"#),
                (4, "table: row has 3 cells, its header 2"),
            ])
        );
    }

    #[test]
    fn a_row_that_is_not_utf8_is_refused_with_its_line() {
        let found = table(b"a,b\n1,2\n1,caf\xe9\n", b',').unwrap();
        assert_eq!(found[1], (3, "utf8: cell is not UTF-8 from its byte 4 on".to_owned()));
    }

    #[test]
    fn a_header_that_names_a_column_twice_refuses_the_file() {
        let refusal = table(b"\na,b,a\n1,2,3\n", b',').unwrap_err();
        assert_eq!((refusal.rule, refusal.line), ("table", Some(2)));
        assert_eq!(refusal.message, "header names the column `a` twice");
        assert_eq!(table(b"caf\xe9\n1\n", b',').unwrap_err().rule, "utf8");
    }

    #[test]
    fn a_table_with_separators_of_another_kind_says_so() {
        for (text, delimiter, told) in [
            ("id;name\n1;a\n", b',', "semicolon"),
            ("id\tname\n1\ta\n", b',', "tsv"),
            ("id,name\n", b'\t', "comma"),
        ] {
            let refusal = table(text.as_bytes(), delimiter).unwrap_err();
            assert_eq!((refusal.rule, refusal.line), ("table", Some(1)));
            assert!(refusal.message.contains(told), "{}", refusal.message);
        }
        assert_eq!(csv("a;b,c\n1,2\n").len(), 1);
    }

    #[test]
    fn a_quote_that_is_never_closed_refuses_the_file_instead_of_swallowing_it() {
        let refusal = table(b"a,b\n1,2\n3,\"four\n5,6\n7,8\n", b',').unwrap_err();
        assert_eq!((refusal.rule, refusal.line), ("table", Some(3)));
        assert_eq!(csv("a,b\n1,\"2\"").len(), 1);
        assert_eq!(csv("a,b\n1,\"2\"\"\"\n").len(), 1);
        assert_eq!(csv("a,b\n1,2\"\n").len(), 1);
    }

    #[test]
    fn an_empty_table_has_no_items() {
        assert_eq!(csv(""), []);
        assert_eq!(csv("a,b\n"), []);
    }

    #[test]
    fn a_row_larger_than_its_source_allows_is_refused() {
        let found = csv(&format!("a\n{}\n1\n", "x".repeat(1001)));
        assert!(found[0].1.starts_with("too-large"), "{found:?}");
        assert_eq!(found[1], (3, r#"{"a":"1"}"#.to_owned()));
    }
}
