//! The index has what the manifest has, whatever happened before.

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use quire_indexer::{Applied, IndexError, SearchIndex, apply};
use quire_proto::Digest;
use serde_json::json;
use support::{CATALOGUE, World, ask, keys};

const fn applied(rebuilt: bool, written: u64, removed: u64) -> Applied {
    Applied { rebuilt, written, removed }
}

/// A world with the birds `b000`, `b001` ….
fn birds(count: usize) -> World {
    let mut world = World::new(CATALOGUE);
    (0..count).for_each(|n| world.put_json(bird(n, "a common bird")));
    world
}

fn bird(n: usize, text: &str) -> serde_json::Value {
    json!({ "id": format!("b{n:03}"), "name": format!("bird number{n}"), "text": text, "tags": ["small", format!("t{}", n % 7)] })
}

/// All that can be seen of an index through queries.
fn seen(world: &World) -> Vec<String> {
    let index = world.index();
    let mut seen = vec![format!("{} at {}", index.len(), index.epoch())];
    for text in ["bird", "common bird", "number7", "rare", "b003", "small numbre12", "comm", "a"] {
        seen.push(format!("{text}: {:?}", ask(&index, text)));
    }
    seen
}

#[test]
fn only_the_difference_is_applied() {
    let mut world = birds(500);
    assert_eq!(world.publish(), applied(true, 500, 0));
    assert_eq!(world.follow().unwrap(), applied(false, 0, 0));
    world.put_json(bird(3, "a rare bird"));
    world.put_json(bird(777, "a rare bird"));
    world.rows.remove("b100");
    world.rows.remove("b499");
    assert_eq!(world.publish(), applied(false, 2, 2));
    assert_eq!(keys(&world.index(), "rare"), ["b003", "b777"]);
    assert_eq!(keys(&world.index(), "number100"), Vec::<String>::new());
    assert_eq!(world.index().len(), 499);
    // An epoch without changes writes nothing but its number.
    assert_eq!(world.publish(), applied(false, 0, 0));
    assert_eq!(world.index().epoch().0, 3);
}

#[test]
fn answers_do_not_depend_on_the_history() {
    let mut world = birds(60);
    world.publish();
    for round in 0..12 {
        for n in 0..60 {
            if (n + round) % 5 == 0 {
                world.rows.remove(&format!("b{n:03}"));
            } else if (n * round) % 4 == 1 {
                world.put_json(bird(n, &format!("a rare bird of round {round}")));
            }
        }
        world.publish();
    }
    let grown = seen(&world);
    fs::remove_dir_all(world.index_dir()).unwrap();
    assert!(world.follow().unwrap().rebuilt);
    assert_eq!(seen(&world), grown);
}

#[test]
fn a_manifest_of_an_older_epoch_can_be_followed_too() {
    let mut world = birds(200);
    let first = world.commit();
    world.follow().unwrap();
    let before = seen(&world);
    world.put_json(bird(5, "changed"));
    world.rows.remove("b006");
    world.put_json(bird(900, "new"));
    world.publish();
    apply(&world.store, &world.index_dir(), &first, &Digest::of(b"first again")).unwrap();
    assert_eq!(seen(&world), before);
}

#[test]
fn an_index_with_other_fields_is_built_anew() {
    let mut world = birds(20);
    world.publish();
    world.change_catalogue(&CATALOGUE.replace("boost: 4", "boost: 3"));
    assert_eq!(world.publish(), applied(true, 20, 0));
}

#[test]
fn a_damaged_index_is_never_trusted_and_built_anew() {
    let mut world = birds(100);
    world.publish();
    let whole = seen(&world);
    let found = keys(&SearchIndex::open(&world.index_dir()).unwrap(), "number7");
    let kinds: BTreeSet<String> = files(&world).iter().map(|path| kind(path)).collect();
    assert!(kinds.len() > 5, "{kinds:?}");
    let mut tried = 0;
    for kind_of_file in kinds.iter().filter(|kind| *kind != "lock") {
        for damage in DAMAGES {
            // An index that was built anew has files of other names, of the same kinds.
            let Some(path) = files(&world).into_iter().find(|path| kind(path) == *kind_of_file) else {
                break;
            };
            tried += 1;
            match damage(fs::read(&path).unwrap()) {
                None => fs::remove_file(&path).unwrap(),
                Some(damaged) => fs::write(&path, damaged).unwrap(),
            }
            // Either the damage is seen, or it does not matter.
            if let Ok(index) = SearchIndex::open(&world.index_dir()) {
                assert_eq!(keys(&index, "number7"), found, "{}", path.display());
            }
            world.follow().unwrap();
            assert_eq!(seen(&world), whole, "{}", path.display());
        }
    }
    // Files of segments are never missing; locks may be.
    assert!(tried >= 5 * DAMAGES.len(), "{tried}");
}

type Damage = fn(Vec<u8>) -> Option<Vec<u8>>;

/// What may happen to a file; `None`: it is gone.
const DAMAGES: [Damage; 7] = [
    |_| None,
    |_| Some(Vec::new()),
    |bytes| Some(bytes[..bytes.len() / 2].to_vec()),
    |bytes| Some(flipped(bytes, |_| 0)),
    |bytes| Some(flipped(bytes, |len| len / 3)),
    |bytes| Some(flipped(bytes, |len| len / 2)),
    |bytes| Some(flipped(bytes, |len| len - 1)),
];

fn flipped(mut bytes: Vec<u8>, at: fn(usize) -> usize) -> Vec<u8> {
    let at = at(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x10;
    }
    bytes
}

fn files(world: &World) -> Vec<PathBuf> {
    fs::read_dir(world.index_dir()).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The extension of a segment's file, the whole name of any other.
fn kind(path: &Path) -> String {
    let kind = path.extension().filter(|extension| *extension != "json").or(path.file_name());
    kind.unwrap().to_string_lossy().into_owned()
}

#[test]
fn without_an_index_the_error_says_so() {
    let world = birds(1);
    let error = SearchIndex::open(&world.index_dir()).err().unwrap();
    assert!(matches!(error, IndexError::Missing(_)), "{error}");
    assert_eq!(world.follow().unwrap(), Applied::default());
    fs::create_dir_all(world.index_dir()).unwrap();
    fs::write(world.index_dir().join("followed.json"), "{}").unwrap();
    assert!(matches!(SearchIndex::open(&world.index_dir()).err(), Some(IndexError::Missing(_))));
}

#[test]
fn an_empty_catalogue_has_an_index_that_finds_nothing() {
    let mut world = birds(0);
    world.publish();
    assert!(world.index().is_empty());
    assert_eq!(ask(&world.index(), "anything").total, 0);
    world.put_json(bird(1, "first"));
    assert_eq!(world.publish(), applied(false, 1, 0));
    assert_eq!(keys(&world.index(), "first"), ["b001"]);
}
