//! What every backend of the store has to do. Each case gets a store of its own.

use std::{
    collections::BTreeSet,
    sync::{Arc, Barrier},
    thread,
};

use bytes::Bytes;
use quire_proto::{Digest, PackSlice, pack::PackBuilder};
use quire_runtime::{Store, StoreError};

/// A store that several processes use.
pub(crate) trait Shared: Sync {
    /// The store as one more process has it: nothing in memory yet.
    fn open(&self) -> Store;

    /// Puts bytes where an object lies, behind the store's back.
    fn overwrite(&self, place: &str, bytes: &[u8]);
}

/// A case and what it says.
pub(crate) type Case = (&'static str, fn(&dyn Shared));

/// All of them.
pub(crate) const CASES: &[Case] = &[
    ("a pack reads back slice by slice, from memory and from the store", slices),
    ("a slice beyond its pack is refused", beyond),
    ("of slices, all have to be there", many_slices),
    ("a damaged blob is found, removed and can be put again", damage),
    ("a blob put again mends what is damaged", mending),
    ("removed blobs are gone from memory too and listed no more", removal),
    ("of those that create one name one wins and its bytes stay", creation),
    ("a reader sees the old or the new object, never a part", replacement),
    ("names are listed sorted and directly under their prefix", names),
    ("no name leads out of the store or into its inner parts", bad_names),
    ("blobs are listed page by page while they are removed", pages),
];

fn blob(number: u32) -> (Digest, Bytes) {
    let bytes = Bytes::from(number.to_le_bytes().to_vec());
    (Digest::of(&bytes), bytes)
}

fn place(digest: &Digest) -> String {
    let hex = digest.to_hex();
    format!("blobs/{}/{hex}", &hex[..2])
}

fn slices(shared: &dyn Shared) {
    let mut builder = PackBuilder::default();
    let entries: Vec<Vec<u8>> = (0..64_u8).map(|number| vec![number; usize::from(number) * 100]).collect();
    for entry in &entries {
        builder.add(entry.clone());
    }
    let pack = builder.finish();
    let store = shared.open();
    store.put_pack(&pack).expect("put");
    for handle in [&store, &shared.open()] {
        for (slice, entry) in pack.slices().zip(&entries) {
            assert_eq!(handle.get_slice(&slice).expect("slice"), entry);
        }
    }
    let whole = store.get_blob(&pack.digest).expect("blob");
    let second = pack.slice(2).expect("a slice");
    assert_eq!(store.get_slice(&second).expect("slice").as_ptr(), whole[100..].as_ptr(), "a copy");
}

fn beyond(shared: &dyn Shared) {
    let store = shared.open();
    let bytes = Bytes::from_static(b"0123456789");
    let digest = Digest::of(&bytes);
    store.put_blob(&digest, &bytes).expect("put");
    for (offset, len) in [(0, 11), (10, 1), (11, 0), (u64::MAX, 2), (2, u64::MAX), (u64::MAX, u64::MAX)] {
        let slice = PackSlice { pack: digest, offset, len };
        assert!(
            matches!(store.get_slice(&slice), Err(StoreError::OutOfRange { bytes: 10, .. })),
            "{slice:?}"
        );
        assert!(!store.has_slice(&slice).expect("a look"), "{slice:?}");
    }
    let empty = PackSlice { pack: digest, offset: 10, len: 0 };
    assert!(store.get_slice(&empty).expect("slice").is_empty());
}

fn many_slices(shared: &dyn Shared) {
    let store = shared.open();
    let slices: Vec<PackSlice> = (0..40)
        .map(|number| {
            let (digest, bytes) = blob(number);
            store.put_blob(&digest, &bytes).expect("put");
            PackSlice { pack: digest, offset: u64::from(number % 4), len: 1 }
        })
        .collect();
    let store = shared.open();
    assert!(store.has_slices(&slices).expect("a look"));
    assert!(store.has_slices([]).expect("a look"));
    let long = PackSlice { len: 4, ..slices[39] };
    assert!(!store.has_slices(slices.iter().chain([&long])).expect("a look"));
    assert!(store.remove_blob(&slices[20].pack).expect("removed"));
    assert!(!store.has_slices(&slices).expect("a look"));
}

fn damage(shared: &dyn Shared) {
    let bytes = Bytes::from(vec![7_u8; 1000]);
    let digest = Digest::of(&bytes);
    let mut flipped = bytes.to_vec();
    flipped[500] ^= 1;
    let longer = [&bytes[..], b"x"].concat();
    for damaged in [&flipped[..], &bytes[..999], b"", &longer[..]] {
        shared.open().put_blob(&digest, &bytes).expect("put");
        shared.overwrite(&place(&digest), damaged);
        let store = shared.open();
        assert!(matches!(store.get_blob(&digest), Err(StoreError::Damaged(found)) if found == digest));
        assert!(!store.has_blob(&digest).expect("a look"));
        assert!(matches!(store.get_blob(&digest), Err(StoreError::Missing(_))));
        store.put_blob(&digest, &bytes).expect("put again");
        assert_eq!(shared.open().get_blob(&digest).expect("blob"), bytes);
    }
}

fn mending(shared: &dyn Shared) {
    let bytes = Bytes::from(vec![7_u8; 1000]);
    let digest = Digest::of(&bytes);
    let whole = PackSlice { pack: digest, offset: 0, len: 1000 };
    for damaged in [&b""[..], &[8; 1000]] {
        shared.open().put_blob(&digest, &bytes).expect("put");
        shared.overwrite(&place(&digest), damaged);
        assert_eq!(shared.open().has_slice(&whole).expect("a look"), !damaged.is_empty());
        shared.open().put_blob(&digest, &bytes).expect("put again");
        assert_eq!(shared.open().get_blob(&digest).expect("blob"), bytes);
    }
}

fn removal(shared: &dyn Shared) {
    let store = shared.open();
    let digests: BTreeSet<Digest> = (0..30)
        .map(|number| {
            let (digest, bytes) = blob(number);
            store.put_blob(&digest, &bytes).expect("put");
            digest
        })
        .collect();
    shared.overwrite("blobs/README", b"not ours");
    shared.overwrite("blobs/zz/stranger", b"not ours");
    let listed = || -> BTreeSet<Digest> {
        let blobs = store.blobs().map(|blob| blob.expect("an entry"));
        blobs.inspect(|(_, bytes, _)| assert_eq!(*bytes, 4)).map(|(digest, ..)| digest).collect()
    };
    assert_eq!(listed(), digests);
    let first = digests.first().expect("one");
    assert!(store.remove_blob(first).expect("remove"));
    assert!(!store.remove_blob(first).expect("remove again"));
    assert!(matches!(store.get_blob(first), Err(StoreError::Missing(_))));
    assert_eq!(listed().len(), digests.len() - 1);
}

fn creation(shared: &dyn Shared) {
    for round in 0..5 {
        let name = format!("manifests/findings/{round}");
        let barrier = Arc::new(Barrier::new(8));
        let threads: Vec<_> = (0..8_u8)
            .map(|number| {
                let (store, barrier, name) = (shared.open(), Arc::clone(&barrier), name.clone());
                thread::spawn(move || {
                    barrier.wait();
                    store.create(&name, &vec![number; 50_000]).expect("create")
                })
            })
            .collect();
        let won: Vec<bool> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "round {round}: {won:?}");
        let winner = won.iter().position(|won| *won).expect("a winner") as u8;
        let bytes = shared.open().read(&name).expect("read").expect("there");
        assert!(bytes.len() == 50_000 && bytes.iter().all(|byte| *byte == winner));
    }
    // The same bytes by the same hand: still there is only one who created them.
    let store = shared.open();
    assert!(store.create("runs/findings/1", b"same").expect("create"));
    assert!(!store.create("runs/findings/1", b"same").expect("create again"));
}

fn replacement(shared: &dyn Shared) {
    let store = shared.open();
    store.put("site/stamp", &[0; 100_000]).expect("put");
    thread::scope(|scope| {
        let other = shared.open();
        let writer = scope.spawn(move || {
            (1..20_u8).for_each(|number| other.put("site/stamp", &vec![number; 100_000]).expect("put"));
        });
        while !writer.is_finished() {
            let bytes = store.read("site/stamp").expect("read").expect("there");
            assert!(bytes.len() == 100_000 && bytes.iter().all(|byte| *byte == bytes[0]));
        }
    });
}

fn names(shared: &dyn Shared) {
    let store = shared.open();
    assert!(store.list("manifests/findings").expect("list").is_empty());
    assert_eq!(store.read("manifests/findings/1").expect("read"), None);
    for name in ["manifests/findings/10", "manifests/findings/2", "manifests/other/1", "manifests/findings/1"]
    {
        assert!(store.create(name, name.as_bytes()).expect("create"));
    }
    store.put("manifests2/findings/7", b"").expect("put");
    assert_eq!(store.list("manifests/findings").expect("list"), ["1", "10", "2"]);
    assert_eq!(store.list("manifests/").expect("list"), ["findings", "other"]);
    assert_eq!(store.read("manifests").expect("a folder is no object"), None);
    assert_eq!(store.read("manifests2/findings/7").expect("read"), Some(Bytes::new()));
    assert!(store.remove("manifests/findings/10").expect("remove"));
    assert!(!store.remove("manifests/findings/10").expect("remove again"));
    assert_eq!(store.list("manifests/findings").expect("list"), ["1", "2"]);
}

fn bad_names(shared: &dyn Shared) {
    let store = shared.open();
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
}

fn pages(shared: &dyn Shared) {
    let store = shared.open();
    // More than a server tells at once.
    let count = 1_100;
    let numbers: Vec<u32> = (0..count).collect();
    thread::scope(|scope| {
        for numbers in numbers.chunks(150) {
            let store = shared.open();
            scope.spawn(move || {
                for (digest, bytes) in numbers.iter().map(|number| blob(*number)) {
                    store.put_blob(&digest, &bytes).expect("put");
                }
            });
        }
    });
    let mut seen = 0;
    for found in store.blobs() {
        let (digest, ..) = found.expect("an entry");
        seen += 1;
        if seen <= 50 {
            assert!(store.remove_blob(&digest).expect("remove"));
        }
    }
    assert_eq!(seen, count);
    assert_eq!(store.blobs().count(), count as usize - 50);
}
