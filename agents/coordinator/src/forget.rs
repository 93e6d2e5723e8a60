//! Catalogues that are no longer built: which there are, and how they go.

use quire_proto::Epoch;
use quire_runtime::Store;

use crate::{
    RunError,
    manifest_io::{epochs, manifest_name},
    resume,
};

/// Catalogues with a committed state, without those in `built`; sorted.
pub(crate) fn others(store: &Store, built: &[String]) -> Result<Vec<String>, RunError> {
    let mut others = Vec::new();
    for name in store.list("manifests")? {
        if !built.contains(&name) && !epochs(store, &format!("manifests/{name}"))?.is_empty() {
            others.push(name);
        }
    }
    Ok(others)
}

/// Removes a catalogue's state. Its epochs go on where they were should it come back; the newest manifest goes last, so
/// that a crash leaves the catalogue as it is.
pub(crate) fn forget(store: &Store, catalogue: &str) -> Result<(), RunError> {
    let epochs = epochs(store, &format!("manifests/{catalogue}"))?;
    let Some(&newest) = epochs.last() else { return Ok(()) };
    resume::keep_epoch(store, catalogue, Epoch(newest))?;
    for epoch in epochs {
        store.remove(&manifest_name(catalogue, epoch))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quire_proto::Digest;

    use super::*;

    #[test]
    fn a_catalogue_that_is_forgotten_leaves_only_its_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        for (name, epoch) in [("a", 3), ("b", 2), ("b", 4)] {
            assert!(store.create(&manifest_name(name, epoch), b"x").unwrap());
        }
        assert_eq!(others(&store, &["a".to_owned()]).unwrap(), ["b"]);
        forget(&store, "b").unwrap();
        assert_eq!(others(&store, &[]).unwrap(), ["a"]);
        let asked = resume::Asked::everything(Digest::of(b"b"));
        assert_eq!(resume::begin(&store, "b", asked).unwrap(), Epoch(5));
        forget(&store, "nobody").unwrap();
    }
}
