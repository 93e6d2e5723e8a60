//! Exit codes: relied on from outside.

use std::{fmt, process::ExitCode, time::Duration};

use quire_indexer::SearchError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; rejects are reported, not fatal.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Wrong usage (clap exits with the same number).
    Usage = 2,
    /// Rejects or dead letters under `--strict`.
    Strict = 3,
    /// A server is not reachable.
    Unreachable = 4,
    /// Interrupted; finished work is kept.
    Interrupted = 130,
}

impl Exit {
    /// How a command ends with this error.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let asked = error.downcast_ref().is_some_and(SearchError::is_usage);
        if asked || error.is::<WrongUsage>() {
            Self::Usage
        } else if error.is::<Unreachable>() {
            Self::Unreachable
        } else {
            Self::Failed
        }
    }
}

/// What was typed cannot be meant; says what was expected.
#[derive(Debug)]
pub(crate) struct WrongUsage(pub(crate) String);

impl fmt::Display for WrongUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUsage {}

/// A server did not answer.
#[derive(Debug)]
pub(crate) struct Unreachable {
    /// Its address, without secrets.
    pub(crate) server: String,
    /// How long it was waited for.
    pub(crate) waited: Duration,
    /// What to do.
    pub(crate) remedy: &'static str,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, waited, remedy } = self;
        write!(f, "{server} did not answer within {} s: {remedy}", waited.as_secs())
    }
}

impl std::error::Error for Unreachable {}

/// Ends a command because of what was typed: the arguments are those of `format!`.
macro_rules! wrong_usage {
    ($($text:tt)*) => {
        return Err($crate::exit::WrongUsage(format!($($text)*)).into())
    };
}
pub(crate) use wrong_usage;

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
