//! JSONL: an item a non-empty line.

use bytes::Bytes;
use quire_proto::Format;

use super::{Part, Parts, Refusal};

pub(super) fn take_apart(bytes: &Bytes, max_bytes: usize) -> Result<Vec<Part>, Refusal> {
    let mut parts = Parts::default();
    let mut start = 0;
    let mut line = 0_u32;
    for text in bytes.split(|&byte| byte == b'\n') {
        line = line.saturating_add(1);
        let end = start + text.len();
        // The return of CRLF is white space to JSON, but would make the same record a different item.
        let trimmed = text.strip_suffix(b"\r").unwrap_or(text);
        if trimmed.len() > max_bytes {
            parts.refused(line, Refusal::too_large(max_bytes))?;
        } else if !trimmed.trim_ascii().is_empty() {
            parts.raw(line, Format::Json, bytes.slice(start..start + trimmed.len()))?;
        }
        start = end + 1;
    }
    Ok(parts.into_parts())
}

#[cfg(test)]
mod tests {
    use super::{super::Body, *};

    fn items(text: &'static str) -> Vec<(u32, u32, String)> {
        let parts =
            super::super::take_apart(Bytes::from(text), super::super::Framing::JsonLines, 20).unwrap();
        parts
            .into_iter()
            .map(|part| match part.body {
                Body::Raw { raw, .. } => (part.ordinal, part.line, String::from_utf8(raw.to_vec()).unwrap()),
                Body::Refused(refusal) => (part.ordinal, part.line, refusal.rule.to_owned()),
            })
            .collect()
    }

    #[test]
    fn every_line_that_is_not_empty_is_an_item_with_its_line() {
        let expected = vec![(0, 1, "{\"a\":1}".to_owned()), (1, 4, "{\"a\":2}".to_owned())];
        assert_eq!(items("{\"a\":1}\n\n  \n{\"a\":2}\n"), expected);
        assert_eq!(items("{\"a\":1}\r\n\r\n \t\r\n{\"a\":2}"), expected);
        assert_eq!(items("\u{feff}{\"a\":1}\n\n\n{\"a\":2}\n\n"), expected);
    }

    #[test]
    fn an_empty_file_has_no_items() {
        assert_eq!(items(""), []);
        assert_eq!(items("\u{feff}\n\n"), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_and_the_others_are_not() {
        let found = items("{}\n[1,2,3,4,5,6,7,8,9,10,11]\n[]\n");
        assert_eq!(found, [(0, 1, "{}".to_owned()), (1, 2, "too-large".to_owned()), (2, 3, "[]".to_owned())]);
    }

    #[test]
    fn an_item_that_moved_to_another_line_has_another_digest() {
        let one = take_apart(&Bytes::from_static(b"{}\n"), 20).unwrap();
        let moved = take_apart(&Bytes::from_static(b"\n{}\n"), 20).unwrap();
        assert_ne!(one[0].content, moved[0].content);
    }
}
