//! Who has claimed what: a file for each process, which it keeps locked as long as it lives.
//!
//! The file's first line says who it is; then a line `+"NAME"` before each claim, and `-"NAME"` after it. So a claim is
//! never without a claimer, wherever a process is killed: its lock goes with it, and whoever sees that gives the jobs back.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, SystemTime},
};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use serde::{Deserialize, Serialize};

use crate::{QueueError, files, folder::QueueFolder, time::unix_now};

/// Between two signs of life.
const RENEWED: Duration = Duration::from_secs(5);
/// A process that gives none for so long has lost its claims, though it may still be there.
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// Largest file of claims that is read.
const MAX_BYTES: u64 = 64 << 20;

/// Who has claimed jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Who {
    pub(crate) host: String,
    pub(crate) pid: u32,
    /// Seconds since 1970.
    pub(crate) since: u64,
}

impl Who {
    fn this() -> Self {
        let name = rustix::system::uname();
        Self {
            host: name.nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            since: unix_now(),
        }
    }
}

/// This process's file of claims. As long as it is there, nobody takes what it has claimed.
#[derive(Debug)]
pub(crate) struct Owner {
    journal: Arc<Mutex<Journal>>,
    path: PathBuf,
    /// Dropped to end the thread that gives signs of life.
    _renewing: mpsc::Sender<()>,
}

#[derive(Debug)]
struct Journal {
    file: File,
    header: u64,
    claimed: BTreeSet<String>,
}

impl Owner {
    /// Makes the file.
    pub(crate) fn new(folder: &QueueFolder) -> Result<Self, QueueError> {
        let who = Who::this();
        let header = format!("{}\n", serde_json::to_string(&who).unwrap_or_default());
        // It is locked before anybody can see it: one that is not locked is that of a process that is gone.
        let part = folder.part(header.as_bytes())?;
        let doing = "claim jobs in";
        let file =
            File::options().append(true).read(true).open(&part).map_err(QueueError::of(doing, &part))?;
        files::try_lock(&file).map_err(QueueError::of(doing, &part))?;
        let name = part.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = folder.own("owners")?.join(format!("{name}-{}", who.since));
        fs::rename(&part, &path).map_err(QueueError::of(doing, &path))?;
        let journal = Journal { file, header: header.len() as u64, claimed: BTreeSet::new() };
        let journal = Arc::new(Mutex::new(journal));
        let (renewing, ended) = mpsc::channel();
        let renewed = Arc::clone(&journal);
        std::thread::spawn(move || {
            while ended.recv_timeout(RENEWED) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Who cannot give a sign of life is not believed to have one.
                let _ = lock(&renewed).renew();
            }
        });
        Ok(Self { journal, path, _renewing: renewing })
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Says that these are about to be claimed.
    pub(crate) fn claims(&self, names: &[String]) -> Result<(), QueueError> {
        let mut journal = lock(&self.journal);
        journal.write('+', names).map_err(QueueError::of("claim jobs in", &self.path))?;
        journal.claimed.extend(names.iter().cloned());
        Ok(())
    }

    /// Says that these are claimed no more.
    pub(crate) fn leaves(&self, names: &[String]) -> Result<(), QueueError> {
        let mut journal = lock(&self.journal);
        for name in names {
            journal.claimed.remove(name);
        }
        let left = if journal.claimed.is_empty() { journal.empty() } else { journal.write('-', names) };
        left.map_err(QueueError::of("give jobs back in", &self.path))
    }

    /// What is claimed.
    pub(crate) fn names(&self) -> Vec<String> {
        lock(&self.journal).claimed.iter().cloned().collect()
    }

    /// Whether what was claimed still is ours: not if somebody took us for dead.
    pub(crate) fn stands(&self) -> bool {
        let Ok(there) = self.path.metadata() else { return false };
        let ours = lock(&self.journal).file.metadata();
        ours.is_ok_and(|ours| (ours.dev(), ours.ino()) == (there.dev(), there.ino()))
    }

    /// A sign of life; the file system's time.
    pub(crate) fn renew(&self) -> Result<SystemTime, QueueError> {
        lock(&self.journal).renew().map_err(QueueError::of("claim jobs in", &self.path))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if lock(&self.journal).claimed.is_empty() {
            // Whoever finds it gives back what is in it: nothing.
            let _ = files::remove(&self.path);
        }
    }
}

fn lock(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    fn write(&mut self, sign: char, names: &[String]) -> io::Result<()> {
        let mut lines = String::new();
        for name in names {
            lines.push(sign);
            lines.push_str(&serde_json::Value::from(name.as_str()).to_string());
            lines.push('\n');
        }
        self.file.write_all(lines.as_bytes())
    }

    /// Begins anew, so that the file of a process that lives long stays small.
    fn empty(&self) -> io::Result<()> {
        self.file.set_len(self.header)
    }

    fn renew(&self) -> io::Result<SystemTime> {
        let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let times = Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
        rustix::fs::futimens(&self.file, &times)?;
        self.file.metadata()?.modified()
    }
}

/// The file of claims of some process, as another one sees it.
pub(crate) struct Seen {
    pub(crate) path: PathBuf,
    pub(crate) who: Option<Who>,
    pub(crate) claimed: BTreeSet<String>,
    /// Whether its process is gone or gives no sign of life.
    pub(crate) is_dead: bool,
    /// Keeps others from taking it for dead, too.
    _lock: Option<File>,
}

/// All files of claims but `own`. `now` is the time by the file system's clock.
pub(crate) fn seen(folder: &QueueFolder, own: &Path, now: SystemTime) -> Result<Vec<Seen>, QueueError> {
    let place = folder.own("owners")?;
    let listed = fs::read_dir(&place).map_err(QueueError::of("list", &place))?;
    let mut seen = Vec::new();
    for entry in listed {
        let path = entry.map_err(QueueError::of("list", &place))?.path();
        if path != own
            && let Some(one) = look(&path, now).map_err(QueueError::of("read", &path))?
        {
            seen.push(one);
        }
    }
    seen.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(seen)
}

/// `None` if it has just gone.
fn look(path: &Path, now: SystemTime) -> io::Result<Option<Seen>> {
    let mut file = match File::options().read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let locked = files::try_lock(&file)?;
    if !path.exists() {
        return Ok(None);
    }
    let modified = file.metadata()?.modified()?;
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(MAX_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let who: Option<Who> = text.lines().next().and_then(|line| serde_json::from_str(line).ok());
    let is_stale = now.duration_since(modified).unwrap_or_default() > LEASE;
    // Locks of another machine are not seen on every file system.
    let here = Who::this().host;
    let is_gone = locked && who.as_ref().is_none_or(|who| who.host == here);
    let claimed = claimed(&text);
    let is_dead = is_gone || is_stale;
    Ok(Some(Seen { path: path.to_path_buf(), who, claimed, is_dead, _lock: locked.then_some(file) }))
}

/// What a file of claims says. Its last line may have been cut.
fn claimed(text: &str) -> BTreeSet<String> {
    let mut claimed = BTreeSet::new();
    for line in text.lines().skip(1) {
        let (sign, name) = line.split_at_checked(1).unwrap_or_default();
        if let Ok(name) = serde_json::from_str::<String>(name) {
            if sign == "+" {
                claimed.insert(name);
            } else {
                claimed.remove(&name);
            }
        }
    }
    claimed
}
