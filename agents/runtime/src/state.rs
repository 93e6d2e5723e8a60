//! The state folder of a process: what lies where, and the lock that keeps a second process out.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use quire_cache::{CacheError, CacheStore};
use quire_proto::Digest;

/// Disk that the caches may take.
const CACHE_DISK_BYTES: u64 = 512 << 20;

/// A state folder, held by this process.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    _lock: File,
}

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be made or locked.
    #[error("cannot use the state folder {}", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another process holds it.
    #[error("the state folder {} is in use by another quire: wait for it, or choose another --state", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// There is none yet.
    #[error("there is no state in {}: a build makes it, or give its folder with --state", folder.display())]
    Absent {
        /// The folder.
        folder: PathBuf,
    },
    /// The caches in it cannot be opened.
    #[error("cannot open the caches")]
    Caches(#[source] CacheError),
}

impl State {
    /// Makes the folder where needed and locks it.
    ///
    /// # Errors
    /// [`StateError::Io`] or [`StateError::Busy`].
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let failed = |source| StateError::Io { folder: folder.to_path_buf(), source };
        fs::create_dir_all(folder.join("tmp")).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_path_buf(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StateError::Busy { folder: folder.to_path_buf() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Locks a folder that a build has made.
    ///
    /// # Errors
    /// [`StateError::Absent`], or as [`Self::open`].
    pub fn open_existing(folder: &Path) -> Result<Self, StateError> {
        if folder.join("lock").is_file() {
            Self::open(folder)
        } else {
            Err(StateError::Absent { folder: folder.to_path_buf() })
        }
    }

    /// Opens the caches.
    ///
    /// # Errors
    /// [`StateError::Caches`] if another process holds them.
    pub fn open_caches(&self) -> Result<CacheStore, StateError> {
        CacheStore::open(&self.folder.join("cache"), CACHE_DISK_BYTES).map_err(StateError::Caches)
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Packs, bundles, manifests, where they are not shared with other processes.
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
        let name = Digest::of(absolute.as_os_str().as_encoded_bytes()).to_hex();
        self.folder.join("stamps").join(name.get(..16).unwrap_or(&name))
    }
}
