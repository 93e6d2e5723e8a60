//! How we print: facts as JSON or text on standard output, errors with their causes on standard error.

use std::io::Write as _;

use anyhow::Context as _;
use serde::Serialize;

/// Prints `value` as one line of JSON.
///
/// # Errors
/// If standard output is gone.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(value).context("cannot write the answer as JSON")?;
    text(&line)
}

/// Prints a text and a line end; a reader that went away (`| head`) ends the command quietly.
///
/// # Errors
/// If standard output is gone for another reason.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.context("cannot write to standard output"),
    }
}

/// Prints a remark beside the facts.
pub(crate) fn note(text: &str) {
    eprintln!("note: {text}");
}

/// Prints an error and its causes, outermost first.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}
