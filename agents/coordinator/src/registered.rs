//! Runs that have an epoch: from the mark that says so to the word that nobody need plan them again.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use quire_catalogue::Catalogue;
use quire_proto::{CatalogueRef, Epoch, Lane, RunId};
use quire_runtime::{Store, crash_point, telemetry::trace};
use tokio::sync::OwnedRwLockReadGuard;

use crate::{Part, RunError, RunRequest, collect::Collector, manifest_io, resume, task::on_thread};

/// Runs of this process that are not over, by catalogue and epoch. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live(Arc<Mutex<BTreeSet<(String, u64)>>>);

impl Live {
    pub(crate) fn has(&self, catalogue: &str, epoch: Epoch) -> bool {
        self.lock().contains(&(catalogue.to_owned(), epoch.0))
    }

    /// Epochs of a catalogue's runs.
    fn epochs(&self, catalogue: &str) -> BTreeSet<u64> {
        self.lock().iter().filter(|(name, _)| name == catalogue).map(|(_, epoch)| *epoch).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(String, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of a run from the start.
#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) catalogue: Catalogue,
    pub(crate) reference: CatalogueRef,
    pub(crate) encoded: Bytes,
    pub(crate) full: bool,
    pub(crate) lane: Lane,
    pub(crate) part: Part,
    pub(crate) epoch: Epoch,
    /// Epochs under which it is known, too.
    replaces: Vec<u64>,
    /// When it was begun under the first of them, in milliseconds since 1970.
    started_ms: u64,
    /// The span that it is registered in, if that is one of a trace.
    traceparent: Option<String>,
}

impl Facts {
    fn asked(&self) -> resume::Asked {
        let Self { full, lane, started_ms, .. } = *self;
        let (replaces, part) = (self.replaces.clone(), self.part.clone());
        let (bundle, traceparent) = (self.reference.bundle, self.traceparent.clone());
        resume::Asked { bundle, full, lane, replaces, part, started_ms, traceparent }
    }
}

/// A run with an epoch and a mark in the store. Dropped without a word, it stays one that somebody has to plan again.
#[must_use = "a run that is registered is somebody's to end"]
pub struct Registered {
    pub(crate) facts: Facts,
    store: Store,
    live: Live,
    /// Until the run's work is done nothing may be collected.
    pub(crate) active: Option<OwnedRwLockReadGuard<Collector>>,
}

impl Registered {
    /// Puts the definition where agents find it, and takes the next epoch. Runs of the epochs that it `replaces` can commit
    /// no more. Blocks.
    pub(crate) fn new(
        store: &Store,
        live: &Live,
        active: OwnedRwLockReadGuard<Collector>,
        request: &RunRequest,
        replaces: Vec<u64>,
    ) -> Result<Self, RunError> {
        let RunRequest { bundle, full, lane, part, .. } = request.clone();
        let encoded = Bytes::from(bundle.encode());
        let catalogue = Catalogue::load(bundle).map_err(|error| RunError::Catalogue(error.into()))?;
        let digest = catalogue.bundle().digest();
        let reference = CatalogueRef { name: catalogue.name().to_owned(), bundle: digest };
        store.put_blob(&reference.bundle, &encoded)?;
        let started_ms = resume::first_started(store, &reference.name, &replaces)?.unwrap_or_else(now_ms);
        let mut facts = Facts {
            catalogue,
            reference,
            encoded,
            full,
            lane,
            part,
            epoch: Epoch(0),
            replaces,
            started_ms,
            traceparent: trace::traceparent(),
        };
        facts.epoch = resume::begin(store, &facts.reference.name, facts.asked())?;
        crash_point("coordinator.registered");
        let registered = Self { facts, store: store.clone(), live: live.clone(), active: Some(active) };
        registered.live.lock().insert(registered.key());
        for &epoch in &registered.facts.replaces {
            resume::ended(store, registered.catalogue(), Epoch(epoch))?;
        }
        Ok(registered)
    }

    /// The run's id.
    #[must_use]
    pub fn id(&self) -> RunId {
        RunId::new(self.catalogue(), self.facts.epoch)
    }

    /// When it was begun, whoever led then, in milliseconds since 1970.
    #[must_use]
    pub const fn started_ms(&self) -> u64 {
        self.facts.started_ms
    }

    /// The catalogue's name.
    #[must_use]
    pub fn catalogue(&self) -> &str {
        &self.facts.reference.name
    }

    /// Looks, when the run's turn has come, whether its epoch still is one to commit: with a later one committed, it
    /// takes the next.
    pub(crate) async fn refresh(&mut self) -> Result<(), RunError> {
        let (store, catalogue, epoch) = (self.store.clone(), self.catalogue().to_owned(), self.facts.epoch);
        let newest = on_thread(move || {
            if resume::is_ended(&store, &catalogue, epoch)? {
                // Whoever leads now has taken the run over.
                return Err(RunError::Fenced { epoch, newer: Epoch(epoch.0 + 1) });
            }
            Ok(manifest_io::epochs(&store, &format!("manifests/{catalogue}"))?.last().copied())
        });
        if newest.await? >= Some(epoch.0) { self.again().await } else { Ok(()) }
    }

    /// Takes the next epoch, under which the run goes on.
    pub(crate) async fn again(&mut self) -> Result<(), RunError> {
        let (store, mut facts) = (self.store.clone(), self.facts.clone());
        facts.replaces.push(facts.epoch.0);
        let replaces = facts.replaces.clone();
        let epoch = on_thread(move || {
            let epoch = resume::begin(&store, &facts.reference.name, facts.asked())?;
            resume::ended(&store, &facts.reference.name, facts.epoch)?;
            Ok(epoch)
        })
        .await?;
        let mut live = self.live.lock();
        live.remove(&self.key());
        (self.facts.epoch, self.facts.replaces) = (epoch, replaces);
        live.insert(self.key());
        Ok(())
    }

    /// The run is over, and what it did is told: nobody need plan it again.
    ///
    /// # Errors
    /// [`RunError::Store`]; it is planned again once, then.
    pub async fn over(self) -> Result<(), RunError> {
        let mut live = self.live.epochs(self.catalogue());
        live.remove(&self.facts.epoch.0);
        self.say(move |store, catalogue, epoch| resume::over(store, catalogue, epoch, &live)).await
    }

    /// The run failed or was cancelled: nobody shall plan it again.
    ///
    /// # Errors
    /// [`RunError::Store`]; it is planned again once, then.
    pub async fn abandon(self) -> Result<(), RunError> {
        self.say(resume::ended).await
    }

    async fn say(
        self,
        word: impl FnOnce(&Store, &str, Epoch) -> Result<(), RunError> + Send + 'static,
    ) -> Result<(), RunError> {
        let (store, catalogue, epoch) = (self.store.clone(), self.catalogue().to_owned(), self.facts.epoch);
        on_thread(move || word(&store, &catalogue, epoch)).await
    }

    fn key(&self) -> (String, u64) {
        (self.facts.reference.name.clone(), self.facts.epoch.0)
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.live.lock().remove(&self.key());
    }
}
