//! The alert rules: what promtool says, and that each alert has a test and a section in the guide.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::{Context as _, ensure};

use super::{
    metrics::{self, GUIDE, Metrics},
    scratch, text,
};
use crate::command::{self, root};

const RULES: &str = "deploy/observability/alerts.yaml";
const TESTS: &str = "deploy/observability/alerts.test.yaml";
const SCRAPE: &str = "deploy/observability/scrape.yaml";
/// What every alert has beside its expression.
const KEYS: [&str; 4] = ["severity:", "summary:", "description:", "runbook:"];

/// Reads the rules as text: one `- alert:` after the other.
pub(super) fn check(metrics: &Metrics) -> anyhow::Result<()> {
    let (rules, tests, guide) = (text(RULES)?, text(TESTS)?, text(GUIDE)?);
    let sections: BTreeSet<String> = guide.lines().filter_map(anchor).collect();
    for rule in rules.split("- alert: ").skip(1) {
        let name = rule.lines().next().unwrap_or_default();
        check_one(rule, name, metrics).with_context(|| format!("{RULES}: {name}"))?;
        let anchor = name.to_lowercase();
        ensure!(sections.contains(&anchor), "{GUIDE} has no section {name}");
        let runbook = format!("runbook: {GUIDE}#{anchor}\n");
        ensure!(rule.contains(&runbook), "{RULES}: {name}: expected {runbook:?}");
        ensure!(tests.contains(&format!("alertname: {name}\n")), "{TESTS} does not test {name}");
    }
    Ok(())
}

fn check_one(rule: &str, name: &str, metrics: &Metrics) -> anyhow::Result<()> {
    for key in KEYS {
        ensure!(rule.contains(key), "{key} is missing");
    }
    ensure!(name.starts_with("Quire"), "alerts are told from others by the word Quire");
    let (_, expression) = rule.split_once("expr: ").context("expr: is missing")?;
    // The next key is indented by eight, an expression of several lines by more.
    let end = expression.match_indices("\n        ").find(|(at, _)| !expression[at + 9..].starts_with(' '));
    let expression = end.map_or(expression, |(at, _)| &expression[..at]);
    metrics::check(expression, metrics)?;
    Ok(())
}

/// The anchor that a heading gets.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    Some(heading.to_lowercase().replace(' ', "-"))
}

/// Syntax, unit tests, and the scrape job.
pub(super) fn check_with(promtool: &Path) -> anyhow::Result<()> {
    command::run(Command::new(promtool).args(["check", "rules"]).arg(root().join(RULES)))?;
    command::run(Command::new(promtool).args(["test", "rules"]).arg(root().join(TESTS)))?;
    // Debian's promtool knows nothing of Kubernetes, so that one line is another one here.
    let discovery = "kubernetes_sd_configs: [{ role: pod }]";
    let scrape = text(SCRAPE)?;
    ensure!(scrape.contains(discovery), "{SCRAPE}: expected {discovery}");
    let copy = scratch()?.join("scrape.yaml");
    fs::write(&copy, scrape.replace(discovery, "static_configs: []"))?;
    fs::copy(root().join(RULES), scratch()?.join("alerts.yaml"))?;
    command::run(Command::new(promtool).args(["check", "config"]).arg(copy))
}
