//! The indexes of a state folder.

use std::path::Path;

use anyhow::{Context as _, bail};
use quire_indexer::{Asked, Query, SearchIndex};

use super::Found;
use crate::exit::wrong_usage;

/// Asks the indexes in `folder`.
pub(super) fn ask(folder: &Path, catalogue: Option<&str>, query: &Query<'_>) -> anyhow::Result<Found> {
    let Asked { answers, failed } = quire_indexer::ask(&indexes(folder, catalogue)?, query)?;
    match failed.into_iter().next() {
        Some((catalogue, error)) => Err(error).with_context(|| format!("cannot search {catalogue}")),
        None => Ok(Found { answers, ..Found::default() }),
    }
}

/// The indexes by catalogue, sorted.
fn indexes(folder: &Path, only: Option<&str>) -> anyhow::Result<Vec<(String, SearchIndex)>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.retain(|name| folder.join(name).is_dir());
    names.sort();
    if let Some(only) = only {
        if !names.is_empty() && !names.iter().any(|name| name == only) {
            wrong_usage!("no catalogue named `{only}` was built here: there are {}", names.join(", "));
        }
        names.retain(|name| name == only);
    }
    if names.is_empty() {
        bail!("nothing was built here yet: run `quire build` first, or name its --state");
    }
    let open = |name: String| {
        let index = SearchIndex::open(&folder.join(&name))
            .with_context(|| format!("cannot open the index of {name}: `quire build` makes it anew"))?;
        Ok((name, index))
    };
    names.into_iter().map(open).collect()
}
