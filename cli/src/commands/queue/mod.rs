//! `quire queue`: a folder of queue files as work.

mod dead;
mod fill;
mod list;
mod pop;

use std::path::Path;

use quire_queue::QueueFolder;

use crate::{
    Exit, QueueAction, QueueArgs,
    embedded::{CatalogueFolder, find_catalogues},
    exit::wrong_usage,
};

pub(super) use list::Told;
pub(super) use pop::Worker;

/// Looks at a queue, or works on it.
///
/// # Errors
/// What went wrong, with its causes.
pub fn run(args: &QueueArgs) -> anyhow::Result<Exit> {
    match &args.action {
        QueueAction::Fill(args) => fill::run(args),
        QueueAction::Pop(args) => pop::run(args),
        QueueAction::List { folder, json } => list::run(&folder.queue, *json),
        QueueAction::Retry(args) => dead::retry(args),
        QueueAction::Drop(args) => dead::drop(args),
    }
}

/// The one catalogue that is meant.
pub(super) fn catalogue(given: Option<&Path>) -> anyhow::Result<CatalogueFolder> {
    let given: Vec<_> = given.into_iter().map(Path::to_path_buf).collect();
    let mut found = find_catalogues(&given)?;
    if found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|folder| folder.name.as_str()).collect();
        wrong_usage!(
            "there are several catalogues ({}): name the folder of the one that is meant",
            names.join(", ")
        );
    }
    Ok(found.remove(0))
}

/// A queue that has to be there.
fn opened(path: &Path) -> anyhow::Result<QueueFolder> {
    if !path.is_dir() {
        wrong_usage!(
            "there is no queue {}: `quire queue fill` makes it, or give its folder with --queue",
            path.display()
        );
    }
    Ok(QueueFolder::open(path)?)
}
