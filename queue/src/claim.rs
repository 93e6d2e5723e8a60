//! Claims: jobs that this process does.

use std::{collections::BTreeSet, ffi::OsStr};

use crate::{
    Job, Odd, QueueError, QueueFolder,
    files::{self, Content},
    folder::WAITING,
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
    /// What was claimed before somebody took us for dead, and has not come to its end here: another may have it.
    lost: BTreeSet<String>,
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
        Ok(Self { folder: folder.clone(), owner: Owner::new(folder)?, lost: BTreeSet::new() })
    }

    /// The folder.
    #[must_use]
    pub const fn folder(&self) -> &QueueFolder {
        &self.folder
    }

    /// Claims those of these jobs that nobody else was faster with, and that nobody is still doing.
    ///
    /// # Errors
    /// If the folder cannot be written to; what was claimed until then waits again.
    pub fn claim(&mut self, names: &[String]) -> Result<Vec<Claimed>, QueueError> {
        self.stand_again()?;
        // What we are still at, be it under a lost word: one end would be that of both.
        let held: BTreeSet<String> = self.owner.names().into_iter().collect();
        let is_free = |name: &&String| !held.contains(*name) && !self.lost.contains(*name);
        let names: Vec<String> = names.iter().filter(is_free).cloned().collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        self.owner.claims(&names)?;
        let mut claimed = Vec::with_capacity(names.len());
        let ended = self.lock_each(&names, &mut claimed);
        let is_claimed: BTreeSet<&str> = claimed.iter().map(|job| job.name.as_str()).collect();
        let not: Vec<String> = names.into_iter().filter(|name| !is_claimed.contains(name.as_str())).collect();
        let left = if not.is_empty() { Ok(()) } else { self.owner.leaves(&not) };
        if let Err(error) = ended.and(left) {
            let back: Vec<_> = claimed.into_iter().map(|job| (job.name, None)).collect();
            self.give_back(&back)?;
            return Err(error);
        }
        Ok(claimed)
    }

    /// Who was taken for dead begins anew, so that what it claims from now on is its own.
    fn stand_again(&mut self) -> Result<(), QueueError> {
        if !self.owner.stands() {
            let anew = Owner::new(&self.folder)?;
            self.lost.extend(self.owner.names());
            self.owner = anew;
        }
        Ok(())
    }

    fn lock_each(&self, names: &[String], claimed: &mut Vec<Claimed>) -> Result<(), QueueError> {
        for name in names {
            let (waiting, locked) = (self.folder.waiting(name), self.folder.locked(name));
            if !files::move_to_free(&waiting, &locked).map_err(QueueError::of("claim", &waiting))? {
                continue;
            }
            match files::read(&locked) {
                Content::Bytes(bytes, _) => {
                    claimed.push(Claimed { name: name.clone(), job: Job::read(&bytes) })
                }
                Content::Odd(odd) => claimed.push(Claimed { name: name.clone(), job: Err(odd) }),
                // Somebody took us for dead.
                Content::Gone => {}
            }
        }
        Ok(())
    }

    /// Which of these are still ours, now that they come to an end: not what was claimed before we were taken for dead.
    pub(crate) fn ours<'a>(&mut self, names: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
        let claimed: BTreeSet<String> =
            if self.owner.stands() { self.owner.names().into_iter().collect() } else { BTreeSet::new() };
        let mut ours = BTreeSet::new();
        for name in names {
            self.lost.remove(name);
            ours.extend(claimed.get(name).cloned());
        }
        ours
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
    pub fn done(&mut self, names: &[String]) -> Result<(), QueueError> {
        for name in self.ours(names.iter()) {
            let locked = self.folder.locked(&name);
            files::remove(&locked).map_err(QueueError::of("remove", &locked))?;
        }
        self.owner.leaves(names)
    }

    /// These wait again, as they now are. Where the same was queued anew meanwhile, that stays.
    ///
    /// # Errors
    /// If a file cannot be written: that job stays claimed, the others wait.
    pub fn give_back(&mut self, jobs: &[(String, Option<Job>)]) -> Result<(), QueueError> {
        let ours = self.ours(jobs.iter().map(|(name, _)| name));
        let (mut back, mut ended) = (Vec::with_capacity(jobs.len()), Ok(()));
        for (name, changed) in jobs {
            let one = if ours.contains(name) { self.unlock(name, changed.as_ref()) } else { Ok(()) };
            if one.is_ok() {
                back.push(name.clone());
            }
            ended = ended.and(one);
        }
        let left = if back.is_empty() { Ok(()) } else { self.owner.leaves(&back) };
        ended.and(left)
    }

    fn unlock(&self, name: &str, changed: Option<&Job>) -> Result<(), QueueError> {
        if let Some(job) = changed {
            self.folder.write(&self.folder.locked(name), job.to_yaml().as_bytes())?;
        }
        self.folder.unlock(name).map(drop)
    }
}

impl QueueFolder {
    /// Turns a claimed job into one that waits; whether it was there.
    pub(crate) fn unlock(&self, name: &str) -> Result<bool, QueueError> {
        let (waiting, locked) = (self.waiting(name), self.locked(name));
        if files::move_to_free(&locked, &waiting).map_err(QueueError::of("give back", &locked))? {
            return Ok(true);
        }
        let job = match files::read(&locked) {
            Content::Bytes(bytes, _) => Job::read(&bytes),
            Content::Odd(odd) => Err(odd),
            Content::Gone => return Ok(false),
        };
        let job = match job {
            Ok(job) => job,
            Err(odd) => return self.bury(&locked, OsStr::new(&format!("{name}.{WAITING}")), &odd.0, 0),
        };
        // What has its name since may ask for the same, or for something else: then it has another name.
        self.add(&job)?;
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
