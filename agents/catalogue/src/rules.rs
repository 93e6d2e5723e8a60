//! `validate: { rules: … }` on one record: problems that it has by itself, and claims for the decision.

use jaq_json::Val;
use quire_proto::{Claim, Digest, Problem, Reference, Severity};

use crate::{
    catalogue::Catalogue,
    decode::scalar::short,
    definition::{Rule, RuleKind},
    diagnostics::Diagnostics,
    encode,
    expr::{EvalError, Expr, Hit},
    fold::fold,
};

/// Longest value that is compared as it is; of longer ones the digest is.
const MAX_VALUE_BYTES: usize = 1024;

/// A compiled rule.
pub(crate) struct CompiledRule {
    rule: Rule,
    of: Expr,
    by: Option<Expr>,
    /// Whether values are folded: as the rule says, or the rule that it leads to.
    fold: bool,
}

/// What the rules make of a record.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) claims: Vec<Claim>,
    pub(crate) references: Vec<Reference>,
    pub(crate) problems: Vec<Problem>,
    /// Rules whose expression failed on the record.
    pub(crate) stumbles: Vec<Problem>,
}

impl CompiledRule {
    pub(crate) fn compile_all(catalogue: &Catalogue) -> Result<Vec<Self>, Diagnostics> {
        let rules = &catalogue.definition().validate.rules;
        let folds = |name: &str| rules.iter().any(|rule| rule.name == name && rule.fold);
        let compile = |rule: &Rule| {
            let expressions = rule.kind.expressions();
            let mut compiled = expressions.into_iter().map(|expression| catalogue.compile(expression));
            let (of, by) = (compiled.next().transpose()?, compiled.next().transpose()?);
            let fold = rule.fold || rule.kind.argument().is_some_and(folds);
            Ok(of.map(|of| Self { rule: rule.clone(), of, by, fold }))
        };
        rules.iter().filter_map(|rule| compile(rule).transpose()).collect()
    }

    /// Applies the rule to a record.
    pub(crate) fn apply(&self, record: &Val, found: &mut Found) {
        if let Err(error) = self.try_apply(record, found) {
            let severity = Severity::Reject;
            found.stumbles.push(Problem {
                message: error.to_string(),
                severity,
                ..self.problem(String::new(), String::new())
            });
        }
    }

    fn try_apply(&self, record: &Val, found: &mut Found) -> Result<(), EvalError> {
        let hits = self.of.hits(record)?;
        match &self.rule.kind {
            RuleKind::Unique(_) => self.unique(hits, found),
            RuleKind::Consistent { .. } => self.consistent(&hits, found)?,
            RuleKind::Distinct(_) => self.distinct(hits, found),
            RuleKind::Reference { to, .. } => self.refer(hits, to, true, found),
            RuleKind::Excludes { from, .. } => self.refer(hits, from, false, found),
            RuleKind::Expect { at, .. } => {
                for hit in hits.into_iter().filter(|hit| !matches!(*hit.value, Val::Bool(true))) {
                    found
                        .problems
                        .push(self.problem(at.clone().unwrap_or(hit.pointer), "not as expected".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn unique(&self, hits: Vec<Hit<'_>>, found: &mut Found) {
        let values = self.values(hits);
        for (value, pointer) in self.once(values, found) {
            found.claims.push(self.claim(value, None, pointer));
        }
    }

    fn distinct(&self, hits: Vec<Hit<'_>>, found: &mut Found) {
        let values = self.values(hits);
        self.once(values, found);
    }

    fn refer(&self, hits: Vec<Hit<'_>>, target: &str, must_exist: bool, found: &mut Found) {
        let mut values = self.values(hits);
        let repeated = repeats(&values, |(value, _)| value);
        for &(_, later) in &repeated {
            if let Some((value, _)) = values.get_mut(later) {
                value.clear();
            }
        }
        for (value, pointer) in values.into_iter().filter(|(value, _)| !value.is_empty()) {
            found.references.push(Reference {
                rule: self.rule.name.clone(),
                target: target.to_owned(),
                value,
                must_exist,
                pointer,
                line: 0,
                severity: self.rule.severity,
            });
        }
    }

    fn consistent(&self, hits: &[Hit<'_>], found: &mut Found) -> Result<(), EvalError> {
        let mut held: Vec<(String, Digest, String)> = Vec::new();
        for hit in hits {
            let Some(by) = &self.by else { break };
            let identities = by.values(&hit.value).map_err(|error| {
                EvalError::Failed(format!("`by`, which is applied to each output of `consistent`: {error}"))
            })?;
            let Some(identity) = identities.iter().find_map(|value| self.comparable(value)) else { continue };
            let whole = encode::to_text(&hit.value).map_err(|error| EvalError::Failed(error.to_string()))?;
            held.push((identity, Digest::of(whole.as_bytes()), hit.pointer.clone()));
        }
        let repeated = repeats(&held, |(identity, ..)| identity);
        let mut dropped = vec![false; held.len()];
        for (first, later) in repeated {
            if let (Some(one), Some(other)) = (held.get(first), held.get(later))
                && one.1 != other.1
            {
                let message = format!("`{}` differs from {}", short(&other.0), place(&one.2));
                found.problems.push(self.problem(other.2.clone(), message));
            }
            dropped.get_mut(later).into_iter().for_each(|dropped| *dropped = true);
        }
        for ((identity, payload, pointer), _) in held.into_iter().zip(dropped).filter(|(_, dropped)| !dropped)
        {
            found.claims.push(self.claim(identity, Some(payload), pointer));
        }
        Ok(())
    }

    /// The values with their places, less repeats; each repeat is a problem.
    fn once(&self, values: Vec<(String, String)>, found: &mut Found) -> Vec<(String, String)> {
        let repeated = repeats(&values, |(value, _)| value);
        if repeated.is_empty() {
            return values;
        }
        let mut dropped = vec![false; values.len()];
        for (first, later) in repeated {
            if let (Some(one), Some(other)) = (values.get(first), values.get(later)) {
                let message = format!("`{}` is already at {}", short(&other.0), place(&one.1));
                found.problems.push(self.problem(other.1.clone(), message));
            }
            dropped.get_mut(later).into_iter().for_each(|dropped| *dropped = true);
        }
        values.into_iter().zip(dropped).filter(|(_, dropped)| !dropped).map(|(value, _)| value).collect()
    }

    fn values(&self, hits: Vec<Hit<'_>>) -> Vec<(String, String)> {
        hits.into_iter().filter_map(|hit| Some((self.comparable(&hit.value)?, hit.pointer))).collect()
    }

    /// A value as it is compared; null is none.
    fn comparable(&self, value: &Val) -> Option<String> {
        let text = match value {
            Val::Null => return None,
            Val::TStr(text) => {
                let text = String::from_utf8_lossy(text);
                if self.fold { fold(&text) } else { text.into_owned() }
            }
            other => encode::to_text(other).ok()?,
        };
        Some(if text.len() > MAX_VALUE_BYTES {
            format!("blake3:{}", Digest::of(text.as_bytes()))
        } else {
            text
        })
    }

    fn claim(&self, value: String, payload: Option<Digest>, pointer: String) -> Claim {
        Claim { rule: self.rule.name.clone(), value, payload, pointer, line: 0, severity: self.rule.severity }
    }

    fn problem(&self, pointer: String, message: String) -> Problem {
        Problem {
            rule: format!("{}:{}", self.rule.kind.word(), self.rule.name),
            pointer,
            line: None,
            message: self.rule.message.clone().unwrap_or(message),
            holder: None,
            severity: self.rule.severity,
        }
    }
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "another place" } else { pointer }
}

/// Pairs of the first position of a value and each later one.
fn repeats<T>(values: &[T], key: impl Fn(&T) -> &String) -> Vec<(usize, usize)> {
    if values.len() < 2 {
        return Vec::new();
    }
    let mut order: Vec<(&String, usize)> =
        values.iter().enumerate().map(|(at, value)| (key(value), at)).collect();
    order.sort_unstable();
    let mut pairs = Vec::new();
    let mut first: Option<(&String, usize)> = None;
    for (value, at) in order {
        match first {
            Some((same, earliest)) if same == value => pairs.push((earliest, at)),
            _ => first = Some((value, at)),
        }
    }
    pairs.sort_unstable_by_key(|&(_, later)| later);
    pairs
}
