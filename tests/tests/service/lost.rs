//! What a run cannot do: with a broken definition it is not begun, and all else is told.

use std::{fs, path::Path};

use quire_api::run::{DefinitionFile, StartRequest, run_service_client::RunServiceClient};
use serde_json::Value;
use system_tests::{Cluster, birds, tree};
use tokio::runtime::Runtime;
use tonic::Code;

use crate::{Background, run_is_there, until};

/// What the coordinator itself says of a definition that nobody has looked at before.
fn refused(cluster: &Cluster, catalogue: &Path) -> String {
    let files = ["catalogue.yaml", "templates/record.html"];
    let file = |path: &str| DefinitionFile {
        path: path.to_owned(),
        content: fs::read(catalogue.join(path)).unwrap(),
    };
    let request = StartRequest { files: files.map(file).to_vec(), ..StartRequest::default() };
    let address = format!("http://{}", cluster.leader().unwrap().address);
    let status = Runtime::new().unwrap().block_on(async {
        let mut runs = RunServiceClient::connect(address).await.unwrap();
        runs.start(request).await.unwrap_err()
    });
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    status.message().to_owned()
}

/// Expressions, schema and templates are looked at before a run begins: with any of them broken, every record would be
/// rejected or dead.
#[test]
fn a_broken_definition_begins_no_run_and_the_site_stays() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = birds(folder.path(), "birds", &[("heron", ",\"colour\":\"grey\"")]);
    let root = catalogue.join("data");
    let cluster = Cluster::start(1, &[("BIRDS_ROOT", root.to_str().unwrap())]);
    let start = || cluster.quire(&["run", "start", catalogue.to_str().unwrap(), "--watch", "--json"]);
    assert_eq!(start().report().runs[0].records.published, 1);
    let before = tree(&cluster.site());
    for (file, good, bad, place) in [
        ("catalogue.yaml", "key: .id", "key: .id |", "catalogue.yaml:"),
        ("catalogue.yaml", "record:\n", "validate: { schema: shema.json }\nrecord:\n", "shema.json"),
        ("templates/record.html", "{% block main %}", "{% block main %}{% if %}", "templates/record.html:1:"),
    ] {
        let path = catalogue.join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen(good, bad, 1)).unwrap();
        let ended = start();
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{}", ended.err);
        assert!(ended.err.contains(place) && ended.err.contains("the site stays"), "{place}: {}", ended.err);
        let refused = refused(&cluster, &catalogue);
        assert!(refused.contains(place) && refused.contains("the site stays"), "{place}: {refused}");
        fs::write(&path, text).unwrap();
    }
    let path = catalogue.join("templates/record.html");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{}{{{{ title|shout }}}}", " ".repeat(40_000))).unwrap();
    let refused = refused(&cluster, &catalogue);
    assert!(refused.contains("record.html") && refused.contains("`quire check` tells all"), "{refused}");
    fs::write(&path, text).unwrap();
    assert_eq!(tree(&cluster.site()), before);
    assert_eq!(start().report().runs[0].records.unchanged, 1);
    let runs: Vec<Value> =
        serde_json::from_str(cluster.quire(&["run", "list", "--json"]).out.trim()).unwrap();
    assert_eq!(runs.len(), 2, "{runs:?}");
}

#[test]
fn what_a_run_could_not_do_is_told_by_everyone_who_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = birds(folder.path(), "birds", &[("heron", ",\"colour\":\"grey\""), ("swan", "")]);
    let (start, root) = (catalogue.to_str().unwrap(), catalogue.join("data"));
    fs::write(root.join("nobody.json"), "{}").unwrap();
    let cluster = Cluster::start(1, &[("BIRDS_ROOT", root.to_str().unwrap())]);
    let away = folder.path().join("away");

    // Nothing can be read, and nothing is there from before.
    fs::rename(&root, &away).unwrap();
    let ended = cluster.quire(&["run", "start", start, "--watch"]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("  done, partial  0 seen"), "{}", ended.out);
    assert!(ended.out.contains("  partial: source all: "), "{}", ended.out);
    assert_eq!(cluster.quire(&["run", "watch", "birds-1"]).code, Some(1));

    // Some of it is rejected, and some dies.
    fs::rename(&away, &root).unwrap();
    let ended = cluster.quire(&["run", "start", start, "--watch"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    let shown = cluster.quire(&["run", "show", "birds-2"]).out;
    for told in [&ended.out, &shown] {
        assert!(told.contains("birds/rejects.html"), "{told}");
        assert!(told.contains("  dead: quire dead list --catalogue birds"), "{told}");
    }

    // The source is away: what was there stays.
    fs::rename(&root, &away).unwrap();
    let ended = cluster.quire(&["run", "start", start, "--watch"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    let shown = cluster.quire(&["run", "show", "birds-3"]).out;
    let listed = cluster.quire(&["run", "list"]).out;
    for told in [&ended.out, &shown, &listed] {
        assert!(
            told.contains("  done, partial  2 seen") && told.contains("  partial: source all: "),
            "{told}"
        );
    }
    let ids: Vec<&str> =
        listed.lines().filter_map(|line| line.split("  ").next()).filter(|id| !id.is_empty()).collect();
    assert_eq!(ids, ["birds-3", "birds-2", "birds-1"], "{listed}");
    fs::rename(&away, &root).unwrap();

    // A key that nobody has.
    let ended = cluster.quire(&["run", "start", start, "--key", "dodo", "--watch"]);
    assert!(ended.out.contains("no item of the sources has the key dodo"), "{}{}", ended.out, ended.err);
    assert_eq!(ended.code, Some(1));

    // A run that is cancelled while it is watched.
    assert_eq!(cluster.quire(&["pause", "fetch"]).code, Some(0));
    let watching = Background::start(&cluster.servers(), &["run", "start", start, "--full", "--watch"]);
    until("the run", || run_is_there(&cluster, "birds-5"));
    let cancelled = cluster.quire(&["run", "cancel", "birds-5"]);
    assert!(cancelled.out.contains("  cancelled  finished work is kept"), "{}", cancelled.out);
    let ended = watching.end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("error: birds-5: cancelled; finished work is kept"), "{}", ended.err);
}
