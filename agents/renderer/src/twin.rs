//! The machine-readable twin of a page: where the record comes from, and the record itself.
//!
//! The body goes in as text, only with other blanks: it is never read into numbers and written again, so
//! `1e3`, `0.10` and integers of any size stay what the source said.

use quire_proto::{Digest, RenderRecord};

/// Text that is not one JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a JSON value at byte {at}")]
pub struct NotJson {
    /// Where it stops being one.
    pub at: usize,
}

/// Makes the twin of `record`, whose canonical body is `body`.
///
/// # Errors
/// [`NotJson`] if the body's brackets and strings do not match.
pub fn twin(catalogue: &str, record: &RenderRecord, body: &[u8]) -> Result<Vec<u8>, NotJson> {
    let mut out = Vec::with_capacity(body.len() * 2 + 512);
    let ordinal = record.item.ordinal.to_string();
    out.extend_from_slice(b"{\n");
    member(&mut out, 1, "catalogue", Text(catalogue));
    member(&mut out, 1, "key", Text(&record.key));
    member(&mut out, 1, "title", Text(&record.title));
    member(&mut out, 1, "slug", Text(&record.slug));
    out.extend_from_slice(b"  \"source\": {\n");
    member(&mut out, 2, "name", Text(&record.item.source));
    member(&mut out, 2, "location", Text(&record.item.location));
    out.extend_from_slice(format!("    \"ordinal\": {ordinal}\n  }},\n").as_bytes());
    member(&mut out, 1, "digest", Text(&Digest::of(body).to_hex()));
    out.extend_from_slice(b"  \"record\": ");
    pretty(body, 1, &mut out)?;
    out.extend_from_slice(b"\n}\n");
    Ok(out)
}

struct Text<'a>(&'a str);

fn member(out: &mut Vec<u8>, level: usize, name: &str, text: Text<'_>) {
    indent(out, level);
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\": ");
    string(out, text.0);
    out.extend_from_slice(b",\n");
}

/// Appends `text` as a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    // Writing into memory cannot fail, and text is always a JSON string.
    let _ = serde_json::to_writer(out, text);
}

const BLANKS: [u8; 64] = [b' '; 64];

fn indent(out: &mut Vec<u8>, level: usize) {
    let mut blanks = level * 2;
    while blanks > 0 {
        let now = blanks.min(BLANKS.len());
        out.extend_from_slice(BLANKS.get(..now).unwrap_or_default());
        blanks -= now;
    }
}

fn line(out: &mut Vec<u8>, level: usize) {
    out.push(b'\n');
    indent(out, level);
}

/// Appends the JSON value in `json` with two blanks a level, the first line being at `level`; short arrays of numbers stand on
/// one line. Tokens are copied as they are.
///
/// # Errors
/// [`NotJson`] if brackets and strings do not match; what lies between them is not looked into.
pub fn pretty(json: &[u8], level: usize, out: &mut Vec<u8>) -> Result<(), NotJson> {
    let mut open: Vec<u8> = Vec::with_capacity(16);
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        let level = level + open.len();
        match byte {
            b'"' => {
                let end = string_end(json, at).ok_or(NotJson { at })?;
                out.extend_from_slice(json.get(at..end).unwrap_or_default());
                at = end;
                continue;
            }
            b'[' if let Some(end) = short_array(json, at) => {
                flat(json.get(at..end).unwrap_or_default(), out);
                at = end;
                continue;
            }
            b'{' | b'[' => {
                let close = if byte == b'{' { b'}' } else { b']' };
                out.push(byte);
                match next_token(json, at + 1) {
                    Some(next) if json.get(next) == Some(&close) => {
                        out.push(close);
                        at = next;
                    }
                    _ => {
                        open.push(close);
                        line(out, level + 1);
                    }
                }
            }
            b'}' | b']' => {
                if open.pop() != Some(byte) {
                    return Err(NotJson { at });
                }
                line(out, level - 1);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(out, level);
            }
            b':' => out.extend_from_slice(b": "),
            b' ' | b'\n' | b'\r' | b'\t' => {}
            other => out.push(other),
        }
        at += 1;
    }
    if open.is_empty() { Ok(()) } else { Err(NotJson { at }) }
}

/// Most bytes of an array that stands on one line.
const SHORT_ARRAY: usize = 80;

/// The byte after the array that starts at `at`, if it is short and has neither objects nor strings in it: tables of numbers
/// have a line a row. Blanks do not count, so that an array is short however it was written.
fn short_array(json: &[u8], at: usize) -> Option<usize> {
    let (mut depth, mut bytes) = (0_usize, 0);
    for (place, byte) in json.iter().enumerate().skip(at).filter(|(_, byte)| !byte.is_ascii_whitespace()) {
        bytes += 1;
        match byte {
            _ if bytes > SHORT_ARRAY => return None,
            b'{' | b'}' | b'"' => return None,
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(place + 1);
        }
    }
    None
}

/// Appends an array of one line, with a blank after each comma.
fn flat(array: &[u8], out: &mut Vec<u8>) {
    for &byte in array.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        out.push(byte);
        if byte == b',' {
            out.push(b' ');
        }
    }
}

/// First byte at or after `at` that is not a blank.
fn next_token(json: &[u8], at: usize) -> Option<usize> {
    json.get(at..)?.iter().position(|byte| !byte.is_ascii_whitespace()).map(|blanks| at + blanks)
}

/// The byte after the string that starts at `at`.
fn string_end(json: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += json.get(at..)?.iter().position(|&byte| byte == b'"' || byte == b'\\')?;
        if json.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prettied(json: &str) -> Result<String, NotJson> {
        let mut out = Vec::new();
        pretty(json.as_bytes(), 0, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn blanks_change_and_nothing_else_does() {
        let json = r#"{"a":[1e3,0.10,123456789012345678901234567890,"x\"y\\",{}],"b":[ ],"c":{"d":null}}"#;
        let expected = r#"{
  "a": [
    1e3,
    0.10,
    123456789012345678901234567890,
    "x\"y\\",
    {}
  ],
  "b": [],
  "c": {
    "d": null
  }
}"#;
        assert_eq!(prettied(json).unwrap(), expected);
        assert_eq!(prettied(expected).unwrap(), expected);
        assert_eq!(prettied("  7 ").unwrap(), "7");
    }

    #[test]
    fn rows_of_tables_of_numbers_stand_on_a_line_each() {
        let json =
            r#"{"columns":[[1,2,3,[0.10,1e3]],[4, 5,6,[ ]]],"none":[[]],"names":["a"],"mixed":[1,{"b":2}]}"#;
        let expected = r#"{
  "columns": [[1, 2, 3, [0.10, 1e3]], [4, 5, 6, []]],
  "none": [[]],
  "names": [
    "a"
  ],
  "mixed": [
    1,
    {
      "b": 2
    }
  ]
}"#;
        assert_eq!(prettied(json).unwrap(), expected);
        assert_eq!(prettied(expected).unwrap(), expected);
        let rows = ["[1234567890,12]"; 6].join(",");
        let expected = format!("[\n  {}\n]", rows.replace("],[", "],\n  [").replace(",1", ", 1"));
        assert_eq!(prettied(&format!("[{rows}]")).unwrap(), expected);
        assert_eq!(prettied(&expected).unwrap(), expected);
    }

    #[test]
    fn brackets_that_do_not_match_are_refused() {
        for json in ["{", "[}", "\"a", "]", "{\"a\":[1}", "\"\\"] {
            assert!(prettied(json).is_err(), "{json}");
        }
    }
}
