//! Numbers as readers see them.

use minijinja::{Environment, Error, ErrorKind, Value, value::ValueKind};

/// Most decimals that [`fixed`] writes.
const MAX_DECIMALS: u32 = 12;

/// Adds the helpers of numbers.
pub(super) fn add(env: &mut Environment<'static>) {
    env.add_filter("number", number);
    env.add_filter("fixed", fixed);
    env.add_filter("log2", log2);
    env.add_filter("total", total);
}

/// A whole number with thousands separators; anything else as it is.
fn number(value: &Value) -> Value {
    if value.is_integer() { Value::from(grouped(&value.to_string())) } else { value.clone() }
}

/// A number with exactly so many decimals and thousands separators. What is no finite number stays as it is.
fn fixed(value: &Value, decimals: Option<u32>) -> Value {
    let decimals = decimals.unwrap_or(1).min(MAX_DECIMALS) as usize;
    match f64::try_from(value.clone()) {
        Ok(number) if value.is_number() && number.is_finite() => {
            let text = format!("{number:.decimals$}");
            // What rounds to nothing has no sign.
            let is_zero = !text.contains(|digit: char| ('1'..='9').contains(&digit));
            Value::from(grouped(if is_zero { text.trim_start_matches('-') } else { &text }))
        }
        _ => value.clone(),
    }
}

/// The binary logarithm of a positive number; nothing for what has none.
fn log2(value: &Value) -> Value {
    match f64::try_from(value.clone()) {
        Ok(number) if value.is_number() && number > 0.0 => Value::from(number.log2()),
        _ => Value::from(()),
    }
}

/// The sum of all numbers of lists in lists. Whole numbers give a whole one.
///
/// # Errors
/// If something else than numbers and lists is in it, or the sum is too great.
fn total(value: &Value) -> Result<Value, Error> {
    let (mut whole, mut rest) = (0_i64, 0.0);
    let mut open = vec![value.try_iter()?];
    while let Some(values) = open.last_mut() {
        let Some(value) = values.next() else {
            open.pop();
            continue;
        };
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => open.push(value.try_iter()?),
            ValueKind::Number => match value.as_i64() {
                Some(number) => {
                    whole = whole.checked_add(number).ok_or_else(|| invalid("the sum is too great"))?
                }
                None => rest += f64::try_from(value)?,
            },
            other => {
                return Err(invalid(format!("expected numbers to sum up, found a value of type {other}")));
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "beside decimals it is one itself")]
    Ok(if rest == 0.0 { Value::from(whole) } else { Value::from(whole as f64 + rest) })
}

fn invalid(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}

/// `-1234567.5` with separators: `-1,234,567.5`.
fn grouped(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = String::with_capacity(text.len() * 4 / 3 + 1);
    out.push_str(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::value::from_json;

    fn text(value: impl Into<Value>) -> String {
        number(&value.into()).to_string()
    }

    #[test]
    fn numbers_of_lists_in_lists_are_summed_up() {
        let sum = |json: serde_json::Value| {
            total(&from_json(json.to_string().as_bytes()).unwrap()).map(|sum| sum.to_string())
        };
        assert_eq!(sum(serde_json::json!([[1, 2, [3]], [], 4])).unwrap(), "10");
        assert_eq!(sum(serde_json::json!([])).unwrap(), "0");
        assert_eq!(sum(serde_json::json!([1, [0.5]])).unwrap(), "1.5");
        assert!(sum(serde_json::json!([i64::MAX, 1])).unwrap_err().to_string().contains("too great"));
        assert!(
            sum(serde_json::json!([1, "2"]))
                .unwrap_err()
                .to_string()
                .contains("found a value of type string")
        );
        assert!(sum(serde_json::json!({"a": [{}]})).is_err());
    }

    #[test]
    fn integers_get_separators_and_the_rest_stays() {
        assert_eq!(text(11287), "11,287");
        assert_eq!(text(-1_234_567), "-1,234,567");
        assert_eq!(text(999), "999");
        assert_eq!(text(1234.5), "1234.5");
        assert_eq!(text("1234"), "1234");
    }

    #[test]
    fn decimals_are_as_many_as_asked_for() {
        let text = |value: f64, decimals| fixed(&Value::from(value), decimals).to_string();
        assert_eq!(text(1234.5, None), "1,234.5");
        assert_eq!(text(3.0, Some(3)), "3.000");
        assert_eq!(text(-0.04, Some(1)), "0.0", "nothing has no sign");
        assert_eq!(text(-1_000_000.06, Some(1)), "-1,000,000.1");
        assert_eq!(text(2.5, Some(0)), "2", "halves go to the even digit");
        assert_eq!(text(0.1, Some(99)), "0.100000000000");
        assert_eq!(text(f64::INFINITY, Some(1)), "inf");
        assert_eq!(fixed(&Value::from(7), Some(2)).to_string(), "7.00");
        assert_eq!(fixed(&Value::from("x"), Some(2)).to_string(), "x");
        assert!(fixed(&Value::from(true), None).is_true(), "a truth is no number");
    }

    #[test]
    fn logarithms_are_those_of_positive_numbers() {
        assert_eq!(log2(&Value::from(8)), Value::from(3.0));
        assert_eq!(log2(&Value::from(0.5)), Value::from(-1.0));
        for odd in [Value::from(0), Value::from(-1), Value::from("8"), Value::from(f64::NAN)] {
            assert!(log2(&odd).is_none(), "{odd}");
        }
    }
}
