//! The dashboards: valid JSON, panels that say what they show, expressions that Prometheus understands.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{
    metrics::{self, Metrics},
    scratch,
};
use crate::command::{self, root};

const FOLDER: &str = "deploy/observability/dashboards";

/// Reads all dashboards, and returns their expressions as recording rules, by which promtool reads them.
pub(super) fn check(metrics: &Metrics) -> anyhow::Result<Value> {
    let mut dashboards = Dashboards { metrics, shown: BTreeSet::new(), rules: Vec::new() };
    let mut uids = BTreeSet::new();
    for entry in fs::read_dir(root().join(FOLDER))? {
        let path = entry?.path();
        let uid = dashboards.read(&path).with_context(|| path.display().to_string())?;
        ensure!(uids.insert(uid), "{}: another dashboard has its uid", path.display());
    }
    let unseen: Vec<_> = metrics.keys().filter(|name| !dashboards.shown.contains(family(name))).collect();
    ensure!(unseen.is_empty(), "no dashboard shows {unseen:?}");
    Ok(json!({ "groups": [{ "name": "dashboards", "rules": dashboards.rules }] }))
}

/// Has promtool read every expression.
pub(super) fn check_with(promtool: &Path, rules: &Value) -> anyhow::Result<()> {
    // JSON is YAML, too.
    let file = scratch()?.join("dashboards.yaml");
    fs::write(&file, serde_json::to_vec_pretty(rules)?)?;
    command::run(Command::new(promtool).args(["check", "rules"]).arg(file))
}

struct Dashboards<'a> {
    metrics: &'a Metrics,
    /// Metrics that some panel shows.
    shown: BTreeSet<String>,
    rules: Vec<Value>,
}

impl Dashboards<'_> {
    /// Checks one dashboard and returns its uid.
    fn read(&mut self, path: &Path) -> anyhow::Result<String> {
        let dashboard: Value = serde_json::from_slice(&fs::read(path)?)?;
        self.check(&dashboard)?;
        Ok(word(&dashboard, "uid")?.to_owned())
    }

    fn check(&mut self, dashboard: &Value) -> anyhow::Result<()> {
        word(dashboard, "title")?;
        for variable in list(&dashboard["templating"], "list")? {
            self.variable(variable)?;
        }
        let mut ids = BTreeSet::new();
        for panel in list(dashboard, "panels")? {
            let title = word(panel, "title")?;
            let id = panel["id"].as_u64().with_context(|| format!("panel {title:?} has no id"))?;
            ensure!(ids.insert(id), "two panels have the id {id}; one is {title:?}");
            if word(panel, "type")? != "row" {
                self.panel(panel, title).with_context(|| format!("panel {title:?}"))?;
            }
        }
        Ok(())
    }

    /// A variable asks for the values that a label of a metric has.
    fn variable(&mut self, variable: &Value) -> anyhow::Result<()> {
        let Some(query) = variable["query"]["query"].as_str() else { return Ok(()) };
        let asked = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let asked = asked.and_then(|asked| asked.split_once(", "));
        let (metric, label) =
            asked.with_context(|| format!("{query}: expected label_values(metric, label)"))?;
        metrics::check(&format!("sum by ({label}) ({metric})"), self.metrics).context(query.to_owned())?;
        Ok(())
    }

    fn panel(&mut self, panel: &Value, title: &str) -> anyhow::Result<()> {
        word(panel, "description")?;
        word(&panel["fieldConfig"]["defaults"], "unit")?;
        let targets = list(panel, "targets")?;
        ensure!(!targets.is_empty(), "it shows nothing");
        for target in targets {
            let expression = word(target, "expr")?;
            let named = metrics::check(expression, self.metrics).context(expression.to_owned())?;
            self.shown.extend(named.iter().map(|name| family(name).to_owned()));
            let record = format!("dashboard:{}", self.rules.len());
            self.rules
                .push(json!({ "record": record, "expr": plain(expression), "labels": { "panel": title } }));
        }
        Ok(())
    }
}

/// The expression with Grafana's times replaced; its other variables stand in strings.
fn plain(expression: &str) -> String {
    expression.replace("$__rate_interval", "5m").replace("$__range", "3h")
}

/// A histogram's three names stand for one metric.
fn family(name: &str) -> &str {
    ["_bucket", "_sum", "_count"].into_iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

fn word<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    value[key]
        .as_str()
        .filter(|word| !word.is_empty())
        .with_context(|| format!("{key:?} is missing or empty"))
}

fn list<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("{key:?} is no list"))
}
