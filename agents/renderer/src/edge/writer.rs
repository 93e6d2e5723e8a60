//! The writer of a site folder.

use std::{
    io::Read as _,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use quire_proto::Digest;
use quire_runtime::crash_point;
use rustix::{
    fs::{Timespec, Timestamps},
    io::Errno,
};

use super::{
    SiteError, Stamp, Stamps, check_path,
    folder::{Folder, Folders},
    temporary::Temporary,
};

/// Deepest folder that is listed; the site's own files lie three deep.
const MAX_DEPTH: usize = 64;

/// Writes, removes and verifies the files of one site folder. May be shared between threads.
#[derive(Debug)]
pub struct SiteWriter {
    out: PathBuf,
    folders: Mutex<Folders>,
    temporary: Temporary,
    stamps: Mutex<Stamps>,
}

impl SiteWriter {
    /// Opens the site folder `out` (made if absent) with `tmp` for temporary files. The caller holds the
    /// state folder's lock: leftovers of a killed process in `tmp` are removed.
    ///
    /// # Errors
    /// When one of the folders cannot be made or opened.
    pub fn open(out: &Path, tmp: &Path) -> Result<Self, SiteError> {
        let io = |doing, path: &Path| {
            let path = path.display().to_string();
            move |source| SiteError::Io { doing, path, source }
        };
        let root = Folder::open(out).map_err(io("open the site folder", out))?;
        let temporary = Temporary::open(tmp, out).map_err(io("open the folder for temporary files", tmp))?;
        let (folders, stamps) = (Mutex::new(Folders::new(root)), Mutex::default());
        Ok(Self { out: out.to_path_buf(), folders, temporary, stamps })
    }

    /// The site folder.
    #[must_use]
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// Takes stamps that an earlier process saved.
    pub fn set_stamps(&self, stamps: Stamps) {
        *self.stamps() = stamps;
    }

    /// The stamps, in the form of [`Stamps::decode`].
    #[must_use]
    pub fn encode_stamps(&self) -> Vec<u8> {
        self.stamps().encode()
    }

    /// Whether `path` is known to hold these bytes, at the price of one `stat`. `false` may also mean "unknown".
    ///
    /// # Errors
    /// When the path is refused or the file system is in trouble.
    pub fn holds(&self, path: &str, digest: &Digest) -> Result<bool, SiteError> {
        let (folder, name) = split(path)?;
        let Some(stamp) = self.stamps().get(path).copied().filter(|stamp| stamp.digest == *digest) else {
            return Ok(false);
        };
        let Some(folder) = self.folder(folder, path, false)? else { return Ok(false) };
        let stat = folder.stat(name).map_err(SiteError::io("look at", path))?;
        Ok(stat.is_some_and(|stat| stamp.matches(&stat)))
    }

    /// Puts a file into the site unless it is known to be there; whether it was written.
    ///
    /// # Errors
    /// When the path is refused or the file cannot be written whole; the former file then stays.
    pub fn write(&self, path: &str, digest: &Digest, bytes: &[u8]) -> Result<bool, SiteError> {
        if self.holds(path, digest)? {
            return Ok(false);
        }
        let (folder_path, name) = split(path)?;
        let mut moved_away = false;
        loop {
            let Some(folder) = self.folder(folder_path, path, true)? else {
                return Err(SiteError::io("make the folder of", path)(Errno::NOENT));
            };
            match self.put(&folder, name, bytes) {
                Ok(file) => {
                    let stat = rustix::fs::fstat(&file).map_err(SiteError::io("look at", path))?;
                    self.stamps().set(path, Stamp::new(&stat, *digest));
                    return Ok(true);
                }
                // The folder was removed behind our back: once is an accident.
                Err(Errno::NOENT) if !moved_away => {
                    moved_away = true;
                    self.folders().forget();
                }
                Err(Errno::XDEV) => self.leave_given_folder()?,
                Err(errno) => return Err(SiteError::io("write", path)(errno)),
            }
        }
    }

    /// Writes a temporary file and renames it to `name`; nothing stays behind on failure.
    fn put(&self, folder: &Folder, name: &str, bytes: &[u8]) -> Result<OwnedFd, Errno> {
        let (temporary, part, file) = self.temporary.create()?;
        let done = write_all(&file, bytes)
            .and_then(|()| rustix::fs::futimens(&file, &whole_second()))
            .and_then(|()| {
                crash_point("site.file-written");
                temporary.rename(&part, folder, name)
            });
        if let Err(errno) = done {
            // If even this fails, the next start sweeps it.
            let _ = temporary.remove(&part);
            return Err(errno);
        }
        Ok(file)
    }

    fn leave_given_folder(&self) -> Result<(), SiteError> {
        let no_temporary = |source| SiteError::NoTemporary {
            out: self.out.display().to_string(),
            tmp: self.temporary.given().display().to_string(),
            source,
        };
        match self.temporary.move_beside() {
            Ok(true) => Ok(()),
            Ok(false) => Err(no_temporary(Errno::XDEV.into())),
            Err(source) => Err(no_temporary(source)),
        }
    }

    /// Removes a file and the folders that it leaves empty; whether there was one.
    ///
    /// # Errors
    /// When the path is refused or the file cannot be removed.
    pub fn remove(&self, path: &str) -> Result<bool, SiteError> {
        let (folder_path, name) = split(path)?;
        self.stamps().remove(path);
        let Some(folder) = self.folder(folder_path, path, false)? else { return Ok(false) };
        let removed = folder.remove(name).map_err(SiteError::io("remove", path))?;
        if removed {
            self.folders().prune(folder_path).map_err(SiteError::io("remove the folder of", path))?;
        }
        Ok(removed)
    }

    /// Compares the site with what it should hold; the paths that must be written again. A file with a
    /// matching stamp costs one `stat`, any other is read and hashed, and stamped if it is right.
    ///
    /// # Errors
    /// When a path is refused or the file system is in trouble.
    pub fn verify<P: AsRef<str>>(
        &self,
        expected: impl IntoIterator<Item = (P, Digest)>,
    ) -> Result<Vec<String>, SiteError> {
        let mut again = Vec::new();
        let mut last: Option<(String, Option<Arc<Folder>>)> = None;
        for (path, digest) in expected {
            let path = path.as_ref();
            let (folder_path, name) = split(path)?;
            if last.as_ref().is_none_or(|(known, _)| known != folder_path) {
                last = Some((folder_path.to_owned(), self.folder(folder_path, path, false)?));
            }
            let folder = last.as_ref().and_then(|(_, folder)| folder.as_deref());
            let right = match folder {
                Some(folder) => self.is_right(folder, path, name, &digest)?,
                None => false,
            };
            if !right {
                again.push(path.to_owned());
            }
        }
        Ok(again)
    }

    /// The bytes of a file of at most `limit` bytes; `None` if there is none, or a larger one.
    ///
    /// # Errors
    /// When the path is refused or the file cannot be read.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, SiteError> {
        let (folder, name) = split(path)?;
        let Some(folder) = self.folder(folder, path, false)? else { return Ok(None) };
        if folder.stat(name).map_err(SiteError::io("look at", path))?.is_none() {
            return Ok(None);
        }
        let file = folder.read(name).map_err(SiteError::io("read", path))?;
        let mut bytes = Vec::new();
        std::fs::File::from(file)
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| SiteError::Io { doing: "read", path: path.to_owned(), source })?;
        Ok((bytes.len() as u64 <= limit).then_some(bytes))
    }

    /// Tells the paths of all files in the site, whoever put them there, in any order. Symbolic links count as
    /// files and are not followed; a name that is not Unicode is left out.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn list(&self, found: &mut dyn FnMut(String)) -> Result<(), SiteError> {
        list(&self.out, "", MAX_DEPTH, found)
    }

    fn is_right(&self, folder: &Folder, path: &str, name: &str, digest: &Digest) -> Result<bool, SiteError> {
        let Some(stat) = folder.stat(name).map_err(SiteError::io("look at", path))? else { return Ok(false) };
        let known = self.stamps().get(path).copied();
        if let Some(stamp) = known.filter(|stamp| stamp.matches(&stat)) {
            return Ok(stamp.digest == *digest);
        }
        let found = match folder.read(name).and_then(|file| hash(&file)) {
            Ok(found) => found,
            // Whatever cannot be read is written again.
            Err(Errno::NOENT | Errno::ACCESS | Errno::LOOP | Errno::IO | Errno::ISDIR) => return Ok(false),
            Err(errno) => return Err(SiteError::io("read", path)(errno)),
        };
        if found == *digest {
            self.stamps().set(path, Stamp::new(&stat, found));
        }
        Ok(found == *digest)
    }

    fn folder(&self, folder: &str, path: &str, make: bool) -> Result<Option<Arc<Folder>>, SiteError> {
        self.folders().get(folder, make).map_err(SiteError::io("open the folder of", path))
    }

    fn folders(&self) -> MutexGuard<'_, Folders> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stamps(&self) -> MutexGuard<'_, Stamps> {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn list(folder: &Path, prefix: &str, depth: usize, found: &mut dyn FnMut(String)) -> Result<(), SiteError> {
    let failed = |source| SiteError::Io { doing: "list", path: prefix.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if !entry.file_type().map_err(failed)?.is_dir() {
            found(path);
        } else if depth > 0 {
            list(&entry.path(), &path, depth - 1, found)?;
        }
    }
    Ok(())
}

fn split(path: &str) -> Result<(&str, &str), SiteError> {
    check_path(path).map_err(|source| SiteError::Path { path: path.to_owned(), source })
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::NOSPC),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn hash(file: impl AsFd) -> Result<Digest, Errno> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        match rustix::io::read(&file, buffer.as_mut_slice()) {
            Ok(0) => return Ok(Digest::from_bytes(*hasher.finalize().as_bytes())),
            Ok(read) => {
                hasher.update(buffer.get(..read).unwrap_or_default());
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// The current time without its fraction: see [`Stamp`] for why.
fn whole_second() -> Timestamps {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = Timespec { tv_sec: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
