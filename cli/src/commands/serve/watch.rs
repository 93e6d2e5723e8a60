//! Word of changes to what catalogues are made from.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::{commands::place, embedded::CatalogueFolder, output};

/// Programs write a file in several steps, and several files at a time: a change is over when nothing was heard for so long.
const QUIET: Duration = Duration::from_millis(100);

/// Watches folders of catalogues and of their data.
pub(super) struct Watcher {
    heard: mpsc::Receiver<()>,
    watched: usize,
    /// Watches as long as it is there.
    _watcher: RecommendedWatcher,
}

impl Watcher {
    /// Watches the folders of catalogues and the roots of their sources, but not what is below `left_out`: what Quire itself
    /// writes.
    ///
    /// # Errors
    /// If a folder cannot be watched: it is not there, or the system's limit of watches is reached.
    pub(super) fn start(folders: &[CatalogueFolder], left_out: &[&Path]) -> anyhow::Result<Self> {
        let left_out: Vec<PathBuf> = left_out.iter().map(|path| place::whole(path)).collect();
        // One word is enough, however many changes there are before it is heard.
        let (tell, heard) = mpsc::channel(1);
        let hear = move |event: notify::Result<notify::Event>| {
            // What cannot be told apart is a change: then a build too many finds nothing to do.
            let is_change = event.map_or(true, |event| {
                let is_ours = |path: &PathBuf| left_out.iter().any(|folder| path.starts_with(folder));
                !matches!(event.kind, EventKind::Access(_)) && !event.paths.iter().all(is_ours)
            });
            if is_change {
                let _ = tell.try_send(());
            }
        };
        let mut watcher = notify::recommended_watcher(hear).context("cannot watch files")?;
        let mut paths: Vec<PathBuf> = folders
            .iter()
            .flat_map(|folder| place::roots(folder).into_iter().chain([place::whole(&folder.path)]))
            .collect();
        paths.sort();
        // What is below another one is watched with it.
        paths.dedup_by(|path, above| path.starts_with(&*above));
        for path in &paths {
            watcher
                .watch(path, RecursiveMode::Recursive)
                .map_err(explained)
                .with_context(|| format!("cannot watch {}", path.display()))?;
        }
        Ok(Self { heard, watched: paths.len(), _watcher: watcher })
    }

    /// Waits for the next change, and until it is over. May be given up at any point.
    pub(super) async fn changed(&mut self) {
        if self.heard.recv().await.is_none() {
            // The watcher has ended: there is nothing more to wait for.
            std::future::pending::<()>().await;
        }
        while let Ok(Some(())) = tokio::time::timeout(QUIET, self.heard.recv()).await {}
    }
}

impl fmt::Display for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "watching {}", output::counted(self.watched, "folder"))
    }
}

/// What to do about a limit of the system.
fn explained(error: notify::Error) -> anyhow::Error {
    let is_limit = match &error.kind {
        notify::ErrorKind::MaxFilesWatch => true,
        notify::ErrorKind::Io(error) => error.kind() == io::ErrorKind::StorageFull,
        _ => false,
    };
    let error = anyhow::Error::new(error);
    if is_limit {
        error.context("raise fs.inotify.max_user_watches, or serve without --watch")
    } else {
        error
    }
}
