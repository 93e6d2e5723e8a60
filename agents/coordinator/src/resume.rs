//! Epochs and the marks of runs begun, so that what a crash leaves behind is seen.
//!
//! `runs/<catalogue>/<epoch>` is created before a run publishes anything. It goes when a manifest of that epoch or a
//! later one is committed. A run in which nothing changed leaves its mark, saying so: the next epoch must be greater, as
//! parcels' ids follow from it. A mark that says *begun* and has no manifest is a run that did not end; whatever it
//! finished lies in packs and caches, and the next run simply plans again. The mark says what was asked for, so a
//! coordinator that comes to lead can do so by itself.

use quire_catalogue::Bundle;
use quire_proto::{Digest, Epoch, Lane};
use quire_runtime::Store;
use serde::{Deserialize, Serialize};

use crate::{RunError, manifest_io};

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MarkState {
    /// It did not end yet, or its process did not.
    Begun,
    /// It found nothing changed.
    Unchanged,
    /// It failed or was cancelled: nobody waits for it any more.
    Ended,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// The catalogue's definition.
    pub(crate) bundle: Digest,
    pub(crate) full: bool,
    pub(crate) lane: Lane,
}

#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    state: MarkState,
    asked: Option<Asked>,
}

impl Mark {
    fn read(store: &Store, catalogue: &str, epoch: u64) -> Result<Option<Self>, RunError> {
        let bytes = store.read(&mark(catalogue, epoch))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn encode(&self) -> Result<Vec<u8>, RunError> {
        serde_json::to_vec(self).map_err(|error| RunError::Task(error.to_string()))
    }
}

/// Losing the race for an epoch so often in a row means that something else is wrong.
const MAX_RACES: u32 = 100;

fn mark(catalogue: &str, epoch: u64) -> String {
    format!("runs/{catalogue}/{epoch}")
}

/// Takes the next epoch of a catalogue: the greatest found among manifests and runs, plus one.
pub(crate) fn begin(store: &Store, catalogue: &str, asked: Asked) -> Result<Epoch, RunError> {
    let begun = Mark { state: MarkState::Begun, asked: Some(asked) }.encode()?;
    for _ in 0..MAX_RACES {
        let manifests = manifest_io::epochs(store, &format!("manifests/{catalogue}"))?;
        let runs = manifest_io::epochs(store, &format!("runs/{catalogue}"))?;
        let greatest = manifests.last().max(runs.last()).copied().unwrap_or(0);
        let epoch = greatest.saturating_add(1);
        if store.create(&mark(catalogue, epoch), &begun)? {
            tell_unfinished(store, catalogue, &runs)?;
            return Ok(Epoch(epoch));
        }
    }
    Err(RunError::Task(format!("no epoch of {catalogue} is free")))
}

fn tell_unfinished(store: &Store, catalogue: &str, runs: &[u64]) -> Result<(), RunError> {
    for &epoch in runs {
        if Mark::read(store, catalogue, epoch)?.is_some_and(|mark| mark.state == MarkState::Begun) {
            tracing::info!(catalogue, epoch, "an earlier run did not end; what it finished is used");
        }
    }
    Ok(())
}

/// The run has committed a manifest: its mark and all before it go.
pub(crate) fn committed(store: &Store, catalogue: &str, epoch: Epoch) -> Result<(), RunError> {
    remove_marks(store, catalogue, |mark| mark <= epoch.0)
}

/// The run found nothing changed and commits nothing: its mark alone keeps the epoch.
pub(crate) fn unchanged(store: &Store, catalogue: &str, epoch: Epoch) -> Result<(), RunError> {
    let unchanged = Mark { state: MarkState::Unchanged, asked: None }.encode()?;
    store.put(&mark(catalogue, epoch.0), &unchanged)?;
    remove_marks(store, catalogue, |mark| mark < epoch.0)
}

/// The run failed or was cancelled: nobody shall plan it again. Its mark keeps the epoch.
pub(crate) fn ended(store: &Store, catalogue: &str, epoch: Epoch) -> Result<(), RunError> {
    let Some(begun) = Mark::read(store, catalogue, epoch.0)? else { return Ok(()) };
    let ended = Mark { state: MarkState::Ended, ..begun }.encode()?;
    Ok(store.put(&mark(catalogue, epoch.0), &ended)?)
}

/// Whether the run is one that nobody waits for any more.
pub(crate) fn is_ended(store: &Store, catalogue: &str, epoch: Epoch) -> Result<bool, RunError> {
    Ok(Mark::read(store, catalogue, epoch.0)?.is_some_and(|mark| mark.state == MarkState::Ended))
}

/// A run that did not end, and what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) epoch: Epoch,
    pub(crate) bundle: Bundle,
    pub(crate) full: bool,
    pub(crate) lane: Lane,
}

/// The last run of each catalogue, where it did not end.
pub(crate) fn unfinished(store: &Store) -> Result<Vec<Unfinished>, RunError> {
    let mut found = Vec::new();
    for catalogue in store.list("runs")? {
        let runs = manifest_io::epochs(store, &format!("runs/{catalogue}"))?;
        let committed = manifest_io::epochs(store, &format!("manifests/{catalogue}"))?;
        let Some(&last) = runs.last().filter(|last| committed.last() < Some(last)) else { continue };
        let Some(Mark { state: MarkState::Begun, asked: Some(asked) }) = Mark::read(store, &catalogue, last)?
        else {
            continue;
        };
        match store
            .get_blob(&asked.bundle)
            .map_err(|error| error.to_string())
            .and_then(|bytes| Bundle::decode(&bytes).map_err(|error| error.to_string()))
        {
            Ok(bundle) => {
                let (full, lane) = (asked.full, asked.lane);
                found.push(Unfinished { epoch: Epoch(last), bundle, full, lane });
            }
            Err(error) => {
                tracing::warn!(catalogue, error, "a run that did not end cannot be planned again: start it");
            }
        }
    }
    Ok(found)
}

fn remove_marks(store: &Store, catalogue: &str, goes: impl Fn(u64) -> bool) -> Result<(), RunError> {
    for epoch in manifest_io::epochs(store, &format!("runs/{catalogue}"))? {
        if goes(epoch) {
            store.remove(&mark(catalogue, epoch))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn asked() -> Asked {
        Asked { bundle: Bundle::new(BTreeMap::new()).digest(), full: true, lane: Lane::High }
    }

    #[test]
    fn every_run_has_a_greater_epoch_than_all_before_however_they_ended() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(begin(&store, "c", asked()).unwrap(), Epoch(1));
        assert_eq!(begin(&store, "c", asked()).unwrap(), Epoch(2));
        store.create("manifests/c/2", b"m").unwrap();
        committed(&store, "c", Epoch(2)).unwrap();
        assert!(store.list("runs/c").unwrap().is_empty());
        assert_eq!(begin(&store, "c", asked()).unwrap(), Epoch(3));
        unchanged(&store, "c", Epoch(3)).unwrap();
        assert_eq!(begin(&store, "c", asked()).unwrap(), Epoch(4));
        unchanged(&store, "c", Epoch(4)).unwrap();
        assert_eq!(store.list("runs/c").unwrap(), ["4"]);
        assert_eq!(begin(&store, "other", asked()).unwrap(), Epoch(1));
    }
    #[test]
    fn a_run_that_did_not_end_is_planned_again_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let bundle = Bundle::new(BTreeMap::new());
        store.put_blob(&bundle.digest(), &bundle.encode().into()).unwrap();
        for catalogue in ["killed", "failed", "committed", "same"] {
            assert_eq!(begin(&store, catalogue, asked()).unwrap(), Epoch(1));
        }
        ended(&store, "failed", Epoch(1)).unwrap();
        unchanged(&store, "same", Epoch(1)).unwrap();
        store.create("manifests/committed/1", b"m").unwrap();
        let expected = Unfinished { epoch: Epoch(1), bundle, full: true, lane: Lane::High };
        assert_eq!(unfinished(&store).unwrap(), [expected]);
        assert_eq!(begin(&store, "failed", asked()).unwrap(), Epoch(2));
    }
}
