//! Problems of a definition that its structure does not show: expressions, files, templates.

use std::fmt::Write as _;

use quire_catalogue::Diagnostic;
use quire_runtime::Store;

use crate::embedded::CatalogueFolder;

/// All of them, in the order of the files that they are in.
pub(crate) fn problems(folder: &CatalogueFolder) -> Vec<Diagnostic> {
    let mut problems: Vec<_> = folder.catalogue.check().into_iter().collect();
    // A template that is named but not there is the definition's problem, and told already.
    for problem in quire_renderer::check(&folder.catalogue) {
        if !problems.iter().any(|known| known.message.contains(&problem.file)) {
            problems.push(Diagnostic {
                file: problem.file,
                line: problem.line,
                column: 1,
                len: 0,
                message: problem.message,
                help: None,
                snippet: None,
            });
        }
    }
    problems
}

/// Refuses catalogues with problems, so that a slip of the pen never empties a site. A definition that the store has
/// passed before, and is not looked at again.
///
/// # Errors
/// All problems of all catalogues.
pub(crate) fn refuse_broken(folders: &[CatalogueFolder], store: &Store) -> anyhow::Result<()> {
    let mut told = String::new();
    for folder in folders.iter().filter(|folder| !store.has_blob(&folder.bundle.digest())) {
        let problems = problems(folder);
        if !problems.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(told, "{}:", folder.path.display());
            for problem in problems {
                let _ = writeln!(told, "{problem}");
            }
        }
    }
    anyhow::ensure!(told.is_empty(), "{}the site stays as it is", told);
    Ok(())
}
