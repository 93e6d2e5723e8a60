//! Direct evaluation and jaq say the same; what must not be had is not there.

use bytes::Bytes;
use jaq_json::Val;
use proptest::prelude::*;
use quire_proto::Format;
use serde_json::{Value, json};

use super::*;
use crate::decode::{Limits, decode};

fn value(json: &Value) -> Val {
    decode(Format::Json, &Bytes::from(json.to_string()), Limits::default()).unwrap()
}

/// Outputs and places by jaq alone.
fn by_jaq(expr: &Expr, record: &Val) -> Evaluated<Vec<(Val, String)>> {
    let places = match expr.place {
        Place::Whole => vec![Hit { value: Cow::Owned(record.clone()), pointer: String::new() }],
        _ => place_hits(&compile::place_filter(&expr.code).unwrap(), record)?,
    };
    let mut all = Vec::new();
    for place in places {
        match expr.rest {
            Rest::Nothing => all.push((place.value.into_owned(), place.pointer)),
            _ => {
                let values = evaluate(&compile::rest_filter(&expr.code).unwrap(), place.value.into_owned())?;
                all.extend(values.into_iter().map(|value| (value, place.pointer.clone())));
            }
        }
    }
    Ok(all)
}

fn direct(expr: &Expr, record: &Val) -> Evaluated<Vec<(Val, String)>> {
    Ok(expr.hits(record)?.into_iter().map(|hit| (hit.value.into_owned(), hit.pointer)).collect())
}

fn is_direct(expr: &Expr) -> bool {
    expr.whole.is_some() || !matches!(expr.place, Place::Jaq) && !matches!(expr.rest, Rest::Jaq)
}

const EXPRESSIONS: [&str; 64] = [
    ".",
    ".a",
    ".a.b",
    ".a?",
    ".a[]",
    ".a[]?",
    ".a[]?.b",
    ".a[]?.b?",
    ".[]?",
    ".a, .b[]?",
    ".a // empty",
    ".a[]? // empty",
    ".a // .b",
    ".a // \"none\"",
    ".a[]? // .b // .c",
    "if .a then .b else .c end",
    ".a[0]",
    ".a[-1]?",
    ".[\"a\"]",
    ".a[]? | select(.b)",
    ".a[]? | select(.b?) | .c?",
    ".a[]? | objects | select(.b == 1)",
    ".a | objects | .b",
    ".a | arrays | .[]",
    ".a | strings | fold",
    ".a | strings | slugify | length",
    ".a[]? | select(type? == 1) | .b",
    ".a == .b",
    ".a < .b",
    ".a >= .b and .a != 1",
    ".a or .b",
    ".a | not",
    ".a + .b",
    ".a - .b",
    ".a | length",
    "if .a then .b elif .c then 1 else \"x\" end",
    "if .a then .b end",
    ".a as $x | .b | . == $x",
    ".a[]? as $x | .b[]? | . == $x",
    "[.a[]?] | length",
    "[.a[]?, .b] | unique | length",
    "[.a[]?.b?] | index(1) == null",
    "{a: .b, c: 1, \"d\": [.a]}",
    "\"x\\(.a)y\\(.b)\"",
    "def f: .a; def g: f | .b?; g",
    ".a |= 1",
    ".a[]? |= [.]",
    "(.a[]? | objects | select(.b) | .c) |= 1",
    "(.a[]? | select(.b?)) |= (.b as $x | .c = $x)",
    ".a = .b",
    ".a += 1",
    ".a.b |= . + \"!\"",
    ".a |= if . == null then 1 else . end",
    ".a |= empty",
    ".a | to_entries[] | .key",
    "[.a | to_entries[] | .key as $at | .value | if isobject then .b = \"\\($at)\" else . end]",
    ".a | split(\"-\")[1]",
    ".a | startswith(\"a\")",
    ".a | endswith(\"-\") or contains(\"b\")",
    ".a | map(.b?)",
    ".a | add",
    ".a | sort",
    ".a | has(\"b\")",
    ".a | ascii_downcase | tostring",
];

#[test]
fn what_catalogues_are_made_of_is_evaluated_directly() {
    let by_jaq = [".a[]? | select(type? == 1) | .b"];
    for code in EXPRESSIONS {
        assert_eq!(is_direct(&Expr::compile(code).unwrap()), !by_jaq.contains(&code), "{code}");
    }
}

/// Random JSON over few keys, so that paths often meet something.
fn record() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..3_i64).prop_map(Value::from),
        Just(json!(1.5)),
        "[aB-]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn direct_evaluation_and_jaq_say_the_same(record in record()) {
        let record = value(&record);
        for code in EXPRESSIONS {
            let expr = Expr::compile(code).unwrap();
            let expected = by_jaq(&expr, &record);
            prop_assert_eq!(&direct(&expr, &record), &expected, "{} on {}", code, record);
            let values = expr.values(&record).map(|all| all.into_iter().map(Cow::into_owned).collect::<Vec<_>>());
            let expected = expected.map(|all| all.into_iter().map(|(value, _)| value).collect());
            prop_assert_eq!(values, expected, "{} on {}", code, record);
        }
    }

    #[test]
    fn a_record_changed_in_place_is_what_jaq_makes_of_it(record in record()) {
        let record = value(&record);
        for code in EXPRESSIONS.into_iter().filter(|code| code.contains('=')) {
            let expr = Expr::compile(code).unwrap();
            let changed = expr.transform(value(&schema_free(&record)), || record.clone());
            let expected = by_jaq(&expr, &record).and_then(|mut all| match (all.pop(), all.len()) {
                (Some((one, _)), 0) => Ok(one),
                (last, others) => Err(EvalError::NotOne(others + usize::from(last.is_some()))),
            });
            prop_assert_eq!(changed, expected, "{} on {}", code, record);
        }
    }

    #[test]
    fn random_text_never_panics(code in "[.a-z|\\[\\](){}$\"\\\\,:?0-9 =<>+*-]{0,40}") {
        if let Ok(expr) = Expr::compile(&code) {
            let _ = expr.hits(&value(&json!({"a": [1, {"b": "x"}]})));
        }
    }
}

/// A second copy of a record, so that nothing is shared with the first.
fn schema_free(record: &Val) -> Value {
    serde_json::from_str(&record.to_string()).unwrap()
}

#[test]
fn pointers_follow_the_path_to_an_output() {
    let record = value(&json!({"a/b": {"~": [{"x": 1}, {"x": 2}]}}));
    let pointers = |code: &str| -> Vec<String> {
        Expr::compile(code).unwrap().hits(&record).unwrap().into_iter().map(|hit| hit.pointer).collect()
    };
    assert_eq!(pointers(".[\"a/b\"][\"~\"][].x"), ["/a~1b/~0/0/x", "/a~1b/~0/1/x"]);
    assert_eq!(pointers(".[\"a/b\"][\"~\"][] | select(.x > 1) | .x + 1"), ["/a~1b/~0/1"]);
    assert_eq!(pointers(".. | numbers"), ["/a~1b/~0/0/x", "/a~1b/~0/1/x"]);
    assert_eq!(pointers("[.[]] | length"), [""]);
}

#[test]
fn endless_expressions_end() {
    for code in [
        "repeat(.)",
        "[repeat(1)]",
        "last(repeat(1))",
        "until(false; .)",
        "[while(true; .)]",
        "last(recurse)",
        "[recurse(.)]",
        "[range(0; infinite)] | length",
        "last(range(0; 1; 0))",
        "[limit(2000000; repeat(1))] | length",
        "try repeat(error) catch repeat(1)",
        "first(range(1e12) | select(. < 0))",
    ] {
        let one = value(&json!(1));
        let result = Expr::compile(code).unwrap().values(&one);
        let ended =
            matches!(result, Err(EvalError::Endless | EvalError::TooMany | EvalError::Failed(_)) | Ok(_));
        assert!(ended, "{code}: {result:?}");
    }
    let endless = Expr::compile("[repeat(1)]").unwrap().values(&Val::Null).unwrap_err();
    assert_eq!(endless, EvalError::Endless);
}

#[test]
fn products_of_text_are_bounded() {
    for code in ["\"ab\" * 1e9", "\"ab\" * 10000000000", ". as $n | \"ab\" | . *= $n"] {
        let many = value(&json!(1_000_000_000_000_u64));
        let result = Expr::compile(code).unwrap().values(&many);
        assert!(
            !matches!(&result, Ok(values) if values.iter().any(|v| v.to_string().len() > 1 << 25)),
            "{code}"
        );
    }
    let expr = Expr::compile(".a * 3, (.b |= (. as $x | 2 | . *= $x))").unwrap();
    let values = expr.values(&value(&json!({"a": "xy", "b": 4}))).map(|values| values.len());
    assert_eq!(values, Ok(2));
}

#[test]
fn what_is_impure_or_recursive_is_refused() {
    let message = |code: &str| Expr::compile(code).map(|_| ()).unwrap_err().message;
    for name in
        ["now", "env", "$ENV", "input", "inputs", "debug", "halt", "halt_error", "localtime", "stderr"]
    {
        assert_eq!(message(&format!(".a | {name}")), format!("`{name}` is not available"));
    }
    assert_eq!(message("def f: 1 + f; f"), "`f` calls itself");
    assert_eq!(message("def f: def g: f; g; f"), "`f` calls itself");
    assert_eq!(message("include \"x\"; ."), "expected nothing, found `\"x\"`");
    assert_eq!(message("import \"x\" as x; ."), "expected nothing, found `\"x\"`");
    assert!(message(&"(".repeat(10_000)).contains("nested too deeply"));
    assert!(message(&"1|".repeat(10_000)).contains("bytes"));
    assert_eq!(message("."[1..].to_string().as_str()), "expected an expression, found nothing");
}

#[test]
fn text_of_a_record_cannot_exhaust_the_stack_by_fromjson() {
    let deep = value(&json!("[".repeat(1_000_000)));
    for code in ["fromjson", "tonumber", "toboolean"] {
        let result = Expr::compile(code).unwrap().values(&deep);
        assert!(matches!(result, Err(EvalError::Failed(_))), "{code}");
    }
    assert_eq!(
        Expr::compile("tonumber").unwrap().values(&value(&json!("1.50"))).unwrap()[0].to_string(),
        "1.50"
    );
}

#[test]
fn arithmetic_that_would_panic_in_jaq_is_an_error() {
    let least = value(&json!(i64::MIN));
    for code in
        ["length", "abs", "tojson | ltrimstr(1)", "-(.) | length", ". / 0", ". % 0", "[.[]?] | implode"]
    {
        let _ = Expr::compile(code).unwrap().values(&least);
    }
}
