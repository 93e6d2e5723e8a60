//! Epochs and the marks of runs begun, so that what a crash leaves behind is seen.
//!
//! `runs/<catalogue>/<epoch>` is created before a run publishes anything. It goes when a manifest of that epoch or a
//! later one is committed. A run in which nothing changed leaves its mark, saying so: the next epoch must be greater, as
//! parcels' ids follow from it. A mark that says *begun* and has no manifest is a run that did not end; whatever it
//! finished lies in packs and caches, and the next run simply plans again.

use quire_proto::Epoch;
use quire_runtime::Store;

use crate::{RunError, manifest_io};

const BEGUN: &[u8] = b"begun";
const UNCHANGED: &[u8] = b"unchanged";
/// Losing the race for an epoch so often in a row means that something else is wrong.
const MAX_RACES: u32 = 100;

fn mark(catalogue: &str, epoch: u64) -> String {
    format!("runs/{catalogue}/{epoch}")
}

/// Takes the next epoch of a catalogue: the greatest found among manifests and runs, plus one.
pub(crate) fn begin(store: &Store, catalogue: &str) -> Result<Epoch, RunError> {
    for _ in 0..MAX_RACES {
        let manifests = manifest_io::epochs(store, &format!("manifests/{catalogue}"))?;
        let runs = manifest_io::epochs(store, &format!("runs/{catalogue}"))?;
        let greatest = manifests.last().max(runs.last()).copied().unwrap_or(0);
        let epoch = greatest.saturating_add(1);
        if store.create(&mark(catalogue, epoch), BEGUN)? {
            tell_unfinished(store, catalogue, &runs)?;
            return Ok(Epoch(epoch));
        }
    }
    Err(RunError::Task(format!("no epoch of {catalogue} is free")))
}

fn tell_unfinished(store: &Store, catalogue: &str, runs: &[u64]) -> Result<(), RunError> {
    for &epoch in runs {
        if store.read(&mark(catalogue, epoch))?.as_deref() == Some(BEGUN) {
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
    store.put(&mark(catalogue, epoch.0), UNCHANGED)?;
    remove_marks(store, catalogue, |mark| mark < epoch.0)
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
    use super::*;

    #[test]
    fn every_run_has_a_greater_epoch_than_all_before_however_they_ended() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(begin(&store, "c").unwrap(), Epoch(1));
        assert_eq!(begin(&store, "c").unwrap(), Epoch(2));
        store.create("manifests/c/2", b"m").unwrap();
        committed(&store, "c", Epoch(2)).unwrap();
        assert!(store.list("runs/c").unwrap().is_empty());
        assert_eq!(begin(&store, "c").unwrap(), Epoch(3));
        unchanged(&store, "c", Epoch(3)).unwrap();
        assert_eq!(begin(&store, "c").unwrap(), Epoch(4));
        unchanged(&store, "c", Epoch(4)).unwrap();
        assert_eq!(store.list("runs/c").unwrap(), ["4"]);
        assert_eq!(begin(&store, "other").unwrap(), Epoch(1));
    }
}
