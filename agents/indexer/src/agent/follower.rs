//! Keeps an index of every catalogue in the store: told of commits by hints, and looking for itself now and then.
//!
//! What fails is told, counted and tried again; nothing here stops the stage.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use quire_proto::{Digest, Epoch, Lane};
use quire_runtime::{Backoff, BoxError, ComputePool, Store, chain};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    hints::Hints,
    indexes::{Due, Indexes},
};
use crate::{Applied, IndexError, SearchIndex, distrust, follow::follow_while};

/// Pause after a first failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The follower.
pub(super) struct Follower {
    store: Store,
    /// A folder a catalogue.
    folder: PathBuf,
    indexes: Indexes,
    /// One niced thread: one index at a time, and never before the stage's work.
    pool: ComputePool,
    /// Between two looks at the store, at most.
    every: Duration,
    /// Told apart from other followers by this.
    id: Digest,
    stop: CancellationToken,
    retries: BTreeMap<String, Retry>,
    looks: u32,
    store_is_away: bool,
}

/// When a catalogue that could not follow is tried again.
struct Retry {
    attempts: u32,
    at: Instant,
}

impl Follower {
    pub(super) fn new(
        store: Store,
        folder: PathBuf,
        indexes: Indexes,
        every: Duration,
        stop: CancellationToken,
    ) -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let id = Digest::of(format!("{host} {} {}", std::process::id(), folder.display()).as_bytes());
        Self {
            store,
            folder,
            indexes,
            pool: ComputePool::new(1),
            every,
            id,
            stop,
            retries: BTreeMap::new(),
            looks: 0,
            store_is_away: false,
        }
    }

    /// Follows until it is told to stop.
    pub(super) async fn run(mut self, mut hints: watch::Receiver<Hints>) {
        self.open_found().await;
        let (mut look, mut hinted) = (Instant::now(), true);
        while !self.stop.is_cancelled() {
            if Instant::now() >= look {
                self.look().await;
                self.looks = self.looks.wrapping_add(1);
                look = Instant::now()
                    + Backoff { first: self.every, max: self.every }.pause(&self.id, self.looks);
            }
            // Once each: what the store says later counts more.
            if std::mem::take(&mut hinted) {
                self.take_hints(&mut hints);
            }
            self.follow_due().await;
            let next = self.retries.values().map(|retry| retry.at).fold(look, Instant::min);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep_until(next) => {}
                () = self.indexes.suspected() => {}
                // Without hints, the looks find everything.
                Ok(()) = hints.changed() => hinted = true,
            }
        }
    }

    /// Opens the indexes of an earlier life, so that queries are answered though the store be away.
    async fn open_found(&self) {
        let (folder, indexes) = (self.folder.clone(), self.indexes.clone());
        let opened = self.in_pool(move || {
            for name in folders(&folder)? {
                match SearchIndex::open(&folder.join(&name)) {
                    Ok(index) => indexes.put_found(name, index),
                    Err(error) => tracing::debug!(catalogue = name, error = chain(&error), "no index yet"),
                }
            }
            Ok(())
        });
        if let Err(error) = opened.await {
            tracing::warn!(error, "indexes of an earlier life cannot be opened");
        }
    }

    /// Looks which catalogues there are, and at which epochs.
    async fn look(&mut self) {
        let (store, known) = (self.store.clone(), self.indexes.names());
        match self.in_pool(move || newest_epochs(&store, &known)).await {
            Ok(newest) => {
                if std::mem::replace(&mut self.store_is_away, false) {
                    tracing::info!("the store can be listed again");
                }
                self.indexes.listed(&newest);
                self.remove_others(newest).await;
            }
            Err(error) => {
                self.indexes.not_listed();
                if !std::mem::replace(&mut self.store_is_away, true) {
                    tracing::warn!(error, "the store cannot be listed: indexes stay as they are");
                }
            }
        }
    }

    /// Removes the indexes of catalogues that are gone.
    async fn remove_others(&mut self, newest: BTreeMap<String, Epoch>) {
        self.retries.retain(|catalogue, _| newest.contains_key(catalogue));
        let folder = self.folder.clone();
        let removed = self.in_pool(move || {
            for name in folders(&folder)?.into_iter().filter(|name| !newest.contains_key(name)) {
                tracing::info!(catalogue = name, "the catalogue is gone: its index is removed");
                fs::remove_dir_all(folder.join(name))?;
            }
            Ok(())
        });
        if let Err(error) = removed.await {
            tracing::warn!(error, "the index of a catalogue that is gone cannot be removed");
        }
    }

    fn take_hints(&mut self, hints: &mut watch::Receiver<Hints>) {
        for (catalogue, epoch) in hints.borrow_and_update().iter() {
            if self.indexes.hinted(catalogue, *epoch) {
                // It has not failed to follow this one yet.
                self.retries.remove(catalogue);
            }
        }
    }

    async fn follow_due(&mut self) {
        for due in self.indexes.due() {
            let waits = self.retries.get(&due.catalogue).is_some_and(|retry| retry.at > Instant::now());
            if waits || self.stop.is_cancelled() {
                continue;
            }
            match self.follow(&due).await {
                Ok(()) => drop(self.retries.remove(&due.catalogue)),
                Err(why) => self.retry(&due.catalogue, why),
            }
        }
    }

    async fn follow(&self, due: &Due) -> Result<(), String> {
        let (store, folder, due_too, stop) =
            (self.store.clone(), self.folder.join(&due.catalogue), due.clone(), self.stop.clone());
        let began = Instant::now();
        let (applied, index) =
            self.in_pool(move || bring(&store, &folder, &due_too, &|| !stop.is_cancelled())).await?;
        let (epoch, took) = (index.epoch(), began.elapsed());
        let Applied { rebuilt, written, removed } = applied;
        let catalogue = &due.catalogue;
        tracing::info!(catalogue, %epoch, rebuilt, written, removed, ms = took.as_millis(), "index followed");
        if self.indexes.followed(catalogue, index) {
            return Ok(());
        }
        Err(format!("the store does not show epoch {} yet, only {epoch}", due.epoch))
    }

    fn retry(&mut self, catalogue: &str, why: String) {
        if self.stop.is_cancelled() {
            return;
        }
        let attempts = self.retries.get(catalogue).map_or(0, |retry| retry.attempts).saturating_add(1);
        let pause = Backoff { first: FIRST_PAUSE.min(self.every), max: self.every };
        let pause = pause.pause(&Digest::of(format!("{} {catalogue}", self.id).as_bytes()), attempts);
        self.retries.insert(catalogue.to_owned(), Retry { attempts, at: Instant::now() + pause });
        if self.indexes.failed(catalogue, why.clone()) {
            tracing::warn!(catalogue, error = why, "the index does not follow; it is tried again");
        }
    }

    /// Runs blocking work on the follower's thread; an error is told in words.
    async fn in_pool<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, BoxError> + Send + 'static,
    ) -> Result<T, String> {
        match self.pool.run(Lane::Low, work).await {
            Ok((Ok(value), _)) => Ok(value),
            Ok((Err(error), _)) => Err(chain(error.as_ref())),
            Err(error) => Err(chain(&error)),
        }
    }
}

/// Brings one index to its newest manifest and opens it.
fn bring(
    store: &Store,
    folder: &Path,
    due: &Due,
    go_on: &dyn Fn() -> bool,
) -> Result<(Applied, SearchIndex), BoxError> {
    if due.damaged {
        distrust(folder)?;
    }
    let applied = follow_while(store, folder, &due.catalogue, go_on)?;
    match SearchIndex::open(folder) {
        // Following leaves no index only if there is nothing to follow.
        Err(IndexError::Missing(_)) => {
            Err("the store has no manifest of it that this program can read".into())
        }
        index => Ok((applied, index?)),
    }
}

/// The newest epoch of every catalogue. A store that shows nothing where catalogues are known is not there.
fn newest_epochs(store: &Store, known: &[String]) -> Result<BTreeMap<String, Epoch>, BoxError> {
    let names = store.list("manifests")?;
    if names.is_empty() && !known.is_empty() {
        return Err("the store shows no catalogue where there were some: is it mounted?".into());
    }
    let mut newest = BTreeMap::new();
    for name in names {
        let epochs = store.list(&format!("manifests/{name}"))?;
        if let Some(epoch) = epochs.iter().filter_map(|epoch| epoch.parse().ok()).max() {
            newest.insert(name, Epoch(epoch));
        }
    }
    Ok(newest)
}

/// Names of the folders in `folder`, sorted; none without it.
fn folders(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
