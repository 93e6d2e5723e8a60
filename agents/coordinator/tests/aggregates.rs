//! Aggregates: computed from all accepted records, seen by the pages that use them, and by no other.
#![allow(clippy::unwrap_used, reason = "tests")]

mod harness;

use std::sync::atomic::Ordering;

use harness::{World, counts};
use quire_coordinator::{Part, RunRequest};

fn three(world: &World) {
    world.set("1", &["key=b give=B1 give=B2 other=x"]);
    world.set("2", &["key=a give=A use=0", "key=c other=z use=1"]);
    world.set("3", &["key=d name=n", "key=e use=2", "bad"]);
}

fn rendered(world: &World) -> Vec<String> {
    let mut rendered = std::mem::take(&mut world.script().rendered);
    rendered.sort();
    rendered
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_of_all_records_are_joined_in_the_order_of_their_keys() {
    let world = World::new();
    three(&world);
    let report = world.build().await;
    assert_eq!(counts(&report), [6, 5, 0, 1, 0, 0]);
    let files = world.files();
    assert!(files["c/a.html"].ends_with("sees [\"A\",\"B1\",\"B2\"]"), "{}", files["c/a.html"]);
    assert!(files["c/c.html"].ends_with("sees [\"x\",\"z\"]"), "{}", files["c/c.html"]);
    assert_eq!(files["c/figures/all.svg"], "[\"A\",\"B1\",\"B2\"]");
    assert!(files["c/e.html"].ends_with("sees [2]"), "{}", files["c/e.html"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_an_aggregate_renders_exactly_those_that_use_it() {
    let world = World::new();
    three(&world);
    world.build().await;
    rendered(&world);
    // The outputs change, their number does not: what is known of the figure is the same.
    world.set("1", &["key=b give=B1 give=B3 other=x"]);
    let report = world.build().await;
    assert_eq!(rendered(&world), ["a", "b"], "b itself, and a, which shows what b gives");
    assert_eq!(counts(&report), [6, 2, 3, 1, 0, 0]);
    assert_eq!(world.files(), world.afresh().await);

    world.set("1", &["key=b give=B1 other=x"]);
    world.build().await;
    assert_eq!(rendered(&world), ["a", "b", "e"], "e shows how many there are in the figure");
    assert_eq!(world.files(), world.afresh().await);

    world.set("3", &["key=d name=m", "key=e use=2", "bad"]);
    world.build().await;
    assert_eq!(rendered(&world), ["d"], "it gives nothing");

    world.set("1", &[]);
    world.build().await;
    assert_eq!(rendered(&world), ["a", "c", "e"]);
    assert_eq!(world.files(), world.afresh().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_figure_of_the_catalogue_is_drawn_again_only_if_an_aggregate_changed() {
    let world = World::new();
    three(&world);
    world.build().await;
    assert_eq!(world.drawn.load(Ordering::Relaxed), 1);
    world.set("3", &["key=d name=m", "key=e use=2", "bad"]);
    world.build().await;
    assert_eq!(world.drawn.load(Ordering::Relaxed), 1);
    world.set("3", &["key=d give=D", "key=e use=2", "bad"]);
    world.build().await;
    assert_eq!(world.drawn.load(Ordering::Relaxed), 2);
    assert!(world.files()["c/figures/all.svg"].contains('D'));
    let full = RunRequest { full: true, ..world.request() };
    world.try_run(full).await.unwrap();
    assert_eq!(world.drawn.load(Ordering::Relaxed), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_keys_sees_what_all_records_give() {
    let world = World::new();
    three(&world);
    world.build().await;
    rendered(&world);
    world.set("1", &["key=b give=New other=x"]);
    let part = Part::of_keys(["b"]);
    world.try_run(RunRequest { part, ..world.request() }).await.unwrap();
    assert_eq!(rendered(&world), ["a", "b", "e"], "pages that are held show the new aggregate too");
    world.finish().await;
    assert_eq!(world.files(), world.afresh().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_collected_leaves_what_unchanged_records_give() {
    let world = World::new();
    three(&world);
    world.build().await;
    // Three more manifests; each time the packs of former ones go.
    for title in ["1", "2", "3"] {
        world.set("3", &[&format!("key=d title={title}"), "key=e use=2", "bad"]);
        world.build().await;
    }
    let world = world.restart();
    world.set("2", &["key=a give=A use=1"]);
    world.build().await;
    let files = world.files();
    assert!(files["c/a.html"].ends_with("sees [\"x\"]"), "{}", files["c/a.html"]);
    assert_eq!(files, world.afresh().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_is_lost_is_made_anew() {
    let world = World::new();
    three(&world);
    world.build().await;
    let blobs = world.folder.path().join("store/blobs");
    let mut lost = 0;
    for folder in std::fs::read_dir(&blobs).unwrap() {
        for blob in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = blob.unwrap().path();
            let text = std::fs::read(&path).unwrap();
            if text.starts_with(b"key=") || text.starts_with(b"[\"") || text.starts_with(b"\"") {
                std::fs::remove_file(path).unwrap();
                lost += 1;
            }
        }
    }
    assert!(lost > 0);
    let world = world.restart();
    world.set("3", &["key=d title=new", "key=e use=2", "bad"]);
    world.build().await;
    assert_eq!(world.files(), world.afresh().await);
}
