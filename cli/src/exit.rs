//! Exit codes: relied on from outside.

use std::process::ExitCode;

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

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
