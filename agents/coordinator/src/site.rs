//! The site as the coordinator sees it: a folder, or objects of a bucket.

use quire_proto::Digest;
use quire_runtime::BoxError;

/// Where the site lies. Files appear whole: a reader sees the old bytes or the new ones. Calls may block.
pub trait SiteEdge: Send + Sync + 'static {
    /// Others may have changed the site: what was seen of it before counts no more.
    fn look_afresh(&self) {}

    /// Compares the site with what it should hold; the paths that are missing or have other bytes, in the order given.
    ///
    /// # Errors
    /// When the site cannot be looked at.
    fn verify(&self, expected: &mut dyn Iterator<Item = (String, Digest)>) -> Result<Vec<String>, BoxError>;

    /// Writes a file unless it is known to be there; whether it was written.
    ///
    /// # Errors
    /// When the file cannot be written; the former one then stays.
    fn write(&self, path: &str, digest: &Digest, bytes: &[u8]) -> Result<bool, BoxError>;

    /// Removes a file and the folders that it leaves empty; whether there was one.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove(&self, path: &str) -> Result<bool, BoxError>;

    /// As [`Self::remove`] for each of `paths`, maybe at the same time; how many there were.
    ///
    /// # Errors
    /// When one of them cannot be removed; others may be.
    fn remove_all(&self, paths: &[String]) -> Result<u64, BoxError> {
        paths.iter().try_fold(0, |sum, path| Ok(sum + u64::from(self.remove(path)?)))
    }

    /// The paths of all files in the site, in any order.
    ///
    /// # Errors
    /// When the site cannot be looked at.
    fn list(&self, found: &mut dyn FnMut(String)) -> Result<(), BoxError>;

    /// Names the site among the sites that one state folder may have been published to.
    fn identity(&self) -> String;

    /// The bytes of a file of at most `limit` bytes; `None` if there is none, or a larger one.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, BoxError>;
}

/// What [`crate::Coordinator::finish_site`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteReport {
    /// BLAKE3 of `manifest.json`: the site's identity.
    pub manifest: Digest,
    /// Pages written (those of the runs before are in their reports).
    pub pages: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Files removed.
    pub removed: u64,
    /// Files in the site that are not ours; they were left alone.
    pub foreign: u64,
    /// Catalogues whose files their runs had not published: name, pages and bytes written.
    pub republished: Vec<(String, u64, u64)>,
}
