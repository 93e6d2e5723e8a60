//! Dead letters: files that cannot be done, each with the reason.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{
    Claims, Job, Odd, QueueError, QueueFolder,
    files::{self, Content},
    folder::{WAITING, stem},
    name::file_name,
    time::{iso, unix_now},
};

/// Ending of the file that says why another one is dead.
const REASON: &str = ".reason.json";
/// A dead letter of a name is kept beside so many others of that name.
const MAX_ALIKE: u32 = 1_000;

/// Why a file is dead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Reason {
    reason: String,
    attempts: u32,
    died_at: String,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dead {
    /// Its file in `dead/`.
    pub file: String,
    /// The key that it asks for, if it is a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Why it is dead.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it died.
    pub died_at: String,
}

/// What became of a dead letter that shall be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// It waits.
    Waits,
    /// The same waits already: the dead letter is gone.
    WaitedAlready,
    /// It is no job, and stays where it is.
    NoJob(Odd),
}

impl Claims {
    /// Moves a claimed job to the dead letters, as it now is.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn bury(&mut self, name: &str, job: Option<&Job>, reason: &str) -> Result<(), QueueError> {
        if self.ours([name.to_owned()].iter()).contains(name) {
            let locked = self.folder.locked(name);
            if let Some(job) = job {
                self.folder.write(&locked, job.to_yaml().as_bytes())?;
            }
            let attempts = job.map_or(0, |job| job.attempts);
            self.folder.bury(&locked, OsStr::new(&format!("{name}.{WAITING}")), reason, attempts)?;
        }
        self.owner.leaves(&[name.to_owned()])
    }
}

impl QueueFolder {
    /// Moves a file that waits and is no job to the dead letters; whether nobody was faster.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn bury_odd(&self, file: &OsStr, why: &Odd) -> Result<bool, QueueError> {
        self.bury(&self.path().join(file), file, &why.0, 0)
    }

    pub(crate) fn bury(
        &self,
        from: &std::path::Path,
        file: &OsStr,
        reason: &str,
        attempts: u32,
    ) -> Result<bool, QueueError> {
        let dead = self.dead();
        fs::create_dir_all(&dead).map_err(QueueError::of("make the folder", &dead))?;
        let reason = Reason { reason: reason.to_owned(), attempts, died_at: iso(unix_now()) };
        for number in 1..=MAX_ALIKE {
            let mut name = file.to_owned();
            if number > 1 {
                name = stem(file, WAITING).unwrap_or(file).to_owned();
                name.push(format!("~{number}.{WAITING}"));
            }
            let to = dead.join(&name);
            if to.symlink_metadata().is_ok() {
                continue;
            }
            // First the reason: one without a file is not looked at.
            self.write(&self.reason(&name), &serde_json::to_vec(&reason).unwrap_or_default())?;
            if files::move_to_free(from, &to).map_err(QueueError::of("move", from))? {
                return Ok(true);
            }
            if from.symlink_metadata().is_err() {
                files::remove(&self.reason(&name)).map_err(QueueError::of("remove", &to))?;
                return Ok(false);
            }
        }
        let full =
            io::Error::other("dead letters of that name are too many: `quire queue drop` removes them");
        Err(QueueError::of("move", from)(full))
    }

    fn reason(&self, file: &OsStr) -> PathBuf {
        let mut name = file.to_owned();
        name.push(REASON);
        self.dead().join(name)
    }

    /// All dead letters, by name.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn dead_letters(&self) -> Result<Vec<(OsString, Dead)>, QueueError> {
        let folder = self.dead();
        let listed = match fs::read_dir(&folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(QueueError::of("list", &folder)(error)),
        };
        let mut dead = Vec::new();
        for entry in listed {
            let file = entry.map_err(QueueError::of("list", &folder))?.file_name();
            if stem(&file, WAITING).is_some() {
                let letter = self.dead_letter(&file);
                dead.push((file, letter));
            }
        }
        dead.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(dead)
    }

    fn dead_letter(&self, file: &OsStr) -> Dead {
        let reason: Option<Reason> = match files::read(&self.reason(file)) {
            Content::Bytes(bytes, _) => serde_json::from_slice(&bytes).ok(),
            Content::Odd(_) | Content::Gone => None,
        };
        let job = self.dead_job(file).ok();
        let untold = || Reason { reason: "nobody said why".to_owned(), ..Reason::default() };
        let Reason { reason, attempts, died_at } = reason.unwrap_or_else(untold);
        Dead {
            file: file.to_string_lossy().into_owned(),
            key: job.map(|job| job.key),
            reason,
            attempts,
            died_at,
        }
    }

    fn dead_job(&self, file: &OsStr) -> Result<Job, Odd> {
        match files::read(&self.dead().join(file)) {
            Content::Bytes(bytes, _) => Job::read(&bytes),
            Content::Odd(odd) => Err(odd),
            Content::Gone => Err(Odd("it is not there any more".to_owned())),
        }
    }

    /// Has a dead letter wait again, as if it had never been tried.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn retry(&self, file: &OsStr) -> Result<Retried, QueueError> {
        let job = match self.dead_job(file) {
            Ok(job) => job.afresh(),
            Err(odd) => return Ok(Retried::NoJob(odd)),
        };
        let added = self.add(&job)?;
        self.drop_dead(file)?;
        Ok(if added == crate::Added::New { Retried::Waits } else { Retried::WaitedAlready })
    }

    /// Removes a dead letter and its reason; whether it was there.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn drop_dead(&self, file: &OsStr) -> Result<bool, QueueError> {
        let place = self.dead().join(file);
        let removed = match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&place).map(|()| true),
            _ => files::remove(&place),
        };
        let was = removed.map_err(QueueError::of("remove", &place))?;
        let reason = self.reason(file);
        files::remove(&reason).map_err(QueueError::of("remove", &reason))?;
        Ok(was)
    }
}

impl Dead {
    /// Whether somebody who types this means it: its file, that without the ending, or its key.
    #[must_use]
    pub fn is_meant(&self, typed: &str) -> bool {
        self.file == typed
            || self.file.strip_suffix(".yaml") == Some(typed)
            || self.key.as_deref() == Some(typed)
            || self.key.is_none() && self.file == format!("{}.{WAITING}", file_name(typed))
    }
}
