//! Runs of some keys in this process, and what became of each of the keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use quire_coordinator::{Event, Fate, Ground, Loss, Part, Phase, Progress, RunError, RunRequest};
use quire_proto::{Lane, RunId, RunReport};
use tokio_util::sync::CancellationToken;

use super::{CatalogueFolder, Embedded, index::Follower, is_mendable};

/// Most losses that are remembered of each kind.
const MAX_LOSSES: usize = 10_000;

/// What is asked of a run of some keys.
#[derive(Debug, Clone)]
pub struct KeysAsked {
    /// The keys.
    pub keys: BTreeSet<String>,
    /// Look at everything, not only at the keys: where there is no manifest of the definition yet.
    pub everything: bool,
    /// How urgent it is.
    pub lane: Lane,
    /// Ends the run early.
    pub cancelled: CancellationToken,
}

/// What a run of some keys did.
#[derive(Debug)]
pub struct KeysMade {
    /// Its report.
    pub report: RunReport,
    /// What the manifest says of the keys now.
    pub fates: BTreeMap<String, Fate>,
    /// What could not be done.
    pub losses: Losses,
}

/// What a run could not do, each with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// Sources that were not listed.
    pub sources: BTreeMap<String, String>,
    /// Items that could not be read or judged, as `source:location`, with `#ordinal` where there are several.
    pub items: BTreeMap<String, String>,
    /// Keys of records whose pages or documents could not be made.
    pub records: BTreeMap<String, String>,
    /// Keys that were found nowhere, and how many items could not be looked at.
    pub unknown: BTreeMap<String, usize>,
}

impl Embedded {
    /// What runs of some keys find.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn ground(&self, folder: &CatalogueFolder) -> anyhow::Result<Ground> {
        let (store, catalogue) = (self.store.clone(), folder.catalogue.clone());
        let look = move || quire_coordinator::ground(&store, &catalogue);
        Ok(tokio::task::spawn_blocking(look).await.context("looking at the manifest failed")??)
    }

    /// Runs some keys of a catalogue and finishes the site, the index with it.
    ///
    /// # Errors
    /// What the run says; finished work is kept.
    pub async fn make_keys(&self, folder: &CatalogueFolder, asked: &KeysAsked) -> anyhow::Result<KeysMade> {
        let folders = std::slice::from_ref(folder);
        match self.make_once(folder, asked, false).await {
            Err(error) if is_mendable(&error, folders) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "files of the state are damaged; building anew");
                self.make_once(folder, asked, true).await
            }
            Err(error) if matches!(error.downcast_ref(), Some(RunError::KeysAlone { .. })) => {
                self.make_once(folder, &KeysAsked { everything: true, ..asked.clone() }, false).await
            }
            made => made,
        }
    }

    async fn make_once(
        &self,
        folder: &CatalogueFolder,
        asked: &KeysAsked,
        anew: bool,
    ) -> anyhow::Result<KeysMade> {
        let watching = Arc::new(Watching { follower: Arc::clone(&self.follower), losses: Mutex::default() });
        let whole = asked.everything || anew;
        let request = RunRequest {
            bundle: folder.bundle.clone(),
            full: false,
            anew,
            part: if whole { Part::default() } else { Part::of_keys(asked.keys.clone()) },
            lane: asked.lane,
            progress: Arc::clone(&watching) as Arc<dyn Progress>,
            cancelled: asked.cancelled.clone(),
        };
        let report = self.coordinator.run(request).await?;
        self.coordinator.finish_site(&asked.cancelled).await?;
        self.follower.finished().await?;
        let (store, name, keys) = (self.store.clone(), folder.name.clone(), asked.keys.clone());
        let look = move || quire_coordinator::fates(&store, &name, &keys);
        let fates = tokio::task::spawn_blocking(look).await.context("looking at the manifest failed")??;
        let losses = watching.losses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(KeysMade { report, fates, losses })
    }
}

/// Remembers what a run could not do, and has the index follow it.
struct Watching {
    follower: Arc<Follower>,
    losses: Mutex<Losses>,
}

impl Progress for Watching {
    fn tell(&self, run: &RunId, event: Event) {
        if event == Event::Entered(Phase::Gather) {
            // It is planned again: what was lost may be had now.
            *self.losses.lock().unwrap_or_else(PoisonError::into_inner) = Losses::default();
        }
        self.follower.tell(run, event);
    }

    fn lost(&self, _run: &RunId, loss: &Loss<'_>) {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner).add(loss);
    }
}

impl Losses {
    fn add(&mut self, loss: &Loss<'_>) {
        let add = |all: &mut BTreeMap<String, String>, what: &str, why: &str| {
            if all.len() < MAX_LOSSES {
                all.insert(what.to_owned(), why.to_owned());
            }
        };
        match loss {
            Loss::Source { source, why } => add(&mut self.sources, source, why),
            Loss::Item { subject, why } => add(&mut self.items, subject, why),
            Loss::Record { key, why } => add(&mut self.records, key, why),
            Loss::Key { key, unread } => drop(self.unknown.insert((*key).to_owned(), *unread)),
        }
    }
}
