//! The folder of a queue: its places, and how jobs come into it.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    Job, QueueError,
    files::{self, Content},
    name::{file_name, second_name},
};

/// Ending of a job that waits.
pub(crate) const WAITING: &str = "yaml";
/// Ending of a job that somebody does.
pub(crate) const LOCKED: &str = "lock";

/// Numbers temporary files of this process.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A folder of queue files. Cheap to clone.
#[derive(Debug, Clone)]
pub struct QueueFolder {
    path: PathBuf,
}

/// What became of a job that was put into a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It waits now.
    New,
    /// It waited already, and has become more urgent.
    Raised,
    /// It waited already.
    Known,
}

impl QueueFolder {
    /// A folder that is there.
    ///
    /// # Errors
    /// If it is not, or cannot be listed.
    pub fn open(path: &Path) -> Result<Self, QueueError> {
        fs::read_dir(path).map_err(QueueError::of("read the queue", path))?;
        Ok(Self { path: path.to_path_buf() })
    }

    /// A folder that is made where needed.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: &Path) -> Result<Self, QueueError> {
        fs::create_dir_all(path).map_err(QueueError::of("make the queue", path))?;
        Ok(Self { path: path.to_path_buf() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a job that is seen whole or not at all. One that waits already under the same name is kept, with the greater
    /// urgency of both, and the catalogue that either names.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&self, job: &Job) -> Result<Added, QueueError> {
        for name in [file_name(&job.key), second_name(&job.key, job.catalogue.as_deref())] {
            let place = self.waiting(&name);
            if self.put(&place, job)? {
                return Ok(Added::New);
            }
            match files::read(&place) {
                Content::Bytes(bytes, _) => match Job::read(&bytes) {
                    Ok(there) if there.is_same(job) => return self.raise(&place, there, job),
                    // The name of another job, or of something odd.
                    _ => {}
                },
                // Somebody has just claimed it: this one comes after that.
                Content::Gone if self.put(&place, job)? => return Ok(Added::New),
                Content::Gone | Content::Odd(_) => {}
            }
        }
        let taken =
            io::Error::new(io::ErrorKind::AlreadyExists, "both of its names are taken by something else");
        Err(QueueError::of("queue the job", &self.waiting(&file_name(&job.key)))(taken))
    }

    /// As [`Self::add`], where a job of the same key waits under `name`; `None` if it does so no more.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn join(&self, name: &str, job: &Job) -> Result<Option<Added>, QueueError> {
        let place = self.waiting(name);
        let Content::Bytes(bytes, _) = files::read(&place) else { return Ok(None) };
        match Job::read(&bytes) {
            Ok(there) if there.is_same(job) => self.raise(&place, there, job).map(Some),
            _ => Ok(None),
        }
    }

    fn raise(&self, place: &Path, mut there: Job, job: &Job) -> Result<Added, QueueError> {
        let (is_raised, is_named) =
            (job.lane < there.lane, there.catalogue.is_none() && job.catalogue.is_some());
        if is_raised {
            there.lane = job.lane;
        }
        if is_named {
            // Else whoever comes first does it, which may be a catalogue that has no such key.
            there.catalogue.clone_from(&job.catalogue);
        }
        if is_raised || is_named {
            // If somebody claims it meanwhile, it is done twice.
            self.write(place, there.to_yaml().as_bytes())?;
        }
        Ok(if is_raised { Added::Raised } else { Added::Known })
    }

    fn put(&self, place: &Path, job: &Job) -> Result<bool, QueueError> {
        let part = self.part(job.to_yaml().as_bytes())?;
        let put = files::move_to_free(&part, place).map_err(QueueError::of("write", place))?;
        if !put {
            files::remove(&part).map_err(QueueError::of("remove", &part))?;
        }
        Ok(put)
    }

    /// Writes a file that appears whole.
    pub(crate) fn write(&self, place: &Path, bytes: &[u8]) -> Result<(), QueueError> {
        let part = self.part(bytes)?;
        fs::rename(&part, place).map_err(QueueError::of("write", place))
    }

    /// A file on its way.
    pub(crate) fn part(&self, bytes: &[u8]) -> Result<PathBuf, QueueError> {
        let name = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let part = self.own("tmp")?.join(name);
        fs::write(&part, bytes).map_err(QueueError::of("write", &part))?;
        Ok(part)
    }

    /// A folder of ours beside the jobs, made where needed.
    pub(crate) fn own(&self, name: &str) -> Result<PathBuf, QueueError> {
        let folder = self.path.join(".quire").join(name);
        if !folder.is_dir() {
            fs::create_dir_all(&folder).map_err(QueueError::of("make the folder", &folder))?;
        }
        Ok(folder)
    }

    /// Where dead letters lie.
    pub(crate) fn dead(&self) -> PathBuf {
        self.path.join("dead")
    }

    /// The file of a job that waits.
    pub(crate) fn waiting(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.{WAITING}"))
    }

    /// The file of a job that somebody does.
    pub(crate) fn locked(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.{LOCKED}"))
    }
}

/// A file's name without this ending; `None` if it has another, or is hidden.
pub(crate) fn stem<'a>(file: &'a OsStr, ending: &str) -> Option<&'a OsStr> {
    let path = Path::new(file);
    let has = path.extension().is_some_and(|found| found == ending);
    let stem = path.file_stem().filter(|_| has)?;
    (!stem.as_encoded_bytes().starts_with(b".")).then_some(stem)
}
