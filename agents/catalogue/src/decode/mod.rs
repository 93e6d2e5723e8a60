//! Strict, bounded decoding of an item's bytes to a [`Value`].
//!
//! Refused, each with rule, line and column: bytes that are not UTF-8, text that is not JSON or YAML,
//! keys that occur twice in one object, nesting or sizes past the [`Limits`], `NaN` and numbers no `f64`
//! can hold, lone surrogates, and a byte order mark before JSON. Numbers keep the digits they are written
//! with (`1.10` stays `1.10`), strings without escapes share the item's bytes.

mod json;
pub(crate) mod scalar;
#[cfg(test)]
mod tests;
mod yaml;

use bytes::Bytes;
use quire_proto::{Format, Problem, Severity};

pub use jaq_json::Val as Value;

/// Deepest nesting that a source may allow itself; deeper text could exhaust a thread's stack.
pub const MAX_DEPTH: usize = 128;

/// Bounds of decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of text.
    pub max_bytes: usize,
    /// Deepest nesting of arrays and objects, at most [`MAX_DEPTH`].
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 8 * 1024 * 1024, max_depth: 64 }
    }
}

/// Why bytes are not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The broken rule: `utf8`, `json`, `yaml` or `size`.
    pub rule: &'static str,
    /// First byte that cannot be taken.
    pub offset: usize,
    /// What was expected and what was found, with line and column.
    pub message: String,
    /// Line of that byte, counted from 1.
    pub line: u32,
}

impl Fault {
    /// A fault at byte `offset` of `text`; adds line and column to `message`.
    fn at(rule: &'static str, text: &[u8], offset: usize, message: impl std::fmt::Display) -> Self {
        let (line, column) = position(text, offset);
        let message = format!("{message} (line {line}, column {column})");
        Self { rule, offset, message, line }
    }

    /// The fault as a problem of an item that starts on `first_line` of its source.
    #[must_use]
    pub fn into_problem(self, first_line: u32) -> Problem {
        Problem {
            rule: self.rule.to_owned(),
            pointer: String::new(),
            line: Some(first_line.saturating_add(self.line).saturating_sub(1)),
            message: self.message,
            holder: None,
            severity: Severity::Reject,
        }
    }
}

/// Decodes the bytes of one item.
///
/// # Errors
/// A [`Fault`] with rule, position, and what was expected there; never panics.
pub fn decode(format: Format, raw: &Bytes, limits: Limits) -> Result<Value, Fault> {
    if raw.len() > limits.max_bytes {
        let message = format!("item has {} bytes, at most {} are allowed", raw.len(), limits.max_bytes);
        return Err(Fault { rule: "size", offset: limits.max_bytes, message, line: 1 });
    }
    let depth = limits.max_depth.min(MAX_DEPTH);
    let text = utf8(raw)?;
    match format {
        Format::Json | Format::Row => json::parse(raw, text, depth),
        Format::Yaml => yaml::parse(text, depth),
    }
}

fn utf8(raw: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(raw).map_err(|error| {
        let offset = error.valid_up_to();
        let found = raw.get(offset).map_or_else(String::new, |byte| format!(" 0x{byte:02X}"));
        Fault::at(
            "utf8",
            raw,
            offset,
            format_args!("expected UTF-8, found the byte{found} at offset {offset}"),
        )
    })
}

/// Line and column (in characters) of a byte, both counted from 1.
pub(crate) fn position(text: &[u8], offset: usize) -> (u32, u32) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
    let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}
