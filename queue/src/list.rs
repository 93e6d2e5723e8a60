//! All that is in a queue.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use crate::{
    Claims, Dead, Job, OddFile, QueueError, QueueFolder, Scan, Waiting,
    files::{self, Content},
    owner, recover,
    time::since,
};

/// All that is in a queue, each part by name.
#[derive(Debug)]
pub struct Listed {
    /// Jobs that wait: the most urgent first, then the oldest.
    pub waiting: Vec<Waiting>,
    /// Files that wait and are no jobs.
    pub odd: Vec<OddFile>,
    /// Jobs that somebody does.
    pub under_way: Vec<UnderWay>,
    /// Dead letters.
    pub dead: Vec<Dead>,
}

/// A job that somebody does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnderWay {
    /// The file's name without its ending.
    pub name: String,
    /// Key of the record, if it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Seconds since it was claimed.
    pub seconds: u64,
    /// The machine of who does it; nobody knows who did if the other tool claimed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Whether that process is gone: the next one that looks at the queue gives the job back.
    pub abandoned: bool,
}

impl QueueFolder {
    /// Lists everything; nothing is changed.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&self) -> Result<Listed, QueueError> {
        let mut scan = Scan::new(self);
        scan.look()?;
        let mut waiting: Vec<Waiting> = scan.waiting().cloned().collect();
        waiting.sort_by(|one, other| {
            (one.lane, one.modified, &one.name).cmp(&(other.lane, other.modified, &other.name))
        });
        let dead = self.dead_letters()?.into_iter().map(|(_, dead)| dead).collect();
        Ok(Listed { waiting, odd: scan.odd(), under_way: self.under_way()?, dead })
    }

    fn under_way(&self) -> Result<Vec<UnderWay>, QueueError> {
        let mut owners = BTreeMap::new();
        if self.path().join(".quire").join("owners").is_dir() {
            for seen in owner::seen(self, Path::new(""), std::time::SystemTime::now())? {
                for name in &seen.claimed {
                    owners.insert(name.clone(), (seen.who.clone(), seen.is_dead));
                }
            }
        }
        let locked = recover::locked(self)?.into_iter().map(|(name, at)| {
            let job = match files::read(&self.locked(&name)) {
                Content::Bytes(bytes, _) => Job::read(&bytes).ok(),
                Content::Odd(_) | Content::Gone => None,
            };
            let (who, abandoned) = owners.remove(&name).unwrap_or_default();
            let (host, pid) = who.map(|who| (who.host, who.pid)).unzip();
            UnderWay { name, key: job.map(|job| job.key), seconds: since(at).as_secs(), host, pid, abandoned }
        });
        Ok(locked.collect())
    }
}

impl Claims {
    /// Names of the jobs that this process has claimed.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.owner.names()
    }
}
