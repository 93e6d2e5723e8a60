//! Looks at what a build left behind.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use quire_proto::Digest;

/// The files that `manifest.json` of a site names.
#[must_use]
pub fn manifest_files(site: &Path) -> BTreeMap<String, String> {
    #[derive(serde::Deserialize)]
    struct SiteManifest {
        files: BTreeMap<String, String>,
    }
    let text = fs::read(site.join("manifest.json")).unwrap();
    serde_json::from_slice::<SiteManifest>(&text).unwrap().files
}

/// Every file below `folder` with its digest, by path with `/`.
#[must_use]
pub fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(folder, &mut |file| {
        let path = file.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
        found.insert(path, Digest::of(&fs::read(file).unwrap()).to_hex());
    });
    found
}

/// Copies every file below `from` to `to`, over what is there.
pub fn copy_tree(from: &Path, to: &Path) {
    walk(from, &mut |file| {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    });
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&PathBuf)) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() { walk(&entry, visit) } else { visit(&entry) }
    }
}
