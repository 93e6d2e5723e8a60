//! Runs of keys as jobs: those that someone waits for, those without a manifest, and what is told of each key.
#![allow(clippy::unwrap_used, reason = "tests")]

mod harness;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use harness::{Script, World, counts};
use quire_catalogue::{Bundle, Catalogue};
use quire_coordinator::{Event, Fate, Ground, Loss, Part, Phase, Progress, RunError, RunRequest};
use quire_proto::{Lane, RunId};

fn keys(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn of(world: &World, wanted: &[&str], lane: Lane) -> RunRequest {
    RunRequest { part: Part::of_keys(wanted.iter().copied()), lane, ..world.request() }
}

/// Keeps the run of epoch 2 from making anything until it may, and remembers what was lost.
#[derive(Default)]
struct Watching {
    holds: Mutex<bool>,
    waits: Mutex<bool>,
    lost: Mutex<Vec<String>>,
}

impl Progress for Watching {
    fn tell(&self, run: &RunId, event: Event) {
        if (run.as_str(), event) == ("c-2", Event::Entered(Phase::Make)) {
            *self.waits.lock().unwrap() = true;
            while *self.holds.lock().unwrap() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn lost(&self, _run: &RunId, loss: &Loss<'_>) {
        self.lost.lock().unwrap().push(format!("{loss:?}"));
    }
}

fn watched() -> (Arc<Watching>, Arc<World>) {
    let watching = Arc::new(Watching::default());
    let script = Script { batch: 3, ..Script::default() };
    (Arc::clone(&watching), Arc::new(World::start(harness::folder(), script, watching)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_critical_run_of_keys_overtakes_another_run_of_keys() {
    let (watching, world) = watched();
    for number in 0..20 {
        world.set(&format!("{number:02}"), &[&format!("key=k{number} title=old")]);
    }
    world.build().await;
    for number in 0..20 {
        world.set(&format!("{number:02}"), &[&format!("key=k{number} title=new")]);
    }
    *watching.holds.lock().unwrap() = true;
    let many: Vec<String> = (0..15).map(|number| format!("k{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let others = Arc::clone(&world);
    let asked = of(&world, &many, Lane::Normal);
    let batch = tokio::spawn(async move { others.try_run(asked).await.unwrap() });
    while !*watching.waits.lock().unwrap() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let critical = world.try_run(of(&world, &["k17"], Lane::Critical)).await.unwrap();
    assert_eq!(counts(&critical), [1, 1, 0, 0, 0, 0]);
    assert!(world.files()["c/k17.html"].contains("new") && world.files()["c/k3.html"].contains("old"));
    // Another one that is not critical has to wait.
    let waits = tokio::time::timeout(
        Duration::from_millis(200),
        world.coordinator.run(of(&world, &["k18"], Lane::High)),
    );
    assert!(waits.await.is_err());
    *watching.holds.lock().unwrap() = false;
    assert_eq!(counts(&batch.await.unwrap()), [15, 15, 0, 0, 0, 0]);
    world.finish().await;
    let files = world.files();
    assert!(files["c/k3.html"].contains("new") && files["c/k17.html"].contains("new"), "{files:?}");
    assert!(files["c/k19.html"].contains("old"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_have_not_changed_are_not_looked_at_twice() {
    let world = World::new();
    world.set("1", &["key=a", "key=b", "bad"]);
    world.set("2", &["key=c"]);
    world.build().await;
    world.set("2", &["key=c title=new"]);
    let before = world.work_done();
    let report = world.try_run(of(&world, &["a"], Lane::Normal)).await.unwrap();
    assert_eq!(counts(&report), [3, 0, 2, 1, 0, 0]);
    assert_eq!(world.work_done(), before);
    assert_eq!(world.manifest().epoch.0, 1, "nothing is committed");
    // A record of the site may have gone all the same.
    std::fs::remove_file(world.site().join("c/a.html")).unwrap();
    world.try_run(of(&world, &["a"], Lane::Normal)).await.unwrap();
    world.set("1", &["key=b"]);
    let report = world.try_run(of(&world, &["a"], Lane::Normal)).await.unwrap();
    assert_eq!(counts(&report)[5], 1, "it is gone: {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_key_is_told() {
    let (watching, world) = watched();
    world.set("1", &["key=a"]);
    world.set("2", &["key=b"]);
    world.set("3", &["key=held name=x"]);
    world.set("4", &["key=loser name=x"]);
    world.build().await;
    world.set("1", &["key=a title=new"]);
    world.set("2", &["key=b title=new"]);
    world.script().unrendered.insert("b".into());
    let wanted = ["a", "b", "held", "loser", "nobody"];
    let report = world.try_run(of(&world, &wanted, Lane::Normal)).await.unwrap();
    let lost = std::mem::take(&mut *watching.lost.lock().unwrap()).join("\n");
    assert!(
        lost.contains("Record { key: \"b\"") && lost.contains("Key { key: \"nobody\", unread: 0 }"),
        "{lost}"
    );
    let fates = quire_coordinator::fates(&world.store, "c", &keys(&wanted)).unwrap();
    assert!(matches!(&fates["a"], Fate::Published { changed, .. } if *changed == report.epoch), "{fates:?}");
    assert!(matches!(&fates["held"], Fate::Published { changed, .. } if changed.0 == 1));
    assert!(matches!(&fates["loser"], Fate::Rejected { problems, .. } if !problems.is_empty()));
    assert!(!fates.contains_key("nobody"));
    world.script().unlisted.insert("s".into());
    world.try_run(of(&world, &["a"], Lane::Normal)).await.unwrap();
    let lost = watching.lost.lock().unwrap().join("\n");
    assert!(lost.contains("Source { source: \"s\", why: \"the disk is away\" }"), "{lost}");
    let known = quire_coordinator::known_keys(&world.store, "c").unwrap();
    assert_eq!(known, keys(&["a", "b", "held", "loser"]));
}

/// A catalogue whose source tells where a key lies.
fn telling() -> Bundle {
    let yaml = "catalogue: c\ntitle: T\nsources:\n  - name: s\n    neuprint: { server: \"https://127.0.0.1:1\", dataset: d, token: \"${TOKEN}\" }\n\
                record:\n  key: .id\n  title: .id\nlookups:\n  - { name: near, by: .a, in: .b }\npages:\n  record: record.html\n";
    let files = [("catalogue.yaml", yaml), ("record.html", "")];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    Bundle::new(BTreeMap::from(files))
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_source_tells_where_a_key_lies_its_pages_need_no_run_of_everything() {
    let world = World::new();
    for key in ["a", "b/c", "d"] {
        world.set(&format!("types/{key}"), &[&format!("key={key}")]);
    }
    let catalogue = Catalogue::load(telling()).unwrap();
    let asked = |wanted: &[&str]| RunRequest { bundle: telling(), ..of(&world, wanted, Lane::Normal) };
    let ground = || quire_coordinator::ground(&world.store, &catalogue).unwrap();
    assert_eq!(ground(), Ground::Sources);
    let before = world.work_done().1;
    let report = world.try_run(asked(&["a", "nobody"])).await.unwrap();
    assert_eq!(counts(&report), [1, 1, 0, 0, 0, 0]);
    assert_eq!(world.work_done().1, before + 1, "nothing else is read");
    assert!(report.failures[0].contains("nobody"), "{:?}", report.failures);
    assert_eq!(ground(), Ground::Manifest);
    // One that is gone is removed, without a look at everything.
    world.set("types/a", &[]);
    let report = world.try_run(asked(&["a", "b/c"])).await.unwrap();
    assert_eq!(counts(&report), [1, 1, 0, 0, 0, 1]);
    assert_eq!(world.work_done().1, before + 2);
    world.finish().await;
    // Where the site shows more than is known, the rest would be taken off it.
    std::fs::remove_dir_all(world.folder.path().join("store/manifests")).unwrap();
    let world = world.restart();
    let refused = world.try_run(RunRequest { bundle: telling(), ..of(&world, &["d"], Lane::Normal) }).await;
    assert!(matches!(refused, Err(RunError::KeysAlone { .. })), "{refused:?}");
}
