//! The store in a folder: what only a folder has. What every backend has to do is in `store_contract.rs`.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that meets a surprise shall fail")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use proptest::prelude::*;
use quire_proto::Digest;
use quire_runtime::{Store, StoreError};

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(&dir.path().join("store")).expect("a store");
    (dir, store)
}

/// Another handle, as another process would have it: nothing in memory yet.
fn reopen(dir: &tempfile::TempDir) -> Store {
    Store::open(&dir.path().join("store")).expect("a store")
}

fn blob_path(dir: &tempfile::TempDir, digest: &Digest) -> PathBuf {
    let hex = digest.to_hex();
    dir.path().join("store/blobs").join(&hex[..2]).join(hex)
}

fn files_under(path: &Path) -> usize {
    fs::read_dir(path).map_or(0, |entries| entries.flatten().filter(|entry| entry.path().is_file()).count())
}

#[test]
fn putting_a_blob_again_writes_nothing() {
    let (dir, store) = store();
    let bytes = Bytes::from_static(b"pack");
    let digest = Digest::of(&bytes);
    store.put_blob(&digest, &bytes).expect("put");
    let path = blob_path(&dir, &digest);
    let before = fs::metadata(&path).expect("file").modified().expect("time");
    store.put_blob(&digest, &bytes).expect("put again");
    reopen(&dir).put_blob(&digest, &bytes).expect("put by another process");
    assert_eq!(fs::metadata(&path).expect("file").modified().expect("time"), before);
    assert_eq!(files_under(&dir.path().join("store/tmp")), 0);
}

#[test]
fn one_that_comes_too_late_to_create_a_name_leaves_nothing() {
    let (dir, store) = store();
    assert!(store.create("manifests/findings/1", b"first").expect("create"));
    assert!(!reopen(&dir).create("manifests/findings/1", b"second").expect("create"));
    assert_eq!(files_under(&dir.path().join("store/tmp")), 0);
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let (dir, store) = store();
    fs::write(dir.path().join("secret"), b"secret").expect("a file outside");
    for name in ["../secret", "a/../../secret", "/etc/passwd"] {
        assert!(matches!(store.create(name, b"x"), Err(StoreError::Name(_))), "create {name:?}");
        assert!(matches!(store.put(name, b"x"), Err(StoreError::Name(_))), "put {name:?}");
        assert!(matches!(store.remove(name), Err(StoreError::Name(_))), "remove {name:?}");
    }
    assert!(matches!(store.list(".."), Err(StoreError::Name(_))));
    assert_eq!(fs::read(dir.path().join("secret")).expect("still there"), b"secret");
}

proptest! {
    #[test]
    fn whatever_name_is_accepted_stays_inside(name in "[a-zA-Z0-9./\\\\_~:-]{0,24}") {
        let (dir, store) = store();
        let outside = files_under(dir.path());
        if store.create(&name, b"x").is_ok() {
            prop_assert_eq!(store.read(&name).expect("read"), Some(Bytes::from_static(b"x")));
            prop_assert!(dir.path().join("store").join(&name).is_file());
        }
        prop_assert_eq!(files_under(dir.path()), outside);
    }
}
