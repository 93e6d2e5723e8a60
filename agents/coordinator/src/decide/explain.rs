//! Words for what was decided: the problems of rejected records, the warnings of accepted ones.

use std::collections::{BTreeMap, BTreeSet};

use quire_proto::{Claim, Problem, RecordVerdict, Reference, Severity};

use super::{
    solve::{Solution, excludes},
    stake::{Group, Groups, Holder, Seeker},
};

/// Messages of the catalogue's own, by rule; they stand in place of ours.
pub(crate) type Messages = BTreeMap<String, String>;

/// Said to a row that is wrong by itself of one that has what it wants.
const LATER: &str = ", which comes later: once this record is right, that one is rejected";

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
        .flat_map(|&row| {
            let Findings { reasons, since } = Findings::of(groups, solution, row);
            reasons.into_iter().chain(since)
        })
        .filter_map(|finding| finding.other())
        .collect()
}

/// All that is to be said of a row.
struct Findings<'a> {
    /// Reasons if it is rejected, warnings if it is accepted.
    reasons: Vec<Finding<'a>>,
    /// What later rows hold or exclude now that it is rejected.
    since: Vec<Finding<'a>>,
}

impl<'a> Findings<'a> {
    fn of(groups: &'a Groups, solution: &'a Solution, row: u32) -> Self {
        let accepted = solution.accepted(row);
        let (mut reasons, mut since) = (Vec::new(), Vec::new());
        for (_, group, holder) in solution.stakes.held(groups, row) {
            // An accepted record may lose a claim of severity warn; a rejected one lost a claim of severity reject.
            if group.contested
                && holder.reject != accepted
                && let Some(by) = holder_in_the_way(group, holder, solution)
            {
                let findings = if by < row || accepted { &mut reasons } else { &mut since };
                findings.push(Finding::Held { holder, by });
            }
            if !accepted {
                let mut others = group.seekers.iter().filter(|seeker| excludes(seeker, row));
                let by = others.find(|seeker| solution.accepted(seeker.row)).map(|seeker| seeker.row);
                since.extend(by.map(|by| Finding::Excluded { holder, by }));
            }
        }
        reasons.extend(failing(groups, solution, row));
        Self { reasons, since }
    }

    /// What came since is no reason, unless there is no other.
    fn told(self) -> Vec<Finding<'a>> {
        if self.reasons.is_empty() { self.since } else { self.reasons }
    }
}

/// References of `row` that fail: those of severity reject if it is rejected, else those of severity warn.
fn failing<'a>(groups: &'a Groups, solution: &'a Solution, row: u32) -> Vec<Finding<'a>> {
    let mut found = Vec::new();
    for (_, group, seeker) in solution.stakes.sought(groups, row) {
        if seeker.reject == solution.accepted(row) {
            continue;
        }
        let mut holders = group.holders.iter().filter(|holder| solution.accepted(holder.row));
        if !seeker.must_exist {
            let other = holders.find(|holder| holder.row != row);
            found.extend(other.map(|other| Finding::Present { seeker, by: other.row }));
        } else if holders.next().is_none() {
            found.push(Finding::Missing { seeker });
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
    messages: &'a Messages,
}

impl<'a> Explainer<'a> {
    pub(super) const fn new(
        groups: &'a Groups,
        solution: &'a Solution,
        names: BTreeMap<u32, Name>,
        messages: &'a Messages,
    ) -> Self {
        Self { groups, solution, names, messages }
    }

    /// The decision's problems of a row, in a fixed order, without repeats.
    pub(super) fn problems(&self, row: u32, record: &RecordVerdict) -> Vec<Problem> {
        let mut findings = Findings::of(self.groups, self.solution, row).told();
        fold_slugs(&mut findings, &record.claims);
        let of_finding = |finding| self.problem(finding, false, &record.claims, &record.references);
        let mut problems: Vec<Problem> = findings.iter().filter_map(of_finding).collect();
        if problems.is_empty() && !self.solution.accepted(row) {
            problems.push(unexplained());
        }
        problems.sort();
        problems.dedup();
        problems
    }

    /// Who holds what a row that is wrong by itself would claim: those before it, and those after it, which would lose
    /// it to the row.
    pub(super) fn conflicts(&self, row: u32, claims: &[Claim]) -> Vec<Problem> {
        let Findings { reasons, since } = Findings::of(self.groups, self.solution, row);
        let mut findings: Vec<Finding<'_>> = reasons.into_iter().chain(since).collect();
        findings.retain(|finding| matches!(finding, Finding::Held { .. }));
        fold_slugs(&mut findings, claims);
        let later = |finding: &Finding<'_>| finding.other().is_some_and(|by| by > row);
        let of_finding = |finding| self.problem(finding, later(finding), claims, &[]);
        let mut problems: Vec<Problem> = findings.iter().filter_map(of_finding).collect();
        problems.sort();
        problems.dedup();
        problems
    }

    /// The problem of a finding; a row is `later` that would lose to this one.
    fn problem(
        &self,
        finding: &Finding<'_>,
        later: bool,
        claims: &[Claim],
        references: &[Reference],
    ) -> Option<Problem> {
        let name = finding.other().and_then(|row| self.names.get(&row));
        let claim = |holder: &Holder| claims.get(holder.index as usize);
        let reference = |seeker: &Seeker| references.get(seeker.index as usize);
        let (rule, mut problem) = match finding {
            Finding::Held { holder, .. } => (&claim(holder)?.rule, lost_claim(claim(holder)?, name?)),
            Finding::Excluded { holder, .. } => (&claim(holder)?.rule, excluded(claim(holder)?, name?)),
            Finding::Missing { seeker } => (&reference(seeker)?.rule, missing(reference(seeker)?)),
            Finding::Present { seeker, .. } => (&reference(seeker)?.rule, present(reference(seeker)?, name?)),
        };
        if later {
            problem.message.push_str(LATER);
        }
        if let Some(message) = self.messages.get(rule) {
            message.clone_into(&mut problem.message);
        }
        Some(problem)
    }
}

/// Whoever has the record's key has the name of its page too: one cause, one problem.
fn fold_slugs(findings: &mut Vec<Finding<'_>>, claims: &[Claim]) {
    let lost = |finding: &Finding<'_>, rule: &str| match finding {
        Finding::Held { holder, by } => {
            claims.get(holder.index as usize).filter(|claim| claim.rule == rule).map(|_| *by)
        }
        _ => None,
    };
    let key_lost_to: Vec<u32> = findings.iter().filter_map(|finding| lost(finding, "key")).collect();
    findings.retain(|finding| lost(finding, "slug").is_none_or(|by| !key_lost_to.contains(&by)));
}

fn lost_claim(claim: &Claim, name: &Name) -> Problem {
    let (what, value) = (word(&claim.rule), &claim.value);
    let (kind, message) = match claim.payload {
        None => ("unique", format!("{what} '{value}' already in use by '{}' ({})", name.key, name.at)),
        Some(_) => (
            "consistent",
            format!("{what} '{value}' differs from what '{}' ({}) says of it", name.key, name.at),
        ),
    };
    of_claim(claim, kind, name, message, claim.severity)
}

fn excluded(claim: &Claim, name: &Name) -> Problem {
    let (what, value) = (word(&claim.rule), &claim.value);
    let message = format!("{what} '{value}' is excluded by '{}' ({})", name.key, name.at);
    of_claim(claim, "excludes", name, message, Severity::Reject)
}

fn of_claim(claim: &Claim, kind: &str, name: &Name, message: String, severity: Severity) -> Problem {
    let (pointer, line) = (claim.pointer.clone(), known(claim.line));
    Problem {
        rule: full(kind, &claim.rule),
        pointer,
        line,
        message,
        holder: Some(name.key.clone()),
        severity,
    }
}

fn missing(reference: &Reference) -> Problem {
    let message = format!("no accepted record has {} '{}'", word(&reference.target), reference.value);
    of_reference(reference, "reference", None, message)
}

fn present(reference: &Reference, name: &Name) -> Problem {
    let (what, value) = (word(&reference.target), &reference.value);
    let message = format!("'{}' ({}) has {what} '{value}'", name.key, name.at);
    of_reference(reference, "excludes", Some(name.key.clone()), message)
}

fn of_reference(reference: &Reference, kind: &str, holder: Option<String>, message: String) -> Problem {
    let (pointer, line) = (reference.pointer.clone(), known(reference.line));
    Problem {
        rule: full(kind, &reference.rule),
        pointer,
        line,
        message,
        holder,
        severity: reference.severity,
    }
}

/// A rule as problems name it: its kind and its own name.
fn full(kind: &str, rule: &str) -> String {
    if rule.contains(':') { rule.to_owned() } else { format!("{kind}:{rule}") }
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
