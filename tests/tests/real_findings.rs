//! The real finding models: everything that holds of them, on the whole path from files to site.
//!
//! What is expected is worked out here from the raw files, by other code than the program's.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use system_tests::{Build, Quire, RealFindings, copy_tree};

/// Rejects as the site lists them.
#[derive(Debug, serde::Deserialize)]
struct Reject {
    location: String,
    #[serde(default)]
    line: Option<u32>,
    rule: String,
    pointer: String,
    message: String,
    #[serde(default)]
    holder: Option<String>,
    severity: String,
}

fn rejects(quire: &Quire) -> Vec<Reject> {
    serde_json::from_slice(&fs::read(quire.site().join("findings/rejects.json")).unwrap()).unwrap()
}

fn reasons(quire: &Quire) -> Vec<Reject> {
    rejects(quire).into_iter().filter(|reject| reject.severity == "reject").collect()
}

fn build(root: &Path) -> (Quire, quire_proto::RunReport) {
    let quire = Quire::with("FINDINGS_ROOT", root);
    let report = quire.build(&Build::of("findings")).runs.remove(0);
    (quire, report)
}

#[test]
fn every_real_model_is_published_and_its_markdown_is_the_golden_one() {
    let Some(real) = RealFindings::find() else { return };
    let (quire, report) = build(&real.models());
    assert_eq!(report.records.seen, 2039);
    assert_eq!(report.records.published, 2039);
    assert_eq!(report.records.rejected, 0, "{:?}", reasons(&quire).first());

    let golden = real.folder("golden_markdown/text");
    let mut compared = 0;
    for entry in fs::read_dir(golden).unwrap() {
        let page = entry.unwrap().path();
        let expected = fs::read_to_string(&page).unwrap();
        // Pages are named after the model, one golden file after an older name of its model.
        let heading = expected.strip_prefix("# ").unwrap().split('\u{2014}').next().unwrap();
        let ours = quire.site().join("findings").join(format!("{}.md", slug(heading)));
        let ours = fs::read_to_string(&ours).unwrap_or_else(|error| panic!("{}: {error}", ours.display()));
        assert_eq!(ours, expected, "{}", page.display());
        compared += 1;
    }
    assert_eq!(compared, 2039);
}

#[test]
fn the_oddities_of_the_real_models_are_warnings() {
    let Some(real) = RealFindings::find() else { return };
    let (quire, _) = build(&real.models());
    let listed = rejects(&quire);
    let warned = |rule: &str| {
        let found = listed.iter().filter(|reject| reject.rule.ends_with(rule) && reject.severity == "warn");
        found.map(|reject| reject.location.clone()).collect::<BTreeSet<_>>()
    };
    let models = models(&real.models());
    let expected = |odd: &dyn Fn(&Value) -> bool| {
        models
            .iter()
            .filter(|(_, model)| odd(model))
            .map(|(location, _)| location.clone())
            .collect::<BTreeSet<_>>()
    };
    let repeats = |values: Vec<String>| values.iter().collect::<BTreeSet<_>>().len() < values.len();
    assert_eq!(warned("repeated-tag"), expected(&|model| repeats(texts(model, "tags"))));
    let own_name = |model: &Value| texts(model, "synonyms").contains(&folded(&model["name"]));
    assert_eq!(warned("own-name-as-synonym"), expected(&own_name));
    assert!(listed.iter().all(|reject| reject.line.is_some()), "every problem has a line");
}

#[test]
fn every_bad_historical_version_is_rejected_with_an_error_at_every_listed_location() {
    let Some(real) = RealFindings::find() else { return };
    let (quire, report) = build(&real.folder("bad_versions/bad"));
    assert_eq!(report.records.seen, 361);
    assert_eq!(report.records.rejected, 361);
    let mut found: BTreeMap<String, Vec<Reject>> = BTreeMap::new();
    for reject in reasons(&quire) {
        assert!(reject.line.is_some(), "{reject:?}");
        assert!(!reject.message.is_empty());
        found.entry(reject.location.clone()).or_default().push(reject);
    }
    let mut checked = 0;
    for line in fs::read_to_string(real.file("bad_versions.jsonl")).unwrap().lines() {
        let version: Value = serde_json::from_str(line).unwrap();
        let location = version["file"].as_str().unwrap().strip_prefix("bad/").unwrap();
        let ours = found.get(location).unwrap_or_else(|| panic!("{location} was not rejected"));
        for error in version["errors"].as_array().unwrap() {
            let expected = pointer(error["loc"].as_str().unwrap(), error["type"].as_str().unwrap());
            assert!(
                ours.iter().any(|reject| reject.pointer == expected),
                "{location}: no error at {expected} ({error}); ours: {ours:#?}"
            );
            checked += 1;
        }
    }
    assert_eq!(checked, 3320);
}

/// The JSON pointer of a location in their list: `attributes.1.choice.values` is `/attributes/1/values`. One kind of theirs lies elsewhere with
/// us: an unknown attribute kind is an error of the attribute with them, of its `type` with us, which is where it must be mended.
fn pointer(location: &str, kind: &str) -> String {
    let parts =
        location.split('.').filter(|part| !part.is_empty() && *part != "choice" && *part != "numeric");
    let pointer: String = parts.map(|part| format!("/{part}")).collect();
    if kind == "union_tag_invalid" { format!("{pointer}/type") } else { pointer }
}

#[test]
fn conflicting_models_are_rejected_and_both_sides_are_named() {
    let Some(real) = RealFindings::find() else { return };
    let input = tempfile::tempdir().unwrap();
    copy_tree(&real.models(), &input.path().join("a"));
    copy_tree(&real.folder("conflicts/conflicts"), &input.path().join("b"));
    expect_exactly_the_conflicts(input.path(), 17);
}

#[test]
fn both_snapshots_with_duplicate_attributes_give_exactly_their_conflicts() {
    let Some(real) = RealFindings::find() else { return };
    for (name, ids) in [("snapshot_2025-06-03_dup_attributes", 6), ("snapshot_2025-06-14_dup_attributes", 12)]
    {
        let root = real.folder(name).join("defs");
        let twice = attribute_owners(&models(&root)).into_values().filter(|owners| owners.len() > 1).count();
        assert_eq!(twice, ids, "the test's own count of attribute ids used twice");
        expect_exactly_the_conflicts(&root, 0);
    }
}

/// Builds `root` and compares its rejects with a decision made here: in the order of locations, a model that wants what an accepted
/// one has is rejected.
fn expect_exactly_the_conflicts(root: &Path, at_least_seen_besides: u64) {
    let (quire, report) = build(root);
    // What breaks the schema (or repeats a key in one object) is checked elsewhere, on the versions that are known to; here such a model
    // holds nothing, and hears who holds what it would claim: of holders before it, or else of those after it.
    let (unfit, conflicts): (Vec<_>, Vec<_>) = reasons(&quire)
        .into_iter()
        .partition(|reject| reject.rule.starts_with("schema:") || reject.rule == "json");
    let unfit: BTreeSet<String> = unfit.into_iter().map(|reject| reject.location).collect();
    let (wrong, models): (BTreeMap<_, _>, BTreeMap<_, _>) =
        models(root).into_iter().partition(|(location, _)| unfit.contains(location));
    let mut place: BTreeMap<String, String> = BTreeMap::new();
    let mut holders: BTreeMap<(&str, String), String> = BTreeMap::new();
    let mut expected: BTreeSet<(String, String, String)> = BTreeSet::new();
    for (location, model) in &models {
        let claims = claims(model);
        let lost: Vec<_> =
            claims.iter().filter_map(|claim| holders.get(claim).map(|holder| (claim, holder))).collect();
        if lost.is_empty() {
            let key = model["oifm_id"].as_str().unwrap();
            holders.extend(claims.into_iter().map(|claim| (claim, key.to_owned())));
            place.insert(key.to_owned(), location.clone());
        } else {
            expected.extend(
                lost.into_iter()
                    .map(|(claim, holder)| (location.clone(), claim.0.to_owned(), holder.clone())),
            );
        }
    }
    for (location, model) in &wrong {
        let claims = claims(model);
        let lost = claims.iter().filter_map(|claim| Some((claim, holders.get(claim)?)));
        let (before, after): (Vec<_>, Vec<_>) = lost.partition(|(_, holder)| place[*holder] < *location);
        let told = if before.is_empty() { after } else { before };
        expected.extend(
            told.into_iter().map(|(claim, holder)| (location.clone(), claim.0.to_owned(), holder.clone())),
        );
    }
    let found: BTreeSet<_> = conflicts
        .iter()
        .map(|reject| {
            let holder = reject.holder.clone().unwrap_or_else(|| panic!("no other side: {reject:?}"));
            assert!(reject.message.contains(&holder), "{reject:?}");
            (reject.location.clone(), family(&reject.rule).to_owned(), holder)
        })
        .collect();
    assert_eq!(found, expected);
    let located =
        expected.iter().map(|(location, ..)| location).filter(|location| !unfit.contains(*location));
    let rejected = located.collect::<BTreeSet<_>>().len() as u64;
    assert!(rejected > 0);
    assert_eq!(report.records.rejected, rejected + unfit.len() as u64);
    assert!(report.records.seen >= at_least_seen_besides + rejected);
    assert_eq!(report.records.published, models.len() as u64 - rejected);
}

/// What a model claims, by family of rule.
fn claims(model: &Value) -> BTreeSet<(&'static str, String)> {
    let mut claims = BTreeSet::from([
        ("key", model["oifm_id"].as_str().unwrap().to_owned()),
        ("name", folded(&model["name"])),
        ("slug", slug(model["name"].as_str().unwrap())),
    ]);
    for attribute in model["attributes"].as_array().unwrap() {
        let id = attribute["oifma_id"].as_str().unwrap();
        claims.insert(("attribute-id", id.to_owned()));
    }
    claims
}

/// The family of a rule's name as the site lists it (`unique:name` is `name`).
fn family(rule: &str) -> &str {
    rule.rsplit(':').next().unwrap()
}

#[test]
fn the_real_history_applied_step_by_step_ends_in_the_bytes_of_a_build_from_scratch() {
    let Some(real) = RealFindings::find() else { return };
    let steps: Vec<Value> =
        serde_json::from_slice(&fs::read(real.file("update_chain.json")).unwrap()).unwrap();
    assert_eq!(steps.len(), 13);
    let input = tempfile::tempdir().unwrap();
    let quire = Quire::with("FINDINGS_ROOT", input.path().join("defs"));
    let mut keys_before = BTreeSet::new();
    let mut manifest = None;
    for step in &steps {
        let folder = real.folder("update_chain").join(format!("step{:02}", step["step"].as_u64().unwrap()));
        if folder.is_dir() {
            copy_tree(&folder, input.path());
        }
        for removed in step["removed"].as_array().unwrap() {
            fs::remove_file(input.path().join(removed.as_str().unwrap())).unwrap();
        }
        let report = quire.build(&Build::of("findings"));
        manifest = Some(report.manifest);
        let counts = report.runs[0].records;
        assert_eq!(counts.seen, step["files"].as_u64().unwrap(), "step {step}");
        let published = published_keys(&quire);
        let gone = keys_before.difference(&published).count() as u64;
        assert_eq!(counts.removed, gone, "a renamed model is one update, not a removal: step {step}");
        keys_before = published;
    }
    let (scratch, report) = build(&input.path().join("defs"));
    assert_eq!(report.records.seen, 2039);
    assert_eq!(
        manifest.unwrap(),
        quire_proto::Digest::of(&fs::read(scratch.site().join("manifest.json")).unwrap())
    );
}

/// Keys in the published `data.json`.
fn published_keys(quire: &Quire) -> BTreeSet<String> {
    let data: Value =
        serde_json::from_slice(&fs::read(quire.site().join("findings/data.json")).unwrap()).unwrap();
    let rows = data.as_array().or_else(|| data["records"].as_array()).expect("data.json lists records");
    rows.iter().map(|row| row["key"].as_str().expect("a row has a key").to_owned()).collect()
}

/// Every model below `root`, by location.
fn models(root: &Path) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().unwrap().ends_with(".fm.json") {
                let location = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(location, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap());
            }
        }
    }
    found
}

fn attribute_owners(models: &BTreeMap<String, Value>) -> BTreeMap<String, BTreeSet<String>> {
    let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (location, model) in models {
        for attribute in model["attributes"].as_array().unwrap() {
            owners
                .entry(attribute["oifma_id"].as_str().unwrap().to_owned())
                .or_default()
                .insert(location.clone());
        }
    }
    owners
}

fn texts(model: &Value, field: &str) -> Vec<String> {
    let values = model[field].as_array().cloned().unwrap_or_default();
    values
        .iter()
        .map(|value| if field == "tags" { value.as_str().unwrap().to_owned() } else { folded(value) })
        .collect()
}

fn folded(value: &Value) -> String {
    value.as_str().unwrap().to_lowercase()
}

fn slug(name: &str) -> String {
    name.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' })
        .collect()
}
