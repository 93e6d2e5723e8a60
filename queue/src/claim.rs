//! Claims: jobs that this process does.

use crate::{
    Job, Odd, QueueError, QueueFolder,
    files::{self, Content},
    owner::Owner,
};

/// So many of one job may be under way at once.
const MAX_BESIDE: u32 = 9;

/// What this process has claimed of a queue. When it is dropped, or the process is killed, whoever looks at the queue
/// next gives back what is not done.
#[derive(Debug)]
pub struct Claims {
    pub(crate) folder: QueueFolder,
    pub(crate) owner: Owner,
}

/// A job that is ours to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The file's name without its ending.
    pub name: String,
    /// What it asks for; not, if it is no job after all.
    pub job: Result<Job, Odd>,
}

impl Claims {
    /// Nothing yet.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn new(folder: &QueueFolder) -> Result<Self, QueueError> {
        Ok(Self { folder: folder.clone(), owner: Owner::new(folder)? })
    }

    /// The folder.
    #[must_use]
    pub const fn folder(&self) -> &QueueFolder {
        &self.folder
    }

    /// Claims those of these jobs that nobody else was faster with, and that nobody is still doing.
    ///
    /// # Errors
    /// If the folder cannot be written to; what was claimed until then is given back when this is dropped.
    pub fn claim(&self, names: &[String]) -> Result<Vec<Claimed>, QueueError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        self.owner.claims(names)?;
        let (mut claimed, mut lost) = (Vec::with_capacity(names.len()), Vec::new());
        for name in names {
            let (waiting, locked) = (self.folder.waiting(name), self.folder.locked(name));
            if !files::move_to_free(&waiting, &locked).map_err(QueueError::of("claim", &waiting))? {
                lost.push(name.clone());
                continue;
            }
            match files::read(&locked) {
                Content::Bytes(bytes, _) => {
                    claimed.push(Claimed { name: name.clone(), job: Job::read(&bytes) })
                }
                Content::Odd(odd) => claimed.push(Claimed { name: name.clone(), job: Err(odd) }),
                // Somebody took us for dead.
                Content::Gone => lost.push(name.clone()),
            }
        }
        if !lost.is_empty() {
            self.owner.leaves(&lost)?;
        }
        Ok(claimed)
    }

    /// Gives jobs that could not be claimed, as the same is under way, names of their own: they need not wait for that.
    /// Whether there were any.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn set_beside(&self, names: &[String]) -> Result<bool, QueueError> {
        let mut any = false;
        for name in names.iter().filter(|name| self.folder.locked(name).exists()) {
            let waiting = self.folder.waiting(name);
            for number in 2..=MAX_BESIDE {
                let beside = format!("{name}~{number}");
                let is_free = !self.folder.locked(&beside).exists();
                if is_free
                    && files::move_to_free(&waiting, &self.folder.waiting(&beside))
                        .map_err(QueueError::of("claim", &waiting))?
                {
                    any = true;
                    break;
                }
            }
        }
        Ok(any)
    }

    /// These are done. What somebody else has claimed since, because we were taken for dead, stays theirs.
    ///
    /// # Errors
    /// If a file cannot be removed: it is done once more, then.
    pub fn done(&self, names: &[String]) -> Result<(), QueueError> {
        if self.owner.stands() {
            for name in names {
                let locked = self.folder.locked(name);
                files::remove(&locked).map_err(QueueError::of("remove", &locked))?;
            }
        }
        self.owner.leaves(names)
    }

    /// These wait again, as they now are. Where the same was queued anew meanwhile, that stays.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn give_back(&self, jobs: &[(String, Option<Job>)]) -> Result<(), QueueError> {
        if self.owner.stands() {
            for (name, changed) in jobs {
                if let Some(job) = changed {
                    self.folder.write(&self.folder.locked(name), job.to_yaml().as_bytes())?;
                }
                self.folder.unlock(name)?;
            }
        }
        let names: Vec<String> = jobs.iter().map(|(name, _)| name.clone()).collect();
        self.owner.leaves(&names)
    }
}

impl QueueFolder {
    /// Turns a claimed job into one that waits; whether it was there.
    pub(crate) fn unlock(&self, name: &str) -> Result<bool, QueueError> {
        let (waiting, locked) = (self.waiting(name), self.locked(name));
        if files::move_to_free(&locked, &waiting).map_err(QueueError::of("give back", &locked))? {
            return Ok(true);
        }
        // What was queued since asks for the same.
        files::remove(&locked).map_err(QueueError::of("remove", &locked))
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        // What cannot be given back now is given back by whoever finds the file of claims.
        let names = self.owner.names();
        let jobs: Vec<_> = names.into_iter().map(|name| (name, None)).collect();
        let _ = self.give_back(&jobs);
    }
}
