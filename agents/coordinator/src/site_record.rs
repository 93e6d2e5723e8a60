//! What the store knows of the site: which manifests it shows, and whether it shows them completely.
//!
//! Losing the record costs time only: the site is then compared file by file.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use quire_proto::Digest;
use quire_runtime::Store;
use serde::{Deserialize, Serialize};

use crate::{
    RunError, SiteEdge, forget, manifest_io,
    site_manifest::{self, SiteManifest},
};

const NAME: &str = "publication";
/// The folder of what all catalogues share.
const ASSETS: &str = "assets";
/// What every site has beside its catalogues' folders.
const ROOT: [&str; 7] = [
    "index.html",
    site_manifest::PATH,
    "404.html",
    "robots.txt",
    "sitemap.xml",
    "assets/quire.css",
    "assets/quire.js",
];

/// The last publication.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SiteRecord {
    /// Which site.
    pub(crate) identity: String,
    /// Number of the last publication that began: greater for every process, and whenever a complete site changes.
    pub(crate) publication: u64,
    /// What it showed when it was complete; `None` while one is under way or was interrupted.
    pub(crate) shown: Option<Shown>,
    /// Folders of catalogues in which every file is ours, as none was there that is not when the first was written.
    pub(crate) owned: Vec<String>,
    /// Folders of catalogues that hold files of someone else: nothing unknown is removed from them.
    spared: Vec<String>,
}

/// A complete publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// Catalogues and their epochs, sorted.
    pub(crate) catalogues: Vec<(String, u64)>,
    /// Digest of the renderer's own version.
    pub(crate) salt: Digest,
    /// Digest of `manifest.json`.
    pub(crate) manifest: Digest,
}

impl SiteRecord {
    /// The record of this site; a new one, if there is none.
    fn of(store: &Store, site: &dyn SiteEdge) -> Result<Self, RunError> {
        let identity = site.identity();
        let known = Self::read(store)?.filter(|record| record.identity == identity);
        Ok(known.unwrap_or_else(|| Self { identity, ..Self::default() }))
    }

    /// Takes over the folders of `catalogues`; whether there was anything to do.
    fn take_over(&mut self, site: &dyn SiteEdge, catalogues: &[String]) -> Result<bool, RunError> {
        let known = |name: &String| self.owned.contains(name) || self.spared.contains(name);
        let new: Vec<&str> = catalogues.iter().filter(|name| !known(name)).map(String::as_str).collect();
        if new.is_empty() {
            return Ok(false);
        }
        for (folder, found) in look(site, &new, self.publication == 0)? {
            let foreign = found.foreign.as_deref();
            if let Some(file) = foreign {
                tracing::warn!(file, "not a file of the site; unknown files are left alone in its folder");
            }
            let folders = if foreign.is_none() { &mut self.owned } else { &mut self.spared };
            folders.push(folder.to_owned());
        }
        self.owned.sort_unstable();
        Ok(true)
    }

    /// The record, if there is one that can be read.
    pub(crate) fn read(store: &Store) -> Result<Option<Self>, RunError> {
        Ok(store.read(NAME)?.and_then(|bytes| manifest_io::decode(&bytes, "the site's record").ok()))
    }

    fn write(&self, store: &Store) -> Result<(), RunError> {
        Ok(store.put(NAME, &manifest_io::encode(self, "the site's record")?)?)
    }
}

/// Changes the record; one at a time. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct SiteRecords(Arc<Mutex<u64>>);

impl SiteRecords {
    /// The site is about to change: until [`Self::shown`] it counts as half-done. Returns the record and a number that
    /// no call of this process got before.
    ///
    /// # Errors
    /// [`RunError::Occupied`] if the folder of one of the `catalogues` is someone else's.
    pub(crate) fn begin(
        &self,
        store: &Store,
        site: &dyn SiteEdge,
        catalogues: &[String],
    ) -> Result<(SiteRecord, u64), RunError> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *calls += 1;
        let mut record = SiteRecord::of(store, site)?;
        let more = record.take_over(site, catalogues)?;
        let complete = record.shown.take().is_some();
        // Ids of parcels follow from the number: those of a former leader are not to be met again.
        let counts = complete || *calls == 1 || record.publication == 0;
        record.publication += u64::from(counts);
        if more || counts {
            record.write(store)?;
        }
        Ok((record, *calls))
    }

    /// Whether [`Self::begin`] will refuse a catalogue: said before anything is done for it.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(crate) fn may_begin(store: &Store, site: &dyn SiteEdge, catalogue: &str) -> Result<(), RunError> {
        SiteRecord::of(store, site)?.take_over(site, &[catalogue.to_owned()]).map(drop)
    }

    /// The site is complete.
    pub(crate) fn shown(&self, store: &Store, mut record: SiteRecord, shown: Shown) -> Result<(), RunError> {
        let _alone = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have begun meanwhile: then the site is not complete.
        if SiteRecord::read(store)?.is_some_and(|now| now.publication == record.publication) {
            record.shown = Some(shown);
            record.write(store)?;
        }
        Ok(())
    }
}

/// Whether the site's manifest names files of the catalogue.
pub(crate) fn shows(site: &dyn SiteEdge, catalogue: &str) -> Result<bool, RunError> {
    let manifest = site.read(site_manifest::PATH, site_manifest::MAX_BYTES).map_err(RunError::Site)?;
    let manifest = manifest.as_deref().and_then(SiteManifest::read).unwrap_or_default();
    let prefix = format!("{catalogue}/");
    Ok(manifest.files.range(prefix.clone()..).next().is_some_and(|(path, _)| path.starts_with(&prefix)))
}

/// Catalogues that the site shows though the store knows nothing of them, without those in `built`; sorted. To finish the
/// site would take them off it.
///
/// # Errors
/// [`RunError::Site`], [`RunError::Store`].
pub fn strangers(store: &Store, site: &dyn SiteEdge, built: &[String]) -> Result<Vec<String>, RunError> {
    let manifest = site.read(site_manifest::PATH, site_manifest::MAX_BYTES).map_err(RunError::Site)?;
    let Some(manifest) = manifest else { return Ok(Vec::new()) };
    let identity = site.identity();
    let shown = SiteRecord::read(store)?.filter(|record| record.identity == identity);
    let digest = Digest::of(&manifest);
    if shown.and_then(|record| record.shown).is_some_and(|shown| shown.manifest == digest) {
        return Ok(Vec::new());
    }
    let files = SiteManifest::read(&manifest).unwrap_or_default().files;
    let folders: BTreeSet<&str> = files.keys().filter_map(|path| Some(path.split_once('/')?.0)).collect();
    let known = forget::others(store, &[])?;
    let is_strange = |name: &&str| {
        *name != ASSETS && ![&known, built].iter().any(|names| names.iter().any(|known| known == name))
    };
    Ok(folders.into_iter().filter(is_strange).map(str::to_owned).collect())
}

/// What lies in a folder that is to be a catalogue's.
#[derive(Default)]
struct Found {
    /// Whether there is a file that the site's manifest names.
    ours: bool,
    /// A file that it does not.
    foreign: Option<String>,
}

/// Looks into `folders` of a site. One with files, none of which is ours, is someone else's; so is a site that is none,
/// if it has the files that every site has.
fn look<'a>(
    site: &dyn SiteEdge,
    folders: &[&'a str],
    first: bool,
) -> Result<BTreeMap<&'a str, Found>, RunError> {
    let manifest = site.read(site_manifest::PATH, site_manifest::MAX_BYTES).map_err(RunError::Site)?;
    let manifest = manifest.as_deref().and_then(SiteManifest::read);
    let mut found: BTreeMap<&str, Found> = folders.iter().map(|&name| (name, Found::default())).collect();
    let mut taken = None;
    site.list(&mut |path| {
        let named = manifest.as_ref().is_some_and(|manifest| manifest.files.contains_key(&path));
        let root = ROOT.contains(&path.as_str());
        if root && first && manifest.is_none() {
            taken.get_or_insert(path);
        } else if let Some(found) = path.split_once('/').and_then(|(folder, _)| found.get_mut(folder)) {
            found.ours |= named;
            if !named && found.foreign.as_ref().is_none_or(|known| path < *known) {
                found.foreign = Some(path);
            }
        }
    })
    .map_err(RunError::Site)?;
    let of_others = found.values().filter(|found| !found.ours).find_map(|found| found.foreign.clone());
    match taken.or(of_others) {
        Some(path) => Err(RunError::Occupied { path }),
        None => Ok(found),
    }
}
