//! The JSON reader against `serde_json`, YAML against its twin, and hostile text.

use bytes::Bytes;
use proptest::prelude::*;
use quire_proto::Format;

use super::*;
use crate::encode;

fn json(text: impl Into<Vec<u8>>) -> Result<Value, Fault> {
    decode(Format::Json, &Bytes::from(text.into()), Limits::default())
}

fn yaml(text: &str) -> Result<Value, Fault> {
    decode(Format::Yaml, &Bytes::from(text.to_owned()), Limits::default())
}

fn canonical(value: &Value) -> String {
    encode::to_text(value).unwrap()
}

fn message(result: Result<Value, Fault>) -> String {
    let fault = result.unwrap_err();
    format!("{}: {}", fault.rule, fault.message)
}

#[test]
fn values_keep_their_order_and_digits() {
    let text = r#"{"b":1.10,"a":[1e2,-0.0,12345678901234567890123,true,null],"é\n\"\\":"\ud83d\ude00/"}"#;
    assert_eq!(
        canonical(&json(text).unwrap()),
        "{\"b\":1.10,\"a\":[1e2,-0.0,12345678901234567890123,true,null],\"é\\n\\\"\\\\\":\"😀/\"}"
    );
}

#[test]
fn faults_say_where_and_what_was_expected() {
    let cases: [(&[u8], &str); 26] = [
        (b"", "json: expected a JSON value, found nothing (line 1, column 1)"),
        (b" \n ", "json: expected a JSON value, found nothing (line 2, column 2)"),
        (b"{\"a\": 1", "json: expected `,` or `}`, found the end of the text (line 1, column 8)"),
        (b"{\"a\" 1}", "json: expected `:`, found `1` (line 1, column 6)"),
        (b"{a: 1}", "json: expected a key in quotes, found `a` (line 1, column 2)"),
        (b"[1,\n2,\n]", "json: expected another element, found a comma before `]` (line 2, column 2)"),
        (b"{\"a\":1,}", "json: expected another element, found a comma before `}` (line 1, column 7)"),
        (b"[1 2]", "json: expected `,` or `]`, found `2` (line 1, column 4)"),
        (b"1 2", "json: expected the end of the text, found `2` (line 1, column 3)"),
        (b"nul", "json: expected a JSON value, found `n` (line 1, column 1)"),
        (b"NaN", "json: expected a JSON value, found `N` (line 1, column 1)"),
        (b"-Infinity", "json: expected a digit, found `I` (line 1, column 2)"),
        (b"01", "json: expected the end of the text, found `1` (line 1, column 2)"),
        (b"1.", "json: expected a digit, found the end of the text (line 1, column 3)"),
        (b"1e400", "json: number 1e400 is out of range (line 1, column 1)"),
        (b"+1", "json: expected a JSON value, found `+` (line 1, column 1)"),
        (b"'a'", "json: expected a JSON value, found `'` (line 1, column 1)"),
        (b"\"a", "json: expected a closing quote, found the end of the text (line 1, column 3)"),
        (
            b"\"a\nb\"",
            "json: expected an escape like \\n, found a control character in a string (line 1, column 3)",
        ),
        (
            b"\"\\x\"",
            "json: expected an escape like \\n or \\u00e9, found another character after `\\` (line 1, column 2)",
        ),
        (b"\"\\u12g4\"", "json: expected four hexadecimal digits after \\u (line 1, column 2)"),
        (b"\"\\ud800\"", "json: expected a character, found the lone surrogate \\ud800 (line 1, column 2)"),
        (
            b"\"\\ud800\\u0041\"",
            "json: expected a character, found the lone surrogate \\ud800 (line 1, column 2)",
        ),
        (b"{\"k\":1,\n \"k\":2}", "json: the key \"k\" occurs twice in one object (line 2, column 2)"),
        (b"\"\xE9\"", "utf8: expected UTF-8, found the byte 0xE9 at offset 1 (line 1, column 2)"),
        (
            b"\xEF\xBB\xBF{}",
            "json: expected JSON, found a byte order mark; save the file as UTF-8 without one (line 1, column 1)",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(message(json(text)), expected, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn nesting_and_size_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(json(nested(64)).is_ok());
    assert!(message(json(nested(65))).contains("nested deeper than 64 levels"));
    assert!(message(json("[".repeat(100_000))).contains("nested deeper"));
    assert!(message(json("{\"a\":".repeat(100_000))).contains("nested deeper"));
    assert!(message(yaml(&"[".repeat(100_000))).contains("nested deeper"));
    assert!(message(yaml(&"- ".repeat(100_000))).starts_with("yaml: "));
    let limits = Limits { max_bytes: 3, ..Limits::default() };
    let fault = decode(Format::Json, &Bytes::from_static(b"[1,2]"), limits).unwrap_err();
    assert_eq!((fault.rule, fault.message.as_str()), ("size", "item has 5 bytes, at most 3 are allowed"));
    assert!(message(json("9".repeat(1_000_000))).contains("1000000 characters"));
}

#[test]
fn yaml_reads_like_its_json_twin() {
    let text =
        "a: 1\nb: [yes, ~, 1.50, 'x']\nc:\n  - d: \"e\\n\"\n    f: |\n      two\n      lines\n'1': !!str 2\n";
    assert_eq!(
        canonical(&yaml(text).unwrap()),
        r#"{"a":1,"b":["yes",null,1.50,"x"],"c":[{"d":"e\n","f":"two\nlines\n"}],"1":"2"}"#
    );
    assert_eq!(canonical(&yaml("a: &x [1]\nb: *x\n").unwrap()), r#"{"a":[1],"b":[1]}"#);
}

#[test]
fn yaml_faults_say_where() {
    let cases = [
        ("", "yaml: expected a YAML document, found nothing (line 1, column 1)"),
        ("a: 1\na: 2\n", "yaml: the key a occurs twice in one mapping (line 2, column 1)"),
        ("a: .nan\n", "yaml: expected a finite number, found .nan (line 1, column 4)"),
        ("a: 1\n---\nb: 2\n", "yaml: expected one YAML document, found a second (line 3, column 1)"),
        (
            "<<: {a: 1}\n",
            "yaml: merge keys (<<) are not part of YAML 1.2; repeat the members (line 1, column 1)",
        ),
        ("? [a]\n: 1\n", "yaml: expected text as key, found a collection (line 1, column 3)"),
        ("a: !secret b\n", "yaml: the tag !secret is not supported (line 1, column 12)"),
    ];
    for (text, expected) in cases {
        assert_eq!(message(yaml(text)), expected, "{text}");
    }
}

#[test]
fn alias_bombs_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    assert!(message(yaml(&bomb)).contains("values, aliases expanded"));
}

/// JSON text with a chance of being broken.
fn nearly_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        "-?[0-9]{1,20}(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        "\"[a-zé\\\\\"/u0-9 ]{0,6}\"",
        "\"(\\\\u[0-9a-f]{4}){0,3}\"",
        "[\\[\\]{},:\" tf]{0,3}",
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::vec(("[ab]", inner), 0..3).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(key, value)| format!("\"{key}\" : {value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// What `serde_json` makes of a text, if no object has a key twice.
fn by_serde(text: &str) -> Option<serde_json::Value> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let keys = text.matches("\" :").count();
    fn members(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::Object(all) => all.len() + all.values().map(members).sum::<usize>(),
            serde_json::Value::Array(all) => all.iter().map(members).sum(),
            _ => 0,
        }
    }
    (members(&value) == keys).then_some(value)
}

/// A value in which 0 has one form: `-0` is an integer to us, and a float to `serde_json`.
fn one_zero(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) if number.as_f64() == Some(0.0) => 0.into(),
        Value::Array(all) => all.into_iter().map(one_zero).collect(),
        Value::Object(all) => all.into_iter().map(|(key, value)| (key, one_zero(value))).collect(),
        other => other,
    }
}

proptest! {
    #[test]
    fn our_reader_takes_what_serde_json_takes(text in nearly_json()) {
        let ours = json(text.clone()).map(|value| canonical(&value));
        match by_serde(&text) {
            Some(theirs) => {
                let ours: serde_json::Value = serde_json::from_str(&ours.unwrap()).unwrap();
                prop_assert_eq!(one_zero(ours), one_zero(theirs));
            }
            None => prop_assert!(ours.is_err(), "{} is {:?}", text, ours),
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        for format in [Format::Json, Format::Yaml] {
            let _ = decode(format, &Bytes::from(bytes.clone()), Limits::default());
        }
    }

    #[test]
    fn random_yaml_never_panics(text in "[-a:\\[\\]{}&*!|>'\"#? \n\t,.1]{0,40}") {
        let _ = yaml(&text);
    }

    #[test]
    fn the_canonical_form_reads_back_as_itself(text in nearly_json()) {
        if let Ok(value) = json(text) {
            let once = canonical(&value);
            prop_assert_eq!(canonical(&json(once.clone()).unwrap()), once);
        }
    }
}
