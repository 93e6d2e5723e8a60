//! What a validator says of one item, before anyone asks about the other records.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Digest, ItemId, PackSlice, Problem, Severity, Share};

/// The verdict on one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The item.
    pub item: ItemId,
    /// Digest of the item's bytes.
    pub content: Digest,
    /// What it became.
    pub judged: Judged,
}

/// What an item became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Judged {
    /// A record that is right by itself; the decision may still reject it.
    Record(Arc<RecordVerdict>),
    /// A reject, with every reason found.
    Rejected {
        /// The key, where it could be had.
        key: Option<String>,
        /// All problems, at least one of severity *reject*.
        problems: Vec<Problem>,
        /// What it would claim if it were right, as far as that can be told: it holds none of it, but hears at once who
        /// does.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        claims: Vec<Claim>,
    },
}

/// A record as the rest of the flow needs it; the body itself lies in a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordVerdict {
    /// The record's key.
    pub key: String,
    /// Title, as plain text.
    pub title: String,
    /// Name of its page without ending: total and injective over keys.
    pub slug: String,
    /// Digest of the canonical body.
    pub digest: Digest,
    /// Where the canonical body lies (compact JSON, key order of the source).
    pub body: PackSlice,
    /// What it claims for itself; the key and the slug are the first two claims of every record.
    pub claims: Vec<Claim>,
    /// What it needs or must not find among other records' claims.
    pub references: Vec<Reference>,
    /// What it looks for and under which terms others find it.
    pub terms: Vec<Term>,
    /// What lists and search show of it.
    pub row: ListRow,
    /// Problems of severity *warn* found in the record by itself.
    pub warnings: Vec<Problem>,
    /// What it gives to the catalogue's aggregates, ascending by aggregate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
}

/// A value that only one accepted record may hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The rule's name; claims are compared only within one rule.
    pub rule: String,
    /// The value as compared (after folding).
    pub value: String,
    /// For `consistent` rules: several records may hold the value while their payloads agree.
    pub payload: Option<Digest>,
    /// Where in the record, as a JSON pointer.
    pub pointer: String,
    /// Line of the pointer in the source, counted from 1; 0 where unknown.
    pub line: u32,
    /// Whether losing the claim rejects the record or only warns.
    pub severity: Severity,
}

/// A claim to exist (`must_exist`) or not to exist on another accepted record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// The rule's name.
    pub rule: String,
    /// Name of the rule whose claims are looked through.
    pub target: String,
    /// The value as compared.
    pub value: String,
    /// `true`: some accepted record must hold it (`reference`); `false`: no *other* may (`excludes`).
    pub must_exist: bool,
    /// Where in the record.
    pub pointer: String,
    /// Line in the source; 0 where unknown.
    pub line: u32,
    /// Reject or warn.
    pub severity: Severity,
}

/// A term of a look-up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Term {
    /// Position of the look-up in the catalogue.
    pub lookup: u16,
    /// The term as compared (after folding).
    pub value: String,
    /// This record is found under the term.
    pub offered: bool,
    /// This record looks for the term.
    pub wanted: bool,
}

/// What lists, data files and static search show of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ListRow {
    /// Summary, as plain text; may be empty.
    pub summary: String,
    /// Values of the catalogue's index fields, in their order.
    pub fields: Vec<Vec<String>>,
}
