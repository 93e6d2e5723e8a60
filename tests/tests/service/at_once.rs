//! Many runs of one catalogue at once.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use system_tests::{Build, Cluster, Quire, birds, tree};

use crate::{Background, until};

/// Two runs of everything under way, the second waiting for the first; each key is changed after both were begun and asked
/// for by a run of its own. The runs of everything end last, with what they had read before or after.
#[test]
fn runs_of_everything_and_of_keys_at_once_lose_nothing_and_the_newest_page_stays() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["crane", "dove", "egret", "finch", "heron", "swan"];
    let of = |colour: &'static str| names.map(|name| (name, colour));
    let catalogue = birds(folder.path(), "birds", &of(",\"colour\":\"grey\""));
    let (start, root) = (catalogue.to_str().unwrap(), catalogue.join("data"));
    let cluster = Cluster::start(2, &[("BIRDS_ROOT", root.to_str().unwrap())]);
    let _ = cluster.run_folder(&catalogue);
    let _ = birds(folder.path(), "birds", &of(",\"colour\":\"white\""));
    assert_eq!(cluster.quire(&["pause", "render", "--lane", "normal"]).code, Some(0));
    let begin = |arguments: &[&str]| {
        let asked = [&["run", "start", start, "--watch", "--json"], arguments].concat();
        Background::start(&cluster.servers(), &asked)
    };
    let full = [(); 2].map(|()| begin(&["--full"]));
    until("both runs", || {
        let runs = cluster.quire(&["run", "list", "--json"]).out;
        let runs: Vec<Value> = serde_json::from_str(&runs).unwrap_or_default();
        let is_under_way = |run: &&Value| run["state"] == "running";
        let under_way: Vec<_> = runs.iter().filter(is_under_way).collect();
        under_way.len() == 2 && under_way.iter().any(|run| run["phase"] == "make")
    });
    let changed = &names[..4];
    let several = changed.iter().map(|name| {
        let record = format!("{{\"id\":\"{name}\",\"colour\":\"little\"}}");
        fs::write(root.join(format!("{name}.json")), record).unwrap();
        begin(&["--key", name])
    });
    let several: Vec<_> = several.collect();
    let page = |bird: &str| fs::read_to_string(cluster.site().join(format!("birds/{bird}.html"))).unwrap();
    for (keys, name) in several.into_iter().zip(changed) {
        let ended = keys.end();
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, cluster.logs());
        let records = ended.report().runs[0].records;
        assert_eq!((records.seen, records.published), (1, 1), "{name}");
        assert!(page(name).contains("little"), "{name}");
    }
    assert_eq!(cluster.quire(&["resume", "render", "--lane", "normal"]).code, Some(0));
    let mut epochs = BTreeSet::new();
    for ended in full.map(Background::end) {
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, cluster.logs());
        let run = &ended.report().runs[0];
        assert!(run.records.adds_up() && run.records.dead == 0, "{run:?}");
        epochs.insert(run.epoch);
    }
    assert_eq!(epochs.len(), 2);
    let quire = Quire::with("BIRDS_ROOT", &root);
    quire.build(&Build::of(start));
    assert_eq!(tree(&cluster.site()), tree(&quire.site()));
    let letters = cluster.quire(&["dead", "list", "--json"]).out;
    assert_eq!(letters.trim(), "[]");
}
