//! Items: what a source lists.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Digest;

/// Where an item stands. The order (source, location, ordinal) is the order in which claims are decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemId {
    /// Name of the source in `catalogue.yaml`.
    pub source: Arc<str>,
    /// Location relative to the source, with `/` between folders.
    pub location: Arc<str>,
    /// Position among the items of this location; 0 where a location is one item.
    pub ordinal: u32,
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.location)?;
        if self.ordinal > 0 { write!(f, "#{}", self.ordinal) } else { Ok(()) }
    }
}

/// How an item's bytes are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON text as it stands in the source; pointers map to lines of the text.
    Json,
    /// One YAML document as it stands in the source.
    Yaml,
    /// JSON text made by the fetcher (a CSV row, an output of `split`): every pointer lies on the item's line.
    Row,
}

/// An item that was read, on its way to the validator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Where it stands.
    pub id: ItemId,
    /// Line in the source on which the bytes start, counted from 1.
    pub line: u32,
    /// How to read `raw`.
    pub format: Format,
    /// What "unchanged" is judged by: digest of `raw`, and of `line` where a location holds many items.
    pub content: Digest,
    /// The bytes of the item, not yet decoded, at most the source's `max_bytes`.
    pub raw: Bytes,
}
