//! Which catalogues to build, and their definitions as read from their folders.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use quire_catalogue::{Bundle, Catalogue, Diagnostics};

/// A catalogue's folder and definition.
#[derive(Debug, Clone)]
pub struct CatalogueFolder {
    /// Its slug.
    pub name: String,
    /// The folder; relative paths of the definition start here.
    pub path: PathBuf,
    /// Name of the definition in it: `catalogue.yaml`, if no other was named.
    pub file: String,
    /// Everything but the data.
    pub bundle: Bundle,
    /// The definition.
    pub catalogue: Catalogue,
}

/// What to build: the folders or definitions given, or each in `./catalogues`, or `.` if it is a catalogue.
///
/// # Errors
/// If there is none, with what to do; every problem of every `catalogue.yaml` at once; two catalogues of one name.
pub fn find(given: &[PathBuf]) -> anyhow::Result<Vec<CatalogueFolder>> {
    let paths = if given.is_empty() { default_folders()? } else { given.to_vec() };
    let mut folders: Vec<CatalogueFolder> = Vec::with_capacity(paths.len());
    let mut problems = Vec::new();
    for path in &paths {
        match read(path) {
            Ok(folder) => folders.push(folder),
            Err(error) => problems.push(format!("{error:#}")),
        }
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    for (position, folder) in folders.iter().enumerate() {
        if let Some(other) = folders.iter().take(position).find(|other| other.name == folder.name) {
            let (first, second) = (other.path.display(), folder.path.display());
            bail!("{first} and {second} are both named `{}`: give one another `catalogue:`", folder.name);
        }
    }
    Ok(folders)
}

/// Reads one catalogue's folder.
///
/// # Errors
/// If it is no catalogue, or its definition has problems (all of them, with positions).
pub(super) fn read(path: &Path) -> anyhow::Result<CatalogueFolder> {
    load(path)?.map_err(|problems| anyhow::anyhow!("{}:\n{problems}", path.display()))
}

/// Reads one catalogue's folder; the problems of its definition's structure, if there are any.
///
/// # Errors
/// If it is no catalogue.
pub fn load(path: &Path) -> anyhow::Result<Result<CatalogueFolder, Diagnostics>> {
    let bundle = quire_coordinator::read_folder(path)
        .with_context(|| format!("cannot read the catalogue {}", path.display()))?;
    let (folder, file) = quire_coordinator::parts_of_folder(path).context("it is no catalogue")?;
    let home = std::path::absolute(folder).with_context(|| format!("cannot find {}", path.display()))?;
    Ok(match Catalogue::load(bundle.clone()) {
        Ok(catalogue) => {
            let name = catalogue.name().to_owned();
            Ok(CatalogueFolder { name, path: home, file, bundle, catalogue })
        }
        Err(problems) => Err(problems.of_file(&file)),
    })
}

fn default_folders() -> anyhow::Result<Vec<PathBuf>> {
    if Path::new("catalogue.yaml").is_file() {
        return Ok(vec![PathBuf::from(".")]);
    }
    let mut found: Vec<PathBuf> = match std::fs::read_dir("catalogues") {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(_) => Vec::new(),
    };
    found.retain(|folder| folder.join("catalogue.yaml").is_file());
    found.sort();
    if found.is_empty() {
        bail!("no catalogue here: name a folder with a catalogue.yaml, or make one with `quire new birds`");
    }
    Ok(found)
}
