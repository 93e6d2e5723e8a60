//! What a build may touch: its own files, and nobody else's; and what it reads: never its own.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use system_tests::{Build, Quire, Served, tree};

fn of(folders: &[&str]) -> Build {
    Build { catalogues: folders.iter().map(Into::into).collect(), ..Build::default() }
}

fn with(catalogues: &[&str]) -> Quire {
    let quire = Quire::new();
    for name in catalogues {
        assert_eq!(quire.run(["new", name]).code, Some(0));
    }
    quire
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_catalogues_folder_is_never_a_folder_of_the_site() {
    let quire = with(&["birds", "fish"]);
    let before = tree(quire.folder());
    for out in [".", "fish/..", "nope/.."] {
        let ended = quire.run(["build", "birds", "--out", out]);
        assert_eq!(ended.code, Some(2), "{out}");
        assert!(ended.err.contains("written over") && ended.err.contains("birds"), "{}", ended.err);
    }
    assert_eq!(tree(quire.folder()), before);
}

#[test]
fn a_site_around_what_it_is_made_from_is_refused() {
    let quire = with(&["birds"]);
    fs::create_dir(quire.folder().join("home")).unwrap();
    fs::rename(quire.folder().join("birds"), quire.folder().join("home/mine")).unwrap();
    let before = tree(quire.folder());
    let ended = quire.run(["build", "home/mine", "--out", "home"]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("what lies in a site is not read"), "{}", ended.err);
    assert_eq!(tree(quire.folder()), before);
}

#[test]
fn catalogues_that_a_state_folder_knows_nothing_of_stay_unless_it_is_said_that_they_go() {
    let quire = with(&["birds", "fish"]);
    let build = |name: &str, more: &[&str]| {
        let state = format!("{name}-state");
        let ended = quire.run([&["build", name, "--state", &state][..], more].concat());
        (ended.code, ended.err)
    };
    assert_eq!(build("birds", &[]).0, Some(0));
    let before = tree(&quire.site());
    let (code, said) = build("fish", &[]);
    assert_eq!(code, Some(2), "{said}");
    let remedy = "take it off with `quire build … --prune`";
    assert!(said.contains("also shows birds") && said.contains(remedy), "{said}");
    // Commands that cannot do it say who can.
    assert_eq!(quire.run(["queue", "fill", "fish", "--all", "--state", "fish-state"]).code, Some(0));
    for command in [&["queue", "pop", "fish"][..], &["serve", "fish"]] {
        let ended = quire.run([command, &["--state", "fish-state"]].concat());
        assert_eq!(ended.code, Some(2), "{command:?}: {}", ended.err);
        assert!(ended.err.contains("also shows birds") && ended.err.contains(remedy), "{}", ended.err);
    }
    assert_eq!(tree(&quire.site()), before);
    // While somebody uses a site, no other state may change it either.
    let served = Served::start(quire.command(["serve", "birds", "--watch", "--state", "birds-state"]));
    let (code, said) = build("fish", &["--prune"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is in use by another quire"), "{said}");
    assert_eq!(served.stop().0, Some(0));
    let (code, said) = build("fish", &["--prune"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!quire.site().join("birds").exists() && quire.site().join("fish/index.html").exists());
    assert_eq!(build("birds", &[]).0, Some(2), "what the other has put there since");
}

#[test]
fn a_folder_that_holds_files_of_someone_else_is_refused_when_its_catalogue_comes() {
    let quire = with(&["birds", "fish"]);
    quire.build(&of(&["birds"]));
    let mine = quire.site().join("fish/mine.txt");
    write(&mine, "years of work");
    let before = tree(&quire.site());
    let ended = quire.run(["build", "fish"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("fish/mine.txt"), "{}", ended.err);
    assert_eq!(tree(&quire.site()), before);
    fs::remove_file(mine).unwrap();
    quire.build(&of(&["fish"]));
}

#[test]
fn a_second_site_of_one_state_is_looked_at_as_closely_as_the_first() {
    let quire = with(&["birds"]);
    quire.build(&of(&["birds"]));
    let mine = quire.folder().join("other/birds/mine.txt");
    write(&mine, "years of work");
    let ended = quire.run(["build", "birds", "--out", "other"]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(mine.is_file());
}

#[test]
fn a_site_of_someone_else_is_not_written_over() {
    for file in ["manifest.json", "index.html", "robots.txt", "assets/quire.css"] {
        let quire = with(&["birds"]);
        write(&quire.site().join(file), "{\"name\": \"an app\"}");
        write(&quire.site().join("photo.jpg"), "x");
        let before = tree(&quire.site());
        let ended = quire.run(["build", "birds"]);
        assert_eq!(ended.code, Some(1));
        assert!(ended.err.contains(file), "{}", ended.err);
        assert_eq!(tree(&quire.site()), before);
    }
}

#[test]
fn without_its_state_a_build_removes_only_what_the_site_names() {
    let quire = with(&["birds"]);
    quire.build(&of(&["birds"]));
    write(&quire.site().join("birds/notes.txt"), "mine");
    write(&quire.site().join("CNAME"), "birds.example");
    fs::remove_dir_all(quire.state()).unwrap();
    fs::remove_file(quire.folder().join("birds/data/kingfisher.json")).unwrap();
    let ended = quire.run(["build", "birds"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("birds/notes.txt"), "{}", ended.err);
    assert!(quire.site().join("birds/notes.txt").is_file() && quire.site().join("CNAME").is_file());
    assert!(!quire.site().join("birds/kingfisher.html").exists());
}

#[test]
fn without_its_state_a_source_that_is_away_takes_nothing_from_the_site() {
    let quire = with(&["birds"]);
    quire.build(&of(&["birds"]));
    let before = tree(&quire.site());
    let (data, away) = (quire.folder().join("birds/data"), quire.folder().join("away"));
    fs::rename(&data, &away).unwrap();
    fs::remove_dir_all(quire.state()).unwrap();
    let ended = quire.run(["build", "birds"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("nothing is changed"), "{}", ended.err);
    assert_eq!(tree(&quire.site()), before);
    fs::rename(&away, &data).unwrap();
    quire.build(&of(&["birds"]));
    assert_eq!(tree(&quire.site()), before);
}

#[test]
fn a_file_that_is_put_into_a_catalogues_folder_goes_and_is_named() {
    let quire = with(&["birds"]);
    quire.build(&of(&["birds"]));
    write(&quire.site().join("birds/notes.txt"), "mine");
    write(&quire.site().join("notes.txt"), "mine");
    let ended = quire.run(["build", "birds"]);
    assert!(ended.err.contains("birds/notes.txt") && ended.err.contains("removed"), "{}", ended.err);
    assert!(!quire.site().join("birds/notes.txt").exists() && quire.site().join("notes.txt").is_file());
}

#[test]
fn the_state_does_not_go_where_a_catalogue_is_made_from() {
    let quire = with(&["birds"]);
    let before = tree(quire.folder());
    for state in ["birds", "birds/data", "birds/templates/x"] {
        let ended = quire.run(["build", "birds", "--state", state]);
        assert_eq!(ended.code, Some(2), "{state}");
        assert!(ended.err.contains("choose another --state"), "{}", ended.err);
    }
    assert_eq!(tree(quire.folder()), before);
}

#[test]
fn what_was_made_is_not_read_as_data() {
    let quire = with(&["birds"]);
    let folder = quire.folder().join("birds");
    let definition = fs::read_to_string(folder.join("catalogue.yaml")).unwrap();
    let everything = definition.replace("root: data, ", "root: ., exclude: [\"schema.json\"], ");
    assert_ne!(everything, definition);
    fs::write(folder.join("catalogue.yaml"), everything).unwrap();
    for _ in 0..2 {
        let ended = quire.command(["build", "--json", "."]).current_dir(&folder).output().unwrap();
        let ended = system_tests::Ended::from(ended);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let seen = ended.report().runs[0].records.seen;
        assert_eq!(seen, 2, "{}", ended.out);
    }
}

#[test]
fn a_root_of_the_environment_is_known_before_it_is_read() {
    let quire = with(&["birds"]);
    let file = quire.folder().join("birds/catalogue.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("root: data", "root: \"${BIRDS:-data}\"")).unwrap();
    let ended = quire.run(["build", "birds", "--out", "birds/data/site"]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
}

#[test]
fn a_catalogue_goes_though_the_sites_manifest_or_its_own_state_is_gone() {
    let quire = with(&["birds", "trees"]);
    quire.build(&of(&["birds", "trees"]));
    fs::remove_file(quire.site().join("manifest.json")).unwrap();
    // As if a build had been killed when it had forgotten the catalogue, and not yet its index.
    fs::remove_dir_all(quire.state().join("store/manifests/trees")).unwrap();
    quire.build(&of(&["birds"]).argument("--prune"));
    let alone = with(&["birds"]);
    alone.build(&of(&["birds"]));
    assert_eq!(tree(&quire.site()), tree(&alone.site()));
    assert!(!quire.state().join("index/trees").exists());
}

#[test]
fn damage_in_one_catalogue_does_not_make_another_anew() {
    let quire = with(&["birds", "trees"]);
    // One record of the second fails whenever it is rendered, which the last state hides.
    let page = quire.folder().join("trees/templates/record.html");
    let template = fs::read_to_string(&page).unwrap();
    let failing = "{% block main %}{% if key == \"kingfisher\" %}{{ record.name.no.such }}{% endif %}";
    fs::write(&page, template.replace("{% block main %}", failing)).unwrap();
    let heron = quire.folder().join("birds/data/grey-heron.json");
    fs::write(&heron, fs::read_to_string(&heron).unwrap().replace("Grey heron", "Purple heron")).unwrap();
    let first = quire.build(&of(&["birds", "trees"]));
    assert_eq!(first.runs[1].records.dead, 1);
    let before = tree(&quire.site());
    let blobs = quire.state().join("store/blobs");
    for path in tree(&blobs).into_keys() {
        let bytes = fs::read(blobs.join(&path)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        if text.contains("<html") && text.contains("Purple heron") {
            fs::write(blobs.join(path), "short").unwrap();
        }
    }
    fs::remove_dir_all(quire.site().join("birds")).unwrap();
    let again = quire.build(&of(&["birds", "trees"]));
    assert_eq!(again.runs[1].records.dead, 1);
    assert_eq!(tree(&quire.site()), before);
}

#[test]
fn a_site_does_not_go_where_it_would_be_read_again() {
    let quire = with(&["birds"]);
    for out in ["birds", "birds/data", "birds/data/site", "birds/templates", ".quire", ".quire/x"] {
        let ended = quire.run(["build", "birds", "--out", out]);
        assert_eq!(ended.code, Some(2), "{out}");
        assert!(ended.err.contains("choose another --out"), "{out}: {}", ended.err);
    }
    assert_eq!(quire.run(["build", "birds", "--out", "birds/site"]).code, Some(0));
    let ended = quire.run(["new", "data"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("choose another name"), "{}", ended.err);
    assert!(!quire.folder().join("data").exists());
}

#[test]
fn a_catalogue_that_is_not_built_stays_until_it_is_pruned() {
    let quire = with(&["birds", "trees"]);
    let both = quire.build(&of(&["birds", "trees"])).manifest;
    let birds = of(&["birds"]);
    let told = quire.run(["build", "birds"]);
    assert!(told.out.contains("still on the site: trees"), "{}", told.out);
    assert_eq!(quire.build(&birds).manifest, both);
    let alone = with(&["birds"]);
    assert_eq!(quire.build(&birds.argument("--prune")).manifest, alone.build(&of(&["birds"])).manifest);
    assert_eq!(tree(&quire.site()), tree(&alone.site()));
    assert!(!quire.state().join("index/trees").exists());
    // It comes back as it was.
    assert_eq!(quire.build(&of(&["birds", "trees"])).manifest, both);
}
