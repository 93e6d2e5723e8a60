//! Broken definitions and what is said of them: `tests/broken/NAME.yaml` beside `NAME.txt`.
//!
//! `QUIRE_BLESS=1 cargo test -p quire-catalogue --test diagnostics` writes the texts anew; read the difference.

mod support;

use std::{collections::BTreeMap, fs, path::Path};

use quire_catalogue::{Bundle, Catalogue};
use serde_json::Value;

/// What is said of a definition, with two files beside it.
fn said(yaml: &[u8]) -> String {
    let files = [
        ("catalogue.yaml", yaml),
        ("schema.json", br#"{"type": "object"}"#.as_slice()),
        ("broken.json", b"{\n  \"type\": \"objekt\"\n}"),
        ("not.json", b"{\n  \"type\":\n}"),
        ("templates/record.html", b"{{ title }}"),
    ];
    let files: BTreeMap<_, _> =
        files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect();
    match Catalogue::load(Bundle::new(files)) {
        Ok(catalogue) => catalogue.check().to_string(),
        Err(flaws) => flaws.to_string(),
    }
}

fn broken() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .map(|path| (path.with_extension("txt").to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn broken_definitions_are_explained() {
    let all = broken();
    assert!(all.len() >= 25, "{} definitions", all.len());
    let mut wrong = Vec::new();
    for (expected, yaml) in all {
        let said = said(&yaml);
        assert!(!said.is_empty(), "nothing is said of {expected}");
        if std::env::var_os("QUIRE_BLESS").is_some() {
            fs::write(&expected, &said).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{expected}:\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_diagnostic_of_catalogue_yaml_has_a_place_and_its_line() {
    for (name, yaml) in broken() {
        let text = String::from_utf8_lossy(&yaml).into_owned();
        let flaws = match support::load(&text) {
            Ok(catalogue) => catalogue.check(),
            Err(flaws) => flaws,
        };
        for flaw in flaws.iter().filter(|flaw| flaw.line > 0) {
            let line = text.lines().nth(flaw.line as usize - 1);
            assert_eq!(flaw.snippet.as_deref(), Some(line.unwrap_or_default()), "{name}");
            assert!(flaw.column as usize <= line.unwrap_or_default().chars().count() + 1, "{name}: {flaw:?}");
        }
    }
}

#[test]
fn the_schema_for_editors_takes_what_we_take() {
    let schema = Catalogue::definition_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let findings =
        fs::read_to_string(support::repository().join("catalogues/findings/catalogue.yaml")).unwrap();
    let value: Value = serde_saphyr::from_str(&findings).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn the_schema_for_editors_takes_a_neuprint_source_and_no_token() {
    let validator = jsonschema::validator_for(&Catalogue::definition_schema()).unwrap();
    let takes = |neuprint: Value| {
        let source = serde_json::json!({ "name": "types", "neuprint": neuprint });
        let record = serde_json::json!({ "key": ".type", "title": ".type" });
        let value =
            serde_json::json!({ "catalogue": "n", "title": "N", "sources": [source], "record": record });
        validator.is_valid(&value)
    };
    let asked = |token: &str| serde_json::json!({ "server": "${S:-https://n.example}", "dataset": "cns", "token": token });
    assert!(takes(asked("${NEUPRINT_TOKEN}")));
    assert!(!takes(asked("s3cret")) && !takes(asked("${T:-s3cret}")));
    assert!(!takes(serde_json::json!({ "server": "https://n.example", "dataset": "cns" })));
}

#[test]
fn the_schema_for_editors_refuses_unknown_keys_like_we_do() {
    let validator = jsonschema::validator_for(&Catalogue::definition_schema()).unwrap();
    for (name, yaml) in broken().into_iter().filter(|(name, _)| name.contains("unknown_key")) {
        let value: Value = serde_saphyr::from_slice(&yaml).unwrap();
        assert!(!validator.is_valid(&value), "{name}");
    }
}

#[test]
fn the_design_page_example_is_a_catalogue() {
    let yaml = "\
catalogue: findings                     # slug: [a-z0-9-]
title: Radiology finding models
sources:
  - name: models
    files: { include: [\"data/**/*.fm.json\"], format: json }
record:
  key: .oifm_id                         # jq expression → string
  title: .name
  summary: .description
validate:
  schema: schema.json
  rules:
    - unique: .attributes[].oifma_id    # across the catalogue
index:
  fields:
    - { name: name,     from: .name,       type: text, boost: 4 }
    - { name: synonyms, from: \".synonyms[]?\", type: text, boost: 2 }
    - { name: tags,     from: \".tags[]?\",  type: keyword, facet: true }
pages:
  record: templates/record.html
";
    assert_eq!(said(yaml.as_bytes()), "");
    let catalogue = support::load(yaml).unwrap();
    assert_eq!(catalogue.definition().validate.rules[0].name, "attributes-oifma_id");
    assert_eq!(catalogue.definition().sources[0].connector.files().unwrap().root, ".");
}
