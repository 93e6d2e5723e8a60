//! Runs of some keys.
#![allow(clippy::unwrap_used, reason = "tests")]

mod harness;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use harness::{Script, World, bundle, counts};
use quire_coordinator::{Event, Part, Phase, Progress, RunError, RunRequest};
use quire_proto::RunId;

fn of(world: &World, keys: &[&str]) -> RunRequest {
    RunRequest { part: Part::of_keys(keys.iter().copied()), ..world.request() }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_asked_for_is_looked_at_and_everything_else_stays() {
    let world = World::new();
    world.set("1", &["key=a title=A"]);
    world.set("2", &["key=b title=B"]);
    world.set("3", &["bad"]);
    world.build().await;
    for (location, line) in [("1", "key=a title=A2"), ("2", "key=b title=B2"), ("4", "key=d title=D")] {
        world.set(location, &[line]);
    }
    let report = world.try_run(of(&world, &["a"])).await.unwrap();
    assert_eq!(counts(&report), [1, 1, 0, 0, 0, 0]);
    world.finish().await;
    let files = world.files();
    assert!(files["c/a.html"].contains("A2") && !files["c/b.html"].contains("B2"), "{files:?}");
    assert!(!files.contains_key("c/d.html"));
    // What a run of everything makes of it is what a first run makes.
    let report = world.build().await;
    assert_eq!(counts(&report), [4, 2, 1, 1, 0, 0]);
    assert_eq!(world.files(), world.afresh().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_new_is_found_wherever_it_is_and_one_that_is_gone_is_removed() {
    let world = World::new();
    world.set("1", &["key=a"]);
    world.set("2", &["key=b"]);
    world.build().await;
    world.set("1", &[]);
    world.set("2", &[]);
    world.set("3", &["key=c"]);
    world.set("4", &["key=d"]);
    let report = world.try_run(of(&world, &["a", "c", "nowhere"])).await.unwrap();
    assert_eq!(counts(&report), [1, 1, 0, 0, 0, 1]);
    assert_eq!(report.failures, ["no item of the sources has the key nowhere"]);
    world.finish().await;
    let shown: BTreeSet<String> = world.files().into_keys().filter(|path| path.ends_with(".html")).collect();
    assert!(shown.contains("c/c.html") && shown.contains("c/b.html"), "{shown:?}");
    assert!(!shown.contains("c/a.html") && !shown.contains("c/d.html"), "{shown:?}");
    world.build().await;
    assert_eq!(world.files(), world.afresh().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_found_where_it_has_moved_to() {
    let world = World::new();
    world.set("1", &["key=a title=old"]);
    world.set("2", &["key=b title=old"]);
    world.build().await;
    world.set("1", &["key=c title=new"]);
    world.set("2", &["key=b title=new"]);
    world.set("3", &["key=a title=new"]);
    let report = world.try_run(of(&world, &["a"])).await.unwrap();
    assert_eq!((counts(&report), report.failures.len()), ([2, 2, 0, 0, 0, 0], 0));
    world.finish().await;
    let files = world.files();
    assert!(files["c/a.html"].contains("new") && files["c/c.html"].contains("new"), "{files:?}");
    assert!(files["c/b.html"].contains("old"));
    world.build().await;
    assert_eq!(world.files(), world.afresh().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_new_places_of_a_key_the_order_of_the_items_decides() {
    for _ in 0..10 {
        let world = World::new();
        world.set("1", &["key=a"]);
        world.build().await;
        for location in ["5", "6", "7", "8"] {
            world.set(location, &[&format!("key=new title=in-{location}")]);
        }
        let report = world.try_run(of(&world, &["new"])).await.unwrap();
        assert_eq!(counts(&report), [4, 1, 0, 3, 0, 0]);
        world.finish().await;
        assert!(world.files()["c/new.html"].contains("in-5"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_after_a_run_of_keys_is_removed_by_the_next_of_everything() {
    let world = World::new();
    world.set("1", &["key=a"]);
    world.set("2", &["key=b"]);
    world.build().await;
    world.set("1", &["key=a title=new"]);
    world.try_run(of(&world, &["a"])).await.unwrap();
    world.set("1", &[]);
    world.set("2", &[]);
    assert_eq!(counts(&world.build().await), [0, 0, 0, 0, 0, 2]);
    assert!(!world.files().contains_key("c/a.html"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dead_is_tried_again_though_a_run_of_keys_came_between() {
    let world = World::new();
    for key in ["a", "b"] {
        world.set(key, &[&format!("key={key}")]);
    }
    world.build().await;
    world.set("a", &["key=a title=new"]);
    world.script().unrendered.insert("a".into());
    let dead = world.run().await;
    assert_eq!(counts(&dead), [2, 0, 1, 0, 1, 0]);
    let keys = world.try_run(of(&world, &["b"])).await.unwrap();
    assert_eq!(counts(&keys), [1, 0, 1, 0, 0, 0]);
    world.script().unrendered.clear();
    assert_eq!(counts(&world.build().await), [2, 1, 1, 0, 0, 0]);
    assert_eq!(world.files(), world.afresh().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_records_that_are_not_looked_at_are_theirs_whatever_the_order() {
    let world = World::new();
    world.set("1", &["key=a"]);
    world.set("2", &["key=b name=g"]);
    world.set("3", &["key=c ref=x"]);
    world.set("4", &["key=x"]);
    world.build().await;
    // `a` comes first, and would hold the claim in a run of everything; `c` needs what goes.
    world.set("1", &["key=a name=g"]);
    world.set("4", &[]);
    let report = world.try_run(of(&world, &["a", "x"])).await.unwrap();
    assert_eq!(counts(&report), [1, 0, 0, 1, 0, 1]);
    world.finish().await;
    let files = world.files();
    assert!(files.contains_key("c/b.html") && files.contains_key("c/c.html"), "{:?}", files.keys());
    assert!(!files.contains_key("c/a.html"));
    world.build().await;
    assert_eq!(world.files(), world.afresh().await);
    assert!(world.files().contains_key("c/a.html") && !world.files().contains_key("c/b.html"));
}

/// Records that died before anyone could tell their keys, and one whose page failed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_dead_is_tried_again_where_it_is_and_nowhere_else() {
    let world = World::new();
    for (location, line) in [("1", "key=a"), ("2", "key=b title=bent"), ("3", "key=c"), ("4", "key=d")] {
        world.set(location, &[line]);
    }
    world.script().unreadable.extend(["1".into(), "4".into()]);
    world.script().unjudged = Some("bent".into());
    world.script().unrendered.insert("c".into());
    assert_eq!(counts(&world.build().await), [4, 0, 0, 0, 4, 0]);
    {
        let mut script = world.script();
        script.unreadable.clear();
        script.unjudged = None;
        script.unrendered.clear();
    }
    let locations = ["1", "2", "3"].map(|location| ("s".to_owned(), location.to_owned())).into();
    let part = Part { locations, ..Part::default() };
    let report = world.try_run(RunRequest { part, ..world.request() }).await.unwrap();
    assert_eq!(counts(&report), [3, 3, 0, 0, 0, 0]);
    world.finish().await;
    let files = world.files();
    assert!(["c/a.html", "c/b.html", "c/c.html"].iter().all(|page| files.contains_key(*page)), "{files:?}");
    assert!(!files.contains_key("c/d.html"), "the other one is as dead as it was");
    assert_eq!(counts(&world.build().await), [4, 1, 3, 0, 0, 0]);
    assert_eq!(world.files(), world.afresh().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_keys_needs_one_of_everything_of_the_same_definition() {
    let world = World::new();
    world.set("1", &["key=a"]);
    let error = world.try_run(of(&world, &["a"])).await.unwrap_err();
    assert!(matches!(error, RunError::KeysAlone { .. }), "{error}");
    world.build().await;
    let request = RunRequest { bundle: bundle("c", "changed"), ..of(&world, &["a"]) };
    let error = world.try_run(request).await.unwrap_err();
    assert!(error.to_string().contains("definition has changed"), "{error}");
}

/// Keeps the run of epoch 2 from making anything until it may.
#[derive(Default)]
struct Held {
    waits: Mutex<bool>,
    may: Mutex<bool>,
}

impl Progress for Held {
    fn tell(&self, run: &RunId, event: Event) {
        if (run.as_str(), event) == ("c-2", Event::Entered(Phase::Make)) {
            *self.waits.lock().unwrap() = true;
            while !*self.may.lock().unwrap() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_of_keys_overtakes_one_of_everything_and_what_it_brought_stays() {
    let held = Arc::new(Held::default());
    let script = Script { batch: 3, ..Script::default() };
    let world = Arc::new(World::start(harness::folder(), script, held.clone()));
    let set_all = |title: &str| {
        for number in 0..20 {
            world.set(&format!("{number:02}"), &[&format!("key=k{number} title={title}")]);
        }
    };
    set_all("old");
    world.build().await;
    set_all("mid");
    let others = Arc::clone(&world);
    let whole = tokio::spawn(async move { others.try_run(others.request()).await.unwrap() });
    let keys = async {
        while !*held.waits.lock().unwrap() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // It has read what the run of the keys does not read any more.
        world.set("07", &["key=k7 title=new"]);
        let report = world.try_run(of(&world, &["k7"])).await;
        let page = world.files()["c/k7.html"].clone();
        *held.may.lock().unwrap() = true;
        (report.unwrap(), page)
    };
    let (whole, (keys, page)) = tokio::join!(whole, keys);
    assert!(page.contains("new"), "it is there at once: {page}");
    let whole = whole.unwrap();
    assert_eq!((counts(&keys), keys.epoch.0), ([1, 1, 0, 0, 0, 0], 3));
    assert_eq!((counts(&whole), whole.epoch.0), ([20, 19, 1, 0, 0, 0], 4));
    world.finish().await;
    let files = world.files();
    assert!(files["c/k7.html"].contains("new") && files["c/k8.html"].contains("mid"), "{files:?}");
    assert_eq!(files, world.afresh().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_of_keys_do_not_keep_one_of_everything_from_its_end() {
    let world = World::new();
    for number in 0..30 {
        world.set(&format!("{number:02}"), &[&format!("key=k{number} title=t0")]);
    }
    world.build().await;
    let ended = Mutex::new(false);
    let whole = async {
        for number in 0..30 {
            world.set(&format!("{number:02}"), &[&format!("key=k{number} title=t1")]);
        }
        let report = world.try_run(RunRequest { full: true, ..world.request() }).await.unwrap();
        *ended.lock().unwrap() = true;
        report
    };
    let keys = async {
        for round in 2_u32.. {
            if *ended.lock().unwrap() {
                return round;
            }
            world.set("05", &[&format!("key=k5 title=t{round}")]);
            let report = world.try_run(of(&world, &["k5"])).await.unwrap();
            assert_eq!(counts(&report)[0], 1);
        }
        0
    };
    let (whole, rounds) = tokio::join!(whole, keys);
    assert_eq!(counts(&whole)[0], 30);
    world.finish().await;
    assert!(world.files()["c/k5.html"].contains(&format!("t{}", rounds - 1)));
    world.build().await;
    assert_eq!(world.files(), world.afresh().await);
}
