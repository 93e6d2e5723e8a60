//! Records that harm: each alone is rejected or dead, exactly once, and the others hardly notice.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use quire_proto::{BuildReport, RunReport};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    Arena, Told,
    arena::{CATALOGUE, originals},
};
use crate::{Build, Cluster, Quire, Synonyms, copy_tree, multiply, repository};

/// Kinds of poison that are rejected; those after them are dead.
const REJECTED: usize = 10;
const KINDS: usize = 12;
/// Of each so many records one is bad.
const EVERY: usize = 21;
/// So much of a clean run's throughput the good records must have.
const SHARE: f64 = 0.9;
/// What kills the renderer's handler: a value that is not there, one of another type, and a loop without end.
const TRAPS: &str = "{% block main %}\
    {% if record.description == \"poison: nothing\" %}{{ record.nothing.deeper }}{% endif %}\
    {% if record.description == \"poison: type\" %}{{ record.description / 2 }}{% endif %}\
    {% if record.description == \"poison: endless\" %}\
    {% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{{ a }}{% endfor %}{% endfor %}{% endfor %}\
    {% endif %}";

/// Good and bad records, and a catalogue whose template can be trapped.
struct Poisoned {
    folder: TempDir,
    rejected: BTreeSet<String>,
    dead: usize,
}

pub(super) fn run(arena: &Arena) -> Told {
    let records = arena.options.records;
    let poisoned = Poisoned::write(records, records / (EVERY - 1));
    let clean = measure(arena, &poisoned, "good", arena.times(1, 3));
    let bad = measure(arena, &poisoned, "all", arena.times(1, 3));
    let good = clean.report.records.published as f64;
    let rate = |run: &Measured| good / run.best_ms * 1_000.0;
    let share = rate(&bad) / rate(&clean);
    poisoned.check(&bad);
    let told = Told {
        runs: clean.runs + bad.runs,
        faults: poisoned.rejected.len() + poisoned.dead,
        notes: vec![format!(
            "{} rejected and {} dead of {} kinds, each once; {good} good records: {:.0}/s clean, {:.0}/s beside the poison ({:.0} %)",
            poisoned.rejected.len(),
            poisoned.dead,
            KINDS + 1,
            rate(&clean),
            rate(&bad),
            100.0 * share
        )],
        ..Told::default()
    };
    assert!(!arena.options.whole || share >= SHARE, "{told:?}");
    told
}

impl Poisoned {
    fn write(good: usize, bad: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("quire-poison-").tempdir().unwrap();
        let [all, clean, catalogue] = ["all", "good", CATALOGUE].map(|name| folder.path().join(name));
        [&all, &clean, &catalogue].iter().for_each(|path| fs::create_dir(path).unwrap());
        copy_tree(&repository().join("catalogues").join(CATALOGUE), &catalogue);
        let template = catalogue.join("templates/record.html");
        let text = fs::read_to_string(&template).unwrap();
        assert!(text.contains("{% block main %}"));
        fs::write(&template, text.replace("{% block main %}", TRAPS)).unwrap();

        multiply(&originals(), &all, good + bad, Synonyms::Own);
        let mut models: Vec<PathBuf> =
            fs::read_dir(&all).unwrap().map(|entry| entry.unwrap().path()).collect();
        models.sort();
        let first: Value = serde_json::from_slice(&fs::read(&models[0]).unwrap()).unwrap();
        let mut poisoned = Self { folder, rejected: BTreeSet::new(), dead: 0 };
        let mut number = 0;
        for (position, model) in models.iter().enumerate() {
            let name = model.file_name().unwrap();
            if position % EVERY == EVERY - 1 && number < bad {
                // One loops until its fuel is used up, which costs most of a second each time that its parcel is split.
                let kind = if number + 1 == bad { KINDS } else { number % KINDS };
                poison(model, kind, &first["name"]);
                if kind < REJECTED {
                    poisoned.rejected.insert(name.to_str().unwrap().to_owned());
                } else {
                    poisoned.dead += 1;
                }
                number += 1;
            } else {
                fs::copy(model, clean.join(name)).unwrap();
            }
        }
        poisoned
    }

    fn catalogue(&self) -> PathBuf {
        self.folder.path().join(CATALOGUE)
    }

    /// Each bad record is told exactly once, and an embedded build says the same.
    fn check(&self, run: &Measured) {
        let counts = run.report.records;
        assert!(counts.adds_up(), "{counts:?}");
        let expected = (self.rejected.len() as u64, self.dead as u64);
        assert_eq!((counts.rejected, counts.dead), expected, "{counts:?}");
        assert_eq!(run.rejects, self.rejected);
        let subjects: BTreeSet<&String> = run.dead.iter().flatten().collect();
        assert!(run.dead.iter().all(|letter| letter.len() == 1), "{:?}", run.dead);
        assert_eq!((run.dead.len(), subjects.len()), (self.dead, self.dead), "{:?}", run.dead);
        let quire = Quire::with("FINDINGS_ROOT", self.folder.path().join("all"));
        let build = Build { catalogues: vec![self.catalogue()], ..Build::default() };
        let embedded: BuildReport = quire.build(&build);
        assert_eq!(embedded.runs[0].records, counts);
        assert_eq!(fs::read(quire.site().join("manifest.json")).unwrap(), run.manifest);
    }
}

/// What runs over a folder of records came to.
struct Measured {
    report: RunReport,
    best_ms: f64,
    runs: usize,
    rejects: BTreeSet<String>,
    /// The subjects of each dead letter.
    dead: Vec<Vec<String>>,
    manifest: Vec<u8>,
}

fn measure(arena: &Arena, poisoned: &Poisoned, records: &str, times: usize) -> Measured {
    let options = arena.cluster("poison").agents(2);
    let records = poisoned.folder.path().join(records);
    let options = options.variable("FINDINGS_ROOT", records.to_str().unwrap());
    let mut best: Option<Measured> = None;
    for _ in 0..times {
        // Afresh, so that dead letters are those of one run.
        let cluster = Cluster::start_with(options.clone());
        let report = cluster.run_folder(&poisoned.catalogue()).runs.remove(0);
        let best_ms = best.as_ref().map_or(f64::MAX, |best| best.best_ms).min(report.duration_ms);
        let runs = best.map_or(0, |best| best.runs) + 1;
        let manifest = fs::read(cluster.site().join("manifest.json")).unwrap();
        best = Some(Measured {
            report,
            best_ms,
            runs,
            rejects: rejects(&cluster.site()),
            dead: dead(&cluster),
            manifest,
        });
    }
    best.unwrap()
}

/// The locations of the items that were rejected.
fn rejects(site: &Path) -> BTreeSet<String> {
    let listed = fs::read(site.join(CATALOGUE).join("rejects.json")).unwrap();
    let listed: Vec<Value> = serde_json::from_slice(&listed).unwrap();
    let rejected = listed.iter().filter(|reject| reject["severity"] == "reject");
    rejected.map(|reject| reject["location"].as_str().unwrap().to_owned()).collect()
}

fn dead(cluster: &Cluster) -> Vec<Vec<String>> {
    let ended = cluster.quire(&["dead", "list", "--json"]);
    let letters: Vec<Value> =
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let subjects = |letter: &Value| {
        let subjects = letter["subjects"].as_array().unwrap().iter();
        subjects.map(|subject| subject.as_str().unwrap().to_owned()).collect()
    };
    letters.iter().map(subjects).collect()
}

/// Makes a good record a bad one.
fn poison(model: &Path, kind: usize, taken: &Value) {
    let bytes = fs::read(model).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(&bytes).unwrap();
        change(&mut value);
        serde_json::to_vec_pretty(&value).unwrap()
    };
    let poisoned = match kind {
        0 => b"poison".to_vec(),
        1 => bytes[..bytes.len() / 2].to_vec(),
        2 => [&bytes[..bytes.len() / 2], b"\xff\xfe", &bytes[bytes.len() / 2..]].concat(),
        3 => Vec::new(),
        4 => vec![b'['; 10_000],
        5 => with(&|value| drop(value.as_object_mut().unwrap().remove("oifm_id"))),
        6 => with(&|value| value["oifm_id"] = 7.into()),
        7 => with(&|value| value["attributes"] = "none".into()),
        8 => with(&|value| value["description"] = 7.into()),
        9 => with(&|value| value["name"] = taken.clone()),
        10 => with(&|value| value["description"] = "poison: nothing".into()),
        11 => with(&|value| value["description"] = "poison: type".into()),
        _ => with(&|value| value["description"] = "poison: endless".into()),
    };
    fs::write(model, poisoned).unwrap();
}
