//! The metrics that the documentation promises, and those that an expression names.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;

use super::text;

/// Where the metrics are listed.
pub(super) const GUIDE: &str = "docs/guide/operate.md";
/// Labels that come from the scrape, not from an agent.
const OF_SCRAPE: [&str; 4] = ["namespace", "pod", "instance", "component"];
/// What a histogram's name may end with in an expression.
const OF_HISTOGRAM: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Labels of each metric.
pub(super) type Metrics = BTreeMap<String, BTreeSet<String>>;

/// The table of metrics: rows of name, kind, labels, meaning. A histogram stands here under its three names.
pub(super) fn documented() -> anyhow::Result<Metrics> {
    let guide = text(GUIDE)?;
    let mut metrics = Metrics::new();
    for row in guide.lines().filter(|line| line.starts_with("| `quire_")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        ensure!(cells.len() == 4, "{GUIDE}: name, kind, labels and meaning are expected in {row}");
        let name = cells[0].trim_matches('`');
        let labels: BTreeSet<String> = cells[2].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let endings: &[&str] = if cells[1] == "histogram" { &OF_HISTOGRAM } else { &[""] };
        for ending in endings {
            let mut labels = labels.clone();
            labels.extend((*ending == "_bucket").then(|| "le".to_owned()));
            metrics.insert(format!("{name}{ending}"), labels);
        }
    }
    ensure!(!metrics.is_empty(), "{GUIDE} holds no table of metrics");
    Ok(metrics)
}

/// Sees to it that `expression` names documented metrics and their labels alone, and returns these metrics.
pub(super) fn check(expression: &str, metrics: &Metrics) -> anyhow::Result<BTreeSet<String>> {
    let expression = without_strings(expression);
    let mut named = BTreeSet::new();
    for (at, name) in words(&expression) {
        if !name.starts_with("quire_") {
            continue;
        }
        let Some(labels) = metrics.get(name) else { anyhow::bail!("{name} is not in the table of {GUIDE}") };
        let rest = expression[at + name.len()..].trim_start();
        let matchers = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
        for (_, label) in words(matchers) {
            ensure!(
                labels.contains(label) || OF_SCRAPE.contains(&label),
                "{name} has no label {label} in the table of {GUIDE}"
            );
        }
        named.insert(name.to_owned());
    }
    ensure!(!named.is_empty(), "it names none of our metrics");
    grouping(&expression, &named, metrics)?;
    Ok(named)
}

/// The labels behind `by` and `on` belong to one of the metrics at least.
fn grouping(expression: &str, named: &BTreeSet<String>, metrics: &Metrics) -> anyhow::Result<()> {
    let all: Vec<(usize, &str)> = words(expression).collect();
    for (at, word) in all {
        if word != "by" && word != "on" {
            continue;
        }
        let rest = expression[at + word.len()..].trim_start();
        let group = rest.strip_prefix('(').and_then(|rest| rest.split(')').next()).unwrap_or_default();
        for (_, label) in words(group) {
            let known =
                named.iter().filter_map(|name| metrics.get(name)).any(|labels| labels.contains(label));
            ensure!(known || OF_SCRAPE.contains(&label), "none of {named:?} has the label {label}");
        }
    }
    Ok(())
}

/// The expression with the content of its strings left out.
fn without_strings(expression: &str) -> String {
    expression.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// Names and where they begin.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').filter_map(move |word| {
        let begin = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((begin, word))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn expressions_name_documented_metrics_and_labels_alone() {
        let labels = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect();
        let metrics = Metrics::from([
            ("quire_a_total".to_owned(), labels(&["stage", "ending"])),
            ("quire_b_bucket".to_owned(), labels(&["le"])),
        ]);
        let fine = [
            r#"sum by (stage) (rate(quire_a_total{namespace=~"quire_c{x}", ending!~"a|b"}[5m])) / quire_a_total"#,
            "histogram_quantile(0.5, sum by (le) (rate(quire_b_bucket[1h])))",
        ];
        for expression in fine {
            check(expression, &metrics).unwrap();
        }
        let wrong = [
            ("rate(quire_c_total[5m])", "quire_c_total"),
            (r#"quire_a_total{lane="low"}"#, "lane"),
            (r#"quire_a_total { stage="x", lane="low" }"#, "lane"),
            ("sum by (stage, lane) (quire_a_total)", "lane"),
            ("up == 0", "none of our metrics"),
        ];
        for (expression, problem) in wrong {
            let error = check(expression, &metrics).unwrap_err().to_string();
            assert!(error.contains(problem), "{expression}: {error}");
        }
    }
}
