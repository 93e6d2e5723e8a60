//! `${VAR}` and `${VAR:-default}` in a catalogue's values.
//!
//! Expanded where the source is read, so that a catalogue names no host and no absolute path. As in a shell,
//! `:-` takes the default when the variable is unset or empty. A `$` without `{` is an ordinary character.

use std::sync::Arc;

/// Longest text after expansion, in bytes.
const MAX_EXPANDED_BYTES: usize = 64 * 1024;

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Where variables are looked up. A cheap handle.
#[derive(Clone)]
pub struct Env(Arc<Lookup>);

impl Env {
    /// Looks variables up by `lookup`.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// The variables of this process.
    #[must_use]
    pub fn process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }
}

impl Default for Env {
    fn default() -> Self {
        Self::process()
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Env")
    }
}

/// Why a value cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// No such variable and no default.
    #[error(
        "environment variable `{name}` is not set and `${{{name}}}` has no default: set it or write `${{{name}:-value}}`"
    )]
    Unset {
        /// Its name.
        name: String,
    },
    /// `${` without `}`.
    #[error("`${{` without a closing `}}` in `{value}`")]
    Open {
        /// The value as written.
        value: String,
    },
    /// Not the name of a variable.
    #[error("`{name}` is not the name of an environment variable: expected letters, digits and `_`")]
    Name {
        /// The text that stands for the name.
        name: String,
    },
    /// The expanded value is too long.
    #[error("value is longer than {MAX_EXPANDED_BYTES} bytes after its variables are filled in")]
    TooLong,
}

/// Fills in the variables of `value`.
///
/// # Errors
/// Any [`ExpandError`]; the message names the variable.
pub fn expand(value: &str, env: &Env) -> Result<String, ExpandError> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let (inside, tail) =
            after.split_once('}').ok_or_else(|| ExpandError::Open { value: value.to_owned() })?;
        out.push_str(&resolve(inside, env)?);
        if out.len() > MAX_EXPANDED_BYTES {
            return Err(ExpandError::TooLong);
        }
        rest = tail;
    }
    out.push_str(rest);
    if out.len() > MAX_EXPANDED_BYTES {
        return Err(ExpandError::TooLong);
    }
    Ok(out)
}

fn resolve(inside: &str, env: &Env) -> Result<String, ExpandError> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_name(name) {
        return Err(ExpandError::Name { name: name.to_owned() });
    }
    match (env.get(name), default) {
        (Some(found), None) => Ok(found),
        (Some(found), Some(_)) if !found.is_empty() => Ok(found),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(ExpandError::Unset { name: name.to_owned() }),
    }
}

fn is_name(name: &str) -> bool {
    let head = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    head && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> Env {
        Env::new(|name| match name {
            "DATA" => Some("/srv/data".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn a_set_variable_takes_its_value_and_an_unset_or_empty_one_its_default() {
        assert_eq!(expand("${DATA}/x", &env()), Ok("/srv/data/x".to_owned()));
        assert_eq!(expand("${DATA:-d}/x", &env()), Ok("/srv/data/x".to_owned()));
        assert_eq!(expand("${NONE:-../data}/x", &env()), Ok("../data/x".to_owned()));
        assert_eq!(expand("${EMPTY:-d}${EMPTY}", &env()), Ok("d".to_owned()));
        assert_eq!(expand("${NONE:-}", &env()), Ok(String::new()));
    }

    #[test]
    fn an_unset_variable_without_default_is_named() {
        let error = expand("a/${QUIRE_X}/b", &env()).unwrap_err();
        assert_eq!(error, ExpandError::Unset { name: "QUIRE_X".to_owned() });
        assert!(error.to_string().contains("`QUIRE_X`"), "{error}");
        assert!(error.to_string().contains("${QUIRE_X:-value}"), "{error}");
    }

    #[test]
    fn a_dollar_without_a_brace_stands_for_itself() {
        assert_eq!(expand("cost $5 and $DATA", &env()), Ok("cost $5 and $DATA".to_owned()));
    }

    #[test]
    fn broken_forms_are_errors() {
        assert!(matches!(expand("${DATA", &env()), Err(ExpandError::Open { .. })));
        assert!(matches!(expand("${}", &env()), Err(ExpandError::Name { .. })));
        assert!(matches!(expand("${1A}", &env()), Err(ExpandError::Name { .. })));
        assert!(matches!(expand("${A-b}", &env()), Err(ExpandError::Name { .. })));
        assert_eq!(expand(&"${DATA}".repeat(10_000), &env()), Err(ExpandError::TooLong));
    }
}
