//! Rows on their way through the decision.

use std::{cmp::Ordering, sync::Arc};

use quire_proto::{Claim, Digest, ItemId, Judged, PackSlice, Problem, RecordVerdict, Verdict};
use serde::{Deserialize, Serialize};

use crate::runs::Row;

/// Where a candidate comes from. Of several candidates for an item the first in this order is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Origin {
    /// A verdict of this run.
    Fresh,
    /// The last manifest's row; the item has not changed, or its source could not be listed.
    Kept,
    /// The last manifest's row, accepted then; the item could not be processed this time, and it stays so.
    Dead,
    /// The last manifest's row, rejected then; the item could not be processed this time.
    DeadReject,
    /// The last manifest's row, accepted then; this run does not look at it, and it stays so.
    Held,
}

impl Origin {
    /// Whether the item could not be processed.
    pub(crate) fn is_dead(self) -> bool {
        matches!(self, Self::Dead | Self::DeadReject)
    }
}

/// What is known of one item.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) item: ItemId,
    pub(crate) content: Digest,
    pub(crate) origin: Origin,
    pub(crate) judged: Judged,
}

impl Candidate {
    /// A candidate of this run.
    pub(crate) fn fresh(verdict: Verdict) -> Self {
        Self { item: verdict.item, content: verdict.content, origin: Origin::Fresh, judged: verdict.judged }
    }

    /// The record, if it is right by itself.
    pub(crate) fn record(&self) -> Option<&RecordVerdict> {
        match &self.judged {
            Judged::Record(record) => Some(record),
            Judged::Rejected { .. } => None,
        }
    }

    /// What it claims, or would claim.
    pub(crate) fn claims(&self) -> &[Claim] {
        match &self.judged {
            Judged::Record(record) => &record.claims,
            Judged::Rejected { claims, .. } => claims,
        }
    }

    fn body(&self) -> Option<PackSlice> {
        self.record().map(|record| record.body)
    }
}

impl Row for Candidate {
    /// By item; the rest only makes the choice among several rows of an item independent of their arrival.
    fn order(&self, other: &Self) -> Ordering {
        let item = self.item.cmp(&other.item).then(self.origin.cmp(&other.origin));
        item.then_with(|| self.content.cmp(&other.content)).then_with(|| self.body().cmp(&other.body()))
    }

    fn weight(&self) -> usize {
        let judged = match &self.judged {
            Judged::Record(record) => record_weight(record),
            Judged::Rejected { problems, claims, .. } => problems.len() * 256 + claims_weight(claims),
        };
        192 + self.item.location.len() + judged
    }
}

/// An accepted record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) item: ItemId,
    pub(crate) content: Digest,
    pub(crate) origin: Origin,
    pub(crate) record: Arc<RecordVerdict>,
    /// Warnings of the decision.
    pub(crate) decided: Vec<Problem>,
}

impl Row for Accepted {
    /// By key. Keys are claims, so they are unique; the item only settles what no validator should let through.
    fn order(&self, other: &Self) -> Ordering {
        self.record.key.cmp(&other.record.key).then_with(|| self.item.cmp(&other.item))
    }

    fn weight(&self) -> usize {
        192 + self.item.location.len() + self.decided.len() * 256 + record_weight(&self.record)
    }
}

/// Roughly what a record's verdict takes in memory.
pub(crate) fn record_weight(record: &RecordVerdict) -> usize {
    let fields: usize = record.row.fields.iter().flatten().map(|value| 32 + value.len()).sum();
    let others = record.references.len() * 192 + record.terms.len() * 64 + record.warnings.len() * 256;
    let shares: u64 = record
        .shares
        .iter()
        .map(|share| 96 + share.outputs.packed().map_or(share.outputs.len(), |_| 0))
        .sum();
    400 + shares as usize
        + record.title.len()
        + record.row.summary.len()
        + claims_weight(&record.claims)
        + fields
        + others
}

fn claims_weight(claims: &[Claim]) -> usize {
    claims.iter().map(|claim| 160 + claim.value.len() + claim.pointer.len()).sum()
}
