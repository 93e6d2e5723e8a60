//! Numbers, and YAML's plain scalars (the core schema of YAML 1.2).

use jaq_core::ValT as _;
use jaq_json::Val;

/// Longest number, in characters. Arithmetic on longer ones would cost more than the text that holds them.
pub(crate) const MAX_NUMBER_CHARS: usize = 400;

/// A number from its JSON text, keeping the digits of decimals.
pub(crate) fn number(text: &str) -> Result<Val, String> {
    if text.len() > MAX_NUMBER_CHARS {
        return Err(format!("number has {} characters, at most {MAX_NUMBER_CHARS} are allowed", text.len()));
    }
    if let Some(whole) = small(text) {
        return Ok(Val::from(whole));
    }
    if !text.parse::<f64>().is_ok_and(f64::is_finite) {
        return Err(format!("number {} is out of range", short(text)));
    }
    Val::from_num(text).map_err(|_| format!("expected a number, found {}", short(text)))
}

/// Most digits of a whole number that is read without looking at it as a decimal: ten to this power is far inside the range.
const SMALL_DIGITS: usize = 15;

/// A small whole number without sign, which most numbers are: long tables of them are read several times faster.
fn small(text: &str) -> Option<isize> {
    let digits = text.len() <= SMALL_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// What a plain YAML scalar means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Plain<'a> {
    Null,
    Bool(bool),
    /// Text of a JSON number.
    Number(&'a str),
    /// A number that JSON cannot write the same way (`0x1F`, `+1`, `.5`).
    OddNumber(f64),
    /// `.nan`, `.inf`.
    NotFinite,
    Text,
}

/// Reads a plain scalar by the core schema: `yes`, `no`, `on` and `off` are text.
pub(crate) fn plain(text: &str) -> Plain<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "true" | "True" | "TRUE" => return Plain::Bool(true),
        "false" | "False" | "FALSE" => return Plain::Bool(false),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Plain::Text;
    }
    if is_json_number(text) {
        return Plain::Number(text);
    }
    if let Some(number) = radix(text) {
        return Plain::OddNumber(number);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned.to_ascii_lowercase().as_str() {
        ".inf" | ".nan" => Plain::NotFinite,
        _ if is_yaml_float(unsigned) => text.parse().map_or(Plain::Text, Plain::OddNumber),
        _ => Plain::Text,
    }
}

/// `0x1F` and `0o17`; the numbers are small enough for an `f64` or taken as text.
fn radix(text: &str) -> Option<f64> {
    let (digits, radix) = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(hex), _) => (hex, 16),
        (_, Some(octal)) => (octal, 8),
        _ => return None,
    };
    u32::from_str_radix(digits, radix).ok().map(f64::from)
}

/// `[0-9]+(\.[0-9]*)?` or `\.[0-9]+`, with an exponent.
fn is_yaml_float(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let exponent = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    exponent && digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

fn is_json_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let leading_zero = unsigned.len() > 1 && unsigned.starts_with('0') && !unsigned.starts_with("0.");
    let leading_zero = leading_zero && !unsigned.starts_with("0e") && !unsigned.starts_with("0E");
    unsigned.starts_with(|c: char| c.is_ascii_digit())
        && !leading_zero
        && is_yaml_float(unsigned)
        && !unsigned.ends_with('.')
        && !unsigned.contains(".e")
        && !unsigned.contains(".E")
}

/// Text cut to at most 80 characters for a message.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        assert_eq!(plain("yes"), Plain::Text);
        assert_eq!(plain("~"), Plain::Null);
        assert_eq!(plain("1.10"), Plain::Number("1.10"));
        assert_eq!(plain("-0.5e3"), Plain::Number("-0.5e3"));
        assert_eq!(plain("010"), Plain::OddNumber(10.0));
        assert_eq!(plain("0x1F"), Plain::OddNumber(31.0));
        assert_eq!(plain("+1"), Plain::OddNumber(1.0));
        assert_eq!(plain(".5"), Plain::OddNumber(0.5));
        assert_eq!(plain("-.inf"), Plain::NotFinite);
        assert_eq!(plain("1.2.3"), Plain::Text);
        assert_eq!(plain("2026-01-02"), Plain::Text);
        assert_eq!(plain("1_000"), Plain::Text);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(number("1e400").is_err());
        assert!(number(&"9".repeat(500)).is_err());
        assert_eq!(number("1.10").unwrap().to_string(), "1.10");
    }
}
