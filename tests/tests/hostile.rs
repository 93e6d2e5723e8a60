//! A thousand inputs that mean harm: no panic, bounded memory, each rejected with a reason or rendered harmless.
#![allow(clippy::unwrap_used, reason = "tests")]

mod hostile_inputs;

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use system_tests::{Build, Quire, repository, watch};

fn hostile_catalogue() -> Build {
    Build { catalogues: vec![repository().join("tests/fixtures/hostile")], ..Build::default() }
}

#[test]
fn a_thousand_hostile_inputs_are_rejected_with_a_reason_or_rendered_harmless() {
    let input = tempfile::tempdir().unwrap();
    let written = hostile_inputs::write(input.path());
    assert!(written >= 1000, "{written}");
    let quire = Quire::with("HOSTILE_ROOT", input.path());
    let watched = watch(quire.build_command(&hostile_catalogue()));
    assert_eq!(watched.ended.code, Some(0), "{}", watched.ended.err);
    assert!(!watched.ended.err.contains("panicked"), "{}", watched.ended.err);
    assert!(watched.peak_bytes < 300 << 20, "{} bytes resident", watched.peak_bytes);

    let report = watched.ended.report().runs.remove(0);
    assert!(report.records.adds_up(), "{:?}", report.records);
    assert_eq!(report.records.dead, 0, "bad input is a reject, not a failure of ours: {:?}", report.failures);
    assert!(report.records.seen >= written, "{:?} of {written}", report.records);
    let rejects: Vec<Value> =
        serde_json::from_slice(&fs::read(quire.site().join("hostile/rejects.json")).unwrap()).unwrap();
    let rejected: BTreeSet<_> = rejects
        .iter()
        .filter(|reject| reject["severity"] == "reject")
        .map(|reject| {
            assert!(!reject["message"].as_str().unwrap().is_empty());
            assert!(!reject["rule"].as_str().unwrap().is_empty());
            (
                reject["source"].to_string(),
                reject["location"].to_string(),
                reject["ordinal"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(rejected.len() as u64, report.records.rejected);
    assert!(report.records.published > 100, "harmless ones are published: {:?}", report.records);
    assert!(report.records.rejected > 300, "{:?}", report.records);

    let manifest = system_tests::manifest_files(&quire.site());
    let mut seen = BTreeSet::new();
    for path in manifest.keys() {
        assert!(seen.insert(path.to_lowercase()), "{path} differs from another only in case");
        assert!(
            path.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && part.len() < 256),
            "{path}"
        );
        if path.ends_with(".html") {
            harmless(path, &fs::read_to_string(quire.site().join(path)).unwrap());
        }
    }
    assert!(!input.path().parent().unwrap().join("escaped.html").exists());
}

/// A page holds no script but ours and no attribute that came from a record.
fn harmless(path: &str, page: &str) {
    let lower = page.to_lowercase();
    for (position, _) in lower.match_indices("<script") {
        let tag: String =
            lower.get(position..).unwrap().chars().take_while(|&letter| letter != '>').collect();
        let ours = tag.contains("src=\"") && tag.contains("assets/") || tag.contains("application/ld+json");
        assert!(ours, "{path}: {tag}");
    }
    for bad in ["<img src=x", "<svg/onload", "href=\"javascript:", "onerror=\"", "onload=\"", "<iframe"] {
        assert!(!lower.contains(bad), "{path} holds {bad}");
    }
}

#[test]
fn hostile_inputs_give_the_same_bytes_again() {
    let input = tempfile::tempdir().unwrap();
    hostile_inputs::write(input.path());
    let build = || Quire::with("HOSTILE_ROOT", input.path()).build(&hostile_catalogue()).manifest;
    assert_eq!(build(), build());
}
