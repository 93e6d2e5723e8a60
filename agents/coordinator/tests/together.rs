//! Several runs at once.
#![allow(clippy::unwrap_used, reason = "tests")]

mod harness;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use harness::{Script, World, bundle, counts};
use quire_coordinator::{Event, Phase, Progress, RunError, RunRequest};
use quire_proto::{Lane, RunId};

/// The last phase of every catalogue's run.
#[derive(Default)]
struct Phases(Mutex<BTreeMap<String, Phase>>);

impl Progress for Phases {
    fn tell(&self, run: &RunId, event: Event) {
        if let Event::Entered(phase) = event {
            let (catalogue, _) = run.as_str().rsplit_once('-').unwrap();
            self.0.lock().unwrap().insert(catalogue.to_owned(), phase);
        }
    }
}

impl Phases {
    async fn until(&self, catalogue: &str, phase: Phase) {
        while self.0.lock().unwrap().get(catalogue).is_none_or(|now| *now < phase) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn watched() -> (World, Arc<Phases>) {
    let phases = Arc::new(Phases::default());
    let script = Script { batch: 3, ..Script::default() };
    (World::start(harness::folder(), script, phases.clone()), phases)
}

fn many(world: &World, count: u32) {
    for number in 0..count {
        world.set(&format!("{number:03}"), &[&format!("key=k{number} offer=g{}", number % 7)]);
    }
}

fn of(world: &World, catalogue: &str) -> RunRequest {
    RunRequest { bundle: bundle(catalogue, ""), ..world.request() }
}

/// The site after one run of each of these catalogues, one after the other.
async fn undisturbed(catalogues: &[&str], count: u32) -> BTreeMap<String, String> {
    let world = World::new();
    many(&world, count);
    for catalogue in catalogues {
        world.try_run(of(&world, catalogue)).await.unwrap();
        world.finish().await;
    }
    world.files()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_full_runs_on_one_catalogue_end_both_as_if_each_were_alone() {
    let world = World::new();
    many(&world, 40);
    let full = || RunRequest { full: true, ..world.request() };
    let build = async || {
        let report = world.try_run(full()).await.unwrap();
        (report, world.finish().await.manifest)
    };
    let ((one, _), (other, _)) = tokio::join!(build(), build());
    let mut ended = [(one.epoch, counts(&one)), (other.epoch, counts(&other))];
    ended.sort_unstable();
    assert_eq!(ended.map(|(_, counts)| counts), [[40, 40, 0, 0, 0, 0], [40, 0, 40, 0, 0, 0]]);
    assert!(ended[0].0 < ended[1].0);
    assert_eq!(world.files(), undisturbed(&["c"], 40).await);
    // What is left is the epoch of the one that committed nothing.
    assert_eq!(world.store.list("runs/c").unwrap(), [ended[1].0.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_of_many_catalogues_leave_the_site_of_undisturbed_runs() {
    let world = World::new();
    many(&world, 25);
    let names = ["c", "d", "e"];
    let build = async |catalogue: &str| {
        let report = world.try_run(of(&world, catalogue)).await.unwrap();
        world.finish().await;
        assert_eq!(counts(&report)[0], 25);
    };
    let builds = (0..9).map(|number| build(names[number % 3]));
    futures_util::future::join_all(builds).await;
    assert_eq!(world.files(), undisturbed(&names, 25).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn finishing_the_site_takes_nothing_that_a_run_is_publishing() {
    let (world, phases) = watched();
    many(&world, 5);
    for catalogue in ["c", "d"] {
        world.try_run(of(&world, catalogue)).await.unwrap();
    }
    world.finish().await;
    many(&world, 9);
    world.try_run(of(&world, "c")).await.unwrap();
    phases.0.lock().unwrap().clear();
    // Whoever finishes the site has seen which manifests there are, and is about to remove what they do not name.
    world.edge.1.set_closed(true);
    let run = world.try_run(of(&world, "d"));
    let open = async {
        while world.edge.1.waiting() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        phases.until("d", Phase::Commit).await;
        // If nothing keeps the run from publishing, it does so now.
        let _ = tokio::time::timeout(Duration::from_millis(200), phases.until("d", Phase::Done)).await;
        world.edge.1.set_closed(false);
    };
    let delayed = async {
        while world.edge.1.waiting() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        run.await.unwrap()
    };
    let (_, _, report) = tokio::join!(world.finish(), open, delayed);
    assert_eq!(counts(&report), [9, 4, 5, 0, 0, 0]);
    assert!(world.files().contains_key("d/k8.html"), "{:?}", world.files().keys());
    world.finish().await;
    assert_eq!(world.files(), undisturbed(&["c", "d"], 9).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_its_turn_says_so_and_can_be_cancelled() {
    let (world, phases) = watched();
    many(&world, 3);
    world.script().unjudged = None;
    let first = world.coordinator.register(&world.request(), &[]).await.unwrap();
    // The first has its epoch and no turn yet: the second overtakes it.
    let second = world.run().await;
    assert_eq!((first.id().as_str(), second.epoch.0), ("c-1", 2));
    let mut first = first;
    let request = world.request();
    let late = world.coordinator.run_registered(&mut first, &request).await.unwrap();
    assert_eq!(
        (late.epoch.0, counts(&late)),
        (3, [3, 0, 3, 0, 0, 0]),
        "a later epoch is committed: it takes the next"
    );
    first.over().await.unwrap();

    world.edge.1.set_closed(true);
    let cancelled = tokio_util::sync::CancellationToken::new();
    let stuck = RunRequest { bundle: bundle("new", ""), ..world.request() };
    let waiting = RunRequest { cancelled: cancelled.clone(), lane: Lane::High, ..stuck.clone() };
    let check = async {
        // The first is held up as it looks at the site.
        while world.edge.1.waiting() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let cancel = async {
            phases.until("new", Phase::Wait).await;
            cancelled.cancel();
        };
        let (ended, ()) = tokio::join!(world.try_run(waiting), cancel);
        assert!(matches!(ended, Err(RunError::Interrupted)), "{ended:?}");
        world.edge.1.set_closed(false);
    };
    let (ended, ()) = tokio::join!(world.try_run(stuck.clone()), check);
    assert_eq!(counts(&ended.unwrap()), [3, 3, 0, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_after_it_began_is_nobodys_to_plan_again() {
    let world = World::new();
    many(&world, 2);
    std::fs::create_dir_all(world.site().join("c")).unwrap();
    std::fs::write(world.site().join("c/thesis.txt"), "years of work").unwrap();
    assert!(matches!(world.try_run(world.request()).await, Err(RunError::Occupied { .. })));
    let mark = world.store.read("runs/c/1").unwrap().unwrap();
    assert!(String::from_utf8_lossy(&mark).contains("\"ended\""), "{mark:?}");
}
