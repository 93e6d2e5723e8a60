//! The file of settings: flat TOML whose keys are the names of the flags.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use toml::{Spanned, Value};

use super::{ConfigError, Origin};

/// What the file says, by the id of the setting.
#[derive(Debug, Default)]
pub(super) struct FileSettings {
    path: PathBuf,
    /// Value as text and line.
    values: BTreeMap<String, (String, usize)>,
}

type Table = BTreeMap<Spanned<String>, Spanned<Value>>;

impl FileSettings {
    /// Reads the file at `path`, which may set what `names` lists (name and id).
    pub(super) fn read(path: PathBuf, names: &[(String, String)]) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(&path).map_err(|source| ConfigError::Read { file: path.clone(), source })?;
        Self::parse(path, &text, names)
    }

    fn parse(path: PathBuf, text: &str, names: &[(String, String)]) -> Result<Self, ConfigError> {
        let table: Table = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            ConfigError::File { problems: vec![problem(&path, text, at, error.message())] }
        })?;
        let (mut values, mut problems) = (BTreeMap::new(), Vec::new());
        for (key, value) in table {
            let at = key.span().start;
            match (names.iter().find(|(name, _)| name == key.get_ref()), as_text(value.get_ref())) {
                (Some((_, id)), Some(value)) => {
                    values.insert(id.clone(), (value, position(text, at).0));
                }
                (Some(_), None) => {
                    let expected = "expected a text, a number, true or false, or a list of them";
                    problems.push(problem(&path, text, value.span().start, expected));
                }
                (None, _) => {
                    problems.push(problem(&path, text, at, &unknown(key.get_ref(), names)));
                }
            }
        }
        if problems.is_empty() { Ok(Self { path, values }) } else { Err(ConfigError::File { problems }) }
    }

    /// Ids and values.
    pub(super) fn values(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.values.iter().map(|(id, (value, _))| (id.clone(), value.clone()))
    }

    /// Where the file has the setting.
    pub(super) fn origin(&self, id: &str) -> Option<Origin> {
        self.values.get(id).map(|&(_, line)| Origin::File { file: self.path.clone(), line })
    }

    /// Says where a value that is not understood stands, if it may stand here.
    pub(super) fn explain(&self, mut error: clap::Error) -> clap::Error {
        use clap::error::{ContextKind, ContextValue};
        let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) else { return error };
        let found = self.values.values().find(|(there, _)| there == value);
        if let Some((_, line)) = found {
            let at = format!("{value} ({}:{line})", self.path.display());
            error.insert(ContextKind::InvalidValue, ContextValue::String(at));
        }
        error
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Array(values) => {
            values.iter().map(as_text).collect::<Option<Vec<_>>>().map(|values| values.join(","))
        }
        Value::Table(_) | Value::Datetime(_) => None,
    }
}

fn unknown(key: &str, names: &[(String, String)]) -> String {
    let nearest = names
        .iter()
        .map(|(name, _)| name)
        .max_by(|one, other| strsim::jaro_winkler(one, key).total_cmp(&strsim::jaro_winkler(other, key)));
    match nearest {
        Some(nearest) => format!("no setting is named `{key}`; the nearest is `{nearest}`"),
        None => format!("no setting is named `{key}`"),
    }
}

fn problem(path: &Path, text: &str, at: usize, message: &str) -> String {
    let (line, column) = position(text, at);
    format!("{}:{line}:{column}: {message}", path.display())
}

/// Line and column of a byte, counted from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
