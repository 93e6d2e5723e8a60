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

/// How many there are of what is called `one`: `1 dead letter`, `2 dead letters`, `0 queries`.
pub(crate) fn counted(count: impl TryInto<u64>, one: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    match (count, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {one}s"),
    }
}

/// Rows under their heads, each column as wide as its widest cell; numbers to the right.
pub(crate) fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    let widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(column, head)| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.max().unwrap_or_default().max(head.chars().count())
        })
        .collect();
    let numbers: Vec<bool> = (0..heads.len())
        .map(|column| {
            let starts = |row: &Vec<String>| row.get(column)?.chars().next();
            !rows.is_empty()
                && rows.iter().all(|row| starts(row).is_some_and(|c| c.is_ascii_digit() || c == '-'))
        })
        .collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.into_iter().zip(widths.iter().zip(&numbers));
        let cells: Vec<String> = cells
            .map(
                |(cell, (width, number))| {
                    if *number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                },
            )
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    let head = line(heads.to_vec());
    let lines = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_stands_in_its_number() {
        let told =
            [counted(1_u64, "upstream query"), counted(0_usize, "query"), counted(2_u64, "dead letter")];
        assert_eq!(told, ["1 upstream query", "0 queries", "2 dead letters"]);
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be_and_numbers_stand_under_each_other() {
        let rows = [("render", "7", "ok"), ("ä", "1234", "not so")];
        let rows = rows.map(|(a, b, c)| vec![a.to_owned(), b.to_owned(), c.to_owned()]);
        let table = table(&["stage", "n", "state"], rows);
        assert_eq!(table, "stage      n  state\nrender     7  ok\nä       1234  not so");
    }
}
