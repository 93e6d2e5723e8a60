//! What a run means for one job.

use quire_coordinator::Fate;
use quire_proto::ItemId;

use crate::{
    embedded::{KeysMade, Losses},
    output::counted,
};

/// What a run means for one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its page is new or has changed.
    Published,
    /// Its page is as it was.
    Unchanged,
    /// The record is not valid: the site says why, and so does this.
    Rejected(String),
    /// It did not work, because of the record or by chance: worth another attempt.
    Failed(String),
    /// It will never work.
    Dead(String),
    /// Its source could not be asked, which is not the job's fault.
    Away(String),
}

/// What `made` means for the job of `key`.
pub(super) fn judge(key: &str, made: &KeysMade) -> Verdict {
    let losses = &made.losses;
    if let Some(why) = losses.records.get(key) {
        return Verdict::Failed(why.clone());
    }
    match made.fates.get(key) {
        Some(fate) => judge_known(fate, made),
        None => judge_unknown(key, losses),
    }
}

fn judge_known(fate: &Fate, made: &KeysMade) -> Verdict {
    let (item, losses) = (fate.item(), &made.losses);
    for subject in subjects(item) {
        if let Some(why) = losses.items.get(&subject) {
            return Verdict::Failed(format!("{subject}: {why}"));
        }
    }
    if let Some(why) = losses.sources.get(item.source.as_ref()) {
        return Verdict::Away(format!("source {}: {why}", item.source));
    }
    match fate {
        Fate::Published { changed, .. } if *changed == made.report.epoch => Verdict::Published,
        Fate::Published { .. } => Verdict::Unchanged,
        Fate::Rejected { problems, .. } => {
            let first = problems.first().map(|problem| format!("{}: {}", problem.rule, problem.message));
            Verdict::Rejected(first.unwrap_or_else(|| "nobody said why".to_owned()))
        }
    }
}

fn judge_unknown(key: &str, losses: &Losses) -> Verdict {
    if let Some((source, why)) = losses.sources.first_key_value() {
        return Verdict::Away(format!("source {source}: {why}"));
    }
    let own = losses.items.iter().find(|(subject, _)| subject.ends_with(&format!("/{key}")));
    if let Some((subject, why)) = own {
        return Verdict::Failed(format!("{subject}: {why}"));
    }
    let unread = losses.unknown.get(key).copied().unwrap_or(0).max(losses.items.len());
    if unread > 0 {
        let first = losses.items.first_key_value().map(|(subject, why)| format!(": {subject}: {why}"));
        let first = first.unwrap_or_default();
        return Verdict::Failed(format!(
            "no record has the key `{key}`, but {} could not be read{first}",
            counted(unread, "item")
        ));
    }
    Verdict::Dead(format!(
        "no record of the catalogue has the key `{key}`: is it spelt as its source has it? `quire queue retry` tries it again"
    ))
}

/// How losses may name an item.
fn subjects(item: &ItemId) -> [String; 2] {
    [format!("{}:{}", item.source, item.location), format!("{}:{item}", item.source)]
}

#[cfg(test)]
mod tests {
    use quire_proto::{Epoch, Problem, RunReport, Severity};

    use super::*;

    fn item(location: &str) -> ItemId {
        ItemId { source: "types".into(), location: location.into(), ordinal: 0 }
    }

    fn made() -> KeysMade {
        let report: RunReport = serde_json::from_value(serde_json::json!({
            "catalogue": "neurons", "run": "neurons-7", "epoch": 7, "pages": 0, "bytes": 0, "duration_ms": 1.0,
            "records": {"seen": 0, "published": 0, "unchanged": 0, "rejected": 0, "dead": 0, "removed": 0},
            "stages": {}, "caches": {}, "upstream": {"queries": 0},
        }))
        .unwrap();
        let published = |at, epoch| Fate::Published { item: item(at), changed: Epoch(epoch) };
        let problem = Problem {
            rule: "schema:type".into(),
            pointer: String::new(),
            line: None,
            message: "a number is expected".into(),
            holder: None,
            severity: Severity::Reject,
        };
        let rejected = Fate::Rejected { item: item("types/bad"), problems: vec![problem] };
        let fates =
            [("new", published("types/new", 7)), ("old", published("types/old", 3)), ("bad", rejected)];
        let fates = fates.map(|(key, fate)| (key.to_owned(), fate)).into();
        KeysMade { report, fates, losses: Losses::default() }
    }

    fn lost(of: &str, why: &str) -> std::collections::BTreeMap<String, String> {
        [(of.to_owned(), why.to_owned())].into()
    }

    #[test]
    fn a_run_says_what_became_of_each_job() {
        let mut made = made();
        assert_eq!(judge("new", &made), Verdict::Published);
        assert_eq!(judge("old", &made), Verdict::Unchanged);
        assert_eq!(judge("bad", &made), Verdict::Rejected("schema:type: a number is expected".into()));
        assert!(matches!(judge("gone", &made), Verdict::Dead(why) if why.contains("`gone`")));
        made.losses.records = lost("new", "no such filter");
        made.losses.items = lost("types:types/old", "timed out");
        assert_eq!(judge("new", &made), Verdict::Failed("no such filter".into()));
        assert_eq!(judge("old", &made), Verdict::Failed("types:types/old: timed out".into()));
        // It may be the one that could not be read.
        assert!(
            matches!(judge("gone", &made), Verdict::Failed(why) if why.contains("1 item could not be read"))
        );
        made.losses.items = lost("types:types/gone", "timed out");
        assert_eq!(judge("gone", &made), Verdict::Failed("types:types/gone: timed out".into()));
        made.losses.sources = lost("types", "cannot be reached");
        assert_eq!(judge("old", &made), Verdict::Away("source types: cannot be reached".into()));
        assert_eq!(judge("gone", &made), Verdict::Away("source types: cannot be reached".into()));
    }
}
