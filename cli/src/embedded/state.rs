//! The state folder: what lies where, and the lock that keeps a second process out.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use quire_cache::CacheStore;

/// Disk that the caches may take.
const CACHE_DISK_BYTES: u64 = 512 << 20;

/// A state folder, held by this process.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    _lock: File,
}

impl State {
    /// Makes the folder where needed and locks it.
    ///
    /// # Errors
    /// If it cannot be made, or another process holds it.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let about = || format!("cannot use the state folder {}", folder.display());
        fs::create_dir_all(folder.join("tmp")).with_context(about)?;
        let lock = File::create(folder.join("lock")).with_context(about)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_path_buf(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "the state folder {} is in use by another quire: wait for it, or choose another --state",
                    folder.display()
                )
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(about),
        }
    }

    /// Locks a folder that a build has made.
    ///
    /// # Errors
    /// If there is none, or another process holds it.
    pub fn open_existing(folder: &Path) -> anyhow::Result<Self> {
        if !folder.join("lock").is_file() {
            bail!(
                "there is no state in {}: a build makes it, or give its folder with --state",
                folder.display()
            );
        }
        Self::open(folder)
    }

    /// Opens the caches.
    ///
    /// # Errors
    /// If another process holds them.
    pub fn open_caches(&self) -> anyhow::Result<CacheStore> {
        CacheStore::open(&self.folder.join("cache"), CACHE_DISK_BYTES).context("cannot open the caches")
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Packs, bundles, manifests.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// Files on their way.
    #[must_use]
    pub fn tmp(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    /// The indexes, a folder a catalogue.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.folder.join("index")
    }

    /// What the files of the site at `out` looked like when we wrote them; a file for each site that this state has built.
    #[must_use]
    pub fn stamps(&self, out: &Path) -> PathBuf {
        let absolute = std::path::absolute(out).unwrap_or_else(|_| out.to_path_buf());
        let name = quire_proto::Digest::of(absolute.as_os_str().as_encoded_bytes()).to_hex();
        self.folder.join("stamps").join(name.get(..16).unwrap_or(&name))
    }
}
