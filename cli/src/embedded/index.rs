//! The search index follows the manifests: as soon as a run has committed, beside its publishing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use quire_coordinator::{Event, Loss, Phase, Progress};
use quire_proto::RunId;
use quire_runtime::Store;
use tokio::task::JoinHandle;

/// Passes on what a run tells, and has the index follow once the run has committed.
pub(super) struct Follower {
    index: PathBuf,
    store: Store,
    watching: Arc<dyn Progress>,
    /// The last task of each catalogue: it begins when the one before it has ended, and its word counts.
    following: Mutex<BTreeMap<String, JoinHandle<anyhow::Result<()>>>>,
    /// Who writes the index of a catalogue: of several runs at once, one has to wait for what another one is waiting for already.
    turns: Mutex<BTreeMap<String, Turn>>,
    /// Who waits for all of them.
    finishing: Turn,
}

type Turn = Arc<tokio::sync::Mutex<()>>;

impl Follower {
    pub(super) fn new(index: PathBuf, store: Store, watching: Arc<dyn Progress>) -> Self {
        let (following, turns, finishing) = (Mutex::default(), Mutex::default(), Turn::default());
        Self { index, store, watching, following, turns, finishing }
    }

    /// Waits until every index has followed, those of other runs as well.
    pub(super) async fn finished(&self) -> anyhow::Result<()> {
        let _waiting = self.finishing.lock().await;
        let following = std::mem::take(&mut *self.following.lock().unwrap_or_else(PoisonError::into_inner));
        for task in following.into_values() {
            task.await.context("the index's task failed")??;
        }
        Ok(())
    }

    /// Removes the indexes of all catalogues but these.
    pub(super) fn keep_only(&self, catalogues: &[String]) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(&self.index).into_iter().flatten() {
            let folder = entry.context("cannot list the indexes")?.path();
            let stays = |name: &String| folder.file_name().is_some_and(|folder| folder == name.as_str());
            if !catalogues.iter().any(stays) {
                std::fs::remove_dir_all(&folder)
                    .with_context(|| format!("cannot remove the index in {}", folder.display()))?;
            }
        }
        Ok(())
    }

    fn follow(&self, run: &RunId) {
        let (index, store) = (self.index.clone(), self.store.clone());
        let catalogue = run.catalogue().to_owned();
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(catalogue.clone()).or_default())
        };
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        let former = following.remove(&catalogue);
        let name = catalogue.clone();
        let task = tokio::spawn(async move {
            if let Some(former) = former {
                // A run that was done anew follows once more: what came of the first time does not matter.
                let _ = former.await;
            }
            let _turn = turn.lock().await;
            let followed = tokio::task::spawn_blocking(move || bring_up_to_date(&store, &index, &catalogue));
            followed.await.context("the index's task failed")?
        });
        following.insert(name, task);
    }
}

fn bring_up_to_date(store: &Store, index: &Path, catalogue: &str) -> anyhow::Result<()> {
    let applied = quire_indexer::follow(store, &index.join(catalogue), catalogue)
        .with_context(|| format!("cannot bring the index of {catalogue} up to date"))?;
    tracing::debug!(catalogue, ?applied, "index followed");
    Ok(())
}

impl Progress for Follower {
    fn tell(&self, run: &RunId, event: Event) {
        if event == Event::Entered(Phase::Publish) {
            self.follow(run);
        }
        self.watching.tell(run, event);
    }

    fn lost(&self, run: &RunId, loss: &Loss<'_>) {
        self.watching.lost(run, loss);
    }
}
