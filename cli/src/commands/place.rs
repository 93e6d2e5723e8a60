//! Where a site may go: not into what it is made from, nor over it, nor into what Quire remembers.

use std::path::{Component, Path, PathBuf};

use quire_fetcher::{Env, expand};

use crate::{embedded::CatalogueFolder, exit::wrong_usage};

/// Refuses a site folder that would be read as data or templates, that is the state folder, or whose own folders are a
/// catalogue's.
///
/// # Errors
/// Which folder it is in the way of.
pub(super) fn refuse_overlap(out: &Path, state: &Path, folders: &[CatalogueFolder]) -> anyhow::Result<()> {
    let site = whole(out);
    let (shown, other) = (out.display(), "choose another --out");
    if site.starts_with(whole(state)) {
        wrong_usage!(
            "the site cannot go to {shown}: it lies in the state folder {}; {other}",
            state.display()
        );
    }
    for folder in folders {
        let home = whole(&folder.path);
        if site == home {
            wrong_usage!("the site cannot go to {shown}: that is a catalogue's folder; {other}");
        }
        let roots = roots(folder);
        // Of a root that is the catalogue's own folder, the site is left out when it is listed.
        let read = ["templates", "assets"].map(|part| home.join(part)).into_iter();
        if let Some(part) = read
            .chain(roots.iter().filter(|root| **root != home).cloned())
            .find(|part| site.starts_with(part))
        {
            wrong_usage!(
                "the site cannot go to {shown}: it would be read again from {}; {other}",
                part.display()
            );
        }
        let memory = whole(state);
        let mut kept = ["templates", "assets"].map(|part| home.join(part)).to_vec();
        kept.extend(roots.iter().filter(|root| **root != home).cloned());
        if memory == home || kept.iter().any(|part| memory.starts_with(part)) {
            wrong_usage!(
                "the state cannot go to {}: a catalogue is made from what lies there; choose another --state",
                state.display()
            );
        }
        let own = folders.iter().map(|folder| folder.name.as_str()).chain(["assets"]);
        let own: Vec<PathBuf> = own.map(|name| site.join(name)).collect();
        if let Some(source) =
            roots.iter().chain([&home]).find(|source| own.iter().any(|own| source.starts_with(own)))
        {
            wrong_usage!(
                "the site cannot go to {shown}: it would be written over {}; {other}",
                source.display()
            );
        }
        if let Some(source) = roots.iter().chain([&home]).find(|source| source.starts_with(&site)) {
            wrong_usage!(
                "the site cannot go to {shown}: {} lies in it, and what lies in a site is not read; {other}",
                source.display()
            );
        }
    }
    Ok(())
}

/// Where the catalogue's sources are read from, as far as that is known before they are.
pub(super) fn roots(folder: &CatalogueFolder) -> Vec<PathBuf> {
    let sources = folder.catalogue.definition().sources.iter();
    let files = sources.filter_map(|source| source.connector.files());
    let expanded = files.filter_map(|files| expand(&files.root, &Env::default()).ok());
    expanded.map(|root| whole(&folder.path.join(root))).collect()
}

/// The path without `.`, `..` and links, as far as there is anything; what is not there yet is taken as written.
pub(super) fn whole(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::CurDir => {}
            part => whole.push(part),
        }
        whole = whole.canonicalize().unwrap_or(whole);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_resolved_as_far_as_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(real.join("a/b")).unwrap();
        std::os::unix::fs::symlink(real.join("a/b"), real.join("link")).unwrap();
        assert_eq!(whole(&real.join("new/../a/./x")), real.join("a/x"));
        assert_eq!(whole(&real.join("link/../x")), real.join("a/x"));
        assert_eq!(whole(&real.join("link/new/deep")), real.join("a/b/new/deep"));
    }
}
