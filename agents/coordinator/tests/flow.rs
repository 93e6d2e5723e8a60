//! Runs from sources to a site, with the real broker, pump, store and coordinator.

mod harness;

use harness::{World, bundle, counts};
use quire_coordinator::{RunError, RunRequest};

fn three(world: &World) {
    world.set("1", &["key=a name=n1 offer=x"]);
    world.set("2", &["key=b name=n2 look=x"]);
    world.set("3", &["key=c name=n1", "bad"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_publishes_what_is_right_and_explains_the_rest() {
    let world = World::new();
    three(&world);
    let report = world.build().await;
    assert_eq!(counts(&report), [4, 2, 0, 2, 0, 0]);
    let files = world.files();
    let paths: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(paths, ["c/a.html", "c/b.html", "c/list.txt", "c/rejects.txt", "index.txt", "manifest.json"]);
    assert_eq!(files["c/list.txt"], "a 1\nb 2\n");
    assert_eq!(files["c/rejects.txt"], "3: name 'n1' already in use by 'a' (1)\n3#1: expected a key\n");
    assert_eq!(files["c/b.html"], "key=b name=n2 look=x near [\"a\"]");
    assert_eq!(files["index.txt"], "c: 2 records, 2 rejects\n");
    assert_eq!((report.pages, report.stages["render"].records), (2, 2 + 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_finds_nothing_changed_and_commits_nothing() {
    let world = World::new();
    three(&world);
    world.build().await;
    let (before, epoch) = (world.files(), world.manifest().epoch);
    let work_done = world.work_done();
    let report = world.build().await;
    assert_eq!(counts(&report), [4, 0, 2, 2, 0, 0]);
    assert!(report.epoch > epoch);
    assert_eq!((world.manifest().epoch, world.files()), (epoch, before));
    assert_eq!(world.work_done(), work_done);
    let again = world.build().await;
    assert!(again.epoch > report.epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_makes_only_what_depends_on_it() {
    let world = World::new();
    three(&world);
    world.build().await;
    world.script().rendered.clear();
    world.set("1", &["key=a name=n1 offer=x title=New"]);
    let report = world.build().await;
    assert_eq!(counts(&report), [4, 2, 0, 2, 0, 0]);
    let mut rendered = world.script().rendered.clone();
    rendered.sort();
    assert_eq!(rendered, ["a", "b"], "b looks a up and shows its title");
    assert!(world.files()["c/b.html"].contains("New"));

    world.script().rendered.clear();
    world.set("2", &["key=b name=n2 look=x more=text"]);
    let report = world.build().await;
    assert_eq!(counts(&report), [4, 1, 1, 2, 0, 0]);
    assert_eq!(world.script().rendered, ["b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_goes_frees_its_claims_and_its_page_is_removed() {
    let world = World::new();
    three(&world);
    world.build().await;
    world.set("1", &[]);
    let report = world.build().await;
    assert_eq!(counts(&report), [3, 2, 0, 1, 0, 1]);
    let files = world.files();
    assert!(!files.contains_key("c/a.html") && files.contains_key("c/c.html"));
    assert_eq!(files["c/b.html"], "key=b name=n2 look=x near []", "a miss is an input too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_newly_rejected_loses_its_page_and_is_not_counted_as_removed() {
    let world = World::new();
    three(&world);
    world.build().await;
    world.set("0", &["key=z name=n2"]);
    let report = world.build().await;
    assert_eq!(counts(&report), [5, 1, 1, 3, 0, 0]);
    assert!(!world.files().contains_key("c/b.html"));
    world.set("0", &["bad"]);
    assert_eq!(counts(&world.build().await), [5, 1, 1, 3, 0, 0]);
    assert!(world.files().contains_key("c/b.html"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_file_is_one_record_that_moved() {
    let world = World::new();
    world.set("1", &["key=a"]);
    world.set("2", &["key=b"]);
    world.build().await;
    world.set("1", &[]);
    world.set("9", &["key=a"]);
    let report = world.build().await;
    assert_eq!(counts(&report), [2, 0, 2, 0, 0, 0], "the page is the same");
    assert_eq!(world.files()["c/list.txt"], "a 9\nb 2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_history_leads_to_the_same_site() {
    let world = World::new();
    three(&world);
    world.build().await;
    world.set("1", &["key=q"]);
    world.set("7", &["key=c", "key=d ref=b", "key=e ref=f"]);
    world.build().await;
    world.set("2", &[]);
    world.build().await;
    three(&world);
    world.script().batch = 1;
    world.build().await;

    let fresh = World::new();
    three(&fresh);
    fresh.set("7", &["key=c", "key=d ref=b", "key=e ref=f"]);
    fresh.build().await;
    assert_eq!(world.files(), fresh.files());
    let request = RunRequest { full: true, ..world.request() };
    let report = world.try_run(request).await.unwrap();
    assert_eq!(counts(&report), counts(&world.run().await));
    world.finish().await;
    assert_eq!(world.files(), fresh.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_listed_removes_nothing() {
    let world = World::new();
    three(&world);
    world.script().sources.insert("t".into(), [("1".to_owned(), vec!["key=t1".to_owned()])].into());
    world.build().await;
    let before = world.files();
    world.script().unlisted.insert("s".into());
    world.script().sources.insert("t".into(), [("2".to_owned(), vec!["key=t2".to_owned()])].into());
    let report = world.build().await;
    assert_eq!(counts(&report), [5, 1, 2, 2, 0, 1]);
    assert_eq!(report.failures, ["source s: the disk is away; nothing of it is removed"]);
    let after = world.files();
    assert_eq!(after["c/a.html"], before["c/a.html"]);
    assert!(!after.contains_key("c/t1.html") && after.contains_key("c/t2.html"));
    assert!(!world.manifest().complete);
    world.script().unlisted.clear();
    assert_eq!(counts(&world.build().await), [5, 0, 3, 2, 0, 0]);
    assert!(world.manifest().complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_processed_is_dead_keeps_its_page_and_is_tried_again() {
    let world = World::new();
    three(&world);
    world.build().await;
    let before = world.files();
    // One cannot be read, one cannot be judged, one cannot be rendered; each harms only itself.
    world.set("1", &["key=a name=n1 offer=x v=2"]);
    world.set("2", &["key=b name=n2 look=x v=2"]);
    world.set("4", &["key=new poison"]);
    world.set("5", &["key=fine"]);
    world.script().unreadable.insert("1".into());
    world.script().unjudged = Some("poison".into());
    world.script().unrendered.insert("b".into());
    let report = world.build().await;
    assert_eq!(counts(&report), [6, 1, 0, 2, 3, 0]);
    assert_eq!(report.failures.len(), 3, "{:?}", report.failures);
    let after = world.files();
    assert_eq!((&after["c/a.html"], &after["c/b.html"]), (&before["c/a.html"], &before["c/b.html"]));
    assert!(after.contains_key("c/fine.html") && !after.contains_key("c/new.html"));

    let world = world.restart();
    world.script().unreadable.clear();
    world.script().unjudged = None;
    world.script().unrendered.clear();
    let report = world.build().await;
    assert_eq!(counts(&report), [6, 3, 1, 2, 0, 0]);
    assert!(world.files()["c/a.html"].contains("v=2"));
    let report = world.build().await;
    assert_eq!(counts(&report), [6, 0, 4, 2, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_bundle_makes_every_page_anew() {
    let world = World::new();
    three(&world);
    world.build().await;
    world.script().rendered.clear();
    let request = RunRequest { bundle: bundle("c", "changed"), ..world.request() };
    let report = world.try_run(request).await.unwrap();
    assert_eq!(counts(&report), [4, 0, 2, 2, 0, 0], "they look the same");
    assert_eq!(world.script().rendered.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_without_records_has_its_lists_all_the_same() {
    let world = World::new();
    assert_eq!(counts(&world.build().await), [0; 6]);
    assert_eq!(world.files()["index.txt"], "c: 0 records, 0 rejects\n");
    world.set("1", &["key=a"]);
    assert_eq!(counts(&world.build().await), [1, 1, 0, 0, 0, 0]);
    world.set("1", &[]);
    assert_eq!(counts(&world.build().await), [0, 0, 0, 0, 0, 1]);
    assert!(!world.files().contains_key("c/a.html"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_does_not_load_is_an_error_and_leaves_everything() {
    let world = World::new();
    let broken =
        quire_catalogue::Bundle::new([("catalogue.yaml".to_owned(), b"catalogue: [".to_vec())].into());
    let request = RunRequest { bundle: broken, ..world.request() };
    assert!(matches!(world.try_run(request).await, Err(RunError::Catalogue(_))));
    assert!(world.store.list("runs").unwrap().is_empty());
}
