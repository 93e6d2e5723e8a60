//! What a person does with `quire`, in the order of the tutorial, and what goes wrong on the way.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use system_tests::{Build, Quire, repository, tree};

fn build_of(folder: &Path) -> Build {
    Build { catalogues: vec![folder.to_path_buf()], ..Build::default() }
}

#[test]
fn a_new_catalogue_builds_and_is_found() {
    let quire = Quire::new();
    assert_eq!(quire.run(["new", "birds"]).code, Some(0));
    let report = quire.build(&build_of(Path::new("birds")));
    assert_eq!(report.runs[0].records.published, 2);
    let page = fs::read_to_string(quire.site().join("birds/grey-heron.html")).unwrap();
    assert!(page.contains("<h1>Grey heron</h1>"), "{page}");
    let twin: Value =
        serde_json::from_slice(&fs::read(quire.site().join("birds/grey-heron.json")).unwrap()).unwrap();
    assert!(twin.to_string().contains("Grey heron"));

    let found = quire.run(["search", "herons", "--json"]);
    assert_eq!(found.code, Some(0), "{}", found.err);
    let found: Value = serde_json::from_str(&found.out).unwrap();
    assert!(found.to_string().contains("grey-heron"), "{found}");

    let again = quire.run(["new", "birds"]);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("birds"), "{}", again.err);
}

#[test]
fn a_record_that_is_wrong_is_explained_and_the_others_are_published() {
    let quire = Quire::new();
    quire.run(["new", "birds"]);
    let data = quire.folder().join("birds/data");
    let wren = r#"{ "id": "grey-heron", "name": "Wren", "description": "A small brown bird.", "tags": [1] }"#;
    fs::write(data.join("wren.json"), wren).unwrap();
    let report = quire.build(&build_of(Path::new("birds")));
    assert_eq!((report.runs[0].records.published, report.runs[0].records.rejected), (2, 1));

    let rejects: Vec<Value> =
        serde_json::from_slice(&fs::read(quire.site().join("birds/rejects.json")).unwrap()).unwrap();
    let tag = rejects.iter().find(|reject| reject["pointer"] == "/tags/0").unwrap();
    assert_eq!((tag["location"].as_str(), tag["line"].as_u64()), (Some("wren.json"), Some(1)));

    let explained = quire.run(["explain", "grey-heron", "--json"]);
    let explained: Value = serde_json::from_str(&explained.out).unwrap();
    let explanations = explained["explanations"].as_array().unwrap();
    let states: Vec<&str> = explanations.iter().map(|told| told["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["published", "rejected"], "the holder of the key, and who wants it too");
    assert_eq!(explanations[0]["files"][0]["path"], "birds/grey-heron.html");
    assert_eq!(explanations[1]["problems"][0]["pointer"], "/tags/0");
    let by_location = quire.run(["explain", "wren.json"]);
    assert!(
        by_location.out.contains("rejected as of birds-1") && by_location.out.contains("/tags/0"),
        "{}",
        by_location.out
    );
    let unknown = quire.run(["explain", "dodo"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("nothing is known of `dodo`"), "{}", unknown.err);

    let checked = quire.run(["check", "birds"]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert!(checked.out.contains("wren.json:1: reject"), "{}", checked.out);
    assert_eq!(quire.run(["check", "birds", "--strict"]).code, Some(3));
    assert_eq!(quire.run(["build", "birds", "--strict"]).code, Some(3));

    // What a cell of a table looks like where a number was meant.
    fs::write(data.join("wren.json"), wren.replace("[1]", "\"12\"")).unwrap();
    let checked = quire.run(["check", "birds"]);
    assert!(checked.out.contains("/tags: expected array, found the text `12`"), "{}", checked.out);

    fs::write(data.join("wren.json"), wren.replace("[1]", "[]")).unwrap();
    quire.build(&build_of(Path::new("birds")));
    let rejects: Vec<Value> =
        serde_json::from_slice(&fs::read(quire.site().join("birds/rejects.json")).unwrap()).unwrap();
    assert!(!rejects.is_empty());
    assert!(rejects.iter().all(|reject| reject["holder"] == "grey-heron"), "{rejects:?}");
}

#[test]
fn a_wrong_definition_is_shown_with_its_place_and_the_key_that_was_meant() {
    let quire = Quire::new();
    quire.run(["new", "birds"]);
    let file = quire.folder().join("birds/catalogue.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("title: My catalogue", "tittle: My catalogue").replace("format: json", "format: jsn"),
    )
    .unwrap();
    for command in ["check", "build"] {
        let ended = quire.run([command, "birds"]);
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        let said = format!("{}{}", ended.out, ended.err);
        for part in ["catalogue.yaml:4:1", "tittle", "did you mean `title`", "jsn", "^"] {
            assert!(said.contains(part), "{command} does not say {part}: {said}");
        }
    }
    assert!(!quire.site().join("index.html").exists());
    // The file may be named as well as its folder.
    let ended = quire.run(["check", "birds/catalogue.yaml"]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(format!("{}{}", ended.out, ended.err).contains("did you mean `title`"), "{ended:?}");
}

#[test]
fn a_slip_in_an_expression_leaves_the_site_as_it_is() {
    let quire = Quire::new();
    quire.run(["new", "birds"]);
    quire.build(&build_of(Path::new("birds")));
    let before = tree(&quire.site());
    let file = quire.folder().join("birds/catalogue.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let slipped = text.replace("title: .name", "title: .name | asci_downcase");
    assert_ne!(slipped, text);
    fs::write(&file, slipped).unwrap();
    let ended = quire.run(["build", "birds"]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("asci_downcase") && ended.err.contains("catalogue.yaml:"), "{}", ended.err);
    assert_eq!(tree(&quire.site()), before);
}

#[test]
fn a_check_tells_in_json_what_is_wrong_with_structure_and_sources() {
    let quire = Quire::new();
    quire.run(["new", "birds"]);
    fs::remove_dir_all(quire.folder().join("birds/data")).unwrap();
    let check = || -> Value { serde_json::from_str(&quire.run(["check", "birds", "--json"]).out).unwrap() };
    assert!(check()["failures"][0].as_str().unwrap().contains("data"), "{}", check());
    assert_eq!(quire.run(["check", "birds", "--strict"]).code, Some(3));
    fs::write(quire.folder().join("birds/catalogue.yaml"), "tittle: x\n").unwrap();
    assert!(check()["definition"][0]["message"].as_str().unwrap().contains("tittle"), "{}", check());
}

#[test]
fn the_report_has_the_shape_that_others_rely_on() {
    let quire = Quire::new();
    let ended: system_tests::Ended = quire.build_command(&Build::of("findings")).output().unwrap().into();
    let report: Value = serde_json::from_str(ended.out.trim_end()).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&report), ["runs", "manifest", "peak_memory_bytes"]);
    let run = &report["runs"][0];
    let expected = [
        "catalogue",
        "run",
        "epoch",
        "records",
        "pages",
        "bytes",
        "duration_ms",
        "stages",
        "caches",
        "upstream",
        "bottleneck",
    ];
    assert_eq!(keys(run), expected);
    assert_eq!(keys(&run["records"]), ["seen", "published", "unchanged", "rejected", "dead", "removed"]);
    for stage in ["fetch", "validate", "index", "render"] {
        assert_eq!(
            keys(&run["stages"][stage]),
            ["parcels", "records", "p50_ms", "p95_ms", "p99_ms", "mean_ms", "slow", "very_slow"],
            "{stage}"
        );
    }
    assert_eq!(keys(&run["upstream"]), ["queries"]);
    for cache in run["caches"].as_object().unwrap().values() {
        assert_eq!(keys(cache), ["hits", "misses"]);
    }
}

#[test]
fn a_record_that_the_schema_refuses_hears_of_its_conflicts_too_and_only_of_those_there_are() {
    let quire = Quire::new();
    quire.run(["new", "birds"]);
    let twin = quire.folder().join("birds/data/z.json");
    fs::write(
        &twin,
        r#"{ "id": "grey-heron", "name": "Zed", "description": "No heron at all.", "tags": [1] }"#,
    )
    .unwrap();
    let rules = || {
        let report = quire.build(&build_of(Path::new("birds")));
        let rejects = fs::read(quire.site().join("birds/rejects.json")).unwrap();
        let rejects: Vec<Value> = serde_json::from_slice(&rejects).unwrap();
        let rules = rejects.iter().map(|line| line["rule"].as_str().unwrap().to_owned());
        (report.runs[0].records.rejected, rules.collect::<Vec<_>>())
    };
    let both = vec!["schema:type".to_owned(), "unique:key".to_owned()];
    let told = rules();
    assert_eq!((told.0, &told.1), (1, &both));
    let heron = quire.folder().join("birds/data/grey-heron.json");
    let text = fs::read_to_string(&heron).unwrap();
    fs::write(&heron, text.replace("\"grey-heron\"", "\"grey-heron-2\"")).unwrap();
    assert_eq!(rules(), (1, vec!["schema:type".to_owned()]));
    fs::write(&heron, text).unwrap();
    assert_eq!(rules(), (1, both));
}

#[test]
fn what_could_not_be_processed_is_told_on_the_site() {
    let quire = Quire::new();
    quire.run(["new", "birds"]);
    let template = quire.folder().join("birds/templates/record.html");
    let text = fs::read_to_string(&template).unwrap();
    let rejects = || fs::read_to_string(quire.site().join("birds/rejects.html")).unwrap();
    fs::write(&template, "{% extends \"quire/base.html\" %}{% block main %}{{ record.nope }}{% endblock %}")
        .unwrap();
    let ended: system_tests::Ended =
        quire.build_command(&build_of(Path::new("birds"))).output().unwrap().into();
    assert_eq!(ended.report().runs[0].records.dead, 2);
    assert!(ended.err.lines().count() < 12, "a line a record: {}", ended.err);
    // Nothing at all came of it, for one reason: a failure, told once.
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let told = &ended.report().runs[0].failures;
    let names = "grey-heron (grey-heron.json), kingfisher (kingfisher.json): rendering: ";
    assert!(told.len() == 1 && told[0].starts_with(names), "{told:?}");
    let unknown = quire.run(["explain", "heron"]);
    assert!(unknown.err.contains("2 records could not be processed"), "{}", unknown.err);
    assert!(rejects().contains("2 items could not be processed"), "{}", rejects());
    assert!(!rejects().contains("Every item"));
    assert_eq!(quire.run(["check", "birds"]).code, Some(1));
    fs::write(&template, text).unwrap();
    assert_eq!(quire.run(["check", "birds"]).code, Some(0));
    assert_eq!(quire.build(&build_of(Path::new("birds"))).runs[0].records.dead, 0);
    assert!(rejects().contains("Every item"));
}

#[test]
fn a_site_that_was_lost_is_counted_when_it_is_written_again() {
    let quire = Quire::new();
    quire.run(["new", "birds"]);
    let birds = || build_of(Path::new("birds"));
    let first = quire.build(&birds());
    fs::remove_dir_all(quire.site()).unwrap();
    let again = quire.build(&birds());
    assert_eq!(again.manifest, first.manifest);
    assert_eq!((again.runs[0].pages, again.runs[0].bytes), (first.runs[0].pages, first.runs[0].bytes));
    assert_eq!(quire.build(&birds()).runs[0].pages, 0);
}

#[test]
fn usage_that_is_wrong_exits_with_two_and_every_command_has_help_with_an_example() {
    let quire = Quire::new();
    assert_eq!(quire.run(["build", "--no-such-flag"]).code, Some(2));
    assert_eq!(quire.run(["biuld"]).code, Some(2));
    assert_eq!(quire.run(["build", "--workers", "0"]).code, Some(2));
    for command in [
        "build", "check", "new", "search", "figure", "explain", "cache", "doctor", "run", "agents", "lanes",
        "top", "pause", "resume", "drain", "dead", "queue", "serve", "admin",
    ] {
        let help = quire.run([command, "--help"]);
        assert_eq!(help.code, Some(0));
        assert!(
            help.out.contains(&format!("quire {command}")) && help.out.contains("Example"),
            "{}",
            help.out
        );
    }
}

#[test]
fn a_broker_that_does_not_answer_is_a_server_out_of_reach() {
    let quire = Quire::new();
    let ended = quire.run(["admin", "apply", "--nats", "nats://ada:hunter2@127.0.0.1:1", "--wait", "1"]);
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(ended.err.contains("nats://127.0.0.1:1") && !ended.err.contains("hunter2"), "{}", ended.err);
}

#[test]
fn a_folder_without_catalogues_and_an_index_that_is_not_there_say_what_to_do() {
    let quire = Quire::new();
    let build = quire.run(["build"]);
    assert_eq!(build.code, Some(1));
    assert!(build.err.contains("quire new"), "{}", build.err);
    let search = quire.run(["search", "anything"]);
    assert_eq!(search.code, Some(1));
    assert!(search.err.contains("quire build"), "{}", search.err);
}

#[test]
fn a_search_may_filter_alone_and_says_what_it_does_not_understand() {
    let quire = Quire::new();
    quire.run(["new", "birds"]);
    quire.run(["new", "stones"]);
    let file = quire.folder().join("stones/catalogue.yaml");
    let text = fs::read_to_string(&file).unwrap().replace("name: tags", "name: kinds");
    fs::write(&file, text).unwrap();
    assert_eq!(quire.run(["build", "birds", "stones"]).code, Some(0));

    let found: Value =
        serde_json::from_str(&quire.run(["search", "--filter", "tags=diver", "--json"]).out).unwrap();
    assert_eq!(found["birds"]["total"], 1, "{found}");
    assert_eq!(found["birds"]["hits"][0]["matched"], "filter");
    assert_eq!(found.as_object().unwrap().len(), 1, "stones has no such field");
    for (wrong, told) in [
        (&["search", " "][..], "blank"),
        (&["search"], "QUERY"),
        (&["search", "--filter", "tags"], "FIELD=VALUE"),
        (&["search", "--filter", "size=1"], "tags"),
        (&["search", "heron", "--catalogue", "trees"], "stones"),
        (&["cache", "clear", "dust"], "memo"),
    ] {
        let ended = quire.run(wrong.iter().copied());
        assert_eq!(ended.code, Some(2), "{wrong:?} {}", ended.err);
        assert!(ended.err.contains(told), "{wrong:?} {}", ended.err);
    }
}

#[test]
fn two_builds_in_one_state_folder_do_not_mix() {
    let quire = Quire::new();
    quire.build(&Build::of("findings"));
    let lock = fs::File::open(quire.state().join("lock")).unwrap();
    lock.lock().unwrap();
    let second = quire.run(["build", repository().join("catalogues/findings").to_str().unwrap()]);
    assert_eq!(second.code, Some(1));
    assert!(second.err.contains("in use"), "{}", second.err);
    lock.unlock().unwrap();
    quire.build(&Build::of("findings"));
}

#[test]
fn a_source_that_cannot_be_listed_removes_nothing_and_the_run_says_that_it_is_partial() {
    let input = tempfile::tempdir().unwrap();
    let root = input.path().join("models");
    system_tests::copy_tree(&repository().join("catalogues/findings/data"), &root);
    let quire = Quire::with("FINDINGS_ROOT", &root);
    let before = quire.build(&Build::of("findings"));
    fs::rename(&root, input.path().join("elsewhere")).unwrap();
    let partial = quire.build(&Build::of("findings"));
    assert!(!partial.runs[0].failures.is_empty());
    assert_eq!(partial.runs[0].records.removed, 0);
    assert_eq!(partial.manifest, before.manifest);
    assert_eq!(
        quire.build_command(&Build::of("findings").argument("--strict")).status().unwrap().code(),
        Some(3)
    );
    fs::rename(input.path().join("elsewhere"), &root).unwrap();
    let whole = quire.build(&Build::of("findings"));
    assert!(whole.runs[0].failures.is_empty() && whole.runs[0].notes.is_empty());
    assert_eq!(whole.manifest, before.manifest);
    // A folder without files is believed, but told.
    fs::remove_dir_all(&root).unwrap();
    fs::create_dir(&root).unwrap();
    let empty = quire.build(&Build::of("findings"));
    assert_eq!(empty.runs[0].records.removed, whole.runs[0].records.seen);
    let notes: Vec<&String> = empty.runs[0].notes.iter().collect();
    assert!(notes[0].contains("source models: no file matches the pattern "), "{notes:?}");
}

#[test]
fn a_build_that_could_read_nothing_says_where_the_reasons_are() {
    let quire = Quire::new();
    quire.run(["new", "birds"]);
    let file = quire.folder().join("birds/catalogue.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let away = text.replace("root: data", "root: away");
    assert_ne!(away, text);
    fs::write(&file, away).unwrap();
    let told = quire.run(["build", "birds"]);
    assert_eq!(told.code, Some(1), "{}", told.err);
    assert!(told.out.contains("  partial: ") && told.err.contains("see `partial` above"), "{told:?}");
    let told = quire.run(["build", "birds", "--json"]);
    assert_eq!(told.code, Some(1), "{}", told.err);
    assert!(
        told.err.contains("see `failures` of its run") && !told.err.contains("`partial`"),
        "{}",
        told.err
    );
    let report: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert!(report["runs"][0]["failures"][0].is_string(), "{report}");
}

#[test]
fn a_full_disk_is_a_clear_error_and_the_next_build_goes_on() {
    let disk = tempfile::tempdir().unwrap();
    let mount = |options: &str| {
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(disk.path()).status();
        status.is_ok_and(|status| status.success())
    };
    if !mount("size=300k") {
        println!("skipped: a small file system cannot be mounted here (needs root)");
        return;
    }
    let _unmount = Unmount(disk.path());
    let quire = Quire::new();
    let (out, state) = (disk.path().join("site"), disk.path().join("state"));
    let arguments = ["--out", out.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let build = arguments.iter().fold(Build::of("findings"), |build, argument| build.argument(argument));
    let full: system_tests::Ended = quire.build_command(&build).output().unwrap().into();
    assert_eq!(full.code, Some(1), "{} {}", full.out, full.err);
    assert!(full.err.to_lowercase().contains("no space"), "{}", full.err);
    assert!(!full.err.contains("panicked"), "{}", full.err);
    assert!(!full.err.contains("parcel"), "every parcel tells of it: {}", full.err);
    assert_eq!(full.err.matches("finished work is kept: make room there").count(), 1, "{}", full.err);

    assert!(mount("remount,size=200m"));
    let ended: system_tests::Ended = quire.build_command(&build).output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.report().manifest, Quire::new().build(&Build::of("findings")).manifest);
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}
