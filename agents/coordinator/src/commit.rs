//! Commits a manifest: whoever creates the name first has committed the epoch.

use quire_proto::{Digest, Epoch, manifest::Manifest};
use quire_runtime::Store;

use crate::{
    RunError,
    manifest_io::{self, Committed, manifest_name},
    resume,
};

/// Commits. The manifest's bytes are a blob too: fetchers find the rows to compare with under its digest.
pub(crate) fn commit(store: &Store, manifest: Manifest) -> Result<Committed, RunError> {
    let (catalogue, epoch) = (manifest.catalogue.name.clone(), manifest.epoch);
    check_fence(store, &catalogue, epoch, epoch.0)?;
    if resume::is_ended(store, &catalogue, epoch)? {
        // Whoever leads now has taken the run over while this process stood still.
        return Err(RunError::Fenced { epoch, newer: Epoch(epoch.0 + 1) });
    }
    let bytes = manifest_io::encode(&manifest, "a manifest")?;
    let digest = Digest::of(&bytes);
    store.put_blob(&digest, &bytes.clone().into())?;
    if !store.create(&manifest_name(&catalogue, epoch.0), &bytes)? {
        return Err(RunError::Fenced { epoch, newer: epoch });
    }
    // A later one may have come between looking and creating. It wins: the greatest epoch is the truth.
    check_fence(store, &catalogue, epoch, epoch.0 + 1)?;
    Ok(Committed { manifest, digest })
}

/// Refuses if an epoch of at least `from` is committed.
fn check_fence(store: &Store, catalogue: &str, epoch: Epoch, from: u64) -> Result<(), RunError> {
    match manifest_io::epochs(store, &format!("manifests/{catalogue}"))?.last() {
        Some(&newer) if newer >= from => Err(RunError::Fenced { epoch, newer: Epoch(newer) }),
        _ => Ok(()),
    }
}

/// Has the bytes of a committed manifest lie under their digest: a crash may have lost that blob.
pub(crate) fn ensure_blob(store: &Store, committed: &Committed) -> Result<(), RunError> {
    if !store.has_blob(&committed.digest) {
        let bytes = manifest_io::encode(&committed.manifest, "a manifest")?;
        store.put_blob(&Digest::of(&bytes), &bytes.into())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quire_proto::{CatalogueRef, Lane, RunId, manifest::Basis, manifest::FORMAT};

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
                    scope.spawn(move || commit(store, manifest(7, complete)))
                })
                .into();
            racing.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(commits.iter().filter(|done| done.is_ok()).count(), 1);
        assert!(commits.iter().any(|done| matches!(done, Err(RunError::Fenced { newer: Epoch(7), .. }))));
        let winner = commits.into_iter().find_map(Result::ok).unwrap();
        assert_eq!(manifest_io::newest(&store, "c").unwrap().unwrap().manifest, winner.manifest);
    }

    #[test]
    fn a_run_that_another_leader_has_taken_over_cannot_commit() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let asked = resume::Asked {
            bundle: Digest::of(b"bundle"),
            full: false,
            lane: Lane::Normal,
            replaces: Vec::new(),
        };
        let epoch = resume::begin(&store, "c", asked.clone()).unwrap();
        let newer = resume::begin(&store, "c", asked).unwrap();
        resume::ended(&store, "c", epoch).unwrap();
        assert!(matches!(commit(&store, manifest(epoch.0, true)), Err(RunError::Fenced { .. })));
        assert!(store.list("manifests/c").unwrap().is_empty());
        commit(&store, manifest(newer.0, true)).unwrap();
    }

    #[test]
    fn an_older_epoch_is_fenced_by_a_newer_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        commit(&store, manifest(9, true)).unwrap();
        assert!(matches!(commit(&store, manifest(8, true)), Err(RunError::Fenced { newer: Epoch(9), .. })));
        assert_eq!(store.list("manifests/c").unwrap(), ["9"]);
    }
}
