//! JSON Schema: compiled from a catalogue's file, broken keywords told as problems.

mod message;
mod node;

use jaq_json::Val;
use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use node::Jq;

/// Most problems told of one record; a record with more has one cause.
const MAX_PROBLEMS: usize = 200;
/// How deep alternatives inside alternatives are looked into.
const MAX_ALTERNATIVES: usize = 8;

/// A compiled JSON Schema.
pub(crate) struct Schema {
    validator: Validator<Jq>,
}

/// Why a file is not a JSON Schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaFlaw {
    /// JSON pointer into the schema; empty if unknown.
    pub(crate) pointer: String,
    /// Line, where the file is not JSON.
    pub(crate) line: Option<(u32, u32)>,
    pub(crate) message: String,
}

/// A keyword that a record breaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Broken {
    pub(crate) pointer: String,
    pub(crate) keyword: String,
    pub(crate) message: String,
}

impl Schema {
    /// Compiles a schema file. Nothing is fetched: references lead into the file.
    pub(crate) fn compile(file: &[u8]) -> Result<Self, SchemaFlaw> {
        let schema: Value = serde_json::from_slice(file).map_err(|error| {
            let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            let line = Some((place(error.line()).max(1), place(error.column()).max(1)));
            let text = error.to_string();
            let message = text.split(" at line ").next().unwrap_or_default().to_owned();
            SchemaFlaw { pointer: String::new(), line, message: format!("not JSON: {message}") }
        })?;
        let built = jsonschema::options_for::<Jq>().offline().should_validate_formats(true).build(&schema);
        let validator = built.map_err(|error| SchemaFlaw {
            pointer: error.instance_path().as_str().to_owned(),
            line: None,
            message: format!("not a JSON Schema: {}", message::of(&error)),
        })?;
        Ok(Self { validator })
    }

    /// Everything that is wrong with a record, at the place where it is wrong.
    pub(crate) fn broken(&self, record: &Val) -> Vec<Broken> {
        // Nearly all records are valid, and saying so takes a fraction of the time of saying why not.
        if self.validator.is_valid(record) {
            return Vec::new();
        }
        let mut broken = Vec::new();
        for error in self.validator.iter_errors(record) {
            tell(&error, &mut broken, 0);
            if broken.len() >= MAX_PROBLEMS {
                break;
            }
        }
        broken.truncate(MAX_PROBLEMS);
        broken.sort();
        broken.dedup();
        broken
    }
}

/// Notes an error; of alternatives, those of the one that was most likely meant.
fn tell(error: &ValidationError<'_>, into: &mut Vec<Broken>, depth: usize) {
    let alternatives = match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            context.as_slice()
        }
        _ => &[],
    };
    if depth < MAX_ALTERNATIVES
        && let Some(meant) = meant(error, alternatives)
    {
        for error in meant {
            tell(error, into, depth + 1);
        }
        return;
    }
    into.push(Broken {
        pointer: error.instance_path().as_str().to_owned(),
        keyword: error.kind().keyword().to_owned(),
        message: message::of(error),
    });
}

/// The alternative that the value comes nearest to: whose type fits, and with the fewest errors. None where no
/// alternative stands out, for then their errors would mislead.
fn meant<'e>(
    error: &ValidationError<'_>,
    alternatives: &'e [Vec<ValidationError<'static>>],
) -> Option<&'e [ValidationError<'static>]> {
    let here = error.instance_path().as_str();
    let fits = |errors: &&Vec<ValidationError<'static>>| {
        errors.iter().all(|error| {
            let decides = matches!(
                error.kind(),
                ValidationErrorKind::Type { .. }
                    | ValidationErrorKind::Constant { .. }
                    | ValidationErrorKind::Enum { .. }
            );
            let path = error.instance_path().as_str();
            let near =
                path.len() <= here.len() || !path.get(here.len() + 1..).unwrap_or_default().contains('/');
            !(decides && near)
        })
    };
    let fitting: Vec<_> = alternatives.iter().filter(fits).collect();
    let least = fitting.iter().map(|errors| errors.len()).min()?;
    let mut nearest = fitting.into_iter().filter(|errors| errors.len() == least);
    let first = nearest.next()?;
    nearest.next().is_none().then_some(first.as_slice())
}
