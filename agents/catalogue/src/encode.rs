//! Canonical JSON: compact, in the key order of the value, with numbers as they were written.
//!
//! Unlike jaq's own writer it refuses what JSON does not have (NaN, byte strings, keys that are no text), so that
//! an expression cannot smuggle it into a body.

use std::io::Write as _;

use jaq_json::{Num, Val};

use crate::{decode::MAX_DEPTH, scan::plain_run};

/// Largest canonical body, in bytes. An expression can make more of a record than was in it.
pub const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// Why a value has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// `NaN`, `Infinity`.
    #[error("expected a finite number, found {0}")]
    NotFinite(String),
    /// A string that is not UTF-8, or of jq's byte-string type.
    #[error("expected text, found bytes that are not UTF-8")]
    NotText,
    /// An object with a key that is no string.
    #[error("expected text as key, found {0}")]
    Key(String),
    /// Deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// More than [`MAX_BODY_BYTES`].
    #[error("more than {MAX_BODY_BYTES} bytes")]
    Size,
}

/// Appends the canonical form of `value` to `out`.
///
/// # Errors
/// Any [`EncodeError`]; `out` then holds a part of the value.
pub fn write(value: &Val, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    write_at(value, out, 0)?;
    // One look at the whole is cheaper than one at each string, and says the same: between two strings stands ASCII.
    match out.get(start..).map(std::str::from_utf8) {
        Some(Ok(_)) => Ok(()),
        _ => Err(EncodeError::NotText),
    }
}

/// The canonical form of `value` as text.
pub(crate) fn to_text(value: &Val) -> Result<String, EncodeError> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    String::from_utf8(out).map_err(|_| EncodeError::NotText)
}

fn write_at(value: &Val, out: &mut Vec<u8>, depth: usize) -> Result<(), EncodeError> {
    if out.len() > MAX_BODY_BYTES {
        return Err(EncodeError::Size);
    }
    match value {
        Val::Null => out.extend_from_slice(b"null"),
        Val::Bool(true) => out.extend_from_slice(b"true"),
        Val::Bool(false) => out.extend_from_slice(b"false"),
        Val::Num(number) => write_number(number, out)?,
        Val::TStr(text) => write_text(text, out),
        Val::BStr(_) => return Err(EncodeError::NotText),
        Val::Arr(items) => {
            write_list(items.iter(), [b'[', b']'], out, depth, |item, out, depth| {
                write_at(item, out, depth)
            })?;
        }
        Val::Obj(members) => {
            write_list(members.iter(), [b'{', b'}'], out, depth, |(key, member), out, depth| {
                if !matches!(key, Val::TStr(_)) {
                    return Err(EncodeError::Key(key.to_string()));
                }
                write_at(key, out, depth)?;
                out.push(b':');
                write_at(member, out, depth)
            })?
        }
    }
    Ok(())
}

fn write_list<T>(
    items: impl Iterator<Item = T>,
    [open, close]: [u8; 2],
    out: &mut Vec<u8>,
    depth: usize,
    each: impl Fn(T, &mut Vec<u8>, usize) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    if depth >= MAX_DEPTH {
        return Err(EncodeError::Depth);
    }
    out.push(open);
    for (position, item) in items.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        each(item, out, depth + 1)?;
    }
    out.push(close);
    Ok(())
}

fn write_number(number: &Num, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match number {
        Num::Float(float) if !float.is_finite() => return Err(EncodeError::NotFinite(number.to_string())),
        Num::Dec(digits) => out.extend_from_slice(digits.as_bytes()),
        // Writing to a vector cannot fail.
        _ => drop(write!(out, "{number}")),
    }
    Ok(())
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_run(rest));
        out.extend_from_slice(plain);
        let Some((&byte, tail)) = special.split_first() else { break };
        write_escape(byte, out);
        rest = tail;
    }
    out.push(b'"');
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        _ => {
            drop(write!(out, "\\u{byte:04x}"));
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
