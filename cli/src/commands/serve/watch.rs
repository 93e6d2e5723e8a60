//! Word of changes to what catalogues are made from.

use std::{
    collections::BTreeMap,
    fmt,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{commands::place, embedded::CatalogueFolder, output};

/// Programs write a file in several steps, and several files at a time: a change is over when nothing was heard for so long,
const QUIET: Duration = Duration::from_millis(100);
/// and after so long in any case.
const AT_MOST: Duration = Duration::from_secs(2);
/// Between two looks at whether the folders are still the same ones.
const LOOK: Duration = Duration::from_secs(1);

/// Device and number of a folder: another one in its place is not watched.
type Identity = (u64, u64);

/// Watches folders of catalogues and of their data.
pub(super) struct Watcher {
    heard: mpsc::Receiver<()>,
    /// What is watched, and what should be but is not there.
    folders: BTreeMap<PathBuf, Option<Identity>>,
    /// As they were seen last: each time that one comes, goes or is replaced is one change.
    seen: BTreeMap<PathBuf, Option<Identity>>,
    inner: RecommendedWatcher,
}

impl Watcher {
    /// Watches nothing yet, and never what is below `left_out`: what Quire itself writes.
    ///
    /// # Errors
    /// If the system lets nobody watch.
    pub(super) fn new(left_out: &[&Path]) -> anyhow::Result<Self> {
        let left_out: Vec<PathBuf> = left_out.iter().map(|path| place::whole(path)).collect();
        // One word is enough, however many changes there are before it is heard.
        let (tell, heard) = mpsc::channel(1);
        let hear = move |event: notify::Result<Event>| {
            let is_change = event.map_or_else(
                |error| {
                    output::note(&format!("cannot watch everything: {:#}", explained(error)));
                    true
                },
                |event| is_change(&event, &left_out),
            );
            if is_change {
                let _ = tell.try_send(());
            }
        };
        let inner = notify::recommended_watcher(hear).map_err(explained).context("cannot watch files")?;
        Ok(Self { heard, folders: BTreeMap::new(), seen: BTreeMap::new(), inner })
    }

    /// Watches the folders of these catalogues and the roots of their sources, those too that were put in the place of others;
    /// a folder that cannot be watched is told. Whether there are any that were not watched before: what changed in them
    /// before now was not heard.
    pub(super) fn watch(&mut self, catalogues: &[CatalogueFolder]) -> bool {
        let mut paths: Vec<PathBuf> = catalogues
            .iter()
            .flat_map(|folder| place::roots(folder).into_iter().chain([place::whole(&folder.path)]))
            .collect();
        paths.sort();
        // What is below another one is watched with it.
        paths.dedup_by(|path, above| path.starts_with(&*above));
        for gone in self.folders.keys().filter(|folder| !paths.contains(folder)) {
            // If the folder itself is gone, so is the watch.
            let _ = self.inner.unwatch(gone);
        }
        self.folders.retain(|folder, _| paths.contains(folder));
        let mut has_new = false;
        for path in paths {
            let now = identity(&path);
            if self.folders.get(&path) == Some(&now) {
                continue;
            }
            tell_unwatched(&path, now.map_or(Ok(()), |_| self.inner.watch(&path, RecursiveMode::Recursive)));
            self.folders.insert(path, now);
            has_new = true;
        }
        self.seen.clone_from(&self.folders);
        has_new
    }

    /// Watches again what has come in the place of what was watched, whatever may be said of it.
    pub(super) fn watch_again(&mut self) {
        for (path, before) in &mut self.folders {
            let now = identity(path);
            if now.is_some() && now != *before {
                tell_unwatched(path, self.inner.watch(path, RecursiveMode::Recursive));
                *before = now;
            }
        }
    }

    /// Waits for the next change, and until it is over.
    pub(super) async fn changed(&mut self) {
        while !self.is_other() {
            match timeout(LOOK, self.heard.recv()).await {
                Ok(Some(())) => break,
                // Nobody tells any more: what is left is to look.
                Ok(None) => sleep(LOOK).await,
                Err(_) => {}
            }
        }
        let quiet = async { while let Ok(Some(())) = timeout(QUIET, self.heard.recv()).await {} };
        let _ = timeout(AT_MOST, quiet).await;
    }

    /// Whether a folder has come, has gone, or is another one since this was asked last.
    fn is_other(&mut self) -> bool {
        let mut is_other = false;
        for (path, seen) in &mut self.seen {
            let now = identity(path);
            is_other |= std::mem::replace(seen, now) != now;
        }
        is_other
    }
}

impl fmt::Display for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "watching {}", output::counted(self.folders.len(), "folder"))
    }
}

fn tell_unwatched(path: &Path, watched: notify::Result<()>) {
    if let Err(error) = watched {
        output::note(&format!("cannot watch all of {}: {:#}", path.display(), explained(error)));
    }
}

fn identity(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// What cannot be told apart is a change: then a build too many finds nothing to do.
fn is_change(event: &Event, left_out: &[PathBuf]) -> bool {
    // By its name, and by where it really is: a folder may be reached through a link.
    let is_ours = |path: &PathBuf| {
        let is_below = |path: &Path| left_out.iter().any(|folder| path.starts_with(folder));
        is_below(path) || is_below(&place::whole(path))
    };
    let is_told = !event.paths.is_empty() && event.paths.iter().all(is_ours);
    event.need_rescan() || !matches!(event.kind, EventKind::Access(_)) && !is_told
}

/// What to do about a limit of the system.
fn explained(error: notify::Error) -> anyhow::Error {
    let is_limit = match &error.kind {
        notify::ErrorKind::MaxFilesWatch => true,
        // EMFILE: so many watchers has this user already.
        notify::ErrorKind::Io(error) => error.raw_os_error() == Some(24),
        _ => false,
    };
    let error = anyhow::Error::new(error);
    if is_limit {
        error.context("a limit of the system: raise fs.inotify.max_user_watches and max_user_instances")
    } else {
        error
    }
}
