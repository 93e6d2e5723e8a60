//! Records whose pages or documents cannot be made: what they were counts, for them and for all others, whatever kind of run
//! comes next.

mod harness;

use harness::{World, bundle, counts};
use quire_coordinator::{Part, RunRequest};
use quire_proto::{Digest, manifest::UNREAD};

/// Looks at `keys` only.
async fn keys(world: &World, keys: &[&str]) -> [u64; 6] {
    let keys = keys.iter().map(|&key| key.to_owned()).collect();
    let request = RunRequest { part: Part { keys, ..Part::default() }, ..world.request() };
    let report = world.try_run(request).await.unwrap();
    world.finish().await;
    counts(&report)
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_made_of_what_a_dead_record_was_by_runs_of_either_kind() {
    for failure in ["unrenderable", "unindexable"] {
        let world = World::new();
        world.set("1", &["key=a offer=x title=Old give=one"]);
        world.set("2", &["key=b look=x use=0"]);
        world.build().await;
        let before = world.files();
        world.set("1", &[&format!("key=a offer=x title=New give=two {failure}")]);
        let report = world.build().await;
        assert_eq!(
            (counts(&report), report.failures.len()),
            ([2, 0, 1, 0, 1, 0], 1),
            "{:?}",
            report.failures
        );
        assert_eq!(world.files(), before, "{failure}");
        world.set("2", &["key=b look=x use=0 v=2"]);
        assert_eq!(keys(&world, &["b"]).await, [1, 1, 0, 0, 0, 0]);
        let by_keys = world.files();
        assert!(by_keys["c/b.html"].contains("v=2 near [\"Old\"] sees [\"one\"]"), "{}", by_keys["c/b.html"]);
        assert_eq!(counts(&world.build().await), [2, 0, 1, 0, 1, 0]);
        assert_eq!(world.files(), by_keys);
        world.set("1", &["key=a offer=x title=New give=two"]);
        assert_eq!(counts(&world.build().await), [2, 2, 0, 0, 0, 0]);
        assert_eq!(world.files(), world.afresh().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_never_had_a_page_is_not_there_for_anyone() {
    let world = World::new();
    world.set("1", &["key=a offer=x name=n unrenderable"]);
    world.set("2", &["key=b look=x"]);
    world.set("3", &["key=c ref=a", "key=d name=n"]);
    let report = world.build().await;
    assert_eq!(counts(&report), [4, 2, 0, 1, 1, 0]);
    assert_eq!(report.failures, ["a (1): rendering: the template failed"]);
    let files = world.files();
    assert_eq!(files["c/b.html"], "key=b look=x near []", "nothing leads to a page that is not there");
    assert!(files["c/rejects.txt"].contains("3: ") && files.contains_key("c/d.html"), "{files:?}");
    assert_eq!(keys(&world, &["b"]).await, [1, 0, 1, 0, 0, 0]);
    assert_eq!(world.files(), files);
    assert_eq!(counts(&world.build().await), [4, 0, 2, 1, 1, 0], "it is tried again");
    assert_eq!(world.files(), files);
    world.set("1", &["key=a offer=x name=n"]);
    assert_eq!(counts(&world.build().await), [4, 3, 0, 1, 0, 0]);
    assert_eq!(world.files(), world.afresh().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_as_it_was_is_not_made_twice() {
    let world = World::new();
    world.set("1", &["key=a offer=x unrenderable"]);
    for number in 2..10 {
        let look = if number == 2 { " look=x" } else { "" };
        world.set(&number.to_string(), &[&format!("key=k{number}{look}")]);
    }
    world.build().await;
    let mut rendered = world.script().rendered.clone();
    rendered.sort();
    let twice: Vec<_> =
        rendered.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect();
    assert!(twice.iter().all(|key| key == "k2"), "{rendered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_record_that_has_moved_keeps_its_page() {
    let world = World::new();
    world.set("1", &["key=a title=Old"]);
    world.set("2", &["key=b"]);
    world.build().await;
    world.set("1", &[]);
    world.set("3", &["key=a title=New unrenderable"]);
    assert_eq!(counts(&world.build().await), [2, 0, 1, 0, 1, 0]);
    assert_eq!(world.files()["c/a.html"], "key=a title=Old near []");
    // It still holds the key.
    world.set("4", &["key=a title=Other"]);
    assert_eq!(counts(&world.build().await), [3, 0, 1, 1, 1, 0]);
    assert_eq!(world.files()["c/a.html"], "key=a title=Old near []");
    world.set("3", &[]);
    assert_eq!(counts(&world.build().await), [2, 1, 1, 0, 0, 0]);
    assert_eq!(world.files(), world.afresh().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dies_of_what_another_was_is_dead_too() {
    let world = World::new();
    world.set("1", &["key=a offer=x title=ruin"]);
    world.build().await;
    // With its new title, `b` can be made; with the last one it cannot, and then `c` has nobody to look at.
    world.set("1", &["key=a offer=x title=New unrenderable"]);
    world.set("2", &["key=b look=x offer=y"]);
    world.set("3", &["key=c look=y"]);
    let report = world.build().await;
    assert_eq!((counts(&report), report.failures.len()), ([3, 1, 0, 0, 2, 0], 1), "{:?}", report.failures);
    let files = world.files();
    assert_eq!(files["c/c.html"], "key=c look=y near []");
    assert!(files["c/a.html"].contains("ruin") && !files.contains_key("c/b.html"), "{files:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_whose_last_verdict_cannot_be_made_either_keeps_its_page() {
    let world = World::new();
    world.set("1", &["key=a title=Old"]);
    world.set("2", &["key=b"]);
    world.build().await;
    let before = world.files();
    world.set("1", &["key=a title=New unrenderable"]);
    world.script().unrendered.insert("a".into());
    // Every page is to be made again.
    let request = || RunRequest { bundle: bundle("c", "changed"), ..world.request() };
    let report = world.try_run(request()).await.unwrap();
    assert_eq!((counts(&report), report.failures.len()), ([2, 0, 1, 0, 1, 0], 1), "{:?}", report.failures);
    world.finish().await;
    assert_eq!(world.files()["c/a.html"], before["c/a.html"]);
    world.script().unrendered.clear();
    assert_eq!(counts(&world.try_run(request()).await.unwrap()), [2, 0, 1, 0, 1, 0]);
    world.set("1", &["key=a title=New"]);
    assert_eq!(counts(&world.try_run(request()).await.unwrap()), [2, 1, 1, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_item_is_read_again_though_it_is_as_it_was_before_it_died() {
    let world = World::new();
    world.set("1", &["key=a"]);
    world.build().await;
    world.set("1", &["key=a poison"]);
    world.script().unjudged = Some("poison".into());
    assert_eq!(counts(&world.build().await), [1, 0, 0, 0, 1, 0]);
    let content = |world: &World| {
        let chunk = world.manifest().entries.remove(0);
        let rows: Vec<quire_proto::manifest::Entry> =
            quire_proto::codec::decode(&world.store.get_slice(&chunk.rows).unwrap()).unwrap();
        rows[0].content
    };
    assert_eq!(content(&world), UNREAD);
    let told = quire_coordinator::explain(&world.store, None, "a").unwrap();
    assert_eq!((told[0].state, told[0].dead, told[0].content), ("published", true, None));
    world.set("1", &["key=a"]);
    let (_, judged) = world.work_done();
    assert_eq!(counts(&world.build().await), [1, 0, 1, 0, 0, 0]);
    assert_eq!(world.work_done().1, judged + 1);
    assert_eq!(content(&world), Digest::of(b"key=a"));
    assert_eq!(counts(&world.build().await), [1, 0, 1, 0, 0, 0]);
    assert_eq!(world.work_done().1, judged + 1);
}
