//! The findings catalogue on real finding models.

mod support;

use std::{collections::BTreeMap, fs, path::Path};

use quire_catalogue::{Catalogue, slug};
use quire_proto::{Judged, Severity};
use serde_json::Value;
use support::{brief, findings, item, problems, real_data, record};

#[test]
fn the_catalogue_has_no_flaws() {
    let flaws = findings().check();
    assert!(flaws.is_empty(), "{flaws}");
}

#[test]
fn every_sample_is_a_record_without_warnings() {
    let catalogue = findings();
    let folder = support::repository().join("catalogues/findings/data");
    let files = models(&folder);
    assert!((8..=12).contains(&files.len()), "{} samples", files.len());
    for (name, bytes) in files {
        let assessment = catalogue.judge(&item(bytes));
        assert_eq!(record(&assessment).warnings, [], "{name}");
    }
}

#[test]
fn samples_are_written_as_the_original_writes_them() {
    for (name, bytes) in models(&support::repository().join("catalogues/findings/data")) {
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            serde_json::to_string_pretty(&value).unwrap(),
            String::from_utf8(bytes).unwrap(),
            "{name}"
        );
        let title = value["name"].as_str().unwrap();
        assert_eq!(name, format!("{}.fm.json", slug::slugify(title)));
    }
}

#[test]
fn every_real_model_is_a_record() {
    let Some(data) = real_data() else { return };
    let catalogue = findings();
    let files = models(&data.join("defs/defs"));
    assert_eq!(files.len(), 2039);
    for (name, bytes) in files {
        let assessment = catalogue.judge(&item(bytes.clone()));
        let record = record(&assessment);
        let source: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(record.key, source["oifm_id"].as_str().unwrap(), "{name}");
        assert_eq!(record.title, source["name"].as_str().unwrap(), "{name}");
        // Today's files are normal already, so normalising and writing changes nothing but the layout.
        assert_eq!(assessment.body.as_ref().unwrap(), &serde_json::to_vec(&source).unwrap(), "{name}");
        assert!(record.claims.iter().all(|claim| claim.line > 1), "{name}");
        assert_eq!([record.claims[0].rule.as_str(), record.claims[1].rule.as_str()], ["key", "slug"]);
    }
}

#[test]
fn oddities_of_the_real_models_are_warnings() {
    let Some(data) = real_data() else { return };
    let catalogue = findings();
    let mut records: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, bytes) in models(&data.join("defs/defs")) {
        let assessment = catalogue.judge(&item(bytes));
        let mut rules: Vec<&str> = Vec::new();
        for warning in problems(&assessment) {
            assert_eq!(warning.severity, Severity::Warn);
            assert!(warning.line.is_some_and(|line| line > 1));
            let rule = KNOWN_RULES.iter().find(|rule| **rule == warning.rule);
            rules.extend(rule);
        }
        rules.sort_unstable();
        rules.dedup();
        rules.into_iter().for_each(|rule| *records.entry(rule).or_default() += 1);
    }
    let expected = [
        ("distinct:repeated-attribute-name", 1),
        ("distinct:repeated-tag", 117),
        ("expect:own-name-as-synonym", 14),
        ("expect:repeated-value", 1),
        ("unique:synonym", 5),
    ];
    assert_eq!(records, expected.into());
}

const KNOWN_RULES: [&str; 6] = [
    "distinct:repeated-attribute-name",
    "distinct:repeated-tag",
    "expect:own-name-as-synonym",
    "expect:repeated-value",
    "expect:empty-range",
    "unique:synonym",
];

/// Versions where we disagree with the list, and why. None today.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

#[test]
fn every_bad_version_is_rejected_at_every_place_that_its_list_names() {
    let Some(data) = real_data() else { return };
    let Some(list) = support::list(&data, "bad_versions.jsonl") else { return };
    let catalogue = findings();
    let lines = fs::read_to_string(list).unwrap();
    assert_eq!(lines.lines().count(), 361);
    let mut missed = Vec::new();
    for line in lines.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let file = entry["file"].as_str().unwrap();
        let path = data.join("bad_versions").join(file);
        missed.extend(missing(&catalogue, file, &path, entry["errors"].as_array().unwrap()));
    }
    assert!(missed.is_empty(), "{} places without an error:\n{}", missed.len(), missed.join("\n"));
}

fn missing(catalogue: &Catalogue, file: &str, path: &Path, errors: &[Value]) -> Vec<String> {
    let assessment = catalogue.judge(&item(fs::read(path).unwrap()));
    let Judged::Rejected { problems, .. } = &assessment.verdict.judged else {
        return vec![format!("{file} is a record")];
    };
    assert!(problems.iter().all(|problem| problem.line.is_some()), "{file}: {problems:#?}");
    let mut missed = Vec::new();
    for error in errors {
        let (kind, place) = (error["type"].as_str().unwrap(), error["loc"].as_str().unwrap());
        if EXCEPTIONS.iter().any(|(name, at, _)| *name == file && *at == place) {
            continue;
        }
        let pointer = pointer(place);
        let there = |problem: &&quire_proto::Problem| match kind {
            "union_tag_invalid" => problem.pointer == format!("{pointer}/type"),
            "json_invalid" => problem.rule == "json",
            "not_utf8" => problem.rule == "utf8",
            _ => problem.pointer == pointer,
        };
        if !problems.iter().any(|problem| there(&problem)) {
            missed.push(format!("{file}: {kind} at {place}; found {:?}", brief(&assessment)));
        }
    }
    missed
}

/// `attributes.1.choice.values` to `/attributes/1/values`: after an attribute's number the list names its kind.
fn pointer(place: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for step in place.split('.').filter(|step| !step.is_empty()) {
        let kind = matches!(step, "choice" | "numeric") && steps.len() == 2;
        if !kind {
            steps.push(step);
        }
    }
    steps.iter().map(|step| format!("/{step}")).collect()
}

#[test]
fn normalising_fills_in_what_the_models_leave_open() {
    let model = serde_json::json!({
        "oifm_id": "OIFM_TEST_000001", "name": "Sample finding", "description": "A sample",
        "contributors": [{"name": "Some Organisation", "code": "SOME", "url": "https://example.org"}],
        "attributes": [
            {"oifma_id": "OIFMA_TEST_000001", "name": "first", "type": "choice", "max_selected": "all",
             "values": [{"value_code": "wrong", "name": "one"}, {"name": "two"}, {"name": "three"}]},
            {"oifma_id": "OIFMA_TEST_000002", "name": "second", "type": "choice", "max_selected": 9,
             "values": [{"name": "one"}, {"name": "two"}]},
            {"oifma_id": "OIFMA_TEST_000003", "name": "third", "type": "choice",
             "values": [{"name": "one"}, {"name": "two"}]},
            {"oifma_id": "OIFMA_TEST_000004", "name": "fourth", "type": "numeric", "minimum": 1}
        ]
    });
    let assessment = findings().judge(&item(model.to_string()));
    record(&assessment);
    let body: Value = serde_json::from_slice(&assessment.body.unwrap()).unwrap();
    assert_eq!(body["contributors"][0]["url"], "https://example.org/");
    let selected: Vec<&Value> = (0..4).map(|at| &body["attributes"][at]["max_selected"]).collect();
    assert_eq!(selected, [&3.into(), &2.into(), &1.into(), &Value::Null]);
    assert_eq!(body["attributes"][0]["values"][0]["value_code"], "OIFMA_TEST_000001.0");
    assert_eq!(body["attributes"][1]["values"][1]["value_code"], "OIFMA_TEST_000002.1");
    assert!(body["attributes"][3].get("max_selected").is_none());
}

#[test]
fn a_record_without_a_key_is_rejected_with_all_other_errors_too() {
    let assessment = findings().judge(&item(br#"{"name": "abc", "attributes": []}"#.to_vec()));
    let Judged::Rejected { key: None, .. } = &assessment.verdict.judged else { panic!("{assessment:#?}") };
    let expected = [
        "schema:required  1",
        "schema:required  1",
        "schema:minItems /attributes 1",
        "schema:minLength /name 1",
        "key /oifm_id 1",
    ];
    assert_eq!(brief(&assessment), expected);
}

fn models(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}
