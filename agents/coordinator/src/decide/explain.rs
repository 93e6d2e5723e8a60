//! Words for what was decided: the problems of rejected records, the warnings of accepted ones.

use std::collections::{BTreeMap, BTreeSet};

use quire_proto::{Claim, Problem, RecordVerdict, Reference, Severity};

use super::{
    solve::{Solution, excludes},
    stake::{Group, Groups, Holder, Seeker},
};

/// What a row is called in a problem.
#[derive(Debug, Clone)]
pub(super) struct Name {
    /// Its key.
    pub(super) key: String,
    /// Its item.
    pub(super) at: String,
}

/// One thing to say of a row; the other row is the one to name.
enum Finding<'a> {
    /// Another row holds a claim of this one.
    Held { holder: &'a Holder, by: u32 },
    /// Nobody holds what this one needs.
    Missing { seeker: &'a Seeker },
    /// Another row holds what this one excludes.
    Present { seeker: &'a Seeker, by: u32 },
    /// Another row excludes what this one holds.
    Excluded { holder: &'a Holder, by: u32 },
}

impl Finding<'_> {
    const fn other(&self) -> Option<u32> {
        match self {
            Self::Held { by, .. } | Self::Present { by, .. } | Self::Excluded { by, .. } => Some(*by),
            Self::Missing { .. } => None,
        }
    }
}

/// Rows that problems will name.
pub(super) fn named_rows(groups: &Groups, solution: &Solution) -> BTreeSet<u32> {
    let mut rows = BTreeSet::new();
    for row in groups.0.iter().flat_map(|group| {
        group.holders.iter().map(|holder| holder.row).chain(group.seekers.iter().map(|seeker| seeker.row))
    }) {
        rows.insert(row);
    }
    rows.iter()
        .flat_map(|&row| findings(groups, solution, row))
        .filter_map(|finding| finding.other())
        .collect()
}

/// All that is to be said of `row`: reasons if it is rejected, warnings if it is accepted.
fn findings<'a>(groups: &'a Groups, solution: &'a Solution, row: u32) -> Vec<Finding<'a>> {
    let accepted = solution.accepted(row);
    let mut found = Vec::new();
    for (_, group, holder) in solution.stakes.held(groups, row) {
        // An accepted record may lose a claim of severity warn; a rejected one lost a claim of severity reject.
        if group.contested && holder.reject != accepted {
            found.extend(holder_in_the_way(group, holder, solution).map(|by| Finding::Held { holder, by }));
        }
        if !accepted {
            let mut others = group.seekers.iter().filter(|seeker| excludes(seeker, row));
            let by = others.find(|seeker| solution.accepted(seeker.row)).map(|seeker| seeker.row);
            found.extend(by.map(|by| Finding::Excluded { holder, by }));
        }
    }
    for (_, group, seeker) in solution.stakes.sought(groups, row) {
        if seeker.reject == accepted {
            continue;
        }
        let holders = || group.holders.iter().filter(|holder| solution.accepted(holder.row));
        if seeker.must_exist {
            if holders().next().is_none() {
                found.push(Finding::Missing { seeker });
            }
        } else if let Some(other) = holders().find(|holder| holder.row != row) {
            found.push(Finding::Present { seeker, by: other.row });
        }
    }
    found
}

/// The first accepted row that cannot share the value with `holder`. Of accepted rows that only warn of each other the
/// first one holds the value, and is not warned of.
fn holder_in_the_way(group: &Group, holder: &Holder, solution: &Solution) -> Option<u32> {
    let mut accepted = group.holders.iter().filter(|other| solution.accepted(other.row));
    if holder.reject {
        return accepted.find(|other| other.conflicts(holder)).map(|other| other.row);
    }
    accepted.next().filter(|first| first.conflicts(holder)).map(|first| first.row)
}

/// Turns findings into problems.
pub(super) struct Explainer<'a> {
    groups: &'a Groups,
    solution: &'a Solution,
    names: BTreeMap<u32, Name>,
}

impl<'a> Explainer<'a> {
    pub(super) const fn new(groups: &'a Groups, solution: &'a Solution, names: BTreeMap<u32, Name>) -> Self {
        Self { groups, solution, names }
    }

    /// The decision's problems of a row, in a fixed order, without repeats.
    pub(super) fn problems(&self, row: u32, record: &RecordVerdict) -> Vec<Problem> {
        let findings = findings(self.groups, self.solution, row);
        let mut problems: Vec<Problem> =
            findings.iter().filter_map(|finding| self.problem(finding, record)).collect();
        if problems.is_empty() && !self.solution.accepted(row) {
            problems.push(unexplained());
        }
        problems.sort();
        problems.dedup();
        problems
    }

    fn problem(&self, finding: &Finding<'_>, record: &RecordVerdict) -> Option<Problem> {
        let name = finding.other().and_then(|row| self.names.get(&row));
        match finding {
            Finding::Held { holder, .. } => {
                Some(lost_claim(record.claims.get(holder.index as usize)?, name?))
            }
            Finding::Excluded { holder, .. } => {
                Some(excluded(record.claims.get(holder.index as usize)?, name?))
            }
            Finding::Missing { seeker } => Some(missing(record.references.get(seeker.index as usize)?)),
            Finding::Present { seeker, .. } => {
                Some(present(record.references.get(seeker.index as usize)?, name?))
            }
        }
    }
}

fn lost_claim(claim: &Claim, name: &Name) -> Problem {
    let (what, value) = (word(&claim.rule), &claim.value);
    let message = match claim.payload {
        None => format!("{what} '{value}' already in use by '{}' ({})", name.key, name.at),
        Some(_) => format!("{what} '{value}' differs from what '{}' ({}) says of it", name.key, name.at),
    };
    of_claim(claim, name, message, claim.severity)
}

fn excluded(claim: &Claim, name: &Name) -> Problem {
    let (what, value) = (word(&claim.rule), &claim.value);
    let message = format!("{what} '{value}' is excluded by '{}' ({})", name.key, name.at);
    of_claim(claim, name, message, Severity::Reject)
}

fn of_claim(claim: &Claim, name: &Name, message: String, severity: Severity) -> Problem {
    let (rule, pointer, line) = (claim.rule.clone(), claim.pointer.clone(), known(claim.line));
    Problem { rule, pointer, line, message, holder: Some(name.key.clone()), severity }
}

fn missing(reference: &Reference) -> Problem {
    let message = format!("no accepted record has {} '{}'", word(&reference.target), reference.value);
    of_reference(reference, None, message)
}

fn present(reference: &Reference, name: &Name) -> Problem {
    let (what, value) = (word(&reference.target), &reference.value);
    let message = format!("'{}' ({}) has {what} '{value}'", name.key, name.at);
    of_reference(reference, Some(name.key.clone()), message)
}

fn of_reference(reference: &Reference, holder: Option<String>, message: String) -> Problem {
    let (rule, pointer, line) = (reference.rule.clone(), reference.pointer.clone(), known(reference.line));
    Problem { rule, pointer, line, message, holder, severity: reference.severity }
}

/// Only where claims were left as they were after the greatest number of rounds.
fn unexplained() -> Problem {
    let message = "depends on records that were rejected".to_owned();
    Problem {
        rule: "reference".into(),
        pointer: String::new(),
        line: None,
        message,
        holder: None,
        severity: Severity::Reject,
    }
}

const fn known(line: u32) -> Option<u32> {
    if line == 0 { None } else { Some(line) }
}

/// What a rule's values are called: the rule's own name, without its kind.
fn word(rule: &str) -> &str {
    rule.split_once(':').map_or(rule, |(_, name)| name)
}
