//! Dead letters that are replayed: what they are about is tried again, and nothing else.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;
use system_tests::{Cluster, birds};

/// The letters that there are: what each is about, and its number.
fn letters(cluster: &Cluster) -> Vec<(String, String)> {
    let told = cluster.quire(&["dead", "list", "--json"]).out;
    let told: Vec<Value> = serde_json::from_str(told.trim()).unwrap();
    let about = |letter: &Value| letter["subjects"][0].as_str().unwrap().to_owned();
    let mut letters: Vec<_> =
        told.iter().map(|letter| (about(letter), letter["number"].to_string())).collect();
    letters.sort();
    letters
}

#[test]
fn dead_letters_are_replayed_by_a_run_that_publishes_what_they_are_about() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = birds(folder.path(), "birds", &[("heron", ",\"colour\":\"grey\""), ("swan", "")]);
    let root = catalogue.join("data");
    let cluster = Cluster::start(1, &[("BIRDS_ROOT", root.to_str().unwrap())]);
    let replay = || {
        let ended = cluster.quire(&["dead", "replay", "--catalogue", "birds", "--json"]);
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, cluster.logs());
        let told: Value = serde_json::from_str(ended.out.trim()).unwrap();
        let run = told["runs"][0].as_str().unwrap_or_default().to_owned();
        (told["letters"].as_u64().unwrap(), run)
    };
    let letters = || letters(&cluster).into_iter().map(|(_, number)| number).collect::<Vec<_>>();
    let ended = cluster.quire(&["run", "start", catalogue.to_str().unwrap(), "--watch", "--json"]);
    assert_eq!(ended.report().runs[0].records.dead, 1, "{}", ended.err);
    assert_eq!(letters(), ["1"]);
    for asked in [&["replay", "99"][..], &["drop", "1", "99"], &["drop", "99", "--dry-run"]] {
        let ended = cluster.quire(&[&["dead"], asked].concat());
        assert_eq!(ended.code, Some(2), "{asked:?}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains("99"), "{asked:?}: {}", ended.err);
    }
    assert_eq!(letters(), ["1"], "the other one is not dropped");

    // The cause is still there.
    let (count, run) = replay();
    assert_eq!((count, run.as_str()), (1, "birds-2"));
    let ended = cluster.quire(&["run", "watch", &run, "--json"]);
    assert_eq!(ended.report().runs[0].records.dead, 1, "{}", ended.err);
    assert_eq!(letters(), ["2"]);

    // Whatever run of everything comes next has tried it again: one letter is left, not one for each run.
    let ended = cluster.quire(&["run", "start", catalogue.to_str().unwrap(), "--watch", "--json"]);
    assert_eq!(ended.report().runs[0].records.dead, 1, "{}", ended.err);
    assert_eq!(letters(), ["3"]);
    // No page has it, and it is there to be looked at.
    let shown = cluster.quire(&["dead", "show", "3", "--json"]);
    let shown: Value = serde_json::from_str(shown.out.trim()).unwrap();
    assert_eq!(shown["records"][0]["text"], "{\"id\":\"swan\"}", "{shown}");

    fs::write(root.join("swan.json"), "{\"id\":\"swan\",\"colour\":\"white\"}").unwrap();
    let (_, run) = replay();
    let ended = cluster.quire(&["run", "watch", &run, "--json"]);
    let records = ended.report().runs[0].records;
    assert_eq!((records.dead, records.published), (0, 1), "{}", ended.err);
    assert!(letters().is_empty());
    assert!(fs::read_to_string(cluster.site().join("birds/swan.html")).unwrap().contains("white"));
}

#[test]
fn letters_are_replayed_alone_and_at_a_rate() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["dove", "duck", "heron", "swan", "wren"];
    let catalogue = birds(folder.path(), "birds", &names.map(|name| (name, "")));
    let root = catalogue.join("data");
    let cluster = Cluster::start(1, &[("BIRDS_ROOT", root.to_str().unwrap())]);
    let quire = |args: &[&str]| -> Value {
        let ended = cluster.quire(args);
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, cluster.logs());
        serde_json::from_str(ended.out.trim()).unwrap()
    };
    let letters = || letters(&cluster).into_iter().collect::<BTreeMap<_, _>>();
    let pages = || names.map(|name| cluster.site().join(format!("birds/{name}.html")).exists());
    let ended = cluster.quire(&["run", "start", catalogue.to_str().unwrap(), "--watch", "--json"]);
    assert_eq!(ended.code, Some(1), "none of them could be processed: {}", ended.err);
    let dead = letters();
    assert_eq!(dead.keys().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
    for name in names {
        fs::write(root.join(format!("{name}.json")), format!("{{\"id\":\"{name}\",\"colour\":\"grey\"}}"))
            .unwrap();
    }

    // One letter is one record: the others are not looked at.
    let run = quire(&["dead", "replay", &dead["heron"], "--json"])["runs"][0].as_str().unwrap().to_owned();
    let records = &quire(&["run", "watch", &run, "--json"])["runs"][0]["records"];
    assert_eq!((records["seen"].as_u64(), records["published"].as_u64()), (Some(1), Some(1)));
    assert_eq!((pages(), letters().len()), ([false, false, true, false, false], 4));

    // Four letters, one a second: the last not before three seconds have passed, in which four such runs are long over.
    fs::write(root.join("wren.json"), "{\"id\":\"wren\"}").unwrap();
    let began = Instant::now();
    let told = quire(&["dead", "replay", "--catalogue", "birds", "--rate", "1", "--lane", "low", "--json"]);
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!((&told["letters"], told["runs"].as_array().unwrap().len()), (&Value::from(4), 4));
    assert_eq!(pages(), [true, true, true, true, false]);
    assert_eq!(letters().into_keys().collect::<Vec<_>>(), ["wren"], "what died again has a new letter");
}

#[test]
fn a_run_of_keys_takes_away_the_letters_of_what_it_has_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue =
        birds(folder.path(), "birds", &[("heron", ""), ("swan", ",\"colour\":\"white\""), ("wren", "")]);
    let root = catalogue.join("data");
    let cluster = Cluster::start(1, &[("BIRDS_ROOT", root.to_str().unwrap())]);
    let about = || letters(&cluster).into_iter().map(|(about, _)| about).collect::<Vec<_>>();
    let start = |more: &[&str]| {
        cluster.quire(&[&["run", "start", catalogue.to_str().unwrap(), "--watch"], more].concat())
    };
    start(&[]);
    assert_eq!(about(), ["heron", "wren"]);
    // One of them is judged at a place that the last manifest does not know.
    fs::write(root.join("wren.json"), "{\"id\":\"wren\",\"colour\":\"brown\"}").unwrap();
    assert_eq!(start(&["--key", "swan"]).code, Some(0), "{}", cluster.logs());
    assert_eq!(about(), ["heron", "wren"], "they were not looked at");
    assert_eq!(start(&["--key", "wren"]).code, Some(0), "{}", cluster.logs());
    assert_eq!(about(), ["heron"]);
    assert!(cluster.site().join("birds/wren.html").exists());
    // What dies again has a letter, one.
    assert_eq!(start(&["--key", "heron"]).code, Some(1), "{}", cluster.logs());
    assert_eq!(about(), ["heron"]);
}

/// A record whose page cannot be made of what another one is now, and can of what that was.
#[test]
fn what_could_be_made_in_the_end_has_no_letter() {
    let folder = tempfile::tempdir().unwrap();
    let birds = birds(
        folder.path(),
        "birds",
        &[("heron", ",\"name\":\"ruin\""), ("swan", ",\"colour\":\"white\",\"near\":\"heron\"")],
    );
    let definition = fs::read_to_string(birds.join("catalogue.yaml")).unwrap();
    let definition = definition
        .replace("title: .id\n", "title: .name // .id\nlookups: [{ name: near, by: .near, in: .id }]\n");
    fs::write(birds.join("catalogue.yaml"), definition).unwrap();
    let page = "{% for bird in lookups.near %}{% if bird.title == 'ruin' %}{{ record.ruin }}{% endif %}{% endfor %}{{ record.colour }}";
    fs::write(birds.join("templates/record.html"), page).unwrap();
    let cluster = Cluster::start(1, &[("BIRDS_ROOT", birds.join("data").to_str().unwrap())]);
    let records = cluster.run_folder(&birds).runs[0].records;
    assert_eq!((records.published, records.dead), (1, 1));
    assert_eq!(letters(&cluster).iter().map(|(about, _)| about.as_str()).collect::<Vec<_>>(), ["heron"]);
}

#[test]
fn a_letter_stays_until_the_run_that_replays_it_has_ended_well() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = birds(folder.path(), "birds", &[("heron", ",\"colour\":\"grey\""), ("swan", "")]);
    let root = catalogue.join("data");
    let cluster = Cluster::start(1, &[("BIRDS_ROOT", root.to_str().unwrap())]);
    let quire = |args: &[&str]| {
        let ended = cluster.quire(args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}\n{}", ended.err, cluster.logs());
        ended.out
    };
    quire(&["run", "start", catalogue.to_str().unwrap(), "--watch"]);
    let dead = letters(&cluster);
    let replay = || {
        let told: Value =
            serde_json::from_str(quire(&["dead", "replay", &dead[0].1, "--json"]).trim()).unwrap();
        told["runs"][0].as_str().unwrap().to_owned()
    };
    fs::write(root.join("swan.json"), "{\"id\":\"swan\",\"colour\":\"white\"}").unwrap();
    // Nothing is rendered, so that the run goes on until it is cancelled.
    quire(&["pause", "render", "--lane", "normal"]);
    let run = replay();
    assert_eq!(letters(&cluster), dead, "it is under way");
    quire(&["run", "cancel", &run]);
    assert_eq!(letters(&cluster), dead, "nothing came of it");
    quire(&["resume", "render", "--lane", "normal"]);
    quire(&["run", "watch", &replay()]);
    assert_eq!(letters(&cluster), []);
    assert!(fs::read_to_string(cluster.site().join("birds/swan.html")).unwrap().contains("white"));
}

#[test]
fn what_dies_again_beside_a_replay_has_one_letter() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["heron", "swan", "wren"];
    let catalogue = birds(folder.path(), "birds", &names.map(|name| (name, ",\"colour\":\"grey\"")));
    let root = catalogue.join("data");
    let cluster = Cluster::start(1, &[("BIRDS_ROOT", root.to_str().unwrap())]);
    let start = |catalogue: &str| cluster.quire(&["run", "start", catalogue, "--watch"]);
    assert_eq!(start(catalogue.to_str().unwrap()).code, Some(0), "{}", cluster.logs());
    // From now on a page needs the size; all have the pages of before.
    fs::write(catalogue.join("templates/record.html"), "{{ record.size }}").unwrap();
    start(catalogue.to_str().unwrap());
    let dead = letters(&cluster);
    assert_eq!(dead.iter().map(|(about, _)| about.as_str()).collect::<Vec<_>>(), names);

    fs::write(root.join("heron.json"), "{\"id\":\"heron\",\"size\":\"large\"}").unwrap();
    let ended = cluster.quire(&["dead", "replay", &dead[0].1, "--json"]);
    let told: Value = serde_json::from_str(ended.out.trim()).unwrap();
    let watched = cluster.quire(&["run", "watch", told["runs"][0].as_str().unwrap(), "--json"]);
    assert_eq!(watched.report().runs[0].records.published, 1, "{}", watched.err);
    let left = letters(&cluster);
    assert_eq!(left.iter().map(|(about, _)| about.as_str()).collect::<Vec<_>>(), ["swan", "wren"]);
    assert!(fs::read_to_string(cluster.site().join("birds/heron.html")).unwrap().contains("large"));
}
