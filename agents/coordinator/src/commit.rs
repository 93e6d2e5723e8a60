//! Commits a manifest: whoever creates the name first has committed the epoch.

use quire_proto::{Digest, Epoch, manifest::Manifest};
use quire_runtime::Store;

use crate::{
    RunError,
    manifest_io::{self, Committed, manifest_name},
    resume,
};

/// Commits. `last` is the epoch of the newest manifest that the run knows: after another one it has to be planned again.
/// The manifest's bytes are a blob too: fetchers find the rows to compare with under its digest.
pub(crate) fn commit(store: &Store, manifest: Manifest, last: Option<u64>) -> Result<Committed, RunError> {
    let (catalogue, epoch) = (manifest.catalogue.name.clone(), manifest.epoch);
    if resume::is_ended(store, &catalogue, epoch)? {
        // Whoever leads now has taken the run over while this process stood still.
        return Err(RunError::Fenced { epoch, newer: Epoch(epoch.0 + 1) });
    }
    match newest(store, &catalogue)? {
        found if found == last => {}
        Some(newer) => return Err(RunError::Overtaken { epoch, newer: Epoch(newer) }),
        None => {}
    }
    let bytes = manifest_io::encode(&manifest, "a manifest")?;
    let digest = Digest::of(&bytes);
    store.put_blob(&digest, &bytes.clone().into())?;
    if !store.create(&manifest_name(&catalogue, epoch.0), &bytes)? {
        return Err(RunError::Fenced { epoch, newer: epoch });
    }
    // A later one may have come between looking and creating. It wins: the greatest epoch is the truth.
    let epochs = manifest_io::epochs(store, &format!("manifests/{catalogue}"))?;
    if let Some(&newer) = epochs.last().filter(|newest| **newest > epoch.0) {
        return Err(RunError::Fenced { epoch, newer: Epoch(newer) });
    }
    // Or one between: this manifest knows nothing of it, so its run has to look at everything once more.
    match epochs.into_iter().rev().find(|before| *before < epoch.0) {
        before if before == last => Ok(Committed { manifest, digest }),
        Some(newer) => Err(RunError::Overtaken { epoch, newer: Epoch(newer) }),
        None => Ok(Committed { manifest, digest }),
    }
}

fn newest(store: &Store, catalogue: &str) -> Result<Option<u64>, RunError> {
    Ok(manifest_io::epochs(store, &format!("manifests/{catalogue}"))?.last().copied())
}

/// Has the bytes of a committed manifest lie under their digest: a crash may have lost that blob.
pub(crate) fn ensure_blob(store: &Store, committed: &Committed) -> Result<(), RunError> {
    if !store.has_blob(&committed.digest)? {
        let bytes = manifest_io::encode(&committed.manifest, "a manifest")?;
        store.put_blob(&Digest::of(&bytes), &bytes.into())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quire_proto::{CatalogueRef, RunId, manifest::Basis, manifest::FORMAT};

    use super::*;

    fn manifest(epoch: u64, complete: bool) -> Manifest {
        let digest = Digest::of(b"bundle");
        Manifest {
            format: FORMAT,
            catalogue: CatalogueRef { name: "c".into(), bundle: digest },
            validation: digest,
            run: RunId::new("c", Epoch(epoch)),
            epoch: Epoch(epoch),
            complete,
            entries: Vec::new(),
            rejects: Vec::new(),
            files: Vec::new(),
            basis: Basis::default(),
        }
    }

    #[test]
    fn of_two_coordinators_with_one_epoch_one_commits_and_the_other_is_fenced() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let commits: Vec<_> = std::thread::scope(|scope| {
            let racing: Vec<_> = [true, false]
                .map(|complete| {
                    let store = &store;
                    scope.spawn(move || commit(store, manifest(7, complete), None))
                })
                .into();
            racing.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(commits.iter().filter(|done| done.is_ok()).count(), 1);
        let lost = |error: &RunError| {
            matches!(
                error,
                RunError::Fenced { newer: Epoch(7), .. } | RunError::Overtaken { newer: Epoch(7), .. }
            )
        };
        assert!(commits.iter().any(|done| done.as_ref().is_err_and(lost)));
        let winner = commits.into_iter().find_map(Result::ok).unwrap();
        assert_eq!(manifest_io::newest(&store, "c").unwrap().unwrap().manifest, winner.manifest);
    }

    #[test]
    fn a_run_that_another_leader_has_taken_over_cannot_commit() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let asked = resume::Asked::everything(Digest::of(b"bundle"));
        let epoch = resume::begin(&store, "c", asked.clone()).unwrap();
        let newer = resume::begin(&store, "c", asked).unwrap();
        resume::ended(&store, "c", epoch).unwrap();
        assert!(matches!(commit(&store, manifest(epoch.0, true), None), Err(RunError::Fenced { .. })));
        assert!(store.list("manifests/c").unwrap().is_empty());
        commit(&store, manifest(newer.0, true), None).unwrap();
    }

    #[test]
    fn a_run_that_does_not_know_the_newest_manifest_is_overtaken() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        commit(&store, manifest(4, true), None).unwrap();
        commit(&store, manifest(6, true), Some(4)).unwrap();
        for epoch in [5, 7] {
            let overtaken = commit(&store, manifest(epoch, true), Some(4));
            assert!(matches!(overtaken, Err(RunError::Overtaken { newer: Epoch(6), .. })));
        }
        assert_eq!(store.list("manifests/c").unwrap(), ["4", "6"]);
    }
}
