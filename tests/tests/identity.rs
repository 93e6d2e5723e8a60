//! Same input, same bytes: whatever the history, the number of workers and the state of the caches.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use quire_proto::Digest;
use system_tests::{Build, Quire, RealFindings, copy_tree, manifest_files, repository, tree};

fn sample() -> std::path::PathBuf {
    RealFindings::find().map_or_else(|| repository().join("catalogues/findings/data"), |real| real.models())
}

fn fresh(root: &Path) -> Digest {
    Quire::with("FINDINGS_ROOT", root).build(&Build::of("findings")).manifest
}

#[test]
fn a_second_full_run_gives_the_same_bytes() {
    let quire = Quire::with("FINDINGS_ROOT", sample());
    let first = quire.build(&Build::of("findings"));
    let before = tree(&quire.site());
    let again = quire.build(&Build::of("findings").argument("--full"));
    assert_eq!(first.manifest, again.manifest);
    assert_eq!(before, tree(&quire.site()));
    assert_eq!(fresh(&sample()), first.manifest);
}

#[test]
fn the_site_holds_what_its_manifest_names_and_nothing_else() {
    let quire = Quire::with("FINDINGS_ROOT", sample());
    quire.build(&Build::of("findings"));
    let mut files = tree(&quire.site());
    files.remove("manifest.json").unwrap();
    assert_eq!(files, manifest_files(&quire.site()));
}

#[test]
fn one_worker_and_eight_give_the_same_bytes() {
    let build = |workers: &str| {
        let quire = Quire::with("FINDINGS_ROOT", sample());
        quire.build(&Build::of("findings").argument("--workers").argument(workers)).manifest
    };
    assert_eq!(build("1"), build("8"));
}

#[test]
fn an_unchanged_run_writes_nothing_and_counts_everything_unchanged() {
    let quire = Quire::with("FINDINGS_ROOT", sample());
    let first = quire.build(&Build::of("findings"));
    wait_until_memos_are_trusted(&quire);
    let second = quire.build(&Build::of("findings"));
    let run = &second.runs[0];
    assert_eq!(run.records.unchanged, first.runs[0].records.published);
    assert_eq!((run.records.published, run.pages, run.bytes), (0, 0, 0));
    assert_eq!(run.upstream.queries, 0, "an unchanged run reads no file bodies");
    assert_eq!(second.manifest, first.manifest);
}

#[test]
fn an_incremental_run_ends_in_the_bytes_of_a_full_one() {
    let input = tempfile::tempdir().unwrap();
    copy_tree(&sample(), input.path());
    let quire = Quire::with("FINDINGS_ROOT", input.path());
    quire.build(&Build::of("findings"));

    let mut models: Vec<_> = fs::read_dir(input.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    models.sort();
    fs::remove_file(&models[0]).unwrap();
    let text = fs::read_to_string(&models[1]).unwrap();
    fs::write(&models[1], text.replacen("\"description\": \"", "\"description\": \"Changed. ", 1)).unwrap();
    fs::rename(&models[2], input.path().join("renamed.fm.json")).unwrap();

    let report = quire.build(&Build::of("findings"));
    let counts = report.runs[0].records;
    assert_eq!((counts.removed, counts.rejected), (1, 0));
    assert_eq!(counts.published, 2, "one changed, one renamed: {counts:?}");
    assert_eq!(report.manifest, fresh(input.path()));
}

#[test]
fn caches_deleted_or_damaged_change_time_and_nothing_else() {
    let quire = Quire::with("FINDINGS_ROOT", sample());
    let first = quire.build(&Build::of("findings"));
    let found = answers(&quire);

    for name in ["cache", "index"] {
        fs::remove_dir_all(quire.state().join(name)).unwrap();
    }
    assert_eq!(quire.build(&Build::of("findings")).manifest, first.manifest, "caches and index deleted");
    assert_eq!(answers(&quire), found);

    for name in ["cache", "index"] {
        damage(&quire.state().join(name));
    }
    assert_eq!(quire.build(&Build::of("findings")).manifest, first.manifest, "caches and index damaged");
    assert_eq!(answers(&quire), found);
    // Once more, without the files having been read again.
    damage(&quire.state().join("index"));
    assert_eq!(quire.build(&Build::of("findings")).manifest, first.manifest, "index damaged");
    assert_eq!(answers(&quire), found);

    damage(&quire.state().join("store/blobs"));
    assert_eq!(
        quire.build(&Build::of("findings").argument("--full")).manifest,
        first.manifest,
        "packs damaged"
    );

    damage(&quire.state().join("store/blobs"));
    let page =
        quire.site().join(tree(&quire.site()).into_keys().find(|path| path.ends_with(".html")).unwrap());
    fs::remove_file(page).unwrap();
    assert_eq!(quire.build(&Build::of("findings")).manifest, first.manifest, "packs damaged, a page lost");

    fs::remove_dir_all(quire.state()).unwrap();
    assert_eq!(quire.build(&Build::of("findings")).manifest, first.manifest, "state deleted");
    assert_eq!(tree(&quire.site()).len(), manifest_files(&quire.site()).len() + 1);
}

/// What a search finds.
fn answers(quire: &Quire) -> String {
    let ended = quire.run(["search", "nodule", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("hits"), "{}", ended.out);
    ended.out
}

#[test]
fn what_a_run_finds_damaged_under_way_is_made_again() {
    let catalogue = tempfile::tempdir().unwrap();
    copy_tree(&repository().join("catalogues/findings"), catalogue.path());
    let build = Build { catalogues: vec![catalogue.path().to_owned()], ..Build::default() };
    let quire = Quire::with("FINDINGS_ROOT", sample());
    quire.build(&build);
    let style = catalogue.path().join("templates/record.html");
    let text = fs::read_to_string(&style).unwrap();
    fs::write(&style, text + "\n").unwrap();
    // Every page is made again, from bodies that are all damaged.
    damage(&quire.state().join("store/blobs"));
    let mended = quire.build(&build);
    assert_eq!(mended.runs[0].records.dead, 0);
    assert_eq!(mended.manifest, Quire::with("FINDINGS_ROOT", sample()).build(&build).manifest);
}

#[test]
fn damage_in_a_catalogue_that_is_not_built_names_it_and_building_it_mends_it() {
    let quire = Quire::new();
    let of = |names: &[&str]| Build {
        catalogues: names.iter().map(|name| quire.folder().join(name)).collect(),
        ..Build::default()
    };
    for name in ["birds", "trees"] {
        assert_eq!(quire.run(["new", name]).code, Some(0));
    }
    quire.build(&of(&["birds"]));
    let blobs = quire.state().join("store/blobs");
    let ours = tree(&blobs);
    let page = quire.folder().join("trees/data/oak.json");
    fs::write(&page, r#"{ "id": "oak", "name": "Oak", "description": "A tree.", "tags": ["tall"] }"#)
        .unwrap();
    let first = quire.build(&of(&["trees"])).manifest;
    for path in tree(&blobs).into_keys().filter(|path| !ours.contains_key(path)) {
        fs::write(blobs.join(path), "damaged").unwrap();
    }
    let heron = quire.folder().join("birds/data/grey-heron.json");
    let text = fs::read_to_string(&heron).unwrap();
    fs::write(&heron, text.replace("Grey heron", "Gray heron")).unwrap();
    let ended: system_tests::Ended = quire.build_command(&of(&["birds"])).output().unwrap().into();
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("the state of trees is damaged"), "{}", ended.err);
    assert!(quire.site().join("trees/oak.html").is_file(), "its pages stay");
    fs::write(&heron, &text).unwrap();
    assert_eq!(quire.build(&of(&["trees", "birds"])).manifest, first);
}

#[test]
fn a_site_that_someone_changed_is_mended() {
    let quire = Quire::with("FINDINGS_ROOT", sample());
    let first = quire.build(&Build::of("findings"));
    let before = tree(&quire.site());
    let page = before.keys().find(|path| path.starts_with("findings/") && path.ends_with(".html")).unwrap();
    fs::write(quire.site().join(page), "vandalised").unwrap();
    fs::remove_file(quire.site().join("findings/index.html")).unwrap();
    fs::write(quire.site().join("findings/stranger.html"), "not ours").unwrap();
    assert_eq!(quire.build(&Build::of("findings")).manifest, first.manifest);
    assert_eq!(before, tree(&quire.site()));
}

/// Flips a byte in the middle of every file below `folder`.
fn damage(folder: &Path) {
    for path in tree(folder).keys() {
        let file = folder.join(path);
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 0x55;
        }
        fs::write(&file, bytes).unwrap();
    }
}

/// A memo is trusted only if the file was more than two seconds old when it was made, so fresh copies are read once more.
fn wait_until_memos_are_trusted(quire: &Quire) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while quire.build(&Build::of("findings")).runs[0].upstream.queries > 0 {
        assert!(std::time::Instant::now() < deadline, "files are still read");
    }
}
