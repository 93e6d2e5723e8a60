//! The root folder of a source, and opening what lies below it, never beside it.
//!
//! Every folder on the way is opened relative to the one before without following symbolic links, so that
//! a link swapped in between listing and reading leads nowhere.

use std::{
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags, openat},
    io::Errno,
};

/// An existing root folder.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    dir: OwnedFd,
}

/// Why a location cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// It is not below the root.
    #[error("location leads out of the source's root")]
    Outside,
    /// A symbolic link stands in the way.
    #[error("location is reached over a symbolic link, and `follow_symlinks` is off")]
    Link,
    /// A folder, pipe, socket or device.
    #[error("location is not a regular file")]
    NotAFile,
    /// Anything else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[cfg(target_os = "linux")]
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// `NONBLOCK`: opening a pipe must not wait for its writer.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

impl Root {
    /// Opens the root; a root that is itself a symbolic link was chosen on purpose and is followed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        let flags = FOLDER.difference(OFlags::NOFOLLOW);
        let dir = rustix::fs::open(&path, flags, Mode::empty())?;
        Ok(Self { path, dir })
    }

    /// The canonical absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the regular file at `location`.
    pub(crate) fn file(&self, location: &str, follow_symlinks: bool) -> Result<File, OpenError> {
        let file = if follow_symlinks {
            let real = fs::canonicalize(self.path.join(location))?;
            let below = real.strip_prefix(&self.path).map_err(|_| OpenError::Outside)?;
            self.open_below(below)?
        } else {
            self.open_below(Path::new(location))?
        };
        if file.metadata()?.is_file() { Ok(file) } else { Err(OpenError::NotAFile) }
    }

    /// Whether the link at `location` leads to something below the root.
    pub(crate) fn holds(&self, location: &str) -> bool {
        fs::canonicalize(self.path.join(location)).is_ok_and(|real| real.starts_with(&self.path))
    }

    fn open_below(&self, below: &Path) -> Result<File, OpenError> {
        let mut parts = Vec::new();
        for part in below.components() {
            match part {
                Component::Normal(name) => parts.push(name),
                _ => return Err(OpenError::Outside),
            }
        }
        let (name, folders) = parts.split_last().ok_or(OpenError::NotAFile)?;
        let mut inner: Option<OwnedFd> = None;
        for folder in folders {
            let dir = inner.as_ref().unwrap_or(&self.dir);
            inner = Some(openat(dir, *folder, FOLDER, Mode::empty()).map_err(no_entry)?);
        }
        let dir = inner.as_ref().unwrap_or(&self.dir);
        Ok(File::from(openat(dir, *name, FILE, Mode::empty()).map_err(no_entry)?))
    }
}

/// A link is `ELOOP` as a file and `ENOTDIR` as a folder; a device without driver is `ENXIO`.
fn no_entry(errno: Errno) -> OpenError {
    match errno {
        Errno::LOOP | Errno::MLINK | Errno::NOTDIR => OpenError::Link,
        Errno::NXIO => OpenError::NotAFile,
        other => OpenError::Io(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::unix::fs::symlink};

    use super::*;

    fn read(root: &Root, location: &str, follow: bool) -> Result<String, OpenError> {
        let mut text = String::new();
        root.file(location, follow)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn a_file_below_the_root_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/b/c.json"), "{}").unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert_eq!(read(&root, "a/b/c.json", false).unwrap(), "{}");
        assert_eq!(read(&root, "a/b/c.json", true).unwrap(), "{}");
    }

    #[test]
    fn nothing_beside_the_root_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("inside");
        fs::create_dir_all(&inside).unwrap();
        fs::write(dir.path().join("secret.json"), "{}").unwrap();
        symlink(dir.path(), inside.join("up")).unwrap();
        symlink(dir.path().join("secret.json"), inside.join("link.json")).unwrap();
        let root = Root::open(&inside).unwrap();
        for location in ["../secret.json", "/etc/hostname", "a/../../secret.json"] {
            assert!(read(&root, location, false).is_err(), "{location}");
            assert!(read(&root, location, true).is_err(), "{location}");
        }
        for location in ["up/secret.json", "link.json"] {
            assert!(matches!(read(&root, location, false), Err(OpenError::Link)), "{location}");
            assert!(matches!(read(&root, location, true), Err(OpenError::Outside)), "{location}");
        }
    }

    #[test]
    fn a_link_inside_the_root_is_followed_only_when_allowed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("real")).unwrap();
        fs::write(dir.path().join("real/a.json"), "{}").unwrap();
        symlink("real", dir.path().join("alias")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert!(matches!(read(&root, "alias/a.json", false), Err(OpenError::Link)));
        assert_eq!(read(&root, "alias/a.json", true).unwrap(), "{}");
    }

    #[test]
    fn folders_and_pipes_are_not_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("folder.json")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe.json"), Mode::RUSR | Mode::WUSR).unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert!(matches!(read(&root, "folder.json", false), Err(OpenError::NotAFile)));
        assert!(matches!(read(&root, "pipe.json", false), Err(OpenError::NotAFile)));
        assert!(matches!(read(&root, "missing.json", false), Err(OpenError::Io(_))));
    }
}
