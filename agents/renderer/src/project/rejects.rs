//! `rejects.json` and `rejects.html`: every item that was not published, and why; and warnings.

use std::collections::BTreeMap;

use minijinja::Value;
use quire_proto::{ItemId, Problem, Severity, manifest::RejectRow};
use quire_runtime::{BoxError, FileSink};
use serde::Serialize;

use super::{Counts, catalogue, frame};
use crate::{
    engine::{Engine, Output, object},
    shards::Row,
};

/// Most items that the page shows; `rejects.json` has all.
const MAX_SHOWN: usize = 500;
/// Template of the page.
const TEMPLATE: &str = "quire/rejects.html";

/// A published record with warnings.
pub(super) struct Warned {
    pub(super) item: ItemId,
    pub(super) key: String,
    pub(super) title: String,
    pub(super) slug: String,
    pub(super) problems: Vec<Problem>,
}

/// A line of `rejects.json`.
#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    location: &'a str,
    ordinal: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    rule: &'a str,
    pointer: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<&'a str>,
    severity: Severity,
}

/// What is gathered while items go by.
struct Gathered<'a> {
    rows: &'a [&'a Row],
    json: Vec<u8>,
    rules: BTreeMap<(String, Severity), usize>,
    rejected: Vec<Value>,
    warned: Vec<Value>,
    rejected_total: usize,
    warned_total: usize,
    warnings: usize,
}

/// Writes both files. `rows` ascend by key.
pub(super) fn files(
    engine: &Engine,
    rows: &[&Row],
    mut warned: Vec<Warned>,
    (rejects, dead): (&mut dyn Iterator<Item = Result<RejectRow, BoxError>>, u64),
    sink: &mut dyn FileSink,
) -> Result<Counts, BoxError> {
    warned.sort_by(|a, b| a.item.cmp(&b.item));
    let mut gathered = Gathered::new(rows);
    let mut warned = warned.into_iter().peekable();
    for reject in rejects {
        let reject = reject?;
        while let Some(before) = warned.next_if(|warned| warned.item < reject.item) {
            gathered.warned(before)?;
        }
        gathered.rejected(reject)?;
    }
    for rest in warned {
        gathered.warned(rest)?;
    }
    let counts = Counts { rejected: gathered.rejected_total, warnings: gathered.warnings };
    gathered.json.extend_from_slice(if gathered.json.len() > 1 { b"\n]\n" } else { b"]\n" });
    let slug = &engine.look().slug;
    sink.add(format!("{slug}/rejects.json"), std::mem::take(&mut gathered.json))?;
    let path = format!("{slug}/rejects.html");
    let context = gathered.context(engine, &path, counts, dead);
    sink.add(path, engine.render(TEMPLATE, Output::Html, context)?.into_bytes())?;
    Ok(counts)
}

impl<'a> Gathered<'a> {
    fn new(rows: &'a [&'a Row]) -> Self {
        Self {
            rows,
            json: b"[".to_vec(),
            rules: BTreeMap::new(),
            rejected: Vec::new(),
            warned: Vec::new(),
            rejected_total: 0,
            warned_total: 0,
            warnings: 0,
        }
    }

    fn rejected(&mut self, mut reject: RejectRow) -> Result<(), BoxError> {
        reject.problems.sort();
        self.lines(&reject.item, reject.key.as_deref(), &reject.problems)?;
        self.rejected_total += 1;
        if self.rejected.len() < MAX_SHOWN {
            let value = self.item(&reject.item, reject.key.as_deref(), None, &reject.problems);
            self.rejected.push(value);
        }
        Ok(())
    }

    fn warned(&mut self, mut warned: Warned) -> Result<(), BoxError> {
        warned.problems.sort();
        self.lines(&warned.item, Some(&warned.key), &warned.problems)?;
        self.warned_total += 1;
        self.warnings += warned.problems.len();
        if self.warned.len() < MAX_SHOWN {
            let page = Some((warned.title.as_str(), warned.slug.as_str()));
            let value = self.item(&warned.item, Some(&warned.key), page, &warned.problems);
            self.warned.push(value);
        }
        Ok(())
    }

    fn lines(&mut self, item: &ItemId, key: Option<&str>, problems: &[Problem]) -> Result<(), BoxError> {
        for problem in problems {
            self.json.extend_from_slice(if self.json.len() > 1 { b",\n" } else { b"\n" });
            let line = Line {
                source: &item.source,
                location: &item.location,
                ordinal: item.ordinal,
                key,
                line: problem.line,
                rule: &problem.rule,
                pointer: &problem.pointer,
                message: &problem.message,
                holder: problem.holder.as_deref(),
                severity: problem.severity,
            };
            serde_json::to_writer(&mut self.json, &line)?;
            *self.rules.entry((problem.rule.clone(), problem.severity)).or_default() += 1;
        }
        Ok(())
    }

    fn item(
        &self,
        item: &ItemId,
        key: Option<&str>,
        page: Option<(&str, &str)>,
        problems: &[Problem],
    ) -> Value {
        let text = |text: Option<&str>| text.map_or(Value::from(()), Value::from);
        let problems: Vec<Value> = problems.iter().map(|problem| self.problem(problem)).collect();
        let line = problems.first().and_then(|problem| problem.get_attr("line").ok());
        object([
            ("label", Value::from(item.to_string())),
            ("source", Value::from(&*item.source)),
            ("location", Value::from(&*item.location)),
            ("ordinal", Value::from(item.ordinal)),
            ("line", line.unwrap_or_default()),
            ("key", text(key)),
            ("title", text(page.map(|(title, _)| title))),
            ("slug", text(page.map(|(_, slug)| slug))),
            ("problems", Value::from(problems)),
        ])
    }

    fn problem(&self, problem: &Problem) -> Value {
        let severity = if problem.severity == Severity::Warn { "warn" } else { "reject" };
        object([
            ("rule", Value::from(problem.rule.as_str())),
            ("pointer", Value::from(problem.pointer.as_str())),
            ("line", problem.line.map_or(Value::from(()), Value::from)),
            ("message", Value::from(problem.message.as_str())),
            ("severity", Value::from(severity)),
            ("holder", problem.holder.as_ref().map_or(Value::from(()), |key| self.holder(key))),
        ])
    }

    fn holder(&self, key: &str) -> Value {
        let found = self.rows.binary_search_by(|row| (*row.key).cmp(key)).ok();
        match found.and_then(|at| self.rows.get(at)) {
            Some(row) => object([
                ("key", Value::from(key)),
                ("title", Value::from(&*row.title)),
                ("slug", Value::from(&*row.slug)),
            ]),
            None => {
                object([("key", Value::from(key)), ("title", Value::from(())), ("slug", Value::from(()))])
            }
        }
    }

    fn context(self, engine: &Engine, path: &str, counts: Counts, dead: u64) -> Value {
        let mut rules: Vec<_> = self.rules.into_iter().collect();
        rules.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let rule = |((rule, severity), count): ((String, Severity), usize)| {
            let severity = if severity == Severity::Warn { "warn" } else { "reject" };
            object([
                ("rule", Value::from(rule)),
                ("count", Value::from(count)),
                ("severity", Value::from(severity)),
            ])
        };
        let [root, base, page, site] = frame(engine, "rejects", path, "Rejected records", 1);
        object([
            root,
            base,
            page,
            site,
            ("catalogue", catalogue(engine, self.rows.len(), counts)),
            ("rules", rules.into_iter().map(rule).collect::<Vec<_>>().into()),
            ("items", Value::from(self.rejected)),
            ("warned", Value::from(self.warned)),
            ("rejected_total", Value::from(self.rejected_total)),
            ("warned_total", Value::from(self.warned_total)),
            ("dead_total", Value::from(dead)),
        ])
    }
}
