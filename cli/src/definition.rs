//! Problems of a definition that its structure does not show: expressions, files, templates.

use std::fmt::Write as _;

use quire_catalogue::{Catalogue, Diagnostic};
use quire_renderer::TemplateProblem;
use quire_runtime::Store;

use crate::embedded::CatalogueFolder;

/// All of them, in the order of the files that they are in.
pub(crate) fn problems(folder: &CatalogueFolder) -> Vec<Diagnostic> {
    problems_of(&folder.catalogue, &folder.file)
}

/// All problems of a catalogue whose definition is in `file`.
pub(crate) fn problems_of(catalogue: &Catalogue, file: &str) -> Vec<Diagnostic> {
    let mut problems: Vec<_> = catalogue.check().of_file(file).into_iter().collect();
    // A template that is named but not there is the definition's problem, and told already.
    for problem in quire_renderer::check(catalogue) {
        if !problems.iter().any(|known| known.message.contains(&problem.file)) {
            let text = catalogue.bundle().file(&problem.file);
            problems.push(in_template(problem, text));
        }
    }
    problems
}

/// The problem of a template with its line, and what the message quotes underlined, or all of the line.
fn in_template(problem: TemplateProblem, text: Option<&[u8]>) -> Diagnostic {
    let TemplateProblem { file, line, message } = problem;
    let text = String::from_utf8_lossy(text.unwrap_or_default());
    let snippet = (line as usize).checked_sub(1).and_then(|line| text.lines().nth(line)).map(str::to_owned);
    let shown = snippet.as_deref().unwrap_or_default();
    let quoted = message.split('"').nth(1).filter(|word| shown.contains(word));
    let marked = quoted.unwrap_or_else(|| shown.trim());
    let start = shown.find(marked).unwrap_or(0);
    let characters = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    let (column, len) = (1 + characters(shown.get(..start).unwrap_or_default()), characters(marked));
    Diagnostic { file, line, column, len, message, help: None, snippet }
}

/// Refuses catalogues with problems, so that a slip of the pen never empties a site. A definition that the store has
/// passed before, and is not looked at again.
///
/// # Errors
/// All problems of all catalogues.
pub(crate) fn refuse_broken(folders: &[CatalogueFolder], store: &Store) -> anyhow::Result<()> {
    let mut broken = String::new();
    for folder in folders {
        if !store.has_blob(&folder.bundle.digest())? {
            broken.push_str(&told(folder));
        }
    }
    refuse(&broken)
}

/// Refuses a catalogue with problems before it is sent to others, who do not know what its file is called.
///
/// # Errors
/// All its problems.
pub(crate) fn refuse_to_send(folder: &CatalogueFolder) -> anyhow::Result<()> {
    refuse(&told(folder))
}

fn refuse(told: &str) -> anyhow::Result<()> {
    anyhow::ensure!(told.is_empty(), "{told}the site stays as it is");
    Ok(())
}

/// The problems of a catalogue; empty if it has none.
fn told(folder: &CatalogueFolder) -> String {
    let mut told = String::new();
    for (number, problem) in problems(folder).into_iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = if number == 0 { writeln!(told, "{}:", folder.path.display()) } else { Ok(()) };
        let _ = writeln!(told, "{problem}");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_of_a_template_shows_its_line() {
        let problem = |line, message: &str| {
            let (file, message) = ("templates/record.html".to_owned(), message.to_owned());
            in_template(TemplateProblem { file, line, message }, Some("<p>\n  {{ é|shout }}\n".as_bytes()))
        };
        let told = problem(2, "there is no filter \"shout\"").to_string();
        assert!(told.contains("templates/record.html:2:8"), "{told}");
        assert!(told.contains("2 |   {{ é|shout }}\n  |        ^^^^^\n"), "{told}");
        let told = problem(2, "unexpected end").to_string();
        assert!(told.contains("2 |   {{ é|shout }}\n  |   ^^^^^^^^^^^^^\n"), "{told}");
        assert!(!problem(0, "there is no such template").to_string().contains('|'));
        assert!(!problem(9, "beyond the end").to_string().contains('^'));
    }
}
