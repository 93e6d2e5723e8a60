//! Items that mean harm, or are only broken: a reason, never a panic.

mod support;

use proptest::prelude::*;
use quire_proto::{Format, Judged};
use serde_json::{Value, json};
use support::{findings, item, item_as, problems};

fn model() -> Value {
    json!({
        "oifm_id": "OIFM_TEST_000001", "name": "Sample finding", "description": "A sample finding",
        "synonyms": ["sample"], "tags": ["a", "b"],
        "contributors": [
            {"github_username": "someone", "email": "a@b.example", "name": "Some One", "organization_code": "SOME"},
            {"name": "Some Organisation", "code": "SOME", "url": "https://example.org/"}
        ],
        "attributes": [
            {"oifma_id": "OIFMA_TEST_000001", "name": "first", "type": "choice", "max_selected": 1,
             "values": [{"name": "one"}, {"name": "two"}]},
            {"oifma_id": "OIFMA_TEST_000002", "name": "size", "type": "numeric", "minimum": 0, "maximum": 9.5}
        ],
        "index_codes": [{"system": "DEMO", "code": "A1", "display": null}]
    })
}

#[test]
fn hostile_items_are_rejected_with_a_reason_and_a_line() {
    let catalogue = findings();
    let text = model().to_string();
    let with = |name: &str, value: Value| {
        let mut model = model();
        model[name] = value;
        model.to_string().into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("truncated", text.as_bytes()[..text.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("deep", "[".repeat(100_000).into_bytes()),
        ("deep objects", "{\"a\":".repeat(100_000).into_bytes()),
        ("huge number", text.replacen(":0,", &format!(":{},", "9".repeat(100_000)), 1).into_bytes()),
        ("number out of range", text.replacen(":0,", ":1e999,", 1).into_bytes()),
        ("duplicate key", text.replacen("{\"oifm_id\"", "{\"name\":\"x\",\"oifm_id\"", 1).into_bytes()),
        ("bad UTF-8", [text.as_bytes(), &[0xFF]].concat()),
        ("byte order mark", [b"\xEF\xBB\xBF", text.as_bytes()].concat()),
        ("NaN", text.replacen(":0,", ":NaN,", 1).into_bytes()),
        ("lone surrogate", text.replacen("A sample", "\\udc00", 1).into_bytes()),
        ("not an object", b"[]".to_vec()),
        ("a number", b"1".to_vec()),
        ("null", b"null".to_vec()),
        ("attributes as text", with("attributes", json!("x"))),
        ("attributes of null", with("attributes", json!([null, 1, "x", [], {}]))),
        ("contributors as number", with("contributors", json!(7))),
        ("contributors of lists", with("contributors", json!([[], 1, null]))),
        ("synonyms as object", with("synonyms", json!({"a": {"b": 1}}))),
        ("name as list", with("name", json!([["x"]]))),
        ("key as object", with("oifm_id", json!({}))),
        ("key with a path", with("oifm_id", json!("../../x"))),
        ("key with a control character", with("oifm_id", json!("OIFM\u{0}"))),
        ("key of ten million bytes", with("oifm_id", json!("k".repeat(7_000_000)))),
        ("too many bytes", with("description", json!("d".repeat(9_000_000)))),
    ];
    for (name, raw) in cases {
        let assessment = catalogue.judge(&item(raw));
        let Judged::Rejected { problems, .. } = &assessment.verdict.judged else {
            panic!("{name} is a record")
        };
        assert!(!problems.is_empty(), "{name}");
        for problem in problems {
            assert!(problem.line.is_some_and(|line| line > 0), "{name}: {problem:?}");
            assert!((1..2000).contains(&problem.message.len()), "{name}: {} bytes", problem.message.len());
        }
    }
}

#[test]
fn a_record_full_of_problems_has_a_bounded_list_of_them() {
    let mut model = model();
    model["attributes"] = Value::Array(vec![json!({}); 20_000]);
    let assessment = findings().judge(&item(model.to_string()));
    let count = problems(&assessment).len();
    assert!((100..1000).contains(&count), "{count}");
}

#[test]
fn yaml_bombs_are_rejected() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", format!("*a{}, ", level - 1).repeat(10)));
    }
    let assessment = findings().judge(&item_as(Format::Yaml, bomb));
    assert_eq!(problems(&assessment)[0].rule, "yaml");
}

/// A change of one place of a model.
fn mutated() -> impl Strategy<Value = Value> {
    let odd = prop_oneof![
        Just(Value::Null),
        Just(json!(true)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!("")),
        Just(json!("all")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[null]])),
        Just(json!({"a": {"b": []}})),
        any::<String>().prop_map(Value::from),
    ];
    (proptest::collection::vec((0..200_usize, odd), 1..4)).prop_map(|changes| {
        let mut model = model();
        for (place, value) in changes {
            let mut left = place;
            put(&mut model, &mut left, &value);
        }
        model
    })
}

/// Puts a value in the place number `left`, counted through the tree.
fn put(at: &mut Value, left: &mut usize, value: &Value) -> bool {
    if *left == 0 {
        *at = value.clone();
        return true;
    }
    *left -= 1;
    match at {
        Value::Array(items) => items.iter_mut().any(|item| put(item, left, value)),
        Value::Object(members) => members.values_mut().any(|member| put(member, left, value)),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn mutated_models_never_panic_and_are_judged_the_same_twice(model in mutated()) {
        let catalogue = findings();
        let item = item(model.to_string());
        let assessment = catalogue.judge(&item);
        prop_assert_eq!(&catalogue.judge(&item), &assessment);
        prop_assert!(problems(&assessment).iter().all(|problem| problem.rule != "internal"));
        match &assessment.verdict.judged {
            Judged::Record(_) => prop_assert!(assessment.body.is_some()),
            Judged::Rejected { problems, .. } => prop_assert!(!problems.is_empty() && assessment.body.is_none()),
        }
    }

    #[test]
    fn truncated_and_damaged_models_never_panic(at in 0..1000_usize, byte in any::<u8>(), cut in 0..1000_usize) {
        let mut raw = model().to_string().into_bytes();
        let len = raw.len();
        raw[at % len] = byte;
        raw.truncate(1 + cut % len);
        for format in [Format::Json, Format::Yaml] {
            let assessment = findings().judge(&item_as(format, raw.clone()));
            prop_assert!(problems(&assessment).iter().all(|problem| problem.rule != "internal"));
        }
    }

    #[test]
    fn random_bytes_never_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
        let assessment = findings().judge(&item(raw));
        let rejected = matches!(assessment.verdict.judged, Judged::Rejected { .. });
        prop_assert!(rejected);
    }
}
