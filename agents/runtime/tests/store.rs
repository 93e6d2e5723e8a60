//! The store's contract, on a real folder.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that meets a surprise shall fail")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Barrier},
    thread,
};

use bytes::Bytes;
use proptest::prelude::*;
use quire_proto::{Digest, PackSlice, pack::PackBuilder};
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
fn a_pack_reads_back_slice_by_slice_from_memory_and_from_disk() {
    let (dir, store) = store();
    let mut builder = PackBuilder::default();
    let entries: Vec<Vec<u8>> = (0..64_u8).map(|number| vec![number; usize::from(number) * 100]).collect();
    for entry in &entries {
        builder.add(entry.clone());
    }
    let pack = builder.finish();
    store.put_pack(&pack).expect("put");
    for handle in [&store, &reopen(&dir)] {
        for (slice, entry) in pack.slices().zip(&entries) {
            assert_eq!(handle.get_slice(&slice).expect("slice"), entry);
            assert!(handle.has_slice(&slice));
        }
    }
}

#[test]
fn slices_share_the_memory_of_their_pack() {
    let (dir, store) = store();
    let mut builder = PackBuilder::default();
    builder.add(b"one".to_vec());
    builder.add(b"two".to_vec());
    let pack = builder.finish();
    store.put_pack(&pack).expect("put");
    let second = pack.slice(1).expect("a slice");
    assert_eq!(store.get_slice(&second).expect("slice").as_ptr(), pack.bytes[3..].as_ptr());
    let store = reopen(&dir);
    let whole = store.get_blob(&pack.digest).expect("blob");
    assert_eq!(store.get_slice(&second).expect("slice").as_ptr(), whole[3..].as_ptr());
}

#[test]
fn a_slice_beyond_its_pack_is_refused() {
    let (_dir, store) = store();
    let bytes = Bytes::from_static(b"0123456789");
    let digest = Digest::of(&bytes);
    store.put_blob(&digest, &bytes).expect("put");
    for (offset, len) in [(0, 11), (10, 1), (11, 0), (u64::MAX, 2), (2, u64::MAX), (u64::MAX, u64::MAX)] {
        let slice = PackSlice { pack: digest, offset, len };
        assert!(
            matches!(store.get_slice(&slice), Err(StoreError::OutOfRange { bytes: 10, .. })),
            "{slice:?}"
        );
        assert!(!store.has_slice(&slice), "{slice:?}");
    }
    let empty = PackSlice { pack: digest, offset: 10, len: 0 };
    assert!(store.get_slice(&empty).expect("slice").is_empty());
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
fn a_damaged_blob_is_found_removed_and_can_be_put_again() {
    let bytes = Bytes::from(vec![7_u8; 1000]);
    let digest = Digest::of(&bytes);
    let mut flipped = bytes.to_vec();
    flipped[500] ^= 1;
    let longer = [&bytes[..], b"x"].concat();
    for damage in [&flipped[..], &bytes[..999], b"", &longer[..]] {
        let (dir, store) = store();
        store.put_blob(&digest, &bytes).expect("put");
        fs::write(blob_path(&dir, &digest), damage).expect("damage");
        let store = reopen(&dir);
        assert!(matches!(store.get_blob(&digest), Err(StoreError::Damaged(found)) if found == digest));
        assert!(!store.has_blob(&digest));
        assert!(matches!(store.get_blob(&digest), Err(StoreError::Missing(_))));
        store.put_blob(&digest, &bytes).expect("put again");
        assert_eq!(reopen(&dir).get_blob(&digest).expect("blob"), bytes);
    }
}

#[test]
fn a_blob_cut_short_by_a_power_cut_is_replaced_by_the_next_put() {
    let (dir, store) = store();
    let bytes = Bytes::from(vec![7_u8; 1000]);
    let digest = Digest::of(&bytes);
    store.put_blob(&digest, &bytes).expect("put");
    fs::write(blob_path(&dir, &digest), b"").expect("damage");
    let whole = PackSlice { pack: digest, offset: 0, len: 1000 };
    assert!(!reopen(&dir).has_slice(&whole), "a results cache would take the pack for whole");
    reopen(&dir).put_blob(&digest, &bytes).expect("put again");
    assert_eq!(reopen(&dir).get_blob(&digest).expect("blob"), bytes);
}

#[test]
fn removed_blobs_are_gone_from_memory_too_and_listed_no_more() {
    let (dir, store) = store();
    let digests: BTreeSet<Digest> = (0..300_u32)
        .map(|number| {
            let bytes = Bytes::from(number.to_le_bytes().to_vec());
            store.put_blob(&Digest::of(&bytes), &bytes).expect("put");
            Digest::of(&bytes)
        })
        .collect();
    fs::write(dir.path().join("store/blobs/README"), b"not ours").expect("a stranger");
    fs::create_dir_all(dir.path().join("store/blobs/zz")).expect("a strange folder");
    fs::write(dir.path().join("store/blobs/zz/stranger"), b"not ours").expect("a stranger");
    let listed = || -> BTreeSet<Digest> {
        store
            .blobs()
            .map(|blob| {
                let (digest, bytes, _) = blob.expect("an entry");
                assert_eq!(bytes, 4);
                digest
            })
            .collect()
    };
    assert_eq!(listed(), digests);
    let first = digests.first().expect("one");
    assert!(store.remove_blob(first).expect("remove"));
    assert!(!store.remove_blob(first).expect("remove again"));
    assert!(matches!(store.get_blob(first), Err(StoreError::Missing(_))));
    assert_eq!(listed().len(), digests.len() - 1);
}

#[test]
fn of_sixteen_that_create_one_name_one_wins_and_its_bytes_stay() {
    let (dir, _) = store();
    for round in 0..20 {
        let name = format!("manifests/findings/{round}");
        let barrier = Arc::new(Barrier::new(16));
        let threads: Vec<_> = (0..16_u8)
            .map(|number| {
                let (store, barrier, name) = (reopen(&dir), Arc::clone(&barrier), name.clone());
                thread::spawn(move || {
                    barrier.wait();
                    store.create(&name, &vec![number; 50_000]).expect("create")
                })
            })
            .collect();
        let won: Vec<bool> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "round {round}: {won:?}");
        let winner = won.iter().position(|won| *won).expect("a winner") as u8;
        let bytes = reopen(&dir).read(&name).expect("read").expect("there");
        assert!(bytes.len() == 50_000 && bytes.iter().all(|byte| *byte == winner));
    }
    assert_eq!(files_under(&dir.path().join("store/tmp")), 0);
}

#[test]
fn a_reader_sees_the_old_or_the_new_object_never_a_part() {
    let (dir, store) = store();
    store.put("site/stamp", &[0; 100_000]).expect("put");
    let writer = thread::spawn({
        let store = reopen(&dir);
        move || (1..100_u8).for_each(|number| store.put("site/stamp", &vec![number; 100_000]).expect("put"))
    });
    while !writer.is_finished() {
        let bytes = store.read("site/stamp").expect("read").expect("there");
        assert!(bytes.len() == 100_000 && bytes.iter().all(|byte| *byte == bytes[0]));
    }
    writer.join().expect("no panic");
}

#[test]
fn names_are_listed_sorted_and_directly_under_their_prefix() {
    let (_dir, store) = store();
    assert!(store.list("manifests/findings").expect("list").is_empty());
    assert_eq!(store.read("manifests/findings/1").expect("read"), None);
    for name in ["manifests/findings/10", "manifests/findings/2", "manifests/other/1", "manifests/findings/1"]
    {
        assert!(store.create(name, name.as_bytes()).expect("create"));
    }
    assert_eq!(store.list("manifests/findings").expect("list"), ["1", "10", "2"]);
    assert_eq!(store.list("manifests/").expect("list"), ["findings", "other"]);
    assert_eq!(store.read("manifests").expect("a folder is no object"), None);
    assert!(store.remove("manifests/findings/10").expect("remove"));
    assert!(!store.remove("manifests/findings/10").expect("remove again"));
    assert_eq!(store.list("manifests/findings").expect("list"), ["1", "2"]);
}

#[test]
fn no_name_leads_out_of_the_folder_or_into_its_inner_parts() {
    let (dir, store) = store();
    fs::write(dir.path().join("secret"), b"secret").expect("a file outside");
    let names = [
        "",
        "/",
        ".",
        "..",
        "../secret",
        "a/../../secret",
        "/etc/passwd",
        "a//b",
        "a/",
        "./a",
        "a/.",
        "a\\..\\b",
        "blobs/xx",
        "BLOBS/xx",
        "tmp/1",
        "tmp",
        "blobs",
        "a\0b",
        "C:/x",
        "a b",
        "ä",
        ".hidden",
        "a/.b",
        "con.",
    ];
    let long = "x/".repeat(600) + "x";
    let long_part = "x".repeat(300);
    for name in names.into_iter().chain([long.as_str(), long_part.as_str()]) {
        assert!(matches!(store.create(name, b"x"), Err(StoreError::Name(_))), "create {name:?}");
        assert!(matches!(store.put(name, b"x"), Err(StoreError::Name(_))), "put {name:?}");
        assert!(matches!(store.read(name), Err(StoreError::Name(_))), "read {name:?}");
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
