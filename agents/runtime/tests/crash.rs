//! Killed at a crash point, a process leaves nothing that its successor cannot go on from.
//!
//! The test runs itself as a child process (see [`child`]), has it killed by the crash point, runs it again on the
//! same folders, and compares what it says with a run that nobody disturbed.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that meets a surprise shall fail")]

mod common;

use std::{path::Path, process::Command, sync::Arc};

use common::{Bench, header, locations, read, validate};
use quire_cache::CacheStore;
use quire_proto::{Lane, Outcome, Parcel, StageName, Work, pack::PackBuilder};
use quire_runtime::{CRASH_POINTS, CRASH_VARIABLE, Context, Processed, ResultsCache, Store};

/// Where the child process keeps its store; unset in a normal run of the tests.
const STATE: &str = "QUIRE_TEST_CRASH_STATE";

/// A fetch parcel whose children are validated into packs; prints every settlement.
#[tokio::test]
async fn child() {
    let Some(state) = std::env::var_os(STATE) else { return };
    let mut bench = Bench::new();
    bench.store = Store::open(&Path::new(&state).join("store")).expect("a store");
    bench.results =
        ResultsCache::new(&CacheStore::open(&Path::new(&state).join("cache"), 64 << 20).expect("a cache"));
    let _fetcher = bench.agent(StageName::Fetch, |_, parcel| async move {
        let children = locations(&parcel).iter().map(|location| validate(location)).collect();
        Ok(Processed { outcome: common::read_outcome(&parcel), children })
    });
    let _validator = bench.agent(StageName::Validate, |ctx: Context, parcel: Arc<Parcel>| async move {
        let store = ctx.store().clone();
        let verdicts = ctx.compute(move || {
            let mut builder = PackBuilder::default();
            if let Work::Validate(items) = &parcel.work {
                for item in items {
                    builder.add(item.raw.to_vec());
                }
            }
            let pack = builder.finish();
            store.put_pack(&pack).map(|()| pack.slice(0))
        });
        let verdicts = verdicts.await??.expect("a slice");
        Ok(Processed::leaf(Outcome::Validated { verdicts, bodies: None }))
    });
    let parcel = Parcel { header: header(1, 0, Lane::Normal), work: read(3) };
    bench.publish(&parcel).await;
    let mut lines: Vec<String> = Vec::new();
    for settlement in bench.settled(parcel.header.id).await {
        if let Outcome::Validated { verdicts, .. } = &settlement.outcome {
            bench.store.get_slice(verdicts).expect("the pack");
        }
        lines.push(format!(
            "SETTLED {} {:?} {:?}",
            settlement.parcel, settlement.announced, settlement.outcome
        ));
    }
    lines.sort_unstable();
    println!("\n{}", lines.join("\n"));
}

fn run_child(state: &Path, crash_at: Option<&str>) -> (Option<i32>, Vec<String>) {
    use std::os::unix::process::ExitStatusExt;

    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "child", "--nocapture"]).env(STATE, state).env_remove(CRASH_VARIABLE);
    if let Some(point) = crash_at {
        command.env(CRASH_VARIABLE, point);
    }
    let output = command.output().expect("a child process");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| line.starts_with("SETTLED")).map(str::to_owned).collect();
    (output.status.signal(), lines)
}

#[test]
fn a_process_killed_anywhere_says_the_same_when_it_runs_again() {
    let undisturbed = tempfile::tempdir().expect("a folder");
    let (signal, expected) = run_child(undisturbed.path(), None);
    assert_eq!((signal, expected.len()), (None, 4), "{expected:?}");
    let ours =
        CRASH_POINTS.iter().filter(|(name, _)| name.starts_with("pump.") || name.starts_with("store."));
    for (name, _) in ours {
        let state = tempfile::tempdir().expect("a folder");
        for point in [(*name).to_owned(), format!("{name}:2")] {
            let (signal, lines) = run_child(state.path(), Some(&point));
            assert_eq!((signal, lines.len()), (Some(9), 0), "{point} did not kill the process");
        }
        let (signal, lines) = run_child(state.path(), None);
        assert_eq!((signal, &lines), (None, &expected), "after a crash at {name}");
    }
}
