//! An open folder: names are resolved in it, one at a time, and symbolic links are not followed.

use std::{collections::HashMap, io, os::fd::OwnedFd, path::Path, sync::Arc};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, Stat},
    io::Errno,
};

/// A folder held open by its descriptor.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

const FILE_MODE: u32 = 0o666;
const FOLDER_MODE: u32 = 0o777;

impl Folder {
    /// Opens a folder by its path, made with its parents if it is not there. The path itself is the
    /// user's: links in it are followed.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens a folder in this one.
    fn child(&self, name: &str) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, name, flags, Mode::empty()).map(Self)
    }

    /// Opens a folder in this one, made if it is not there.
    fn child_made(&self, name: &str) -> Result<Self, Errno> {
        match self.child(name) {
            Err(Errno::NOENT) => match rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(FOLDER_MODE)) {
                Ok(()) | Err(Errno::EXIST) => self.child(name),
                Err(errno) => Err(errno),
            },
            done => done,
        }
    }

    /// Creates a file that must not exist yet.
    pub(super) fn create(&self, name: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(FILE_MODE))
    }

    /// Opens a regular file for reading.
    pub(super) fn read(&self, name: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, name, flags, Mode::empty())
    }

    /// What a regular file looks like from outside; `None` if there is none of that name.
    pub(super) fn stat(&self, name: &str) -> Result<Option<Stat>, Errno> {
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok((FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then_some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Moves a file into another folder, over whatever file has the name there.
    pub(super) fn rename(&self, name: &str, to: &Self, to_name: &str) -> Result<(), Errno> {
        rustix::fs::renameat(&self.0, name, &to.0, to_name)
    }

    /// Removes a file; whether there was one.
    pub(super) fn remove(&self, name: &str) -> Result<bool, Errno> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Removes a folder in this one if it is empty; whether it is gone.
    fn remove_empty(&self, name: &str) -> bool {
        rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR).is_ok()
    }
}

/// Most folders held open; a site has a handful of folders a catalogue.
const MAX_OPEN: usize = 128;

/// The folders of a site, opened on demand and kept open.
#[derive(Debug)]
pub(super) struct Folders {
    root: Arc<Folder>,
    open: HashMap<Box<str>, Arc<Folder>>,
}

impl Folders {
    pub(super) fn new(root: Folder) -> Self {
        Self { root: Arc::new(root), open: HashMap::new() }
    }

    /// The folder at `path` (empty: the root), made if `make`; `None` if it is not there.
    pub(super) fn get(&mut self, path: &str, make: bool) -> Result<Option<Arc<Folder>>, Errno> {
        if path.is_empty() {
            return Ok(Some(Arc::clone(&self.root)));
        }
        if let Some(folder) = self.open.get(path) {
            return Ok(Some(Arc::clone(folder)));
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(parent) = self.get(parent, make)? else { return Ok(None) };
        let folder = match if make { parent.child_made(name) } else { parent.child(name) } {
            Ok(folder) => Arc::new(folder),
            Err(Errno::NOENT) if !make => return Ok(None),
            Err(errno) => return Err(errno),
        };
        if self.open.len() >= MAX_OPEN {
            self.open.clear();
        }
        self.open.insert(path.into(), Arc::clone(&folder));
        Ok(Some(folder))
    }

    /// Forgets all open folders: someone moved or removed one of them.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    /// Removes the folder at `path` and those above it, as far as they are empty.
    pub(super) fn prune(&mut self, path: &str) -> Result<(), Errno> {
        let mut path = path;
        while !path.is_empty() {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            match self.get(parent, false)? {
                Some(folder) if folder.remove_empty(name) => {
                    self.open.remove(path);
                }
                _ => break,
            }
            path = parent;
        }
        Ok(())
    }
}
