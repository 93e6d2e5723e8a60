//! The store in a folder of this machine, or of a file system that all agents mount.
//!
//! `blobs/<xx>/<blake3>` holds blobs, `tmp/` files on their way, everything else named objects. Files
//! appear whole: written under `tmp/`, then renamed (or linked, where the name must be new). Named objects
//! are the truth about a catalogue and are forced to the disk; blobs can be made again and are not.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use quire_proto::Digest;

use super::{
    StoreError,
    name::{self, BLOBS, TMP},
};
use crate::crash::crash_point;

/// Temporary files older than this are leftovers of a crash.
const LEFTOVER: Duration = Duration::from_secs(3600);

/// Numbers the temporary files of this process, whichever store they belong to.
static NEXT_TMP: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub(super) struct LocalFolder {
    dir: PathBuf,
}

impl LocalFolder {
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        for part in [BLOBS, TMP] {
            let path = dir.join(part);
            fs::create_dir_all(&path)
                .map_err(|error| StoreError::io("making the folder", path.to_string_lossy(), error))?;
        }
        remove_leftovers(&dir.join(TMP));
        Ok(Self { dir: dir.to_owned() })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Nothing is written if it is there already.
    pub(super) fn put_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        // A file of the right length may still be damaged: whoever made its content again is here to mend it.
        if self.blob_bytes(digest)? == Some(bytes.len() as u64)
            && self.get_blob(digest).is_ok_and(|there| there.is_some_and(|there| there == bytes))
        {
            return Ok(());
        }
        let target = self.blob_path(digest);
        // Whoever has to make room looks for the folder.
        let name = || format!("{} in {}", digest.to_hex(), self.dir.display());
        let failed = |error| StoreError::io("writing blob", name(), error);
        let tmp = self.write_tmp(bytes, false).map_err(failed)?;
        crash_point("store.blob-written");
        move_into_place(&tmp, &target, |from, to| fs::rename(from, to)).map_err(failed)
    }

    pub(super) fn get_blob(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        read_if_there(&self.blob_path(digest))
            .map_err(|error| StoreError::io("reading blob", digest.to_hex(), error))
    }

    /// Bytes of a blob, if it is there.
    pub(super) fn blob_bytes(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        match fs::metadata(self.blob_path(digest)) {
            Ok(file) => Ok(file.is_file().then_some(file.len())),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(StoreError::io("looking for blob", digest.to_hex(), error)),
        }
    }

    /// Whether these blobs are there and have so many bytes or more.
    pub(super) fn have(&self, blobs: &BTreeMap<Digest, u64>) -> Result<bool, StoreError> {
        for (digest, wanted) in blobs {
            if self.blob_bytes(digest)?.is_none_or(|bytes| bytes < *wanted) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes a blob that was found damaged, unless somebody has mended it meanwhile: it is taken aside first, so that
    /// what is looked at again is what is removed.
    pub(super) fn remove_damaged(&self, digest: &Digest) -> Result<(), StoreError> {
        self.take_aside(digest)
            .map_err(|error| StoreError::io("removing damaged blob", digest.to_hex(), error))
    }

    fn take_aside(&self, digest: &Digest) -> io::Result<()> {
        // The name is taken first: somebody else, in another container, may think of the same one.
        let (place, aside) = (self.blob_path(digest), self.write_tmp(&[], false)?);
        match fs::rename(&place, &aside) {
            Err(error) if is_absent(&error) => return fs::remove_file(&aside),
            moved => moved?,
        }
        if fs::read(&aside).is_ok_and(|bytes| Digest::of(&bytes) == *digest) {
            return fs::rename(&aside, &place);
        }
        fs::remove_file(&aside)
    }

    pub(super) fn remove_blob(&self, digest: &Digest) -> Result<bool, StoreError> {
        remove_if_there(&self.blob_path(digest))
            .map_err(|error| StoreError::io("removing blob", digest.to_hex(), error))
    }

    pub(super) fn blobs(
        &self,
    ) -> impl Iterator<Item = Result<(Digest, u64, SystemTime), StoreError>> + use<> {
        let failed = |error| StoreError::io("listing", BLOBS, error);
        let folders = match fs::read_dir(self.dir.join(BLOBS)) {
            Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
            Err(error) => vec![Err(error)],
        };
        let files = folders.into_iter().flat_map(|folder| match folder.and_then(fs::read_dir) {
            Ok(entries) => entries.collect(),
            Err(error) if is_absent(&error) => Vec::new(),
            Err(error) => vec![Err(error)],
        });
        files.filter_map(move |entry| blob_of(entry).map_err(failed).transpose())
    }

    pub(super) fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let target = self.object_path(name)?;
        let failed = |error| StoreError::io("creating", name, error);
        let tmp = self.write_tmp(bytes, true).map_err(failed)?;
        // A link is the one portable way to give a file a name only if the name is free.
        let linked = move_into_place(&tmp, &target, |from, to| fs::hard_link(from, to));
        let removed = fs::remove_file(&tmp);
        match linked {
            Ok(()) => removed.and_then(|()| sync_parent(&target)).map(|()| true).map_err(failed),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let target = self.object_path(name)?;
        let failed = |error| StoreError::io("writing", name, error);
        let tmp = self.write_tmp(bytes, true).map_err(failed)?;
        move_into_place(&tmp, &target, |from, to| fs::rename(from, to))
            .and_then(|()| sync_parent(&target))
            .map_err(failed)
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let path = self.object_path(name)?;
        read_if_there(&path).map_err(|error| StoreError::io("reading", name, error))
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let path = self.object_path(prefix.trim_end_matches('/'))?;
        let failed = |error| StoreError::io("listing", prefix, error);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn remove(&self, name: &str) -> Result<bool, StoreError> {
        let path = self.object_path(name)?;
        remove_if_there(&path).map_err(|error| StoreError::io("removing", name, error))
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(name::of_blob(digest))
    }

    fn object_path(&self, name: &str) -> Result<PathBuf, StoreError> {
        name::check(name).map(|name| self.dir.join(name))
    }

    /// Writes a file under `tmp/` whose name nobody else has, in whichever process or container.
    fn write_tmp(&self, bytes: &[u8], durable: bool) -> io::Result<PathBuf> {
        loop {
            let number = NEXT_TMP.fetch_add(1, Ordering::Relaxed);
            let path = self.dir.join(TMP).join(format!("{}-{number}", process::id()));
            let file = OpenOptions::new().write(true).create_new(true).open(&path);
            match file.and_then(|file| fill(file, bytes, durable)) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    // Whatever was written is of no use; a leftover would be removed at a later start.
                    let _ = fs::remove_file(&path);
                    return Err(error);
                }
            }
        }
    }
}

fn fill(mut file: File, bytes: &[u8], durable: bool) -> io::Result<()> {
    file.write_all(bytes)?;
    if durable { file.sync_data() } else { Ok(()) }
}

/// Moves `tmp` to `target`, making the target's folder if it is not there yet.
fn move_into_place(
    tmp: &Path,
    target: &Path,
    place: impl Fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    match place(tmp, target) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            place(tmp, target)
        }
        result => result,
    }
}

/// Makes a new name survive a power cut.
fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn read_if_there(path: &Path) -> io::Result<Option<Bytes>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes.into())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A name under something that is a file, or that is a folder, is as absent as one that is not there.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
}

fn blob_of(entry: io::Result<fs::DirEntry>) -> io::Result<Option<(Digest, u64, SystemTime)>> {
    let entry = entry?;
    let Some(digest) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
        return Ok(None);
    };
    match entry.metadata() {
        Ok(file) => Ok(Some((digest, file.len(), file.modified()?))),
        Err(error) if is_absent(&error) => Ok(None), // removed while we were listing
        Err(error) => Err(error),
    }
}

/// Removes what crashed processes left; trouble with it is no reason not to start.
fn remove_leftovers(tmp: &Path) {
    let Ok(entries) = fs::read_dir(tmp) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|file| file.modified());
        let age = modified.ok().and_then(|time| time.elapsed().ok()).unwrap_or_default();
        if age > LEFTOVER {
            let _ = fs::remove_file(entry.path());
        }
    }
}
