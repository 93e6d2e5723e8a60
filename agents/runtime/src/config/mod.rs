//! Settings of a process: from flags, the environment and a file, each with its origin.
//!
//! Every setting is a flag (`--nats-url`), a variable (`QUIRE_NATS_URL`) and a key of the file that `--config` or
//! `QUIRE_CONFIG` names (`nats-url = "…"`), in this order of precedence; a default comes last. There is one list of them:
//! the arguments that a program declares. So all three know the same names, types and help.

mod file;

use std::{ffi::OsString, fmt, path::PathBuf};

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, parser::ValueSource};

use file::FileSettings;

/// Name of the setting that names the file.
const CONFIG: &str = "config";
/// What a program has besides settings.
const NOT_SETTINGS: [&str; 4] = [CONFIG, "print_config", "help", "version"];

/// Why there are no settings. `--help` and `--version` are among the reasons.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// What was typed, or stands in the environment or the file, is not understood.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// The file cannot be read.
    #[error("cannot read the settings in {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// One of two settings that belong together is missing.
    #[error("{} is given ({}) and {missing} is not: give both or neither", given.name, given.origin)]
    Unpaired {
        /// The one that is given.
        given: Box<Setting>,
        /// The name of the other.
        missing: String,
    },
    /// The file has mistakes, all of them.
    #[error("{}", problems.join("\n"))]
    File {
        /// `file:line:column: what is wrong`.
        problems: Vec<String>,
    },
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag.
    Flag,
    /// The environment.
    Environment {
        /// The variable.
        variable: String,
    },
    /// The file.
    File {
        /// Its path.
        file: PathBuf,
        /// Line, counted from 1.
        line: usize,
    },
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment { variable } => write!(f, "environment {variable}"),
            Self::File { file, line } => write!(f, "{}:{line}", file.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name: that of the flag.
    pub name: String,
    /// Its value, without secrets; `None` if it has none.
    pub value: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A program's settings.
#[derive(Debug, Clone)]
pub struct Settings<A> {
    /// As the program reads them.
    pub args: A,
    /// As they are shown, in the order of the program's help.
    pub shown: Vec<Setting>,
}

impl<A: CommandFactory + FromArgMatches> Settings<A> {
    /// Reads the settings of this process. `shape` gives the command a program's own name and defaults.
    ///
    /// # Errors
    /// [`ConfigError`], with all mistakes of the file at once.
    pub fn read(shape: impl FnOnce(Command) -> Command) -> Result<Self, ConfigError> {
        Self::from(shape, std::env::args_os())
    }

    /// Reads the settings from these arguments, the environment and the file that they name.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn from(
        shape: impl FnOnce(Command) -> Command,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, ConfigError> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let command = shape(A::command());
        let names = names(&command);
        let file = match named_file(&command, &arguments) {
            Some(path) => FileSettings::read(path, &names)?,
            None => FileSettings::default(),
        };
        let command = file.values().fold(command, |command, (id, value)| {
            command.mut_arg(id, |arg| arg.default_value(value).required(false))
        });
        let matches =
            command.clone().try_get_matches_from(&arguments).map_err(|error| file.explain(error))?;
        let shown = shown(&command, names, &matches, &file);
        Ok(Self { args: A::from_arg_matches(&matches)?, shown })
    }
}

/// Checks, wherever values come from, that of each of these pairs both are given or neither.
///
/// # Errors
/// [`ConfigError::Unpaired`] for the first that are not.
pub fn check_pairs(settings: &[Setting], pairs: &[(&str, &str)]) -> Result<(), ConfigError> {
    let given = |name: &str| settings.iter().find(|setting| setting.name == name && setting.value.is_some());
    for (one, other) in pairs {
        let (given, missing) = match (given(one), given(other)) {
            (Some(given), None) => (given, other),
            (None, Some(given)) => (given, one),
            _ => continue,
        };
        let (given, missing) = (Box::new(given.clone()), (*missing).to_owned());
        return Err(ConfigError::Unpaired { given, missing });
    }
    Ok(())
}

/// The file that the arguments or the environment name.
fn named_file(command: &Command, arguments: &[OsString]) -> Option<PathBuf> {
    let matches = command.clone().ignore_errors(true).try_get_matches_from(arguments).ok()?;
    matches.try_get_one::<PathBuf>(CONFIG).ok().flatten().cloned()
}

/// Names of all settings, with their ids.
fn names(command: &Command) -> Vec<(String, String)> {
    let settings = command.get_arguments().filter(|arg| !NOT_SETTINGS.contains(&arg.get_id().as_str()));
    settings.filter_map(|arg| Some((arg.get_long()?.to_owned(), arg.get_id().to_string()))).collect()
}

/// The settings as they are shown. `names` has the order of the program: a changed argument goes to the end.
fn shown(
    command: &Command,
    names: Vec<(String, String)>,
    matches: &ArgMatches,
    file: &FileSettings,
) -> Vec<Setting> {
    let setting = |(name, id): (String, String)| {
        let raw = matches.try_get_raw(&id).ok().flatten();
        let values: Vec<String> =
            raw.into_iter().flatten().map(|value| without_secrets(&value.to_string_lossy())).collect();
        let origin = match matches.value_source(&id) {
            Some(ValueSource::CommandLine) => Origin::Flag,
            Some(ValueSource::EnvVariable) => Origin::Environment { variable: variable(command, &id) },
            _ => file.origin(&id).unwrap_or(Origin::Default),
        };
        Setting { name, value: (!values.is_empty()).then(|| values.join(",")), origin }
    };
    names.into_iter().map(setting).collect()
}

fn variable(command: &Command, id: &str) -> String {
    let arg = command.get_arguments().find(|arg| arg.get_id() == id);
    arg.and_then(clap::Arg::get_env).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A value without the user names, passwords and tokens that addresses in it may have: of whatever stands before its last
/// `@` only the scheme is shown, as passwords may have commas and colons in them.
pub(crate) fn without_secrets(value: &str) -> String {
    let Some((secret, rest)) = value.rsplit_once('@') else { return value.to_owned() };
    let scheme = secret.split_once("://").map(|(scheme, _)| scheme);
    match scheme.filter(|scheme| scheme.bytes().all(|byte| byte.is_ascii_alphabetic())) {
        Some(scheme) => format!("{scheme}://[redacted]@{rest}"),
        None => format!("[redacted]@{rest}"),
    }
}

/// The settings as a file would have them, each with its origin.
#[must_use]
pub fn print(settings: &[Setting]) -> String {
    let line = |setting: &Setting| {
        let Setting { name, value, origin } = setting;
        match value {
            Some(value) => format!("{name} = {value:?}  # {origin}\n"),
            None => format!("# {name} is not set\n"),
        }
    };
    settings.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
