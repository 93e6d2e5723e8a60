//! What goes wrong on the way, and heals.

mod harness;

use std::{fs, time::Duration};

use harness::{World, counts};
use quire_coordinator::{RunError, RunRequest};
use quire_runtime::broker::Queue;
use tokio_util::sync::CancellationToken;

fn many(world: &World, count: u32) {
    for number in 0..count {
        world.set(
            &format!("{number:04}"),
            &[&format!("key=k{number} offer=g{} look=g{}", number % 7, number % 5)],
        );
    }
}

async fn fresh(count: u32) -> std::collections::BTreeMap<String, String> {
    let world = World::new();
    many(&world, count);
    world.build().await;
    world.files()
}

#[tokio::test(flavor = "multi_thread")]
async fn settlements_that_never_come_are_planned_again() {
    let world = World::new();
    many(&world, 20);
    // Someone takes settlements out of the queue and forgets them, for a while.
    let broker = world.broker.clone();
    let thief = tokio::spawn(async move {
        let mut stolen = 0;
        while stolen < 5 {
            for delivery in broker.pull(Queue::Settled, 1).await.unwrap() {
                delivery.ack();
                stolen += 1;
            }
        }
    });
    let report = world.build().await;
    thief.abort();
    assert_eq!(counts(&report), [20, 20, 0, 0, 0, 0]);
    assert_eq!(world.files(), fresh(20).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_has_lost_is_planned_again_long_before_a_stall() {
    let stall = Duration::from_secs(60);
    let world = World::with_stall(stall);
    many(&world, 20);
    let broker = world.broker.clone();
    let thief = tokio::spawn(async move {
        for delivery in broker.pull(Queue::Settled, 1).await.unwrap() {
            delivery.ack();
        }
    });
    let report =
        tokio::time::timeout(stall / 2, world.build()).await.expect("it should not wait for a stall");
    thief.await.unwrap();
    assert_eq!(counts(&report), [20, 20, 0, 0, 0, 0]);
    assert_eq!(world.files(), fresh(20).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_is_finished_by_the_next_one() {
    let world = World::new();
    many(&world, 60);
    let cancelled = CancellationToken::new();
    let request = RunRequest { cancelled: cancelled.clone(), ..world.request() };
    let script = world.script.clone();
    let canceller = tokio::spawn(async move {
        while script.lock().unwrap().judged < 10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cancelled.cancel();
    });
    let ended = world.try_run(request).await;
    canceller.await.unwrap();
    assert!(matches!(ended, Err(RunError::Interrupted)), "{ended:?}");
    assert_eq!(world.store.list("runs/c").unwrap(), ["1"]);
    let world = world.restart();
    let report = world.build().await;
    assert_eq!((counts(&report), report.epoch.0), ([60, 60, 0, 0, 0, 0], 2));
    assert!(world.store.list("runs/c").unwrap().is_empty());
    assert_eq!(world.files(), fresh(60).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_was_left_half_done_is_completed_though_nothing_changed() {
    let world = World::new();
    many(&world, 12);
    world.script().unpublished.insert("c/k3.html".into());
    let failed = world.try_run(world.request()).await;
    assert!(matches!(failed, Err(RunError::Publish { .. })), "{failed:?}");
    assert!(!world.files().contains_key("c/list.txt"), "lists come after the pages that they name");
    let world = world.restart();
    world.script().unpublished.clear();
    let report = world.build().await;
    assert_eq!(counts(&report), [12, 0, 12, 0, 0, 0]);
    assert_eq!(world.files(), fresh(12).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_publication_is_published_by_the_next_process() {
    let world = World::new();
    many(&world, 5);
    world.run().await;
    let world = world.restart();
    many(&world, 6);
    world.build().await;
    assert_eq!(world.files(), fresh(6).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_the_site_is_repaired_and_files_of_others_are_left_alone() {
    let world = World::new();
    many(&world, 5);
    world.build().await;
    let site = world.site();
    fs::write(site.join("c/k1.html"), "tampered").unwrap();
    fs::remove_file(site.join("c/list.txt")).unwrap();
    fs::remove_file(site.join("index.txt")).unwrap();
    fs::write(site.join("c/unknown.html"), "x").unwrap();
    fs::write(site.join("CNAME"), "example.org").unwrap();
    world.run().await;
    let report = world.finish().await;
    assert_eq!((report.pages, report.removed, report.foreign), (1, 1, 1));
    let mut expected = fresh(5).await;
    expected.insert("CNAME".into(), "example.org".into());
    assert_eq!(world.files(), expected);
    let again = world.finish().await;
    assert_eq!((again.pages, again.removed, again.foreign, again.manifest), (0, 0, 1, report.manifest));
    fs::remove_file(site.join("manifest.json")).unwrap();
    assert_eq!(world.finish().await.manifest, report.manifest);
    assert_eq!(world.files(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_someone_else_is_refused_and_files_beside_ours_stay() {
    let world = World::new();
    many(&world, 2);
    fs::create_dir_all(world.site().join("c")).unwrap();
    fs::write(world.site().join("c/thesis.txt"), "years of work").unwrap();
    let error = world.try_run(world.request()).await.unwrap_err();
    assert!(matches!(&error, RunError::Occupied { path } if path == "c/thesis.txt"), "{error}");
    assert_eq!(world.files().len(), 1);

    fs::remove_file(world.site().join("c/thesis.txt")).unwrap();
    world.build().await;
    let world = world.restart();
    world.store.remove("publication").unwrap();
    fs::write(world.site().join("c/thesis.txt"), "years of work").unwrap();
    world.set("0000", &[]);
    world.build().await;
    let files = world.files();
    assert!(files.contains_key("c/thesis.txt") && !files.contains_key("c/k0.html"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_damaged_state_is_built_anew_with_the_same_bytes() {
    let world = World::new();
    many(&world, 10);
    world.build().await;
    let before = world.files();
    let chunk = world.manifest().entries[0].rows.pack;
    let world = world.restart();
    world.store.remove_blob(&chunk).unwrap();
    world.set("0000", &["key=k0 offer=g0 look=g0 "]);
    world.run().await;
    world.set("0000", &["key=k0 offer=g0 look=g0"]);
    let report = world.build().await;
    assert_eq!(counts(&report), [10, 1, 9, 0, 0, 0]);
    assert_eq!(world.files(), before);
    let world = world.restart();
    fs::remove_dir_all(world.folder.path().join("store")).unwrap();
    let world = world.restart();
    world.build().await;
    assert_eq!(world.files(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_and_a_source_that_is_away_take_nothing_from_the_site() {
    let world = World::new();
    many(&world, 3);
    world.build().await;
    let before = world.files();
    let chunk = world.manifest().entries[0].rows.pack;
    let world = world.restart();
    world.store.remove_blob(&chunk).unwrap();
    world.script().unlisted.insert("s".into());
    let error = world.try_run(world.request()).await.unwrap_err();
    assert!(matches!(error, RunError::CannotHeal { .. }), "{error}");
    assert_eq!(world.files(), before);
    world.script().unlisted.clear();
    world.build().await;
    assert_eq!(world.files(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_cannot_be_read_takes_nothing_from_the_site() {
    let world = World::new();
    many(&world, 3);
    world.build().await;
    let before = world.files();
    let epoch = world.manifest().epoch.0;
    let mut world = world.restart();
    world.store.put(&format!("manifests/c/{epoch}"), b"no manifest").unwrap();
    world.catalogue = "d".into();
    world.run().await;
    let error = world.try_finish().await.unwrap_err();
    assert!(matches!(error, RunError::ManifestLost { .. }), "{error}");
    for (path, content) in before.iter().filter(|(path, _)| path.starts_with("c/")) {
        assert_eq!(world.files().get(path), Some(content), "{path}");
    }
    world.catalogue = "c".into();
    world.build().await;
    assert!(world.files().contains_key("c/k1.html") && world.files().contains_key("d/k1.html"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_catalogues_share_a_site() {
    let mut world = World::new();
    many(&world, 3);
    world.run().await;
    world.catalogue = "d".into();
    world.build().await;
    let files = world.files();
    assert_eq!(files["index.txt"], "c: 3 records, 0 rejects\nd: 3 records, 0 rejects\n");
    assert!(files.contains_key("c/k1.html") && files.contains_key("d/k1.html"));
    let mut world = world.restart();
    world.set("0000", &[]);
    world.build().await;
    assert_eq!(world.files()["index.txt"], "c: 3 records, 0 rejects\nd: 2 records, 0 rejects\n");
    world.catalogue = "c".into();
    world.build().await;
    assert_eq!(world.files()["index.txt"], "c: 2 records, 0 rejects\nd: 2 records, 0 rejects\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_updates_leave_bounded_waste() {
    let world = World::new();
    world.script().batch = 64;
    many(&world, 120);
    world.build().await;
    let size = |world: &World| world.store.blobs().map(|blob| blob.unwrap().1).sum::<u64>();
    let first = size(&world);
    for update in 0..200 {
        let number = update % 120;
        world.set(&format!("{number:04}"), &[&format!("key=k{number} offer=g1 update={update}")]);
        world.build().await;
    }
    let (last, live) = (size(&world), world.manifest());
    assert!(last < 4 * first, "{first} bytes at first, {last} after 200 updates");
    assert_eq!(world.store.list("manifests/c").unwrap().len(), 3);
    assert_eq!(live.entries.iter().map(|chunk| chunk.count).sum::<u32>(), 120);
}
