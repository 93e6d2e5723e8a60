//! Why an item is rejected or warned of.

use serde::{Deserialize, Serialize};

/// Whether a broken rule rejects the item or only warns of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The item is not published.
    #[default]
    Reject,
    /// The item is published and the problem listed.
    Warn,
}

/// One problem of one item: what, where, and who else is concerned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// Name of the broken rule: `json`, `utf8`, `schema:<keyword>`, `unique:<name>` …
    pub rule: String,
    /// JSON pointer (RFC 6901) into the record as its source has it; empty for the whole item.
    pub pointer: String,
    /// Line in the source, counted from 1, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What is wrong and what was expected, in one sentence without a full stop.
    pub message: String,
    /// Key of the accepted record that holds the contested claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Reject or warn.
    pub severity: Severity,
}
