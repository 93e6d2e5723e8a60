//! Marks of runs, and who is to plan them again.

use std::collections::BTreeMap;

use super::*;

fn asked() -> Asked {
    let bundle = Bundle::new(BTreeMap::new()).digest();
    Asked { full: true, lane: Lane::High, ..Asked::everything(bundle) }
}

fn nobody() -> BTreeSet<u64> {
    BTreeSet::new()
}

#[test]
fn every_run_has_a_greater_epoch_than_all_before_however_they_ended() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(begin(&store, "c", asked()).unwrap(), Epoch(1));
    assert_eq!(begin(&store, "c", asked()).unwrap(), Epoch(2));
    store.create("manifests/c/2", b"m").unwrap();
    over(&store, "c", Epoch(2), &nobody()).unwrap();
    assert!(store.list("runs/c").unwrap().is_empty());
    assert_eq!(begin(&store, "c", asked()).unwrap(), Epoch(3));
    over(&store, "c", Epoch(3), &nobody()).unwrap();
    assert_eq!(begin(&store, "c", asked()).unwrap(), Epoch(4));
    over(&store, "c", Epoch(4), &nobody()).unwrap();
    assert_eq!(store.list("runs/c").unwrap(), ["4"]);
    assert_eq!(begin(&store, "other", asked()).unwrap(), Epoch(1));
}

#[test]
fn what_is_over_leaves_the_marks_of_runs_that_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for epoch in 1..=3 {
        assert_eq!(begin(&store, "c", asked()).unwrap(), Epoch(epoch));
    }
    store.create("manifests/c/3", b"m").unwrap();
    over(&store, "c", Epoch(3), &[2, 3].into()).unwrap();
    assert_eq!(store.list("runs/c").unwrap(), ["2", "3"]);
    over(&store, "c", Epoch(3), &[2].into()).unwrap();
    assert_eq!(store.list("runs/c").unwrap(), ["2"]);
}

#[test]
fn one_run_takes_the_place_of_all_that_are_not_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let bundle = Bundle::new(BTreeMap::new());
    store.put_blob(&bundle.digest(), &bundle.encode().into()).unwrap();
    for catalogue in ["committed", "failed", "killed", "same"] {
        assert_eq!(begin(&store, catalogue, asked()).unwrap(), Epoch(1));
    }
    // Another leader had it take the place of the first.
    ended(&store, "killed", Epoch(1)).unwrap();
    let second = Asked { full: false, lane: Lane::High, replaces: vec![1], ..asked() };
    begin(&store, "killed", second).unwrap();
    let gone = Asked { bundle: Digest::of(b"gone"), ..asked() };
    begin(&store, "killed", gone.clone()).unwrap();
    begin(&store, "lost", gone).unwrap();
    ended(&store, "failed", Epoch(1)).unwrap();
    over(&store, "same", Epoch(1), &nobody()).unwrap();
    // Committed, and killed before it could say so: its report is not kept.
    store.create("manifests/committed/1", b"m").unwrap();
    let expected = |catalogue: &str, epochs: &[u64]| Unfinished {
        catalogue: catalogue.to_owned(),
        epochs: epochs.iter().copied().map(Epoch).collect(),
        bundle: bundle.clone(),
        full: true,
        lane: Lane::High,
        part: Part::default(),
        traceparents: Vec::new(),
    };
    let found = unfinished(&store, &|_, _| false).unwrap();
    assert_eq!(found, [expected("committed", &[1]), expected("killed", &[1, 2, 3])]);
    let live = |catalogue: &str, epoch| catalogue == "committed" || epoch == Epoch(3);
    let second = Unfinished { full: false, ..expected("killed", &[1, 2]) };
    assert_eq!(unfinished(&store, &live).unwrap(), [second]);
    assert!(is_ended(&store, "lost", Epoch(1)).unwrap());
    assert_eq!(begin(&store, "failed", asked()).unwrap(), Epoch(2));
}

#[test]
fn a_run_in_the_place_of_others_was_begun_when_the_first_of_them_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for started_ms in [0, 30, 20, 40] {
        begin(&store, "c", Asked { started_ms, ..asked() }).unwrap();
    }
    ended(&store, "c", Epoch(3)).unwrap();
    let first = |epochs: &[u64]| first_started(&store, "c", epochs).unwrap();
    assert_eq!([first(&[1, 2, 3, 4]), first(&[1, 2, 9]), first(&[1])], [Some(20), Some(30), None]);
}

#[test]
fn marks_keep_the_span_of_their_run_and_those_of_former_versions_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let bundle = Bundle::new(BTreeMap::new());
    store.put_blob(&bundle.digest(), &bundle.encode().into()).unwrap();
    begin(&store, "c", asked()).unwrap();
    let mark = store.read("runs/c/1").unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&mark).contains("traceparent"));
    for span in ["00-first", "00-second"] {
        begin(&store, "c", Asked { traceparent: Some(span.to_owned()), ..asked() }).unwrap();
    }
    let found = unfinished(&store, &|_, _| false).unwrap().remove(0);
    assert_eq!((found.epochs.len(), found.traceparents), (3, vec!["00-first".into(), "00-second".into()]));
}

#[test]
fn runs_of_keys_are_planned_again_as_one_of_all_their_keys_beside_one_of_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let bundle = Bundle::new(BTreeMap::new());
    store.put_blob(&bundle.digest(), &bundle.encode().into()).unwrap();
    let of = |keys: &[&str]| Asked { part: Part::of_keys(keys.iter().copied()), ..asked() };
    let found = || unfinished(&store, &|_, _| false).unwrap();
    begin(&store, "c", of(&["b", "a"])).unwrap();
    begin(&store, "c", of(&["c"])).unwrap();
    let keys = Part::of_keys(["a", "b", "c"]);
    assert_eq!(found().remove(0).part, keys);
    begin(&store, "c", Asked { lane: Lane::Low, ..of(&[]) }).unwrap();
    let found: Vec<_> = found().into_iter().map(|run| (run.epochs, run.lane, run.part)).collect();
    let whole = (vec![Epoch(3)], Lane::Low, Part::default());
    assert_eq!(found, [whole, (vec![Epoch(1), Epoch(2)], Lane::High, keys)]);
}

#[test]
fn a_run_is_awaited_until_it_is_over_or_a_later_one_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let awaited = |epoch| is_awaited(&store, "c", Epoch(epoch)).unwrap();
    for _ in 0..4 {
        begin(&store, "c", asked()).unwrap();
    }
    ended(&store, "c", Epoch(4)).unwrap();
    assert_eq!([1, 2, 3, 4, 5].map(awaited), [true, true, true, false, false]);
    store.create("manifests/c/2", b"m").unwrap();
    assert_eq!([1, 2, 3, 4, 5].map(awaited), [false, true, true, false, false]);
}
