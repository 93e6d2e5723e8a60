//! A site in a bucket.
//!
//! An object appears whole, and has the digest of its bytes as a mark. A list tells the version of every file at once (its
//! entity tag), so only files whose version is new to us are looked at one by one.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use quire_proto::Digest;
use quire_runtime::{Bucket, Labels};

use super::{SiteError, SiteFiles, content_type::content_type, path::check_path};

/// Files looked at, written or removed at a time.
const AT_ONCE: usize = 64;

/// The files of one site in a bucket. May be shared between threads.
#[derive(Debug)]
pub struct SiteBucket {
    bucket: Bucket,
    known: Mutex<Known>,
}

/// What is known of the site's files.
#[derive(Debug, Default)]
struct Known {
    files: HashMap<Box<str>, Seen>,
    /// Number of the last list; 0 before the first.
    lists: u64,
    /// Whether that list counts still.
    fresh: bool,
}

/// A file as a list has it.
#[derive(Debug)]
struct Seen {
    bytes: u64,
    etag: Option<String>,
    /// What this version holds, where that is known.
    digest: Option<Digest>,
    /// The last list that it was in.
    list: u64,
}

impl SiteBucket {
    /// The site whose files lie in `bucket`.
    #[must_use]
    pub fn new(bucket: Bucket) -> Self {
        Self { bucket, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists the site, unless the last list counts still.
    fn listed(&self) -> Result<MutexGuard<'_, Known>, SiteError> {
        let mut known = self.known();
        if !known.fresh {
            let failed = |source| SiteError::Io { doing: "list", path: self.bucket.url().to_owned(), source };
            let list = known.lists + 1;
            for file in self.bucket.list("").map_err(failed)? {
                let file = file.map_err(failed)?;
                let digest =
                    known.files.get(file.key.as_str()).and_then(|seen| seen.still(file.bytes, &file.etag));
                known
                    .files
                    .insert(file.key.into(), Seen { bytes: file.bytes, etag: file.etag, digest, list });
            }
            known.files.retain(|_, seen| seen.list == list);
            (known.lists, known.fresh) = (list, true);
        }
        Ok(known)
    }

    /// Looks at files whose version is new to us, and remembers what they hold.
    fn look_at(&self, paths: &[String]) -> Result<(), SiteError> {
        for paths in paths.chunks(AT_ONCE) {
            let keys: Vec<&str> = paths.iter().map(String::as_str).collect();
            let looks = self.bucket.look_all(&keys).map_err(|source| failed("look at", &keys, source))?;
            let mut known = self.known();
            let list = known.lists;
            for (path, look) in paths.iter().zip(looks) {
                match look {
                    Some(look) => {
                        let digest = look.mark.and_then(|mark| mark.parse().ok());
                        let seen = Seen { bytes: look.bytes, etag: look.etag, digest, list };
                        known.files.insert(path.as_str().into(), seen);
                    }
                    None => drop(known.files.remove(path.as_str())),
                }
            }
        }
        Ok(())
    }
}

impl Seen {
    /// What a file holds that looks so now, if that is what it looked like before.
    fn still(&self, bytes: u64, etag: &Option<String>) -> Option<Digest> {
        self.digest.filter(|_| etag.is_some() && (self.bytes, &self.etag) == (bytes, etag))
    }
}

impl SiteFiles for SiteBucket {
    fn holds(&self, path: &str, digest: &Digest) -> Result<bool, SiteError> {
        check(path)?;
        let known = self.known();
        Ok(known.fresh && known.files.get(path).is_some_and(|seen| seen.digest == Some(*digest)))
    }

    fn write(&self, path: &str, digest: &Digest, bytes: &Bytes) -> Result<bool, SiteError> {
        let written = self.write_all(&[(path, *digest, bytes.clone())])?;
        Ok(written.first().copied().unwrap_or_default())
    }

    fn write_all(&self, files: &[(&str, Digest, Bytes)]) -> Result<Vec<bool>, SiteError> {
        let mut written = Vec::with_capacity(files.len());
        for files in files.chunks(AT_ONCE) {
            let mut puts = Vec::with_capacity(files.len());
            for (path, digest, bytes) in files {
                let held = self.holds(path, digest)?;
                written.push(!held);
                if !held {
                    let labels =
                        Labels { content_type: Some(content_type(path)), mark: Some(digest.to_hex()) };
                    puts.push((*path, *digest, bytes.clone(), labels));
                }
            }
            let objects: Vec<_> =
                puts.iter().map(|(path, _, bytes, labels)| (*path, bytes.clone(), labels.clone())).collect();
            let etags = self.bucket.put_all(&objects);
            let mut known = self.known();
            let list = known.lists;
            for ((path, digest, bytes, _), etag) in puts.into_iter().zip(etags) {
                let etag = etag.map_err(|source| failed("write", &[path], source))?;
                // Who never lists need not remember either.
                if known.fresh {
                    let seen = Seen { bytes: bytes.len() as u64, etag, digest: Some(digest), list };
                    known.files.insert(path.into(), seen);
                }
            }
        }
        Ok(written)
    }

    fn remove(&self, path: &str) -> Result<bool, SiteError> {
        check(path)?;
        self.known().files.remove(path);
        self.bucket.remove(path).map_err(|source| failed("remove", &[path], source))
    }

    fn remove_all(&self, paths: &[String]) -> Result<u64, SiteError> {
        let there = {
            let known = self.listed()?;
            let is_there = |path: &&str| known.files.contains_key(*path);
            paths.iter().map(String::as_str).filter(is_there).collect::<Vec<_>>()
        };
        for paths in there.chunks(AT_ONCE) {
            paths.iter().try_for_each(|path| check(path))?;
            self.bucket.remove_all(paths).map_err(|source| failed("remove", paths, source))?;
            let mut known = self.known();
            paths.iter().for_each(|path| drop(known.files.remove(*path)));
        }
        Ok(there.len() as u64)
    }

    fn verify(&self, expected: &mut dyn Iterator<Item = (String, Digest)>) -> Result<Vec<String>, SiteError> {
        let expected: Vec<(String, Digest)> = expected.collect();
        expected.iter().try_for_each(|(path, _)| check(path))?;
        let new: Vec<String> = {
            let known = self.listed()?;
            let is_new = |path: &str| known.files.get(path).is_some_and(|seen| seen.digest.is_none());
            expected.iter().map(|(path, _)| path.clone()).filter(|path| is_new(path)).collect()
        };
        self.look_at(&new)?;
        let known = self.known();
        let is_right = |(path, digest): &(String, Digest)| {
            known.files.get(path.as_str()).is_some_and(|seen| seen.digest == Some(*digest))
        };
        Ok(expected.into_iter().filter(|file| !is_right(file)).map(|(path, _)| path).collect())
    }

    fn look_afresh(&self) {
        self.known().fresh = false;
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, SiteError> {
        check(path)?;
        match self.bucket.get(path, limit) {
            Ok(bytes) => Ok(bytes.map(Vec::from)),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(None),
            Err(source) => Err(failed("read", &[path], source)),
        }
    }

    fn list(&self, found: &mut dyn FnMut(String)) -> Result<(), SiteError> {
        self.look_afresh();
        let known = self.listed()?;
        known.files.keys().for_each(|path| found(path.to_string()));
        Ok(())
    }

    fn identity(&self) -> String {
        self.bucket.url().to_owned()
    }
}

fn check(path: &str) -> Result<(), SiteError> {
    check_path(path).map(drop).map_err(|source| SiteError::Path { path: path.to_owned(), source })
}

/// Trouble with one of `paths`.
fn failed(doing: &'static str, paths: &[&str], source: io::Error) -> SiteError {
    let path = match paths {
        [path] => (*path).to_owned(),
        [path, .., last] => format!("{path} … {last}"),
        [] => String::new(),
    };
    SiteError::Io { doing, path, source }
}
