//! Where files lie before they are renamed into the site.

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::folder::Folder;

const PREFIX: &str = "page-";
const SUFFIX: &str = ".part";

/// A folder for temporary files on the site's file system: the given one or, if a rename out of it turns
/// out to be impossible, one beside the site.
#[derive(Debug)]
pub(super) struct Temporary {
    given: PathBuf,
    beside: PathBuf,
    folder: Mutex<(Arc<Folder>, bool)>,
    next: AtomicU64,
}

impl Temporary {
    /// Opens `given`, and removes what an earlier process left there.
    pub(super) fn open(given: &Path, out: &Path) -> io::Result<Self> {
        let folder = Folder::open(given)?;
        sweep(given);
        let out = out.canonicalize()?;
        let name = out.file_name().map_or_else(|| "site".into(), std::ffi::OsStr::to_string_lossy);
        let beside = out.parent().unwrap_or(&out).join(format!(".{name}.quire-tmp"));
        if beside.is_dir() {
            sweep(&beside);
        }
        let folder = Mutex::new((Arc::new(folder), false));
        Ok(Self { given: given.to_path_buf(), beside, folder, next: AtomicU64::new(0) })
    }

    /// A new file, its name and its folder.
    pub(super) fn create(&self) -> Result<(Arc<Folder>, String, OwnedFd), rustix::io::Errno> {
        let folder = Arc::clone(&self.folder.lock().unwrap_or_else(PoisonError::into_inner).0);
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{:x}-{number:x}{SUFFIX}", std::process::id());
            match folder.create(&name) {
                Ok(file) => return Ok((folder, name, file)),
                Err(rustix::io::Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Goes over to the folder beside the site; `false` if that is already in use.
    pub(super) fn move_beside(&self) -> io::Result<bool> {
        let mut current = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        if current.1 {
            return Ok(false);
        }
        *current = (Arc::new(Folder::open(&self.beside)?), true);
        Ok(true)
    }

    /// The folder that was asked for.
    pub(super) fn given(&self) -> &Path {
        &self.given
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.folder.get_mut().unwrap_or_else(PoisonError::into_inner).1 {
            // Not empty or not ours: then it stays.
            let _ = std::fs::remove_dir(&self.beside);
        }
    }
}

/// Removes leftovers of a process that was killed. The caller owns the folder, so none is in use.
fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)) {
            // A leftover that cannot be removed costs space only.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
