//! Stakes: the claims and references of all rows, brought together by value.

use std::cmp::Ordering;

use quire_proto::{Claim, DigestBuilder, Reference, Severity};
use serde::{Deserialize, Serialize};

use crate::{
    RunError,
    runs::{Row, SortedRuns},
    workspace::Workspace,
};

/// Half a BLAKE3 digest of rule and value: short enough to sort millions, long enough never to collide.
type Value = (u64, u64);

/// A row's stake in a value: that it holds it, or that it needs it held or not held.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Stake {
    value: Value,
    row: u32,
    /// Position among the record's claims, or among its references.
    index: u32,
    reject: bool,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Kind {
    Holds { payload: Option<Value> },
    Seeks { must_exist: bool },
}

impl Row for Stake {
    fn order(&self, other: &Self) -> Ordering {
        let by =
            |stake: &Self| (stake.value, matches!(stake.kind, Kind::Seeks { .. }), stake.row, stake.index);
        by(self).cmp(&by(other))
    }

    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

/// Collects stakes.
pub(super) struct Stakes(SortedRuns<Stake>);

impl Stakes {
    pub(super) fn new(workspace: &Workspace) -> Self {
        Self(workspace.small_runs())
    }

    /// Adds all stakes of a row.
    pub(super) fn add(
        &mut self,
        row: u32,
        claims: &[Claim],
        references: &[Reference],
    ) -> std::io::Result<()> {
        for (claim, index) in claims.iter().zip(0..) {
            let payload = claim.payload.map(|payload| halve(&payload));
            let (value, reject) = (value(&claim.rule, &claim.value), claim.severity == Severity::Reject);
            self.0.push(Stake { value, row, index, reject, kind: Kind::Holds { payload } })?;
        }
        for (reference, index) in references.iter().zip(0..) {
            let kind = Kind::Seeks { must_exist: reference.must_exist };
            let value = value(&reference.target, &reference.value);
            self.0.push(Stake { value, row, index, reject: reference.severity == Severity::Reject, kind })?;
        }
        Ok(())
    }

    /// The values in which more than one row has a stake, or that someone seeks.
    pub(super) fn groups(self) -> Result<Groups, RunError> {
        let mut groups = Groups::default();
        let mut current = Group::default();
        let mut last = None;
        for stake in self.0.finish().into_rows().map_err(RunError::Spill)? {
            let stake = stake.map_err(RunError::Spill)?;
            if last != Some(stake.value) {
                groups.keep(&mut current);
                last = Some(stake.value);
            }
            current.add(&stake);
        }
        groups.keep(&mut current);
        Ok(groups)
    }
}

fn value(rule: &str, value: &str) -> Value {
    halve(&DigestBuilder::new("quire stake").text(rule).text(value).finish())
}

fn halve(digest: &quire_proto::Digest) -> Value {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = *digest.as_bytes();
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p]))
}

/// A row that holds a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) row: u32,
    /// Position among the record's claims.
    pub(super) index: u32,
    /// Whether losing it rejects the record.
    pub(super) reject: bool,
    /// What must agree for the value to be shared.
    pub(super) payload: Option<Value>,
}

impl Holder {
    /// Whether two rows cannot both hold the value.
    pub(super) fn conflicts(&self, other: &Self) -> bool {
        self.row != other.row && (self.payload.is_none() || self.payload != other.payload)
    }
}

/// A row that needs a value held, or not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seeker {
    pub(super) row: u32,
    /// Position among the record's references.
    pub(super) index: u32,
    /// Whether it must be held, by anyone; else it must not be, by anyone else.
    pub(super) must_exist: bool,
    /// Whether failing rejects the record.
    pub(super) reject: bool,
}

/// One value in which several rows have a stake.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    /// Ascending by row.
    pub(super) holders: Vec<Holder>,
    /// Ascending by row.
    pub(super) seekers: Vec<Seeker>,
    /// Whether some two holders conflict.
    pub(super) contested: bool,
}

impl Group {
    /// Whether some two rows cannot both hold the value.
    fn is_contested(&self) -> bool {
        let Some(first) = self.holders.first() else { return false };
        let agrees = |holder: &Holder| holder.payload.is_some() && holder.payload == first.payload;
        self.holders.iter().any(|holder| holder.row != first.row) && !self.holders.iter().all(agrees)
    }

    fn add(&mut self, stake: &Stake) {
        let Stake { row, index, reject, kind, .. } = *stake;
        match kind {
            Kind::Holds { payload } => self.holders.push(Holder { row, index, reject, payload }),
            Kind::Seeks { must_exist } => self.seekers.push(Seeker { row, index, must_exist, reject }),
        }
    }
}

/// All values that need a decision; everything else is nobody's business but its row's.
#[derive(Debug, Default)]
pub(super) struct Groups(pub(super) Vec<Group>);

impl Groups {
    /// Takes over `group` if it needs a decision; leaves it empty.
    fn keep(&mut self, group: &mut Group) {
        group.contested = group.is_contested();
        let Group { holders, seekers, contested } = group;
        seekers.retain(|seeker| seeker.must_exist || holders.iter().any(|holder| holder.row != seeker.row));
        if *contested || !seekers.is_empty() {
            self.0.push(std::mem::take(group));
        } else {
            holders.clear();
        }
    }
}
