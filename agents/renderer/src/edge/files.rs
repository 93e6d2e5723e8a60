//! What a place for a site has to do.

use std::{fmt, path::Path, sync::Arc};

use bytes::Bytes;
use quire_proto::Digest;
use quire_runtime::{Store, crash_point};

use super::{SiteBucket, SiteError, SiteWriter};

/// Where the site lies in the store.
const SITE: &str = "site";

/// The files of a site, in a folder or in a bucket. A reader sees the old file or the new one, never half of one. Calls block.
pub trait SiteFiles: fmt::Debug + Send + Sync + 'static {
    /// Whether `path` is known to hold these bytes. `false` may also mean "unknown".
    ///
    /// # Errors
    /// When the path is refused or the place is in trouble.
    fn holds(&self, path: &str, digest: &Digest) -> Result<bool, SiteError>;

    /// Puts a file into the site unless it is known to be there; whether it was written.
    ///
    /// # Errors
    /// When the path is refused or the file cannot be written whole; the former file then stays.
    fn write(&self, path: &str, digest: &Digest, bytes: &Bytes) -> Result<bool, SiteError>;

    /// As [`Self::write`] for each of `files`, maybe at the same time.
    ///
    /// # Errors
    /// When one of them cannot be written; others may be.
    fn write_all(&self, files: &[(&str, Digest, Bytes)]) -> Result<Vec<bool>, SiteError> {
        let mut written = Vec::with_capacity(files.len());
        for (path, digest, bytes) in files {
            let done = self.write(path, digest, bytes)?;
            if done {
                crash_point("publish.file");
            }
            written.push(done);
        }
        Ok(written)
    }

    /// Removes a file and the folders that it leaves empty; whether there was one.
    ///
    /// # Errors
    /// When the path is refused or the file cannot be removed.
    fn remove(&self, path: &str) -> Result<bool, SiteError>;

    /// As [`Self::remove`] for each of `paths`, maybe at the same time; how many there were.
    ///
    /// # Errors
    /// When one of them cannot be removed; others may be.
    fn remove_all(&self, paths: &[String]) -> Result<u64, SiteError> {
        paths.iter().try_fold(0, |sum, path| Ok(sum + u64::from(self.remove(path)?)))
    }

    /// Compares the site with what it should hold; the paths that must be written again, in the order given.
    ///
    /// # Errors
    /// When a path is refused or the place is in trouble.
    fn verify(&self, expected: &mut dyn Iterator<Item = (String, Digest)>) -> Result<Vec<String>, SiteError>;

    /// Others may have changed the site: what was seen of it before counts no more.
    fn look_afresh(&self) {}

    /// The bytes of a file of at most `limit` bytes; `None` if there is none, or a larger one.
    ///
    /// # Errors
    /// When the path is refused or the file cannot be read.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, SiteError>;

    /// Tells the paths of all files in the site, whoever put them there, in any order.
    ///
    /// # Errors
    /// When the site cannot be looked at.
    fn list(&self, found: &mut dyn FnMut(String)) -> Result<(), SiteError>;

    /// Names the site among others.
    fn identity(&self) -> String;
}

impl SiteFiles for SiteWriter {
    fn holds(&self, path: &str, digest: &Digest) -> Result<bool, SiteError> {
        self.holds(path, digest)
    }

    fn write(&self, path: &str, digest: &Digest, bytes: &Bytes) -> Result<bool, SiteError> {
        self.write(path, digest, bytes)
    }

    fn remove(&self, path: &str) -> Result<bool, SiteError> {
        self.remove(path)
    }

    fn verify(&self, expected: &mut dyn Iterator<Item = (String, Digest)>) -> Result<Vec<String>, SiteError> {
        self.verify(expected)
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, SiteError> {
        self.read(path, limit)
    }

    fn list(&self, found: &mut dyn FnMut(String)) -> Result<(), SiteError> {
        self.list(found)
    }

    fn identity(&self) -> String {
        let out = self.out();
        out.canonicalize().unwrap_or_else(|_| out.to_path_buf()).to_string_lossy().into_owned()
    }
}

/// The site of a store; `tmp` is for temporary files, where the site is a folder.
///
/// # Errors
/// When a folder cannot be made or opened.
pub fn site_of(store: &Store, tmp: &Path) -> Result<Arc<dyn SiteFiles>, SiteError> {
    match (store.folder(), store.bucket()) {
        (Some(folder), _) => Ok(Arc::new(SiteWriter::open(&folder.join(SITE), tmp)?)),
        (_, Some(bucket)) => Ok(Arc::new(SiteBucket::new(bucket.under(SITE)))),
        (None, None) => Err(SiteError::Io {
            doing: "find the site's place of",
            path: SITE.to_owned(),
            source: std::io::Error::other("the store lies nowhere"),
        }),
    }
}
