//! Shares in aggregates.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use quire_proto::{Digest, Outputs};
use support::{brief, item, record, small};

const SECTIONS: &str = "\
record: { key: .id, title: .id }
aggregates:
  - { name: columns, of: 'select(.kind == \"dataset\") | .columns' }
  - { name: sizes, of: '.sizes[]?' }
";

#[test]
fn a_record_gives_its_outputs_and_long_ones_lie_apart() {
    let catalogue = small(SECTIONS);
    let plain = catalogue.judge(&item(r#"{"id":"a"}"#));
    assert!(record(&plain).shares.is_empty() && plain.packed.is_empty());

    let columns = format!("[{}]", vec!["[1,2]"; 300].join(","));
    let assessment = catalogue.judge(&item(format!(
        r#"{{"id":"a","kind":"dataset","columns":{columns},"sizes":[1.50,"b",{{}}]}}"#
    )));
    let [first, second] = record(&assessment).shares.as_slice() else { panic!("two shares") };
    assert_eq!((first.aggregate, second.aggregate), (0, 1));
    assert_eq!(second.outputs, Outputs::Here("1.50,\"b\",{}".to_owned()));
    assert_eq!(first.outputs.digest(), Digest::of(columns.as_bytes()));
    assert_eq!(assessment.packed, [columns.into_bytes()]);
}

#[test]
fn what_is_too_much_or_fails_rejects_the_record() {
    let catalogue = small(SECTIONS);
    let much = "x".repeat(300 * 1024);
    let told = catalogue.judge(&item(format!(r#"{{"id":"a","sizes":["{much}"]}}"#)));
    assert_eq!(brief(&told), ["aggregate:sizes  1"]);
    let catalogue = small(&SECTIONS.replace(".sizes[]?", ".sizes[]"));
    assert_eq!(brief(&catalogue.judge(&item(r#"{"id":"a","sizes":7}"#))), ["aggregate:sizes  1"]);
}

#[test]
fn an_aggregate_is_part_of_what_verdicts_depend_on() {
    let one = small(SECTIONS).validation_digest();
    assert_ne!(one, small(&SECTIONS.replace(".sizes[]?", ".size")).validation_digest());
    let without = SECTIONS.split("aggregates:").next().unwrap();
    assert_ne!(one, small(without).validation_digest());
}
