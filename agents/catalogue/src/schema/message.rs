//! What was expected and what was found, in one short sentence.

use std::borrow::Cow;

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::Value;

use crate::{decode::scalar::short, diagnostics::nearest};

/// The message of an error.
pub(super) fn of(error: &ValidationError<'_>) -> String {
    let instance: &Value = error.instance();
    let found = || show(instance);
    match error.kind() {
        // A text that looks like a number is none: cells of tables are texts.
        Kind::Type { kind } if instance.is_string() => {
            format!("expected {}, found the text {}", types(kind), found())
        }
        Kind::Type { kind } => format!("expected {}, found {}", types(kind), found()),
        Kind::Required { property } => format!("missing member {}", tick(property)),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unknown_members(unexpected)
        }
        Kind::Enum { options } => {
            let known = options.as_array().map(Vec::as_slice).unwrap_or_default();
            let help = suggestion(instance, known);
            format!("expected one of {}, found {}{help}", list(known), found())
        }
        Kind::Constant { expected_value } => format!("expected {}, found {}", show(expected_value), found()),
        Kind::MinLength { limit } => {
            format!("expected at least {}, found {}", characters(*limit), length(instance))
        }
        Kind::MaxLength { limit } => {
            format!("expected at most {}, found {}", characters(*limit), length(instance))
        }
        Kind::MinItems { limit } => {
            format!("expected at least {}, found {}", entries(*limit), count(instance))
        }
        Kind::MaxItems { limit } => {
            format!("expected at most {}, found {}", entries(*limit), count(instance))
        }
        Kind::MinProperties { limit } => {
            format!("expected at least {}, found {}", members(*limit), count(instance))
        }
        Kind::MaxProperties { limit } => {
            format!("expected at most {}, found {}", members(*limit), count(instance))
        }
        Kind::Minimum { limit } => format!("expected at least {limit}, found {}", found()),
        Kind::Maximum { limit } => format!("expected at most {limit}, found {}", found()),
        Kind::ExclusiveMinimum { limit } => format!("expected more than {limit}, found {}", found()),
        Kind::ExclusiveMaximum { limit } => format!("expected less than {limit}, found {}", found()),
        Kind::MultipleOf { multiple_of } => {
            format!("expected a multiple of {multiple_of}, found {}", found())
        }
        Kind::Pattern { pattern } => format!("expected text like {pattern}, found {}", found()),
        Kind::Format { format } => format!("expected text of the format {format}, found {}", found()),
        Kind::UniqueItems => "expected entries that differ, found one twice".to_owned(),
        Kind::FalseSchema => format!("expected nothing here, found {}", found()),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            format!("none of the allowed forms, found {}", found())
        }
        Kind::OneOfMultipleValid { .. } => format!("more than one of the allowed forms, found {}", found()),
        _ => short(&error.to_string()),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.as_str().to_owned(),
        TypeKind::Multiple(several) => {
            several.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" or ")
        }
    }
}

fn unknown_members(unexpected: &[String]) -> String {
    let names: Vec<String> = unexpected.iter().take(5).map(|name| format!("`{}`", short(name))).collect();
    let more = unexpected.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("unknown member {}{more}", names.join(", "))
}

fn suggestion(instance: &Value, known: &[Value]) -> String {
    let word = instance.as_str().unwrap_or_default();
    let near = nearest(word, known.iter().filter_map(Value::as_str)).filter(|_| !word.is_empty());
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

fn list(values: &[Value]) -> String {
    const MOST: usize = 10;
    let mut shown: Vec<String> = values.iter().take(MOST).map(show).collect();
    if values.len() > MOST {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

/// A value cut to what fits a line; of collections only their size.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{}`", short(&printable(text))),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(members) => format!("an object of {}", members.len()),
        other => other.to_string(),
    }
}

fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        return Cow::Owned(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect());
    }
    Cow::Borrowed(text)
}

fn tick(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |name| format!("`{}`", short(name)))
}

fn length(instance: &Value) -> String {
    let count = instance.as_str().map_or(0, |text| text.chars().count());
    format!("{count} in {}", show(instance))
}

fn count(instance: &Value) -> usize {
    match instance {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    }
}

fn characters(limit: u64) -> String {
    format!("{limit} {}", if limit == 1 { "character" } else { "characters" })
}

fn entries(limit: u64) -> String {
    format!("{limit} {}", if limit == 1 { "entry" } else { "entries" })
}

fn members(limit: u64) -> String {
    format!("{limit} {}", if limit == 1 { "member" } else { "members" })
}
