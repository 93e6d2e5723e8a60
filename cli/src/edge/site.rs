//! The site: a folder on this machine, or objects of the store's bucket. The renderer's edge, as the coordinator asks for it.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use quire_coordinator::SiteEdge;
use quire_proto::Digest;
use quire_renderer::edge::{SiteFiles, SiteWriter, Stamps, site_of};
use quire_runtime::{BoxError, Store};

/// The site, and where what we know of its files is kept between runs.
pub struct Site {
    files: Arc<dyn SiteFiles>,
    /// Only a folder has stamps.
    stamps: Option<(Arc<SiteWriter>, PathBuf)>,
    /// The folder itself, which nobody else writes to meanwhile: two states would take each other's files away.
    _lock: Option<File>,
}

impl Site {
    /// Opens the folder, making it where needed. Stamps that cannot be read are forgotten: files are hashed again.
    ///
    /// # Errors
    /// If one of the folders cannot be used.
    pub fn open(out: &Path, tmp: &Path, stamps: PathBuf) -> anyhow::Result<Self> {
        let writer = SiteWriter::open(out, tmp)
            .with_context(|| format!("cannot use the site's folder {}", out.display()))?;
        let lock = locked(out)?;
        if let Some(known) = fs::read(&stamps).ok().and_then(|bytes| Stamps::decode(&bytes)) {
            writer.set_stamps(known);
        }
        let writer = Arc::new(writer);
        Ok(Self {
            files: Arc::clone(&writer) as Arc<dyn SiteFiles>,
            stamps: Some((writer, stamps)),
            _lock: lock,
        })
    }

    /// The site of a store that agents share.
    ///
    /// # Errors
    /// If a folder cannot be used.
    pub fn of_store(store: &Store, tmp: &Path) -> anyhow::Result<Self> {
        let files = site_of(store, tmp).context("cannot use the site in the store")?;
        Ok(Self { files, stamps: None, _lock: None })
    }

    /// Its files, for the stage that publishes.
    #[must_use]
    pub fn files(&self) -> Arc<dyn SiteFiles> {
        Arc::clone(&self.files)
    }

    /// Keeps the stamps for the next run.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn save_stamps(&self) -> anyhow::Result<()> {
        let Some((writer, stamps)) = &self.stamps else { return Ok(()) };
        let about = || format!("cannot write {}", stamps.display());
        let bytes = writer.encode_stamps();
        if fs::read(stamps).is_ok_and(|known| known == bytes) {
            return Ok(());
        }
        if let Some(folder) = stamps.parent() {
            fs::create_dir_all(folder).with_context(about)?;
        }
        let part = stamps.with_extension("part");
        fs::write(&part, bytes).and_then(|()| fs::rename(&part, stamps)).with_context(about)
    }
}

/// Locks a folder, where its file system can.
fn locked(out: &Path) -> anyhow::Result<Option<File>> {
    let folder =
        File::open(out).with_context(|| format!("cannot open the site's folder {}", out.display()))?;
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "the site's folder {} is in use by another quire: wait for it, or choose another --out",
            out.display()
        ),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

impl SiteEdge for Site {
    fn look_afresh(&self) {
        self.files.look_afresh();
    }

    fn verify(&self, expected: &mut dyn Iterator<Item = (String, Digest)>) -> Result<Vec<String>, BoxError> {
        Ok(self.files.verify(expected)?)
    }

    fn write(&self, path: &str, digest: &Digest, bytes: &[u8]) -> Result<bool, BoxError> {
        Ok(self.files.write(path, digest, &bytes.to_vec().into())?)
    }

    fn remove(&self, path: &str) -> Result<bool, BoxError> {
        Ok(self.files.remove(path)?)
    }

    fn remove_all(&self, paths: &[String]) -> Result<u64, BoxError> {
        Ok(self.files.remove_all(paths)?)
    }

    fn list(&self, found: &mut dyn FnMut(String)) -> Result<(), BoxError> {
        Ok(self.files.list(found)?)
    }

    fn identity(&self) -> String {
        self.files.identity()
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, BoxError> {
        Ok(self.files.read(path, limit)?)
    }
}
