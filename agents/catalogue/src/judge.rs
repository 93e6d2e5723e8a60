//! One item to one verdict: decode, normalise, key, schema, rules, row.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use jaq_json::Val;
use quire_proto::{
    Claim, Digest, Item, Judged, ListRow, PackSlice, Problem, RecordVerdict, Severity, Term, Verdict,
};

use crate::{
    catalogue::{Catalogue, problem, unusable},
    decode::{self, scalar::short},
    definition::Definition,
    diagnostics::Diagnostics,
    document::{as_text, first_text},
    encode,
    expr::Expr,
    fold::fold,
    locate,
    rules::{CompiledRule, Found},
    schema::Schema,
    shares::Shares,
    slug::page_name,
};

/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 1024;
/// Longest title and summary, in characters; what is longer is cut.
const MAX_TITLE: usize = 1000;
const MAX_SUMMARY: usize = 2000;

/// What became of an item, and the canonical body of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// The verdict. Where the body lies ([`RecordVerdict::body`]) is filled in by who stores it.
    pub verdict: Verdict,
    /// The canonical body: compact JSON, in the key order of the source. None for a reject.
    pub body: Option<Vec<u8>>,
    /// Texts of the shares in aggregates that do not stand in the verdict, in its order.
    /// Where they lie is filled in by who stores them.
    pub packed: Vec<Vec<u8>>,
}

/// Everything compiled that judging needs.
pub(crate) struct Judging {
    normalise: Option<Expr>,
    key: Expr,
    summary: Option<Expr>,
    slug: Option<Expr>,
    schema: Option<Schema>,
    rules: Vec<CompiledRule>,
    lookups: Vec<(Expr, Expr)>,
    aggregates: Vec<Expr>,
}

impl Judging {
    pub(crate) fn compile(catalogue: &Catalogue) -> Result<Self, Diagnostics> {
        let Definition { record, lookups, aggregates, .. } = catalogue.definition();
        let optional =
            |expression: &Option<_>| expression.as_ref().map(|one| catalogue.compile(one)).transpose();
        let pair =
            |lookup: &crate::Lookup| Ok((catalogue.compile(&lookup.by)?, catalogue.compile(&lookup.within)?));
        Ok(Self {
            normalise: optional(&record.normalise)?,
            key: catalogue.compile(&record.key)?,
            summary: optional(&record.summary)?,
            slug: optional(&record.slug)?,
            schema: catalogue.schema()?,
            rules: CompiledRule::compile_all(catalogue)?,
            lookups: lookups.iter().map(pair).collect::<Result<_, Diagnostics>>()?,
            aggregates: aggregates
                .iter()
                .map(|aggregate| catalogue.compile(&aggregate.of))
                .collect::<Result<_, Diagnostics>>()?,
        })
    }
}

/// A record on its way to a verdict.
struct Draft {
    key: Option<(String, String)>,
    title: String,
    summary: String,
    slug: (String, String),
    body: Vec<u8>,
    fields: Vec<Vec<String>>,
    terms: Vec<Term>,
    shares: Shares,
    found: Found,
}

pub(crate) fn judge(catalogue: &Catalogue, item: &Item) -> Assessment {
    // The last resort: no item may take the process down, not even by a fault in a library.
    catch_unwind(AssertUnwindSafe(|| judge_item(catalogue, item))).unwrap_or_else(|_| {
        rejected(item, None, vec![problem("internal", "judging this item failed".to_owned())], Vec::new())
    })
}

fn judge_item(catalogue: &Catalogue, item: &Item) -> Assessment {
    let judging = match catalogue.judging() {
        Ok(judging) => judging,
        Err(flaws) => return rejected(item, None, vec![unusable(flaws)], Vec::new()),
    };
    let value = match decode::decode(item.format, &item.raw, catalogue.limits(&item.id.source)) {
        Ok(value) => value,
        Err(fault) => return rejected(item, None, vec![fault.into_problem(item.line)], Vec::new()),
    };
    let again =
        || decode::decode(item.format, &item.raw, catalogue.limits(&item.id.source)).unwrap_or_default();
    let mut draft = judging.draft(catalogue, value, again);
    locate_all(item, &mut draft);
    let rejects = draft.found.problems.iter().any(|problem| problem.severity == Severity::Reject);
    match draft.key {
        Some(_) if !rejects => accepted(item, draft),
        key => {
            let Found { problems, mut claims, .. } = draft.found;
            // Losing any other claim rejects nothing.
            claims.retain(|claim| claim.severity == Severity::Reject);
            rejected(item, key.map(|(key, _)| key), problems, claims)
        }
    }
}

impl Judging {
    fn draft(&self, catalogue: &Catalogue, value: Val, again: impl Fn() -> Val) -> Draft {
        let mut found = Found::default();
        let (record, body) = self.normalised(value, again, &mut found.problems);
        let key = keep(self.key(&record), &mut found.problems);
        if let Some(schema) = &self.schema {
            found.problems.extend(schema.broken(&record).into_iter().map(|broken| Problem {
                pointer: broken.pointer,
                ..problem(&format!("schema:{}", broken.keyword), broken.message)
            }));
        }
        let invalid = !found.problems.is_empty();
        let slug = keep(self.slug(&record, key.as_ref()), &mut found.problems).unwrap_or_default();
        for (rule, value) in [("key", key.as_ref()), ("slug", Some(&slug))] {
            found.claims.extend(value.map(|(value, pointer)| built_in(rule, value, pointer)));
        }
        self.rules.iter().for_each(|rule| rule.apply(&record, &mut found));
        if !invalid {
            // Of a record that the schema refuses, an expression that stumbles over it says nothing new.
            found.problems.append(&mut found.stumbles);
        }
        let mut draft = Draft {
            key,
            title: String::new(),
            summary: String::new(),
            slug,
            body,
            fields: Vec::new(),
            terms: Vec::new(),
            shares: Shares::default(),
            found,
        };
        if !invalid {
            self.describe(catalogue, &record, &mut draft);
        }
        draft
    }

    /// The normalised record and its canonical body; where normalising fails, the record as it was read.
    fn normalised(&self, value: Val, again: impl Fn() -> Val, problems: &mut Vec<Problem>) -> (Val, Vec<u8>) {
        let record = match &self.normalise {
            None => value,
            Some(normalise) => normalise.transform(value, &again).unwrap_or_else(|error| {
                problems.push(problem("normalise", error.to_string()));
                again()
            }),
        };
        let mut body = Vec::with_capacity(8 * 1024);
        if let Err(error) = encode::write(&record, &mut body) {
            problems.push(problem("normalise", format!("the record has no JSON form: {error}")));
        }
        (record, body)
    }

    /// The key and its place.
    fn key(&self, record: &Val) -> Result<Option<(String, String)>, Problem> {
        let hits = self.key.hits(record).map_err(|error| problem("key", error.to_string()))?;
        let [hit] = hits.as_slice() else {
            return Err(problem("key", format!("expected one key, found {}", hits.len())));
        };
        let at = |message: String| Problem { pointer: hit.pointer.clone(), ..problem("key", message) };
        let key = match &*hit.value {
            Val::TStr(_) | Val::Num(_) => as_text(&hit.value).unwrap_or_default(),
            Val::Null => return Err(at("expected a key, found nothing".to_owned())),
            _ => return Err(at("expected text as key, found something else".to_owned())),
        };
        if key.trim().is_empty() {
            return Err(at("expected a key, found empty text".to_owned()));
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(at(format!("key has {} bytes, at most {MAX_KEY_BYTES} are allowed", key.len())));
        }
        if let Some(c) = key.chars().find(|c| c.is_control()) {
            return Err(at(format!("key has the control character U+{:04X}", u32::from(c))));
        }
        Ok(Some((key, hit.pointer.clone())))
    }

    /// The page's name and the place of the text that it is made from.
    fn slug(
        &self,
        record: &Val,
        key: Option<&(String, String)>,
    ) -> Result<Option<(String, String)>, Problem> {
        if let Some(slug) = &self.slug {
            let hits = slug.hits(record).map_err(|error| problem("slug", error.to_string()))?;
            let text = hits.iter().find_map(|hit| Some((as_text(&hit.value)?, hit.pointer.clone())));
            if let Some((text, pointer)) = text {
                return Ok(Some((page_name(&text), pointer)));
            }
        }
        Ok(key.map(|(key, pointer)| (page_name(key), pointer.clone())))
    }

    /// What lists, search and other records see of it.
    fn describe(&self, catalogue: &Catalogue, record: &Val, draft: &mut Draft) {
        let problems = &mut draft.found.problems;
        let key = draft.key.as_ref().map_or("", |(key, _)| key.as_str());
        let fields = match catalogue.fields() {
            Ok(fields) => fields,
            Err(flaws) => return problems.push(unusable(flaws)),
        };
        draft.title = keep(fields.title(record, key).map(|title| Some(cut(title, MAX_TITLE))), problems)
            .unwrap_or_default();
        if let Some(summary) = &self.summary {
            let summary = keep(first_text(summary, record, "summary"), problems).unwrap_or_default();
            draft.summary = cut(summary, MAX_SUMMARY);
        }
        let definition = catalogue.definition();
        let mut values = keep(fields.values(definition, record).map(Some), problems).unwrap_or_default();
        for (field, values) in definition.index.fields.iter().zip(&mut values) {
            if !field.shards {
                values.clear();
            }
        }
        draft.fields = values;
        draft.terms = keep(self.terms(definition, record).map(Some), problems).unwrap_or_default();
        let shares = Shares::of(&definition.aggregates, &self.aggregates, record);
        draft.shares = keep(shares.map(Some), problems).unwrap_or_default();
    }

    fn terms(&self, definition: &Definition, record: &Val) -> Result<Vec<Term>, Problem> {
        let mut terms: Vec<Term> = Vec::new();
        for (position, (lookup, (by, within))) in definition.lookups.iter().zip(&self.lookups).enumerate() {
            let Ok(number) = u16::try_from(position) else { break };
            for (expr, offered) in [(by, false), (within, true)] {
                let rule = format!("lookup:{}", lookup.name);
                for value in expr.values(record).map_err(|error| problem(&rule, error.to_string()))? {
                    let Some(text) = as_text(&value) else { continue };
                    let value = if lookup.fold { fold(&text) } else { text };
                    terms.push(Term { lookup: number, value, offered, wanted: !offered });
                }
            }
        }
        terms.sort();
        terms.dedup_by(|later, kept| {
            let same = later.lookup == kept.lookup && later.value == kept.value;
            if same {
                kept.offered |= later.offered;
                kept.wanted |= later.wanted;
            }
            same
        });
        Ok(terms)
    }
}

fn keep<T>(result: Result<Option<T>, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.unwrap_or_else(|problem| {
        problems.push(problem);
        None
    })
}

fn built_in(rule: &str, value: &str, pointer: &str) -> Claim {
    let (rule, value, pointer) = (rule.to_owned(), value.to_owned(), pointer.to_owned());
    Claim { rule, value, payload: None, pointer, line: 0, severity: Severity::Reject }
}

fn cut(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// Gives every claim, reference and problem its line, with one pass over the item's text.
fn locate_all(item: &Item, draft: &mut Draft) {
    let Found { claims, references, problems, .. } = &mut draft.found;
    let pointers = claims.iter().map(|claim| claim.pointer.as_str());
    let pointers = pointers.chain(references.iter().map(|reference| reference.pointer.as_str()));
    let pointers = pointers.chain(problems.iter().map(|problem| problem.pointer.as_str()));
    let mut lines = locate::lines(item.format, &item.raw, pointers)
        .into_iter()
        .map(|line| item.line.max(1).saturating_add(line).saturating_sub(1));
    claims.iter_mut().zip(&mut lines).for_each(|(claim, line)| claim.line = line);
    references.iter_mut().zip(&mut lines).for_each(|(reference, line)| reference.line = line);
    problems.iter_mut().zip(&mut lines).for_each(|(problem, line)| problem.line = Some(line));
}

fn accepted(item: &Item, draft: Draft) -> Assessment {
    let (key, _) = draft.key.unwrap_or_default();
    let nowhere = PackSlice { pack: Digest::from_bytes([0; 32]), offset: 0, len: 0 };
    let record = RecordVerdict {
        key,
        title: draft.title,
        slug: draft.slug.0,
        digest: Digest::of(&draft.body),
        body: nowhere,
        claims: draft.found.claims,
        references: draft.found.references,
        terms: draft.terms,
        row: ListRow { summary: draft.summary, fields: draft.fields },
        warnings: in_order(draft.found.problems),
        shares: draft.shares.shares,
    };
    let judged = Judged::Record(Arc::new(record));
    let verdict = Verdict { item: item.id.clone(), content: item.content, judged };
    Assessment { verdict, body: Some(draft.body), packed: draft.shares.packed }
}

fn rejected(item: &Item, key: Option<String>, mut problems: Vec<Problem>, claims: Vec<Claim>) -> Assessment {
    for problem in &mut problems {
        problem.line = problem.line.or(Some(item.line.max(1)));
        problem.message = short_message(std::mem::take(&mut problem.message));
    }
    let judged = Judged::Rejected { key, problems: in_order(problems), claims };
    Assessment {
        verdict: Verdict { item: item.id.clone(), content: item.content, judged },
        body: None,
        packed: Vec::new(),
    }
}

fn short_message(message: String) -> String {
    const LONGEST: usize = 400;
    if message.len() > LONGEST { short(&message) } else { message }
}

fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| (a.line, &a.pointer, a).cmp(&(b.line, &b.pointer, b)));
    problems.dedup();
    problems
}
