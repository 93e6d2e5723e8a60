//! What waits in a queue: one look at all of it, then at what has changed.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs, mem,
    os::unix::fs::DirEntryExt as _,
    time::{Duration, Instant, SystemTime},
};

use quire_proto::Lane;

use crate::{
    Job, Odd, QueueError, QueueFolder,
    files::{self, Content},
    folder::{LOCKED, WAITING, stem},
    time::since,
};

/// Most jobs that are kept in memory; those beyond wait until there is room, unless somebody waits for them.
const MAX_KEPT: usize = 250_000;
/// Changes within a tick of the folder's clock do not change its time.
const TICK: Duration = Duration::from_secs(2);
/// Files that were changed where they are do not change the folder's time either.
const FULL_LOOK: Duration = Duration::from_secs(10);
/// A file that is being written may look odd for so long.
const SETTLED: Duration = Duration::from_secs(2);

/// What is known of what waits.
#[derive(Debug)]
pub struct Scan {
    folder: QueueFolder,
    known: HashMap<OsString, Known>,
    looked: Option<(SystemTime, Instant)>,
    full: Option<Instant>,
    /// Claimed files at the last look, by us or by others.
    pub locked: usize,
    /// Jobs for which there was no room at the last look.
    pub beyond: usize,
}

#[derive(Debug)]
struct Known {
    /// Tells a file from another that has taken its name; the listing says it without a look at the file.
    inode: u64,
    stamp: Stamp,
    what: Result<Waiting, Odd>,
}

/// Size and time of a file, where they could be had.
type Stamp = Option<(u64, SystemTime)>;

/// A job that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The file's name without its ending.
    pub name: String,
    /// Key of the record.
    pub key: String,
    /// How urgent it is.
    pub lane: Lane,
    /// The catalogue, if the file says.
    pub catalogue: Option<String>,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// How often the process that had claimed it ended over it.
    pub crashes: u32,
    /// Not to be tried again before, in seconds since 1970.
    pub not_before: u64,
    /// When the file was written.
    pub modified: SystemTime,
}

/// A file that waits and is no job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddFile {
    /// Its name.
    pub file: OsString,
    /// Why not.
    pub why: Odd,
    /// Whether it has been as it is for a while: who writes a file needs a moment.
    pub settled: bool,
}

impl Scan {
    /// Of a folder; nothing is looked at yet.
    #[must_use]
    pub fn new(folder: &QueueFolder) -> Self {
        Self { folder: folder.clone(), known: HashMap::new(), looked: None, full: None, locked: 0, beyond: 0 }
    }

    /// Looks, if anything may have changed since the last time.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub fn look(&mut self) -> Result<(), QueueError> {
        let path = self.folder.path().to_path_buf();
        let listing = QueueError::of("list the queue", &path);
        let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
        let modified = match modified {
            Ok(modified) => modified,
            Err(error) => return Err(listing(error)),
        };
        let fresh = self.full.is_none_or(|full| full.elapsed() >= FULL_LOOK);
        let same =
            self.looked.is_some_and(|(time, at)| time == modified && since(time) > at.elapsed() + TICK);
        if same && !fresh {
            return Ok(());
        }
        let now = Instant::now();
        self.list(fresh)?;
        self.looked = Some((modified, now));
        if fresh {
            self.full = Some(now);
        }
        Ok(())
    }

    fn list(&mut self, afresh: bool) -> Result<(), QueueError> {
        let path = self.folder.path().to_path_buf();
        let mut before = mem::take(&mut self.known);
        (self.locked, self.beyond) = (0, 0);
        for entry in fs::read_dir(&path).map_err(QueueError::of("list the queue", &path))? {
            let entry = entry.map_err(QueueError::of("list the queue", &path))?;
            let file = entry.file_name();
            self.locked += usize::from(stem(&file, LOCKED).is_some());
            if stem(&file, WAITING).is_none() {
                continue;
            }
            let stamp = || {
                let metadata = entry.metadata().ok()?;
                Some((metadata.len(), metadata.modified().ok()?))
            };
            let kept = match before.remove(&file) {
                // What is odd may not have been written to its end yet.
                Some(known)
                    if known.what.is_ok()
                        && known.inode == entry.ino()
                        && (!afresh || known.stamp == stamp()) =>
                {
                    Some(known)
                }
                _ => self.read(&file, stamp()).map(|(stamp, what)| Known { inode: entry.ino(), stamp, what }),
            };
            if let Some(known) = kept {
                self.keep(file, known);
            }
        }
        Ok(())
    }

    fn keep(&mut self, file: OsString, known: Known) {
        let is_urgent = known.what.as_ref().is_ok_and(|waiting| waiting.lane == Lane::Critical);
        if self.known.len() < MAX_KEPT || is_urgent {
            self.known.insert(file, known);
        } else {
            self.beyond += 1;
        }
    }

    fn read(&self, file: &OsString, stamp: Stamp) -> Option<(Stamp, Result<Waiting, Odd>)> {
        let what = match files::read(&self.folder.path().join(file)) {
            Content::Gone => return None,
            Content::Odd(odd) => Err(odd),
            Content::Bytes(bytes, modified) => {
                match (Job::read(&bytes), stem(file, WAITING).and_then(|stem| stem.to_str())) {
                    (Ok(job), Some(name)) => Ok(Waiting::of(name, job, modified)),
                    (Ok(_), None) => Err(Odd("its name is not UTF-8".to_owned())),
                    (Err(odd), _) => Err(odd),
                }
            }
        };
        Some((stamp, what))
    }

    /// Jobs that wait, in no order.
    pub fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.known.values().filter_map(|known| known.what.as_ref().ok())
    }

    /// Files that wait and are no jobs, by name.
    #[must_use]
    pub fn odd(&self) -> Vec<OddFile> {
        let odd = |(file, known): (&OsString, &Known)| {
            let why = known.what.as_ref().err()?.clone();
            let settled = known.stamp.is_none_or(|(_, modified)| since(modified) >= SETTLED);
            Some(OddFile { file: file.clone(), why, settled })
        };
        let mut files: Vec<OddFile> = self.known.iter().filter_map(odd).collect();
        files.sort_by(|one, other| one.file.cmp(&other.file));
        files
    }

    /// Forgets jobs: they were claimed, by us or by somebody who was faster.
    pub fn forget(&mut self, names: &[String]) {
        for name in names {
            self.known.remove(&OsString::from(format!("{name}.{WAITING}")));
        }
        self.again();
    }

    /// Has the next look see everything.
    pub fn again(&mut self) {
        self.looked = None;
    }
}

impl Waiting {
    /// Whether it is a job of the catalogue; one that names none is anybody's.
    #[must_use]
    pub fn is_of(&self, catalogue: &str) -> bool {
        self.catalogue.as_ref().is_none_or(|name| name == catalogue)
    }

    fn of(name: &str, job: Job, modified: SystemTime) -> Self {
        let Job { key, lane, catalogue, attempts, crashes, not_before, .. } = job;
        Self { name: name.to_owned(), key, lane, catalogue, attempts, crashes, not_before, modified }
    }
}
