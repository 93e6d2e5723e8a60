//! Dead letters as the commands tell of them: shown in full, counted before anything is done, dropped, replayed in a lane.

use std::{fs, path::PathBuf};

use quire_proto::Parcel;
use serde_json::{Value, json};
use system_tests::{Cluster, birds};
use tempfile::TempDir;

use crate::{Signal, kill_leader};

/// A swan without a colour, and a wren of which legs cannot be counted.
const BIRDS: [(&str, &str); 3] =
    [("heron", ",\"colour\":\"grey\""), ("swan", ""), ("wren", ",\"colour\":\"brown\",\"legs\":\"two\"")];
const TEMPLATE: &str = "{% extends \"quire/base.html\" %}{% block main %}{{ record.colour }}\
    {% if record.legs is defined %}{{ record.legs / 2 }}{% endif %}{% endblock %}";
/// Something that is no parcel, in the lane of a stage.
const NO_PARCEL: &[u8] = b"not a parcel";

/// A cluster with three letters: of the swan, the wren, and what is no parcel.
struct World {
    cluster: Cluster,
    catalogue: PathBuf,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = birds(folder.path(), "birds", &BIRDS);
        fs::write(catalogue.join("templates/record.html"), TEMPLATE).unwrap();
        let cluster = Cluster::start(1, &[("BIRDS_ROOT", catalogue.join("data").to_str().unwrap())]);
        let records = cluster.run_folder(&catalogue).runs[0].records;
        assert_eq!((records.published, records.dead), (1, 2));
        let world = Self { cluster, catalogue, _folder: folder };
        let mut wire = world.cluster.nats[0].wire().unwrap();
        wire.publish("quire.v1.validate.low._", Some("no-parcel"), NO_PARCEL).unwrap();
        world
            .cluster
            .until("the letter of what is no parcel", |_| (world.letters(&[]).len() == 3).then_some(()));
        world
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.cluster.quire(&[arguments, &["--json"]].concat());
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}\n{}", ended.err, self.cluster.logs());
        serde_json::from_str(ended.out.trim()).unwrap()
    }

    /// The letters that `filter` lets through, as they are listed.
    fn letters(&self, filter: &[&str]) -> Vec<Value> {
        let told = self.json(&[&["dead", "list"], filter].concat());
        told.as_array().unwrap().clone()
    }

    /// The number of the letter about `subject`; with an empty one, of what is no parcel.
    fn number(&self, subject: &str) -> String {
        let letters = self.letters(&[]);
        let about = |letter: &&Value| {
            letter["subjects"].as_array().unwrap().first().map_or("", |it| it.as_str().unwrap()) == subject
        };
        letters.iter().find(about).unwrap()["number"].to_string()
    }

    /// How many letters a command would take, and how many it would leave as they are.
    fn counted(&self, what: &str, filter: &[&str]) -> (u64, u64) {
        let told = self.json(&[&["dead", what, "--dry-run"], filter].concat());
        assert_eq!(told["dry_run"], true, "{told}");
        let runs = if what == "replay" { json!([]) } else { Value::Null };
        assert_eq!(told["runs"], runs, "{told}");
        (told["letters"].as_u64().unwrap(), told["skipped"].as_u64().unwrap())
    }
}

#[test]
fn a_letter_is_shown_with_everything_that_is_known_of_it() {
    let world = World::new();
    let number = world.number("swan");
    let shown = world.json(&["dead", "show", &number]);
    let members: Vec<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "number",
            "stage",
            "error",
            "attempts",
            "catalogue",
            "run",
            "lane",
            "subjects",
            "trace",
            "payload",
            "records"
        ]
    );
    let [record] = shown["records"].as_array().unwrap().as_slice() else { panic!("{shown}") };
    let text = record["text"].as_str().unwrap();
    let body: Value = serde_json::from_str(text).unwrap();
    assert_eq!((&record["subject"], &body["id"]), (&json!("swan"), &json!("swan")), "{record}");
    assert_eq!(record["bytes"].as_u64(), Some(text.len() as u64));
    assert_eq!(shown["number"].to_string(), number);
    let facts = ["stage", "attempts", "catalogue", "run", "lane", "subjects"].map(|name| &shown[name]);
    assert_eq!(json!(facts), json!(["render", 1, "birds", "birds-1", "normal", ["swan"]]));
    let error = shown["error"].as_str().unwrap();
    assert!(error.contains("swan") && error.contains("record.html"), "{error}");
    let parcel: Parcel = serde_json::from_str(shown["payload"].as_str().unwrap()).unwrap();
    assert_eq!((parcel.header.run.to_string(), parcel.work.records()), ("birds-1".to_owned(), 1));

    let ended = world.cluster.quire(&["dead", "show", &number]);
    let (facts, payload) = ended.out.split_once("\n\nparcel\n").unwrap();
    let (facts, shown_record) = facts.split_once("\n\nrecord swan, ").unwrap();
    assert_eq!(shown_record, format!("{} bytes\n{text}", text.len()));
    let told = |name: &str, value: &str| format!("{name:10} {value}");
    let first: Vec<String> = [
        ("number", number.as_str()),
        ("stage", "render"),
        ("catalogue", "birds"),
        ("run", "birds-1"),
        ("lane", "normal"),
        ("attempts", "1"),
        ("about", "swan"),
        ("trace", shown["trace"].as_str().unwrap()),
    ]
    .map(|(name, value)| told(name, value))
    .into();
    // An error may have several lines.
    assert_eq!(facts, [first.join("\n"), told("error", error)].join("\n"), "{}", ended.err);
    assert_eq!(payload.trim_end(), shown["payload"].as_str().unwrap().trim_end());

    let shown = world.json(&["dead", "show", &world.number("")]);
    assert_eq!((&shown["stage"], &shown["payload"]), (&json!("validate"), &json!("not a parcel")), "{shown}");
    assert_eq!((&shown["run"], &shown["subjects"]), (&json!(""), &json!([])), "{shown}");
    let unknown = world.cluster.quire(&["dead", "show", "99"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("99"), "{}", unknown.err);
}

#[test]
fn letters_are_counted_before_they_are_replayed_or_dropped_and_only_those_that_are_meant_go() {
    let world = World::new();
    let [swan, wren] = ["swan", "wren"].map(|bird| world.number(bird));
    let about = |filter: &[&str]| {
        // Which of them died first is chance.
        let about = world.letters(filter).into_iter().map(|letter| letter["subjects"][0].clone());
        let mut about: Vec<Value> = about.collect();
        about.sort_by_key(ToString::to_string);
        about
    };
    assert_eq!(about(&["--stage", "render"]), [json!("swan"), json!("wren")]);
    assert_eq!(about(&["--stage", "validate"]), [Value::Null]);
    assert_eq!(about(&["--error", "wren"]), [json!("wren")]);
    assert_eq!(about(&["--stage", "validate", "--error", "wren"]), Vec::<Value>::new());
    assert_eq!(about(&["--catalogue", "birds"]).len(), 2);

    let before = world.letters(&[]);
    // What is no parcel cannot be replayed.
    for (filter, replayed, skipped) in [
        (&["--all"][..], 2, 1),
        (&["--stage", "render"], 2, 0),
        (&["--stage", "validate"], 0, 1),
        (&["--error", "wren"], 1, 0),
        (&["--catalogue", "birds"], 2, 0),
        (&["--catalogue", "birds", "--error", "no such"], 0, 0),
        (&[swan.as_str()], 1, 0),
    ] {
        assert_eq!(world.counted("replay", filter), (replayed, skipped), "{filter:?}");
        assert_eq!(world.counted("drop", filter), (replayed + skipped, 0), "{filter:?}");
    }
    let would = world.cluster.quire(&["dead", "replay", "--all", "--dry-run"]).out;
    assert!(
        would.starts_with("2 letters would be replayed\n") && would.contains("1 letter without"),
        "{would}"
    );
    let would = world.cluster.quire(&["dead", "drop", "--all", "--dry-run"]).out;
    assert_eq!(would, "3 letters would be dropped\n");
    assert_eq!(world.letters(&[]), before);
    assert_eq!(world.json(&["run", "list"]).as_array().unwrap().len(), 1, "no run was begun");
    for nobody in [&["dead", "drop"][..], &["dead", "replay"]] {
        let ended = world.cluster.quire(nobody);
        assert!(ended.code == Some(2) && ended.err.contains("--all"), "{}", ended.err);
    }

    for what in [&["list"][..], &["replay"], &["drop"]] {
        let unknown = world.cluster.quire(&[&["dead"], what, &["--catalogue", "fish"]].concat());
        assert!(unknown.code == Some(2) && unknown.err.contains("there are birds"), "{}", unknown.err);
    }
    let unknown = world.cluster.quire(&["dead", "list", "--stage", "rander"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("render"), "{}", unknown.err);

    let dropped = world.json(&["dead", "drop", &swan]);
    assert_eq!((&dropped["letters"], &dropped["dry_run"]), (&json!(1), &json!(false)), "{dropped}");
    assert_eq!(about(&[]), [json!("wren"), Value::Null]);
    let dropped = world.cluster.quire(&["dead", "drop", "--stage", "validate", "--error", "decoding"]);
    assert_eq!((dropped.code, dropped.out.as_str()), (Some(0), "1 letter dropped\n"), "{}", dropped.err);
    assert_eq!(about(&[]), [json!("wren")]);
    assert_eq!(world.cluster.quire(&["dead", "drop", &swan]).code, Some(2), "it is gone already");
    assert_eq!(world.json(&["dead", "drop", "--all"])["letters"], 1);
    assert_eq!((about(&[]), world.cluster.quire(&["dead", "show", &wren]).code), (Vec::new(), Some(2)));
    assert_eq!(world.json(&["run", "list"]).as_array().unwrap().len(), 1, "dropping begins no run");
}

#[test]
fn a_record_is_explained_with_its_dead_letters() {
    let world = World::new();
    let server = world.cluster.leader().unwrap().address.to_string();
    let number = world.number("swan");
    let asked = |key: &str| world.json(&["explain", key, "--server", &server]);
    let explained = asked("swan");
    let letters = explained["dead_letters"].as_array().unwrap();
    assert_eq!(letters.len(), 1, "{explained}");
    assert_eq!(letters[0]["number"].to_string(), number);
    let facts = ["stage", "run", "attempts"].map(|name| &letters[0][name]);
    assert_eq!(json!(facts), json!(["render", "birds-1", 1]));
    let error = letters[0]["error"].as_str().unwrap();
    assert_eq!(error, world.json(&["dead", "show", &number])["error"].as_str().unwrap());
    let told = world.cluster.quire(&["explain", "swan", "--server", &server]).out;
    assert!(told.contains(&format!("dead letter {number}  render  {error}\n")), "{told}");
    // Others have none, and letters of no parcel are of nobody.
    let explained = asked("heron");
    assert_eq!(
        (&explained["dead_letters"], &explained["explanations"][0]["state"]),
        (&json!([]), &json!("published"))
    );

    assert_eq!(world.cluster.quire(&["dead", "drop", &number]).code, Some(0));
    let gone = world.cluster.quire(&["explain", "swan", "--server", &server, "--json"]);
    assert!(!gone.out.contains(&number) || gone.out.contains("\"dead_letters\":[]"), "{}", gone.out);
}

#[test]
fn letters_are_replayed_in_the_lane_that_is_asked_for() {
    let World { mut cluster, catalogue, _folder } = World::new();
    let json = |cluster: &Cluster, arguments: &[&str]| -> Value {
        let ended = cluster.quire(&[arguments, &["--json"]].concat());
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}\n{}", ended.err, cluster.logs());
        serde_json::from_str(ended.out.trim()).unwrap()
    };
    let lane = |cluster: &Cluster, run: &str| json(cluster, &["run", "show", run])["lane"].clone();
    fs::write(catalogue.join("data/swan.json"), "{\"id\":\"swan\",\"colour\":\"white\"}").unwrap();
    let run = json(&cluster, &["dead", "replay", "--error", "swan", "--lane", "low"])["runs"][0].clone();
    let run = run.as_str().unwrap();
    assert_eq!(json(&cluster, &["run", "watch", run])["runs"][0]["records"]["published"], 1);
    assert_eq!((lane(&cluster, run), lane(&cluster, "birds-1")), (json!("low"), json!("normal")));
    // That is where the work was done.
    let metrics = cluster.agents("renderer").next().unwrap().get("/metrics").unwrap();
    let low = |line: &&str| {
        line.starts_with("quire_parcels_total{") && line.contains("\"low\"") && line.contains("\"processed\"")
    };
    let low = metrics.lines().find(low).and_then(|line| line.rsplit(' ').next()).map(str::to_owned);
    assert!(low.is_some_and(|count| count != "0"), "{metrics}");

    // Without a word, a letter of the normal lane is replayed there; and whoever leads next knows the lanes of all.
    let other = json(&cluster, &["dead", "replay", "--error", "wren"])["runs"][0].clone();
    let other = other.as_str().unwrap();
    json(&cluster, &["run", "watch", other]);
    kill_leader(&mut cluster, Signal::Term);
    cluster.add("coordinator");
    cluster.wait_until_ready();
    let lanes = [run, other, "birds-1"].map(|run| lane(&cluster, run));
    assert_eq!(lanes, ["low", "normal", "normal"].map(|lane| json!(lane)));
}
