//! `validate:` and its rules.

use quire_proto::Severity;

use super::{
    Expression, Rule, RuleKind, Validate,
    read::{folds, is_new, list},
    reader::{Fields, Reader},
};
use crate::yaml_tree::Node;

/// Claims that every record has: not to be used as names, but references may lead to them.
pub(crate) const BUILT_IN: [&str; 2] = ["key", "slug"];

/// Keys of a rule that say what kind it is.
const KINDS: [&str; 6] = ["unique", "consistent", "reference", "excludes", "distinct", "expect"];

pub(super) fn validate<'t>(r: &mut Reader<'t>, node: &'t Node) -> Validate {
    let Some(fields) = r.fields(node, "`validate`", &["schema", "rules"]) else { return Validate::default() };
    let schema = fields.get("schema").and_then(|node| r.file(node));
    let items = fields.get("rules").map(|node| list(r, node, "`rules`")).unwrap_or_default();
    let mut rules: Vec<Rule> = Vec::new();
    let mut targets: Vec<(String, &Node)> = Vec::new();
    for item in items {
        let Some((at, rule)) = rule(r, item, rules.len() + 1) else { continue };
        if BUILT_IN.contains(&rule.name.as_str()) {
            r.error(
                at.get("name").map_or(at.span, |node| node.span),
                "`key` and `slug` are rules of every catalogue",
            );
            continue;
        }
        if !is_new(r, &at, &rule.name, rules.iter().map(|rule| rule.name.as_str()), "rule") {
            continue;
        }
        let target = match &rule.kind {
            RuleKind::Reference { to, .. } => at.get("to").map(|node| (to.clone(), node)),
            RuleKind::Excludes { from, .. } => at.get("from").map(|node| (from.clone(), node)),
            _ => None,
        };
        targets.extend(target);
        rules.push(rule);
    }
    check_targets(r, &rules, &targets);
    Validate { schema, rules }
}

/// References must lead to rules under which records claim values.
fn check_targets<'t>(r: &mut Reader<'t>, rules: &[Rule], targets: &[(String, &'t Node)]) {
    let claiming = rules.iter().filter(|rule| rule.kind.claims()).map(|rule| rule.name.as_str());
    let known: Vec<(&str, ())> = BUILT_IN.into_iter().chain(claiming).map(|name| (name, ())).collect();
    for (target, node) in targets {
        match rules.iter().find(|rule| rule.name == *target) {
            Some(rule) if !rule.kind.claims() => {
                let word = rule.kind.word();
                r.error(
                    node.span,
                    format!("`{target}` is a rule of kind `{word}`, expected `unique` or `consistent`"),
                );
            }
            _ => drop(r.choice(node, &known)),
        }
    }
}

fn rule<'t>(r: &mut Reader<'t>, node: &'t Node, number: usize) -> Option<(Fields<'t>, Rule)> {
    const KEYS: [&str; 14] = [
        "name",
        "unique",
        "consistent",
        "by",
        "reference",
        "to",
        "excludes",
        "from",
        "distinct",
        "expect",
        "at",
        "fold",
        "severity",
        "message",
    ];
    let fields = r.fields(node, "a rule", &KEYS)?;
    let name = fields.get("name").map(|node| r.name(node, "a name", "-_"));
    let severity = match fields.get("severity") {
        None => Some(Severity::Reject),
        Some(node) => r.choice(node, &[("reject", Severity::Reject), ("warn", Severity::Warn)]),
    };
    let fold = folds(r, &fields);
    let message = r.optional_text(&fields, "message", "a message");
    let kind = kind(r, &fields);
    let kind = kind?;
    let name = name.unwrap_or_else(|| Some(given_name(&kind, number)));
    let rule = Rule { name: name?, kind, severity: severity?, fold, message };
    Some((fields, rule))
}

/// Name of a rule that has none: the words of its expression (`.attributes[].oifma_id`: `attributes-oifma_id`).
fn given_name(kind: &RuleKind, number: usize) -> String {
    const LONGEST: usize = 64;
    let code = kind.expressions().first().map_or("", |expression| expression.code.as_str());
    let words =
        code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    if name.is_empty() || name.len() > LONGEST { format!("{}-{number}", kind.word()) } else { name }
}

fn kind<'t>(r: &mut Reader<'t>, fields: &Fields<'t>) -> Option<RuleKind> {
    let given: Vec<&str> = KINDS.into_iter().filter(|kind| fields.get(kind).is_some()).collect();
    let [word] = given.as_slice() else {
        let message = match given.as_slice() {
            [] => format!("expected one of {} in a rule", KINDS.join(", ")),
            several => format!("expected one kind in a rule, found {}", several.join(", ")),
        };
        r.error(fields.span, message);
        return None;
    };
    let of = fields.get(word).and_then(|node| r.expression(node));
    let needs: &[&str] = match *word {
        "consistent" => &["by"],
        "reference" => &["to"],
        "excludes" => &["from"],
        "expect" => &["message", "at"],
        _ => &[],
    };
    refuse_others(r, fields, word, needs);
    let kind = match *word {
        "unique" => RuleKind::Unique(of?),
        "distinct" => RuleKind::Distinct(of?),
        "consistent" => {
            let by = r.required(fields, "by", "a `consistent` rule").and_then(|node| r.expression(node));
            RuleKind::Consistent { of: of?, by: by? }
        }
        "reference" => {
            let to =
                r.required(fields, "to", "a `reference` rule").and_then(|node| r.text(node, "a rule's name"));
            RuleKind::Reference { of: of?, to: to? }
        }
        "excludes" => {
            let from = r
                .required(fields, "from", "an `excludes` rule")
                .and_then(|node| r.text(node, "a rule's name"));
            RuleKind::Excludes { of: of?, from: from? }
        }
        _ => {
            let message = r.required(fields, "message", "an `expect` rule").is_some();
            let at = pointer(r, fields);
            message.then_some(())?;
            RuleKind::Expect { of: of?, at }
        }
    };
    Some(kind)
}

/// Keys that mean nothing to this kind of rule.
fn refuse_others<'t>(r: &mut Reader<'t>, fields: &Fields<'t>, word: &str, needs: &[&str]) {
    for key in ["by", "to", "from", "at"] {
        if let Some(node) = fields.get(key)
            && !needs.contains(&key)
        {
            r.error(node.span, format!("`{key}` has no meaning in a rule of kind `{word}`"));
        }
    }
    if word == "expect"
        && let Some(node) = fields.get("fold")
    {
        r.error(node.span, "`fold` has no meaning in a rule of kind `expect`");
    }
}

fn pointer<'t>(r: &mut Reader<'t>, fields: &Fields<'t>) -> Option<String> {
    let node = fields.get("at")?;
    let pointer = r.text(node, "a JSON pointer")?;
    if !pointer.starts_with('/') {
        r.error(node.span, "expected a JSON pointer that starts with `/`");
        return None;
    }
    Some(pointer)
}

impl RuleKind {
    /// The rule's expressions.
    pub(crate) fn expressions(&self) -> Vec<&Expression> {
        match self {
            Self::Consistent { of, by } => vec![of, by],
            Self::Unique(of)
            | Self::Distinct(of)
            | Self::Reference { of, .. }
            | Self::Excludes { of, .. }
            | Self::Expect { of, .. } => vec![of],
        }
    }

    /// What the rule names beside its expressions: another rule, or a place.
    pub(crate) fn argument(&self) -> Option<&str> {
        match self {
            Self::Reference { to, .. } => Some(to),
            Self::Excludes { from, .. } => Some(from),
            Self::Expect { at, .. } => at.as_deref(),
            Self::Unique(_) | Self::Consistent { .. } | Self::Distinct(_) => None,
        }
    }
}
