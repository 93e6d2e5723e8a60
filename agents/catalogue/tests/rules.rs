//! Each kind of rule, and what becomes of keys, titles, slugs and look-ups.

mod support;

use quire_proto::{Format, Judged, Severity};
use support::{brief, item, item_as, problems, record, small};

const RECORD: &str = "record: { key: .id, title: .id }\n";

fn with_rules(rules: &str) -> quire_catalogue::Catalogue {
    small(&format!("{RECORD}validate:\n  rules:\n{rules}"))
}

fn claims(assessment: &quire_catalogue::Assessment) -> Vec<(&str, &str, &str, u32)> {
    let all = record(assessment).claims.iter();
    all.map(|claim| (claim.rule.as_str(), claim.value.as_str(), claim.pointer.as_str(), claim.line)).collect()
}

#[test]
fn key_and_slug_are_the_first_claims_of_every_record() {
    let catalogue = with_rules("    - { name: name, unique: .name, fold: case }\n");
    let assessment = catalogue.judge(&item("{\n\"id\": \"a1\",\n\"name\": \"Ünit\"\n}"));
    let expected = [("key", "a1", "/id", 2), ("slug", "a1", "/id", 2), ("name", "ünit", "/name", 3)];
    assert_eq!(claims(&assessment), expected);
}

#[test]
fn unique_claims_each_value_once_and_tells_repeats() {
    let catalogue = with_rules("    - { name: code, unique: '.codes[]?', severity: warn }\n");
    let assessment = catalogue.judge(&item("{\"id\":\"a\",\"codes\":[\"x\",\n\"y\",\n\"x\", null, 1]}"));
    let values: Vec<_> =
        claims(&assessment).into_iter().skip(2).map(|(_, value, pointer, _)| (value, pointer)).collect();
    assert_eq!(values, [("x", "/codes/0"), ("y", "/codes/1"), ("1", "/codes/4")]);
    assert_eq!(brief(&assessment), ["unique:code /codes/2 3"]);
    assert_eq!(problems(&assessment)[0].message, "`x` is already at /codes/0");
}

#[test]
fn consistent_lets_records_share_what_is_equal() {
    let catalogue =
        with_rules("    - { name: person, consistent: '.people[]?', by: .login, severity: warn }\n");
    let assessment = catalogue.judge(&item(
        r#"{"id":"a","people":[{"login":"x","n":1},{"login":"x","n":1},{"login":"y"},{"login":"y","n":2},{"n":3}]}"#,
    ));
    let record = record(&assessment);
    let held: Vec<_> =
        record.claims.iter().skip(2).map(|claim| (claim.value.as_str(), claim.payload.is_some())).collect();
    assert_eq!(held, [("x", true), ("y", true)]);
    assert_eq!(brief(&assessment), ["consistent:person /people/3 1"]);
}

#[test]
fn references_and_exclusions_fold_like_the_rule_that_they_lead_to() {
    let catalogue = with_rules(concat!(
        "    - { name: name, unique: .name, fold: case }\n",
        "    - { name: parent, reference: .parent, to: name }\n",
        "    - { name: alias, excludes: '.also[]?', from: name, severity: warn }\n",
        "    - { name: see, reference: '.see[]?', to: key }\n",
    ));
    let assessment = catalogue
        .judge(&item(r#"{"id":"a","name":"One","parent":"TWO","also":["Three","THREE"],"see":["Key"]}"#));
    let references: Vec<_> = record(&assessment)
        .references
        .iter()
        .map(|one| (one.rule.as_str(), one.target.as_str(), one.value.as_str(), one.must_exist, one.severity))
        .collect();
    let expected = [
        ("parent", "name", "two", true, Severity::Reject),
        ("alias", "name", "three", false, Severity::Warn),
        ("see", "key", "Key", true, Severity::Reject),
    ];
    assert_eq!(references, expected);
}

#[test]
fn distinct_and_expect_judge_a_record_by_itself() {
    let catalogue = with_rules(concat!(
        "    - { name: tag, distinct: '.tags[]?', severity: warn }\n",
        "    - { name: range, expect: '.ranges[]? | .low <= .high', message: low is above high }\n",
        "    - { name: whole, expect: '.n > 0', message: n must be positive, at: /n }\n",
    ));
    let fine = catalogue.judge(&item(r#"{"id":"a","n":1,"tags":["x","x"],"ranges":[{"low":1,"high":2}]}"#));
    assert_eq!(brief(&fine), ["distinct:tag /tags/1 1"]);
    let broken = catalogue.judge(&item(
        "{\"id\":\"a\",\n\"n\":0,\n\"ranges\":[{\"low\":1,\"high\":2},\n{\"low\":3,\"high\":2}]}",
    ));
    assert!(matches!(broken.verdict.judged, Judged::Rejected { .. }));
    assert_eq!(brief(&broken), ["expect:whole /n 2", "expect:range /ranges/1 4"]);
    assert_eq!(problems(&broken)[1].message, "low is above high");
    assert_eq!(broken.body, None);
}

#[test]
fn an_expression_that_fails_is_a_reject_with_its_reason() {
    let catalogue = with_rules("    - { name: code, unique: '.codes[]', severity: warn, message: hidden }\n");
    let assessment = catalogue.judge(&item(r#"{"id":"a","codes":7}"#));
    assert!(matches!(assessment.verdict.judged, Judged::Rejected { .. }));
    assert_eq!(brief(&assessment), ["unique:code  1"]);
    assert!(problems(&assessment)[0].message.starts_with("expression failed: cannot use 7 as iterable"));
}

#[test]
fn keys_that_cannot_be_are_told() {
    let catalogue = small(RECORD);
    for (text, expected) in [
        (r"{}", "expected a key, found nothing"),
        (r#"{"id":"  "}"#, "expected a key, found empty text"),
        (r#"{"id":["a"]}"#, "expected text as key, found something else"),
        (r#"{"id":"a\u0007"}"#, "key has the control character U+0007"),
        (r"[1]", "expression failed: cannot index [1] with \"id\""),
    ] {
        let assessment = catalogue.judge(&item(text));
        assert_eq!(problems(&assessment)[0].message, expected, "{text}");
        assert!(
            problems(&assessment).iter().all(|problem| problem.rule == "key" && problem.line == Some(1)),
            "{text}"
        );
    }
    let long = format!(r#"{{"id":"{}"}}"#, "k".repeat(10_000_000 / 4));
    assert_eq!(
        problems(&catalogue.judge(&item(long)))[0].message,
        "key has 2500000 bytes, at most 1024 are allowed"
    );
    assert_eq!(record(&catalogue.judge(&item(r#"{"id":42}"#))).key, "42");
}

#[test]
fn odd_keys_have_safe_slugs() {
    let catalogue = small(RECORD);
    for key in ["../../etc/passwd", "a/b", "CON", "index", "ключ", "a b", "."] {
        let assessment = catalogue.judge(&item(serde_json::json!({ "id": key }).to_string()));
        let record = record(&assessment);
        assert_eq!(record.key, key);
        assert!(
            record.slug.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-~".contains(&b)),
            "{}",
            record.slug
        );
    }
}

#[test]
fn titles_summaries_rows_and_terms_come_from_the_record() {
    let catalogue = small(concat!(
        "record: { key: .id, title: '.title // .name', summary: .text, slug: '.name | slugify' }\n",
        "index:\n  fields:\n",
        "    - { name: tags, from: '.tags[]?', type: keyword }\n",
        "    - { name: size, from: .size, type: number }\n",
        "    - { name: words, from: '.tags[]?', shards: false }\n",
        "lookups:\n  - { name: related, by: '.see[]?', in: '.name, .tags[]?', fold: case }\n",
    ));
    let text =
        r#"{"id":"a","name":"A Name","text":"Some text","tags":["X",""],"size":"big","see":["x","Y"]}"#;
    let assessment = catalogue.judge(&item(text));
    let record = record(&assessment);
    assert_eq!((record.title.as_str(), record.slug.as_str()), ("A Name", "a_name"));
    assert_eq!(record.row.summary, "Some text");
    assert_eq!(record.row.fields, [vec!["X".to_owned()], vec![], vec![]]);
    let terms: Vec<_> =
        record.terms.iter().map(|term| (term.value.as_str(), term.offered, term.wanted)).collect();
    assert_eq!(terms, [("a name", true, false), ("x", true, true), ("y", false, true)]);
    let document = catalogue.document("a", None, &assessment.body.unwrap()).unwrap();
    assert_eq!(document.title, "A Name");
    assert_eq!(document.fields, [vec!["X".to_owned()], vec![], vec!["X".to_owned()]]);
}

#[test]
fn rows_and_yaml_are_judged_too() {
    let catalogue = with_rules("    - { name: code, distinct: '.codes[]?' }\n");
    let yaml = catalogue.judge(&item_as(Format::Yaml, "id: a\ncodes:\n  - x\n  - y\n  - x\n"));
    assert_eq!(brief(&yaml), ["distinct:code /codes/2 5"]);
    let mut row = item_as(Format::Row, "{\"id\":\"a\",\n\"codes\":[\n\"x\",\n\"x\"]}");
    row.line = 17;
    assert_eq!(brief(&catalogue.judge(&row)), ["distinct:code /codes/1 17"]);
    let mut line = item("{\"id\":\"a\",\"codes\":[\"x\",\"x\"]}");
    line.line = 5;
    assert_eq!(brief(&catalogue.judge(&line)), ["distinct:code /codes/1 5"]);
}

#[test]
fn split_makes_many_items_of_one_location() {
    let catalogue = support::load(concat!(
        "catalogue: a\ntitle: A\nsources:\n",
        "  - { name: all, files: { include: ['*'], format: json }, split: '.list[] | select(.keep)' }\n",
        "  - { name: plain, files: { include: ['*'], format: json } }\n",
        "record: { key: .id, title: .id }\n",
    ))
    .unwrap();
    let raw = br#"{"list":[{"keep":true,"id":1.0},{"keep":false},{"keep":1}]}"#;
    let items = catalogue.split("all", Format::Json, raw).unwrap();
    let expected: [&[u8]; 2] = [br#"{"keep":true,"id":1.0}"#, br#"{"keep":1}"#];
    assert_eq!(items, expected);
    assert_eq!(catalogue.split("plain", Format::Json, raw).unwrap(), [raw.to_vec()]);
    assert_eq!(catalogue.split("all", Format::Json, b"{").unwrap_err().rule, "json");
    assert_eq!(catalogue.split("all", Format::Json, b"{}").unwrap_err().rule, "split");
}

#[test]
fn normalise_that_makes_no_json_is_a_reject() {
    for (normalise, expected) in [
        (".a = (0 / 0)", "the record has no JSON form: expected a finite number, found NaN"),
        (".a |= tobytes", "the record has no JSON form: expected text, found bytes that are not UTF-8"),
        ("{(1 | tojson): 1} | .[null] = 1", "the record has no JSON form: expected text as key, found null"),
        ("empty", "expected one output, found 0"),
        ("., .", "expected one output, found 2"),
        ("error(\"no\")", "expression failed: \"no\""),
    ] {
        let catalogue =
            small(&format!("record: {{ key: '\"k\"', title: '\"t\"', normalise: '{normalise}' }}\n"));
        let assessment = catalogue.judge(&item(r#"{"a":"x"}"#));
        let messages: Vec<_> = problems(&assessment).iter().map(|one| one.message.as_str()).collect();
        assert_eq!(messages, [expected], "{normalise}");
    }
}

#[test]
fn the_validation_digest_changes_with_what_verdicts_depend_on() {
    let base = "record: { key: .id, title: .id }\n";
    let digest = |sections: &str| small(sections).validation_digest();
    let same =
        [format!("{base}description: other\n"), format!("{base}pages: {{}}\n"), format!("# moved\n\n{base}")];
    for sections in same {
        assert_eq!(digest(&sections), digest(base), "{sections}");
    }
    let others = [
        "record: { key: .id, title: .name }\n".to_owned(),
        "record: { key: .id, title: .id, normalise: . }\n".to_owned(),
        "record: { key: .id, title: .id, slug: .id }\n".to_owned(),
        "record: { key: .id, title: .id, summary: .id }\n".to_owned(),
        format!("{base}validate: {{ rules: [{{ name: a, unique: .a }}] }}\n"),
        format!("{base}validate: {{ rules: [{{ name: a, distinct: .a }}] }}\n"),
        format!("{base}index: {{ fields: [{{ name: a, from: .a }}] }}\n"),
        format!("{base}lookups: [{{ name: a, by: .a, in: .b }}]\n"),
    ];
    let mut digests: Vec<_> = others.iter().map(|sections| digest(sections)).collect();
    digests.push(digest(base));
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), others.len() + 1);
}
