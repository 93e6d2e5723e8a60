//! What the store knows of the site: which manifests it shows, and whether it shows them completely.
//!
//! Losing the record costs time only: the site is then compared file by file.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use quire_proto::Digest;
use quire_runtime::Store;
use serde::{Deserialize, Serialize};

use crate::{RunError, SiteEdge, manifest_io, site_manifest};

const NAME: &str = "site";

/// The last publication.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SiteRecord {
    /// Which site.
    pub(crate) identity: String,
    /// Number of the last publication that began.
    pub(crate) publication: u64,
    /// What it showed when it was complete; `None` while one is under way or was interrupted.
    pub(crate) shown: Option<Shown>,
    /// Folders that held files when the first publication began, and may be anything: nothing unknown is removed from them.
    pub(crate) spared: Vec<String>,
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
    pub(crate) fn begin(&self, store: &Store, site: &dyn SiteEdge) -> Result<(SiteRecord, u64), RunError> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *calls += 1;
        let identity = site.identity();
        let mut record = match SiteRecord::read(store)?.filter(|record| record.identity == identity) {
            Some(record) => record,
            None => SiteRecord { identity, spared: occupied(site)?, ..SiteRecord::default() },
        };
        if record.publication == 0 || record.shown.take().is_some() {
            record.publication += 1;
            record.write(store)?;
        }
        Ok((record, *calls))
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

/// The folders with files in a site that has no manifest of ours: they are someone else's.
fn occupied(site: &dyn SiteEdge) -> Result<Vec<String>, RunError> {
    if site.read(site_manifest::PATH, site_manifest::MAX_BYTES).map_err(RunError::Site)?.is_some() {
        return Ok(Vec::new());
    }
    let mut folders = BTreeSet::new();
    site.list(&mut |path| {
        if let Some((folder, _)) = path.split_once('/')
            && !folders.contains(folder)
        {
            folders.insert(folder.to_owned());
        }
    })
    .map_err(RunError::Site)?;
    for folder in &folders {
        tracing::info!(
            folder,
            "the site's folder holds files of someone else; unknown ones are left alone there"
        );
    }
    Ok(folders.into_iter().collect())
}
