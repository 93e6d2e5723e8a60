//! What can keep a figure from being drawn.

use std::io;

/// Why a figure was not drawn. What was written by then is no figure: throw it away.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The caller's writer refused.
    #[error("cannot write the figure")]
    Write(#[from] io::Error),
    /// A number that cannot be placed or coloured.
    #[error(
        "{thing} has {what} {value}: expected a number between -1e300 and 1e300; leave the value out if there is none"
    )]
    NotANumber {
        /// Which thing, such as `column 3, 7`.
        thing: String,
        /// Which of its numbers, such as `the value`.
        what: &'static str,
        /// What was there.
        value: f64,
    },
    /// More than a figure may hold.
    #[error("{what}: {found}, and at most {limit} fit into a figure; {remedy}")]
    TooMuch {
        /// Of what there is too much.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// How much there may be.
        limit: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// An option outside of what it may be.
    #[error("{option} is {found}: expected {expected}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The figure could not be turned into pixels.
    #[error("cannot draw the figure as PNG: {0}")]
    Png(String),
}

/// The greatest magnitude of a number in a figure: sums and differences of two stay finite.
pub(crate) const LARGEST: f64 = 1e300;

/// `value`, if it is a number that can be drawn.
pub(crate) fn drawable(
    value: f64,
    what: &'static str,
    thing: impl FnOnce() -> String,
) -> Result<f64, FigureError> {
    // Written so that NaN fails.
    if value.abs() <= LARGEST {
        Ok(value)
    } else {
        Err(FigureError::NotANumber { thing: thing(), what, value })
    }
}

/// An option that is not what it may be.
pub(crate) fn wrong_option(
    option: &'static str,
    found: impl ToString,
    expected: &'static str,
) -> FigureError {
    FigureError::Option { option, found: found.to_string(), expected }
}

/// A prefix of ids must be a name in XML, CSS and addresses alike.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), FigureError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let begins = prefix.bytes().next().is_none_or(|byte| byte.is_ascii_alphabetic());
    if begins && prefix.bytes().all(fits) && prefix.len() <= 64 {
        return Ok(());
    }
    Err(wrong_option(
        "the prefix of ids",
        format!("`{prefix}`"),
        "at most 64 of a-z, A-Z, 0-9, - and _, beginning with a letter",
    ))
}
