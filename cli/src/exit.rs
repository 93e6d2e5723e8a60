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
    /// The worse of two: what a command that did several things ends with.
    pub(crate) fn worse(self, other: Self) -> Self {
        let rank = |exit: Self| match exit {
            Self::Done => 0,
            Self::Strict => 1,
            Self::Failed => 2,
            Self::Usage => 3,
            Self::Unreachable => 4,
            Self::Interrupted => 5,
        };
        if rank(other) > rank(self) { other } else { self }
    }

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

/// A server did not answer, or takes nothing now.
#[derive(Debug)]
pub(crate) struct Unreachable {
    /// Its address, without secrets.
    pub(crate) server: String,
    /// Why not, and what to do.
    pub(crate) why: String,
}

impl Unreachable {
    /// One that did not answer in time.
    pub(crate) fn silent(server: String, waited: Duration, remedy: &str) -> Self {
        Self { server, why: format!("did not answer within {} s: {remedy}", waited.as_secs()) }
    }

    /// None of several did.
    pub(crate) fn all(mut servers: Vec<Self>) -> Self {
        if servers.len() == 1 {
            return servers.remove(0);
        }
        let all: Vec<String> = servers.iter().map(ToString::to_string).collect();
        Self { server: "no server answers".to_owned(), why: format!("({})", all.join("; ")) }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.server, self.why)
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
