//! The few things that are done to files here.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::SystemTime,
};

use rustix::fs::{CWD, OFlags, RenameFlags};

use crate::job::{MAX_JOB_BYTES, Odd, too_large};

/// What reading a file came to.
pub(crate) enum Content {
    /// Its bytes, and when they were written.
    Bytes(Vec<u8>, SystemTime),
    /// It is there, but cannot be a job.
    Odd(Odd),
    /// It is not there any more.
    Gone,
}

/// Reads a file that may be anything: folders, links, pipes and files without end are not followed or waited for.
pub(crate) fn read(path: &Path) -> Content {
    let odd = |why: &str| Content::Odd(Odd(why.to_owned()));
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) => return failed(&error),
    };
    if kind.is_symlink() {
        return odd("it is a symbolic link, which is not followed: expected a file");
    } else if kind.is_dir() {
        return odd("it is a folder: expected a file");
    } else if !kind.is_file() {
        return odd("it is no regular file");
    }
    match bounded(path) {
        Ok((bytes, _)) if bytes.len() as u64 > MAX_JOB_BYTES => {
            Content::Odd(too_large(fs::metadata(path).map_or(bytes.len() as u64, |metadata| metadata.len())))
        }
        Ok((bytes, modified)) => Content::Bytes(bytes, modified),
        Err(error) => failed(&error),
    }
}

fn bounded(path: &Path) -> io::Result<(Vec<u8>, SystemTime)> {
    // It may have become a link or a pipe since.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let modified = file.metadata()?.modified()?;
    let mut bytes = Vec::new();
    file.take(MAX_JOB_BYTES + 1).read_to_end(&mut bytes)?;
    Ok((bytes, modified))
}

fn failed(error: &io::Error) -> Content {
    match error.kind() {
        io::ErrorKind::NotFound => Content::Gone,
        _ => Content::Odd(Odd(format!("it cannot be read ({error})"))),
    }
}

/// Moves a file to a name that nothing has; whether it did. It does not if `from` is gone or `to` is there.
pub(crate) fn move_to_free(from: &Path, to: &Path) -> io::Result<bool> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::EXIST | rustix::io::Errno::NOENT) => Ok(false),
        // A file system that cannot do it in one step.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            if to.symlink_metadata().is_ok() {
                return Ok(false);
            }
            match fs::rename(from, to) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes a file; whether it was there.
pub(crate) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes a file's lock if nobody has it.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(fs::TryLockError::WouldBlock) => Ok(false),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}
