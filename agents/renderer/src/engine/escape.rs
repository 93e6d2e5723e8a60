//! How values become HTML.

use minijinja::{Error, Output, State, Value};

/// Writes a value into an HTML page. Everything that is not known to be HTML is escaped, whatever a
/// template says of auto-escaping: only helpers of the engine make HTML out of text.
pub(super) fn html(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_none() {
        return Ok(());
    }
    if let Some(text) = value.as_str() {
        return if value.is_safe() { out.write_str(text) } else { escape(out, text) }.map_err(Error::from);
    }
    if value.is_number() {
        return write!(out, "{value}").map_err(Error::from);
    }
    escape(out, &value.to_string()).map_err(Error::from)
}

/// Writes a value as it is.
pub(super) fn plain(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => out.write_str(text),
        None if value.is_none() => Ok(()),
        None => write!(out, "{value}"),
    }
    .map_err(Error::from)
}

/// Escapes text so that it is text in an element and in an attribute in either kind of quotes.
fn escape(out: &mut Output<'_>, text: &str) -> std::fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| ESCAPED[usize::from(byte)]) {
        let (before, from) = rest.split_at(at);
        let mut tail = from.chars();
        out.write_str(before)?;
        out.write_str(match tail.next() {
            Some('<') => "&lt;",
            Some('>') => "&gt;",
            Some('&') => "&amp;",
            Some('"') => "&quot;",
            _ => "&#39;",
        })?;
        rest = tail.as_str();
    }
    out.write_str(rest)
}

/// Bytes that need escaping; all are ASCII, so they never lie inside a character.
static ESCAPED: [bool; 256] = {
    let mut table = [false; 256];
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'&' as usize] = true;
    table[b'"' as usize] = true;
    table[b'\'' as usize] = true;
    table
};
