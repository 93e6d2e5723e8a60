//! Jobs whose claimer is gone: they wait again.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    time::{Duration, SystemTime},
};

use crate::{
    Claims, Job, QueueError, QueueFolder,
    files::{self, Content},
    folder::{LOCKED, stem},
    owner::{self, Seen},
};

/// After so long a claim that nobody has put a name to is given back: the other tool's, if it was killed.
pub const ORPHAN_AFTER: Duration = Duration::from_secs(600);

/// What was given back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Names of jobs of processes of ours that are gone.
    pub ours: Vec<String>,
    /// Names of jobs that nobody of ours has claimed, and that are older than they may be.
    pub orphans: Vec<String>,
    /// How many of the latter are younger.
    pub young: u64,
}

impl Claims {
    /// Gives back what processes that are gone had claimed, and claims of unknown origin that are older than
    /// `orphan_after`. One process at a time does so; others are told that there was nothing.
    ///
    /// # Errors
    /// If the folder cannot be read or written.
    pub fn recover(&self, orphan_after: Duration) -> Result<Recovered, QueueError> {
        let gate = self.folder.own("owners")?.with_file_name("recovering");
        let file = File::create(&gate).map_err(QueueError::of("use", &gate))?;
        let mut recovered = Recovered::default();
        if !files::try_lock(&file).map_err(QueueError::of("use", &gate))? {
            return Ok(recovered);
        }
        let now = self.owner.renew()?;
        let mut owned: BTreeSet<String> = self.owner.names().into_iter().collect();
        // Before the owners are read: a claim that is seen has its owner's word already.
        let locked = locked(&self.folder)?;
        for seen in owner::seen(&self.folder, self.owner.path(), now)? {
            if seen.is_dead {
                recovered.ours.append(&mut self.give_back_of(&seen)?);
            } else {
                owned.extend(seen.claimed);
            }
        }
        let given: BTreeSet<&String> = recovered.ours.iter().collect();
        for (name, since) in
            locked.into_iter().filter(|(name, _)| !owned.contains(name) && !given.contains(name))
        {
            if now.duration_since(since).unwrap_or_default() < orphan_after {
                recovered.young += 1;
            } else if self.folder.unlock(&name)? {
                recovered.orphans.push(name);
            }
        }
        Ok(recovered)
    }

    /// Gives back what one that is gone had claimed. Each of its jobs notes that its process ended over it.
    fn give_back_of(&self, seen: &Seen) -> Result<Vec<String>, QueueError> {
        let mut given = Vec::new();
        for name in &seen.claimed {
            let place = self.folder.locked(name);
            let Content::Bytes(bytes, _) = files::read(&place) else { continue };
            if let Ok(mut job) = Job::read(&bytes) {
                job.crashes = job.crashes.saturating_add(1);
                self.folder.write(&place, job.to_yaml().as_bytes())?;
            }
            if self.folder.unlock(name)? {
                given.push(name.clone());
            }
        }
        files::remove(&seen.path).map_err(QueueError::of("remove", &seen.path))?;
        Ok(given)
    }
}

/// Claimed jobs, and since when each is.
pub(crate) fn locked(folder: &QueueFolder) -> Result<Vec<(String, SystemTime)>, QueueError> {
    let place = folder.path();
    let mut locked = Vec::new();
    for entry in fs::read_dir(place).map_err(QueueError::of("list the queue", place))? {
        let entry = entry.map_err(QueueError::of("list the queue", place))?;
        let file = entry.file_name();
        let Some(name) = stem(&file, LOCKED).and_then(|name| name.to_str()) else { continue };
        // Who renames a file changes its inode, not its content.
        let Ok(metadata) = entry.metadata() else { continue };
        let changed = Duration::new(
            metadata.ctime().try_into().unwrap_or_default(),
            metadata.ctime_nsec().try_into().unwrap_or_default(),
        );
        locked.push((name.to_owned(), SystemTime::UNIX_EPOCH + changed));
    }
    locked.sort();
    Ok(locked)
}
