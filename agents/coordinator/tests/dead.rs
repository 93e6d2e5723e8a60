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
    world.set("1", &["key=a unrenderable"]);
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

/// A run of everything that makes everything anew.
async fn full(world: &World) -> [u64; 6] {
    let report = world.try_run(RunRequest { full: true, ..world.request() }).await.unwrap();
    world.finish().await;
    counts(&report)
}

fn page(world: &World, key: &str) -> Option<String> {
    world.files().remove(&format!("c/{key}.html"))
}

/// Items are positions: what had been there is not what has died there.
#[tokio::test(flavor = "multi_thread")]
async fn lines_may_move_when_a_record_dies() {
    let world = World::new();
    world.set("1", &["key=a title=A", "key=b title=B"]);
    world.build().await;
    world.set("1", &["key=n", "key=a title=A2 unrenderable", "key=b title=B2"]);
    assert_eq!(counts(&world.build().await), [3, 2, 0, 0, 1, 0]);
    assert!(page(&world, "a").unwrap().contains("title=A ") && page(&world, "b").unwrap().contains("B2"));
    let files = world.files();
    assert_eq!(counts(&world.build().await), [3, 0, 2, 0, 1, 0]);
    assert_eq!(world.files(), files);
    world.set("1", &["key=b title=B3 unrenderable", "key=a title=A3"]);
    assert_eq!(counts(&world.build().await), [2, 1, 0, 0, 1, 1]);
    assert!(page(&world, "a").unwrap().contains("A3") && page(&world, "b").unwrap().contains("B2"));
    world.set("1", &["key=b title=B4 unrenderable"]);
    assert_eq!(counts(&world.build().await), [1, 0, 0, 0, 1, 1], "one is gone, the other one is dead");
    assert!(page(&world, "a").is_none() && page(&world, "b").unwrap().contains("B2"));
    world.set("1", &["key=z unrenderable", "key=b title=B5"]);
    assert_eq!(counts(&world.build().await), [2, 1, 0, 0, 1, 0]);
    assert!(page(&world, "b").unwrap().contains("B5") && page(&world, "z").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_record_keeps_its_claims_and_needs_nothing() {
    let world = World::new();
    world.set("2", &["key=a name=n ref=c"]);
    world.set("3", &["key=c"]);
    world.build().await;
    let before = page(&world, "a");
    world.set("1", &["key=b name=n"]);
    world.set("2", &["key=a unrenderable"]);
    world.set("3", &[]);
    assert_eq!(counts(&world.build().await), [2, 0, 0, 1, 1, 1]);
    assert_eq!(page(&world, "a"), before);
    let files = world.files();
    assert!(files["c/rejects.txt"].contains("name 'n' already in use by 'a'"), "{files:?}");
    assert_eq!(counts(&world.build().await), [2, 0, 0, 1, 1, 0]);
    assert_eq!(world.files(), files);
    // The same if it cannot even be read.
    world.script().unreadable.insert("2".into());
    assert_eq!(counts(&world.build().await), [2, 0, 0, 1, 1, 0]);
    assert_eq!(world.files(), files);
}

/// Of those that die together, some may have died of what others show.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_died_of_what_another_shows_is_tried_again_without_that() {
    let world = World::new();
    world.set("1", &["key=a offer=x title=ruin unrenderable"]);
    world.set("2", &["key=b look=x"]);
    assert_eq!(counts(&world.build().await), [2, 1, 0, 0, 1, 0]);
    assert_eq!(page(&world, "b").unwrap(), "key=b look=x near []");

    let worlds = [World::new(), World::new()];
    for world in &worlds {
        world.set("1", &["key=a offer=x title=Old give=one"]);
        world.set("2", &["key=b look=x v=1", "key=c use=0 v=1"]);
        world.build().await;
        world.set("1", &["key=a offer=x title=ruin give=ruinous unrenderable"]);
        world.set("2", &["key=b look=x v=2", "key=c use=0 v=2"]);
    }
    let [one, other] = &worlds;
    let report = one.build().await;
    assert_eq!(counts(&report), [3, 2, 0, 0, 1, 0]);
    assert_eq!(report.failures, ["a (1): rendering: the template failed"], "only what is dead in the end");
    assert_eq!(page(one, "b").unwrap(), "key=b look=x v=2 near [\"Old\"]");
    keys(other, &["b"]).await;
    other.build().await;
    assert_eq!(one.files(), other.files());
}

/// Pages that stand, and others that need not be given up, if what they show is back to what it was.
#[tokio::test(flavor = "multi_thread")]
async fn an_odd_share_of_a_dead_record_harms_no_other() {
    for note in ["", "changed"] {
        let world = World::new();
        world.set("1", &["key=a give=one offer=x"]);
        world.set("2", &["key=b use=0", "key=c look=x"]);
        world.build().await;
        world.set("1", &["key=a give=ruinous offer=x title=ruin unrenderable"]);
        let request = RunRequest { bundle: bundle("c", note), ..world.request() };
        let report = world.try_run(request).await.unwrap();
        assert_eq!(
            (counts(&report), report.failures.len()),
            ([3, 0, 2, 0, 1, 0], 1),
            "{:?}",
            report.failures
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_makes_everything_anew_ends_as_one_that_compares() {
    let worlds = [World::new(), World::new()];
    for world in &worlds {
        world.set("1", &["key=a title=Old"]);
        world.set("4", &["key=a title=Other"]);
        world.build().await;
        world.set("1", &[]);
        world.set("3", &["key=a title=New unrenderable"]);
    }
    let [one, other] = &worlds;
    assert_eq!(counts(&one.build().await), full(other).await);
    assert_eq!(one.files(), other.files());
    assert!(page(one, "a").unwrap().contains("Old"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_moved_and_died_as_it_was_is_at_its_new_place_for_every_run() {
    let world = World::new();
    world.set("1", &["key=a"]);
    world.build().await;
    world.set("1", &[]);
    world.set("3", &["key=a", "key=c"]);
    world.script().unrendered.insert("a".into());
    assert_eq!(counts(&world.build().await), [2, 1, 0, 0, 1, 0]);
    let files = world.files();
    assert_eq!(keys(&world, &["c"]).await, [2, 0, 1, 0, 1, 0]);
    assert_eq!(world.files(), files);
}

/// Pages that die of each other one by one: each run ends, and soon.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_chain_of_deaths_has_an_end() {
    let world = World::new();
    world.set("000", &["key=k0 offer=o0 unrenderable"]);
    for number in 1..60 {
        let line = format!("key=k{number} offer=o{number} look=o{} needy", number - 1);
        world.set(&format!("{number:03}"), &[&line]);
    }
    let report = world.build().await;
    let [seen, published, unchanged, rejected, dead, removed] = counts(&report);
    assert_eq!((seen, unchanged, rejected, removed), (60, 0, 0, 0));
    assert!(dead >= 16 && published + dead == 60, "{:?}", report.records);
    let rendered = world.script().rendered.len();
    assert!(rendered < 60 * 3, "what stays is not made again: {rendered}");
}

/// What an aggregate, a facet or a look-up is, a definition says by its position.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_record_was_under_another_definition_is_not_taken_for_something_else() {
    let world = World::new();
    world.set("1", &["key=a give=secret"]);
    world.set("2", &["key=b"]);
    world.build().await;
    world.set("1", &["key=a unrenderable"]);
    world.set("2", &["key=b use=0"]);
    let swapped = |text: String| {
        text.replace("name: given, of: .give", "name: x")
            .replace("name: other, of: .other", "name: given, of: .give")
            .replace("name: x", "name: other, of: .other")
    };
    let usual = bundle("c", "");
    let files = usual.files().map(|(path, bytes)| {
        (path.to_owned(), swapped(String::from_utf8(bytes.to_vec()).unwrap()).into_bytes())
    });
    let bundle = quire_catalogue::Bundle::new(files.collect());
    let report = world.try_run(RunRequest { bundle, ..world.request() }).await.unwrap();
    world.finish().await;
    assert_eq!(counts(&report), [2, 1, 0, 0, 1, 0]);
    assert!(!page(&world, "b").unwrap().contains("secret"), "{:?}", page(&world, "b"));
    assert_eq!(page(&world, "a").unwrap(), "key=a give=secret near []");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_template_has_nothing_read_again() {
    let world = World::new();
    for number in 0..10 {
        world.set(&number.to_string(), &[&format!("key=k{number}")]);
    }
    world.build().await;
    world.script().unrendered.extend((0..10).map(|number| format!("k{number}")));
    let request = || RunRequest { bundle: bundle("c", "broken"), ..world.request() };
    let (_, judged) = world.work_done();
    for _ in 0..2 {
        assert_eq!(counts(&world.try_run(request()).await.unwrap()), [10, 0, 0, 0, 10, 0]);
    }
    assert_eq!(world.work_done().1, judged);
    world.script().unrendered.clear();
    assert_eq!(counts(&world.try_run(request()).await.unwrap()), [10, 0, 10, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_dead_records_are_kept_until_they_are_looked_at_again() {
    let world = World::new();
    let bodies = |world: &World| world.manifest().basis.dead_bodies.len();
    world.set("1", &["key=a unrenderable"]);
    world.set("2", &["key=b"]);
    world.build().await;
    for version in 0..3 {
        world.set("1", &[&format!("key=a unrenderable v={version}")]);
        keys(&world, &["a"]).await;
        assert_eq!(bodies(&world), 1);
    }
    world.set("2", &["key=b v=2"]);
    keys(&world, &["b"]).await;
    let pack = world.manifest().basis.dead_bodies[0].pack;
    assert!(world.store.has_blob(&pack).unwrap());
    world.set("1", &["key=a"]);
    keys(&world, &["a"]).await;
    assert_eq!(bodies(&world), 0);
}
