//! JSON (RFC 8259) text to a value.
//!
//! Our own reader rather than `serde_json`'s: it keeps numbers as they are written, shares the strings'
//! bytes with the item, knows the position of a key that repeats, and says what it expected. A test holds it
//! against `serde_json` on random text.

use jaq_json::Rc;

use bytes::Bytes;
use jaq_json::{Map, Val};

use super::{Fault, scalar};
use crate::scan::{blank_run, plain_run};

/// Parses exactly one JSON text; `text` is `raw`.
pub(super) fn parse(raw: &Bytes, text: &str, max_depth: usize) -> Result<Val, Fault> {
    let mut parser =
        Parser { raw, text: text.as_bytes(), at: 0, max_depth, values: Vec::new(), members: Vec::new() };
    parser.document().map_err(|Stop { at, message }| Fault::at("json", raw, at, message))
}

/// Where reading stopped, and why.
struct Stop {
    at: usize,
    message: String,
}

struct Parser<'a> {
    raw: &'a Bytes,
    text: &'a [u8],
    at: usize,
    max_depth: usize,
    /// Elements of the arrays being read, innermost last: so that each array is allocated once, at its size.
    values: Vec<Val>,
    /// Members of the objects being read, with the position of their key.
    members: Vec<(usize, Val, Val)>,
}

type Parsed<T> = Result<T, Stop>;

impl Parser<'_> {
    fn document(&mut self) -> Parsed<Val> {
        if self.text.starts_with(b"\xEF\xBB\xBF") {
            return self.stop("expected JSON, found a byte order mark; save the file as UTF-8 without one");
        }
        self.skip_space();
        if self.at == self.text.len() {
            return self.stop("expected a JSON value, found nothing");
        }
        let value = self.value(0)?;
        self.skip_space();
        if self.at < self.text.len() { self.unexpected("the end of the text") } else { Ok(value) }
    }

    fn value(&mut self, depth: usize) -> Parsed<Val> {
        match self.peek() {
            Some(b'"') => Ok(Val::TStr(Box::new(self.string()?))),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Val::Bool(true)),
            Some(b'f') => self.word("false", Val::Bool(false)),
            Some(b'n') => self.word("null", Val::Null),
            _ => self.unexpected("a JSON value"),
        }
    }

    fn object(&mut self, depth: usize) -> Parsed<Val> {
        self.open(depth)?;
        let first = self.members.len();
        if self.closes(b'}') {
            return Ok(Val::obj(Map::default()));
        }
        loop {
            self.skip_space();
            let key_at = self.at;
            if self.peek() != Some(b'"') {
                return self.unexpected("a key in quotes");
            }
            let key = Val::TStr(Box::new(self.string()?));
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            let value = self.value(depth)?;
            self.members.push((key_at, key, value));
            if !self.continues(b'}')? {
                break;
            }
        }
        self.build_object(first)
    }

    fn build_object(&mut self, first: usize) -> Parsed<Val> {
        let mut map = Map::with_capacity_and_hasher(self.members.len() - first, Default::default());
        let mut twice = None;
        for (key_at, key, value) in self.members.drain(first..) {
            if let (at, Some(_)) = map.insert_full(key, value) {
                twice = twice.or(Some((key_at, at)));
            }
        }
        match twice {
            None => Ok(Val::obj(map)),
            Some((at, index)) => {
                let key = map.get_index(index).map(|(key, _)| key.to_string()).unwrap_or_default();
                Err(Stop {
                    at,
                    message: format!("the key {} occurs twice in one object", scalar::short(&key)),
                })
            }
        }
    }

    fn array(&mut self, depth: usize) -> Parsed<Val> {
        self.open(depth)?;
        let first = self.values.len();
        if self.closes(b']') {
            return Ok(Val::Arr(Rc::default()));
        }
        loop {
            self.skip_space();
            let value = self.value(depth)?;
            self.values.push(value);
            if !self.continues(b']')? {
                break;
            }
        }
        Ok(Val::Arr(Rc::new(self.values.drain(first..).collect())))
    }

    fn open(&mut self, depth: usize) -> Parsed<()> {
        if depth > self.max_depth {
            return self.stop(format!("nested deeper than {} levels", self.max_depth));
        }
        self.at += 1;
        Ok(())
    }

    /// Whether the collection ends before its first element.
    fn closes(&mut self, close: u8) -> bool {
        self.skip_space();
        let ends = self.peek() == Some(close);
        self.at += usize::from(ends);
        ends
    }

    /// After an element: `true` at a comma, `false` at the end of the collection.
    fn continues(&mut self, close: u8) -> Parsed<bool> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                let comma = self.at - 1;
                self.skip_space();
                if self.peek() == Some(close) {
                    let message =
                        format!("expected another element, found a comma before `{}`", char::from(close));
                    return Err(Stop { at: comma, message });
                }
                Ok(true)
            }
            Some(found) if found == close => {
                self.at += 1;
                Ok(false)
            }
            _ => self.unexpected(format!("`,` or `{}`", char::from(close))),
        }
    }

    fn word(&mut self, word: &str, value: Val) -> Parsed<Val> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return self.unexpected("a JSON value");
        }
        self.at += word.len();
        Ok(value)
    }

    /// A string at `"`; without escapes it shares the item's bytes.
    fn string(&mut self) -> Parsed<Bytes> {
        let start = self.at + 1;
        let end = self.plain_run(start);
        if self.text.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(self.raw.slice(start..end));
        }
        let mut out = self.text.get(start..end).unwrap_or_default().to_vec();
        self.at = end;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out.into());
                }
                Some(b'\\') => self.escape(&mut out)?,
                Some(_) => {
                    return self.stop("expected an escape like \\n, found a control character in a string");
                }
                None => return self.stop("expected a closing quote, found the end of the text"),
            }
            let end = self.plain_run(self.at);
            out.extend_from_slice(self.text.get(self.at..end).unwrap_or_default());
            self.at = end;
        }
    }

    /// End of the characters from `start` that stand for themselves.
    fn plain_run(&self, start: usize) -> usize {
        start + plain_run(self.text.get(start..).unwrap_or_default())
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Parsed<()> {
        let plain = match self.text.get(self.at + 1) {
            Some(&same @ (b'"' | b'\\' | b'/')) => same,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0C,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode_escape(out),
            _ => {
                return self
                    .stop("expected an escape like \\n or \\u00e9, found another character after `\\`");
            }
        };
        out.push(plain);
        self.at += 2;
        Ok(())
    }

    fn unicode_escape(&mut self, out: &mut Vec<u8>) -> Parsed<()> {
        let first = self.hex4(self.at + 2)?;
        let (code, length) = match first {
            0xD800..=0xDBFF if self.text.get(self.at + 6..self.at + 8) == Some(b"\\u") => {
                match self.hex4(self.at + 8)? {
                    low @ 0xDC00..=0xDFFF => (0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00), 12),
                    _ => (first, 6),
                }
            }
            _ => (first, 6),
        };
        let Some(c) = char::from_u32(code) else {
            return self.stop(format!("expected a character, found the lone surrogate \\u{first:04x}"));
        };
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += length;
        Ok(())
    }

    fn hex4(&self, at: usize) -> Parsed<u32> {
        let digits = self.text.get(at..at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        code.ok_or_else(|| Stop { at: self.at, message: "expected four hexadecimal digits after \\u".into() })
    }

    fn number(&mut self) -> Parsed<Val> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.unexpected("a digit"),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.some_digits()?;
        }
        let text =
            self.text.get(start..self.at).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("0");
        scalar::number(text).map_err(|message| Stop { at: start, message })
    }

    fn some_digits(&mut self) -> Parsed<()> {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return self.unexpected("a digit");
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn skip_space(&mut self) {
        while let Some(byte @ (b' ' | b'\n' | b'\r' | b'\t')) = self.peek() {
            self.at += 1;
            if byte == b'\n' {
                // Indentation.
                self.at += blank_run(self.text.get(self.at..).unwrap_or_default());
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Parsed<()> {
        if self.peek() != Some(byte) {
            return self.unexpected(format!("`{}`", char::from(byte)));
        }
        self.at += 1;
        Ok(())
    }

    fn stop<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(Stop { at: self.at, message: message.into() })
    }

    fn unexpected<T>(&self, expected: impl std::fmt::Display) -> Parsed<T> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let found = String::from_utf8_lossy(rest.get(..4).unwrap_or(rest)).chars().next();
        let found = match found {
            None => "the end of the text".to_owned(),
            Some(c) if c.is_control() => format!("the control character U+{:04X}", u32::from(c)),
            Some(c) => format!("`{c}`"),
        };
        self.stop(format!("expected {expected}, found {found}"))
    }
}
