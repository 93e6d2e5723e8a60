//! A catalogue over a neuPrint server: real programs, a real Cypher engine.
#![allow(clippy::unwrap_used, reason = "tests")]

mod neuron_pages;

use std::{collections::BTreeMap, fs, path::PathBuf};

use neuron_pages::{Page, number, pages_in};

use quire_proto::BuildReport;
use serde_json::{Value, json};
use system_tests::{Build, Cluster, Ended, Quire, tree};
use test_servers::{Neuprint, NeuprintOptions};

const DATASET: &str = "cns:v0.9";

const DEFINITION: &str = r#"catalogue: types
title: Neuron types
sources:
  - name: types
    neuprint:
      server: "${NEUPRINT_SERVER}"
      dataset: "cns:v0.9"
      token: "${NEUPRINT_TOKEN}"
      per_second: 1000
      timeout_seconds: 30
record:
  key: 'if .kind == "dataset" then "dataset " + .name else .type end'
  title: '.type // .name'
index:
  fields:
    - { name: superclass, from: ".superclasses[]?", type: keyword, facet: true }
pages:
  record: templates/record.html
"#;

const TEMPLATE: &str = "<h1>{{ title }}</h1>{% if record.views %}<p>{{ record.views.all.cells }}</p>\
    {% for partner in record.views.all.outputs %}<i>{{ partner.type }} {{ partner.weight }}</i>{% endfor %}{% endif %}";

/// A server, and a catalogue that reads it by a second definition in its folder.
struct World {
    quire: Quire,
    server: Neuprint,
}

impl World {
    fn of(options: &NeuprintOptions) -> Option<Self> {
        let world = Self { quire: Quire::new(), server: Neuprint::start(options)? };
        let folder = world.quire.folder().join("types");
        fs::create_dir_all(folder.join("templates")).unwrap();
        fs::write(folder.join("neuprint.yaml"), DEFINITION).unwrap();
        fs::write(folder.join("templates/record.html"), TEMPLATE).unwrap();
        let sample = DEFINITION.split_once("    neuprint:").unwrap().0.to_owned()
            + "    files: { root: data, include: [\"*.json\"], format: json }\nrecord:"
            + DEFINITION.split_once("record:").unwrap().1;
        fs::create_dir(folder.join("data")).unwrap();
        fs::write(
            folder.join("data/a.json"),
            r#"{"kind":"type","type":"sample","views":{"all":{"cells":1,"outputs":[]}}}"#,
        )
        .unwrap();
        fs::write(folder.join("catalogue.yaml"), sample).unwrap();
        Some(world)
    }

    fn definition(&self) -> PathBuf {
        self.quire.folder().join("types/neuprint.yaml")
    }

    fn variables(&self) -> Vec<(String, String)> {
        let known =
            [("NEUPRINT_SERVER", self.server.url()), ("NEUPRINT_TOKEN", self.server.token().to_owned())];
        known.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    fn build(&self, quire: &Quire, arguments: &[&str]) -> BuildReport {
        let build =
            Build { catalogues: vec![self.definition()], variables: self.variables(), ..Build::default() };
        quire.build(&arguments.iter().fold(build, |build, argument| build.argument(argument)))
    }

    fn run(&self, arguments: &[&str], variables: &[(String, String)]) -> Ended {
        let mut command = self.quire.command(arguments);
        command.arg(self.definition()).envs(variables.iter().cloned());
        command.output().unwrap().into()
    }
}

#[test]
fn a_dataset_becomes_a_site_and_the_same_one_every_time() {
    let Some(world) = World::of(&NeuprintOptions::default()) else { return };
    let first = world.build(&world.quire, &[]);
    let records = first.runs[0].records;
    let rejects = fs::read_to_string(world.quire.site().join("types/rejects.json")).unwrap();
    assert_eq!((records.published, records.rejected, records.dead), (18, 1, 0), "{rejects}");
    assert!(rejects.contains("key has the control character"), "{rejects}");
    let site = tree(&world.quire.site());
    let shown = |quire: &Quire, text: &str| {
        let pages = tree(&quire.site()).into_keys().filter(|path| path.ends_with(".html"));
        let texts = pages.map(|path| fs::read_to_string(quire.site().join(path)).unwrap());
        texts.filter(|page| page.contains(text)).count()
    };
    assert_eq!(shown(&world.quire, "<p>3</p><i>T4a 18</i>"), 1);

    // Nothing has changed: one short query, and the same bytes.
    world.server.clear();
    let again = world.build(&world.quire, &[]);
    assert_eq!((again.runs[0].records.unchanged, again.runs[0].upstream.queries), (18, 1));
    assert_eq!(
        world.server.control(&json!({}))["kinds"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["edited"]
    );
    assert_eq!(tree(&world.quire.site()), site);

    // Another machine, and everything anew.
    let other = Quire::new();
    world.build(&other, &[]);
    assert_eq!(tree(&other.site()), site);
    fs::remove_dir_all(world.quire.state()).unwrap();
    world.build(&world.quire, &["--full"]);
    assert_eq!(tree(&world.quire.site()), site);

    // An edit shows, and so does what went away.
    let edit = "MATCH (d:Meta) SET d.lastDatabaseEdit = '2025-04-05 06:07:08'";
    world.server.write(DATASET, &[edit, "MATCH (n:Neuron {type: 'kc_a'}) SET n.type = 'KCx'"]);
    let edited = world.build(&world.quire, &[]).runs[0].records;
    assert_eq!((edited.published, edited.unchanged, edited.removed), (2, 16, 1), "the type, and the dataset");
    assert_eq!((shown(&world.quire, "<h1>KCx</h1>"), shown(&world.quire, "<h1>kc_a</h1>")), (1, 0));
}

#[test]
fn the_folder_serves_its_sample_too_and_says_which_definition_is_wrong() {
    let Some(world) = World::of(&NeuprintOptions::default()) else { return };
    let folder = world.quire.folder().join("types");
    let report = world.quire.build(&Build { catalogues: vec![folder.clone()], ..Build::default() });
    assert_eq!(report.runs[0].records.published, 1);
    let broken = DEFINITION.replace("    neuprint:", "    neuprit:");
    fs::write(folder.join("neuprint.yaml"), broken).unwrap();
    let ended = world.run(&["check"], &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.out.contains("--> neuprint.yaml:5:5") && ended.out.contains("did you mean `neuprint`?"),
        "{}",
        ended.out
    );
}

#[test]
fn agents_over_a_broker_ask_the_server_and_make_the_same_site() {
    let Some(world) = World::of(&NeuprintOptions::default()) else { return };
    let alone = world.build(&world.quire, &[]);
    let variables = world.variables();
    let known: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let cluster = Cluster::start(2, &known);
    let together = cluster.run_folder(&world.definition());
    assert_eq!(together.manifest, alone.manifest);
    assert_eq!(together.runs[0].records, alone.runs[0].records);
    assert_eq!(tree(&cluster.site()), tree(&world.quire.site()));
    world.server.clear();
    let again = cluster.run_folder(&world.definition());
    assert_eq!(again.manifest, alone.manifest);
    assert_eq!(
        world.server.control(&json!({}))["kinds"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["edited"]
    );
    assert!(!cluster.logs().contains(world.server.token()));
}

#[test]
fn a_queue_over_a_server_makes_the_site_of_a_build() {
    let Some(world) = World::of(&NeuprintOptions::default()) else { return };
    world.build(&world.quire, &[]);
    let other = Quire::new();
    for arguments in [&["queue", "fill", "--all"][..], &["queue", "pop", "--all", "--batch", "4"]] {
        let mut command = other.command(arguments);
        let ended: Ended = command.arg(world.definition()).envs(world.variables()).output().unwrap().into();
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
    }
    // Also what belongs to no type, which all others look at.
    let pages = |quire: &Quire| {
        let files = tree(&quire.site()).into_iter();
        files.filter(|(path, _)| path.starts_with("types/") && path.ends_with(".json")).collect::<Vec<_>>()
    };
    assert_eq!(pages(&other), pages(&world.quire));
}

#[test]
fn a_check_needs_no_server_and_a_doctor_asks_it() {
    let Some(world) = World::of(&NeuprintOptions::default()) else { return };
    world.server.clear();
    let ended = world.run(&["check"], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("the source types are on a neuPrint server"), "{}", ended.out);
    assert!(ended.out.contains("the definition is right"), "{}", ended.out);
    assert_eq!(world.server.counted("edited").0, 0);

    let ended = world.run(&["doctor"], &world.variables());
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    let said =
        format!("cns:v0.9 (version abc) at {} was changed last 2025-01-02 03:04:05", world.server.url());
    assert!(ended.out.contains(&said), "{}", ended.out);
    assert_eq!(world.server.counted("edited").0, 1);

    world.server.control(&json!({ "token": "another" }));
    let ended = world.run(&["doctor"], &world.variables());
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("set the environment variable NEUPRINT_TOKEN"), "{}", ended.out);
    let ended = world.run(&["doctor"], &[]);
    assert!(ended.out.contains("`NEUPRINT_SERVER` is not set"), "{}", ended.out);
}

#[test]
fn a_server_that_refuses_or_fails_empties_no_site_and_shows_no_token() {
    let Some(world) = World::of(&NeuprintOptions::default()) else { return };
    // Without a site before, nothing is no success.
    let ended = world.run(&["build"], &world.variables()[..1]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("set the environment variable NEUPRINT_TOKEN"), "{}", ended.out);
    world.build(&world.quire, &[]);
    let site = tree(&world.quire.site());
    for fault in [
        json!({ "do": "status", "status": 401, "body": format!("{{\"message\":\"{}\"}}", world.server.token()) }),
        json!({ "do": "reset", "kind": "edited" }),
        json!({ "do": "body", "kind": "edited", "body": "<html>" }),
    ] {
        world.server.fail(&json!([fault]));
        let mut variables = world.variables();
        variables.push(("RUST_LOG".to_owned(), "trace".to_owned()));
        let ended = world.run(&["build"], &variables);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(ended.out.contains("neuPrint"), "{fault}: {}", ended.out);
        assert!(!ended.out.contains(world.server.token()) && !ended.err.contains(world.server.token()));
        assert_eq!(tree(&world.quire.site()), site, "{fault}");
    }
}

/// The pages that the ready catalogue makes of a dataset, by type and side, and the folder that they are in.
fn pages_of(server: &Neuprint, quire: &Quire, dataset: &str) -> BTreeMap<String, Page> {
    let mut build = Build::of("neurons");
    build.catalogues[0].push("neuprint.yaml");
    let build = build
        .variable("NEUPRINT_SERVER", &server.url())
        .variable("NEUPRINT_TOKEN", server.token())
        .variable("NEUPRINT_DATASET", dataset);
    let report = quire.build(&build);
    let records = report.runs[0].records;
    let site = quire.site().join("neurons");
    let rejects = fs::read_to_string(site.join("rejects.json")).unwrap_or_default();
    assert_eq!((records.rejected, records.dead), (0, 0), "{dataset}: {rejects}");
    assert_eq!(records.published, records.seen, "{dataset}");
    let pages = pages_in(&site, |_, twin| twin["record"].clone());
    pages.into_iter().map(|page| (page.name.clone(), page)).collect()
}

/// The ready catalogue, not one for tests: what its pages show is what the small graph of the server holds.
#[test]
fn the_catalogue_of_neuron_types_shows_what_is_in_the_graph() {
    let Some(server) = Neuprint::start(&NeuprintOptions::default()) else { return };
    // No page can have a name with line ends: that type is rejected, as another test says.
    server.write(DATASET, &["MATCH (n:Neuron {bodyId: 211}) DETACH DELETE n"]);
    let quire = Quire::new();
    let pages = pages_of(&server, &quire, DATASET);
    let rows = |page: &str, section: &str| -> Vec<String> {
        pages[page].rows(section).iter().map(|row| row.join(" | ")).collect()
    };
    let card = |page: &str, title: &str| -> String {
        pages[page].cards().into_iter().find(|(name, _)| name == title).unwrap().1.join(" ")
    };
    // Three cells: 101 and 102 on the right, 103 on the left.
    assert!(card("Mi1 all", "Neurons").starts_with("3 2 right | 1 left"), "{}", card("Mi1 all", "Neurons"));
    assert!(
        card("Mi1 all", "Synapses").starts_with("79 49 post | 30 pre"),
        "{}",
        card("Mi1 all", "Synapses")
    );
    assert!(card("Mi1 R", "Connections").starts_with("171 41 upstream | 130 downstream"));
    // 180 connections downstream; of those with types 11, 2 and 5 with cells of T4a, 3 and 7 of DNp01, 9 of Mi1.
    let expected = [
        "T4a | 3 | ACh | 18 | 6.0 | 10.0 | 0.462",
        "DNp01 | 2 | Glu | 10 | 3.3 | 5.6 | 0.400",
        "Mi1 | 1 | ACh | 9 | 3.0 | 5.0 | 0.000",
    ];
    assert_eq!(rows("Mi1 all", "outputs"), expected);
    assert_eq!(rows("Mi1 all", "inputs").len(), 2);
    // The cells in the viewer, and the partners that can be picked beside them, are those of both sides.
    let shown = &pages["Mi1 all"].viewer_state()["layers"];
    let cells = shown.as_array().unwrap().iter().find_map(|layer| layer.get("segments")).unwrap();
    assert_eq!(cells, &json!(["103", "102"]));
    assert!(pages["Mi1 all"].section("outputs").contains("data-bodies=\"111 113\""));
    assert!(pages["Mi1 L"].section("outputs").contains("data-bodies=\"113\""));
    // Regions, layers and columns.
    assert_eq!(rows("Mi1 all", "regions")[0].split(" | ").collect::<Vec<_>>()[..2], ["ME", "49"]);
    let layers = rows("Mi1 R", "layers");
    let with_cells = layers.iter().filter(|row| !row.ends_with("| 0") && !row.ends_with("| -"));
    assert_eq!((layers.len(), with_cells.count()), (10, 2), "{layers:?}");
    let coverage: Vec<Vec<String>> = pages["Mi1 R"].rows("coverage");
    assert_eq!(coverage, [["right", "ME (R)", "2", "4", "1.50", "1.5", "5"]]);
    // A map for each of both metrics, with the four columns of the region, of which two have data.
    for (metric, values) in [("synapses", [4, 1]), ("cells", [1, 2])] {
        let map = figure(&quire, &format!("me-r-{metric}.svg"), "mi1");
        for (column, value) in ["1, 1", "1, 2", "2, 1", "2, 2"].into_iter().zip([values[0], values[1], 0, 0])
        {
            let title = format!("<title>{column}: {value} ME (right)");
            assert!(map.contains(&title), "{title:?} is not in {map}");
        }
    }
    // What is only in the answer about layers has synapses and no cells there.
    let t4a = figure(&quire, "me-r-cells.svg", "t4a");
    assert!(t4a.contains("<title>2, 2: 0 ME (right)"), "{t4a}");
    // The dataset tells of itself on a page of its own.
    let site = tree(&quire.site().join("neurons"));
    let is_own = |path: &&String| path.starts_with("dataset") && path.ends_with(".html");
    let own: Vec<&String> = site.keys().filter(is_own).collect();
    let [own] = own.as_slice() else { panic!("{site:?}") };
    let own = fs::read_to_string(quire.site().join("neurons").join(own)).unwrap();
    assert!(
        own.contains("2025-01-02 03:04:05") && own.contains("<td>R</td><td class=\"num\">4</td>"),
        "{own}"
    );
    // Whoever reads a page can ask the server that was asked.
    let asked = server.url();
    assert!(own.contains(&format!("<dt>Server</dt><dd><a href=\"{asked}\">{asked}</a>")), "{own}");
    let link = format!("<p class=\"elsewhere\"><a href=\"{asked}/?dataset=cns%3Av0.9&amp;qt=findneurons");
    assert!(pages["Mi1 R"].html.contains(&link), "{link}: {}", pages["Mi1 R"].html);
    assert_eq!(pages.values().map(|page| number(&page.view()["cells"])).fold(0.0, f64::max), 3.0);
}

/// A figure of a type, by the end of its path.
fn figure(quire: &Quire, end: &str, of: &str) -> String {
    let files = tree(&quire.site().join("neurons/figures"));
    let found: Vec<_> = files.keys().filter(|path| path.starts_with(of) && path.ends_with(end)).collect();
    let [path] = found.as_slice() else { panic!("{end} of {of}: {files:?}") };
    fs::read_to_string(quire.site().join("neurons/figures").join(path)).unwrap()
}

/// Other datasets call properties otherwise and lack some: their pages are whole all the same.
#[test]
fn the_catalogue_of_neuron_types_takes_every_dataset() {
    let Some(server) = Neuprint::start(&NeuprintOptions::default()) else { return };
    for (dataset, page, cells, transmitter, outputs) in [
        ("optic-lobe:v1.0", "LC17 R", "2", "acetylcholine", "LC17 (R) | 1 | GABA | 3"),
        ("hemibrain:v1.2.1", "KCa'b'-ap1 R", "2", "unknown", "KCa'b'-ap1 (R) | 1 | unknown | 2"),
        ("flywire-fafb:v783", "aMe6c all", "2", "glutamate", "Mi1 | 1 | ACh | 10"),
    ] {
        let quire = Quire::new();
        let pages = pages_of(&server, &quire, dataset);
        let page = pages.get(page).unwrap_or_else(|| panic!("{dataset}: {:?}", pages.keys()));
        let card =
            |title: &str| page.cards().into_iter().find(|(name, _)| name == title).unwrap().1.join(" ");
        assert!(card("Neurons").starts_with(cells), "{dataset}: {}", card("Neurons"));
        assert!(card("Transmitter").starts_with(transmitter), "{dataset}: {}", card("Transmitter"));
        let told = page.rows("outputs")[0].join(" | ");
        assert!(told.starts_with(outputs), "{dataset}: {told}");
        assert!(!page.rows("regions").is_empty(), "{dataset}");
        let of: Vec<&Value> = page.record["transmitters"].as_array().unwrap().iter().collect();
        assert!(!of.is_empty(), "{dataset}");
    }
}
