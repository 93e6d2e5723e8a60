//! Where a site may go: not into what it is made from, nor into what Quire remembers.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::embedded::CatalogueFolder;

/// Refuses a site folder that would be read as data or templates, or that is the state folder.
///
/// # Errors
/// Which folder it is in the way of.
pub(super) fn refuse_overlap(out: &Path, state: &Path, folders: &[CatalogueFolder]) -> anyhow::Result<()> {
    let site = whole(out);
    let within = |folder: &Path| site.starts_with(whole(folder));
    let other = "choose another --out";
    if within(state) {
        bail!(
            "the site cannot go to {}: it lies in the state folder {}; {other}",
            out.display(),
            state.display()
        );
    }
    for folder in folders {
        if site == whole(&folder.path) {
            bail!("the site cannot go to {}: that is a catalogue's folder; {other}", out.display());
        }
        let parts = ["templates", "assets"].map(|part| folder.path.join(part));
        let roots = folder.catalogue.definition().sources.iter();
        // Of a root that is the catalogue's own folder, patterns take what is data. One from the environment is not known.
        let roots = roots.map(|source| folder.path.join(&source.files.root));
        let roots = roots.filter(|root| whole(root) != whole(&folder.path));
        if let Some(part) = parts.into_iter().chain(roots).find(|part| within(part)) {
            let part = part.display();
            bail!("the site cannot go to {}: it would be read again from {part}; {other}", out.display());
        }
    }
    Ok(())
}

/// The path without `.`, `..` and links, as far as there is anything.
fn whole(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut there = path.as_path();
    loop {
        match (there.canonicalize(), there.parent()) {
            (Ok(real), _) => return real.join(path.strip_prefix(there).unwrap_or(Path::new(""))),
            (Err(_), Some(parent)) => there = parent,
            (Err(_), None) => return path,
        }
    }
}
