//! Sections of pages: layers, cards, regions, connections, and what belongs to a dataset.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::neuron_pages::{Page, Site, between, edit, number, plain, replace};

const LAYERS: [(&str, &[&str]); 3] = [
    ("ME", &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]),
    ("LO", &["1", "2", "3", "4", "5A", "5B", "6"]),
    ("LOP", &["1", "2", "3", "4"]),
];

/// Rows of the tables of layers: heading, then name, post, pre.
fn layers(page: &Page) -> Vec<(String, Vec<[String; 3]>)> {
    let table = |html: &&str| {
        let rows = between(html, "<tr><th scope=\"row\">", "</tr>");
        let row = |row: &&str| {
            let parts: Vec<String> = row
                .split("<td")
                .map(|part| plain(&format!("<x>{}", part.split_once('>').map_or(part, |(_, text)| text))))
                .collect();
            [row.split("</th>").next().unwrap().to_owned(), parts[1].clone(), parts[2].clone()]
        };
        (plain(between(html, "<caption>", "</caption>")[0]), rows.iter().map(row).collect())
    };
    between(page.section("layers"), "<table class=\"layers\">", "</table>").iter().map(table).collect()
}

#[test]
fn layers_have_fixed_rows_of_the_pages_own_side() {
    let site = Site::build();
    let (mut pages, mut numbers) = (0, 0);
    for page in site.pages() {
        let any = !page.record["views"]["all"]["layers"].as_array().unwrap().is_empty();
        assert_eq!(page.html.contains("id=\"layers\""), any && page.side != "all", "{}", page.name);
        assert_eq!(page.html.contains("href=\"#layers\""), any && page.side != "all", "{}", page.name);
        if !any || page.side == "all" {
            continue;
        }
        pages += 1;
        let told = layers(&page);
        let of_side = page.view()["layers"].as_array().unwrap().iter().filter(|layer| layer[1] == page.side);
        let own: Vec<&Value> = of_side.collect();
        for ((region, names), (caption, rows)) in LAYERS.iter().zip(&told) {
            assert_eq!(*caption, format!("{region} ({})", page.side));
            let named: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
            assert_eq!(named, [*names, &["Total"]].concat(), "{} {region}", page.name);
            let mut any = false;
            for [name, post, pre] in &rows[..names.len()] {
                let found = own.iter().find(|layer| layer[0] == *region && layer[2] == **name);
                let mean = |at: usize| {
                    let found = found.filter(|layer| number(&layer[5]) > 0.0);
                    found.map_or("-".to_owned(), |layer| {
                        format!("{:.1}", number(&layer[at]) / number(&layer[5]))
                    })
                };
                assert_eq!([post, pre], [&mean(4), &mean(3)], "{} {region} {name}", page.name);
                numbers += usize::from(post != "-");
                any |= post != "-";
            }
            assert_eq!(rows[names.len()][1] == "-", !any, "{} {region}", page.name);
        }
        let rest: Vec<&str> = told[3].1.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(rest, ["LA", "AME", "Central brain"], "{}", page.name);
    }
    assert!(pages >= 9 && numbers > 30, "{pages} {numbers}");
    // What lies in layers of the other side is told, and not among these.
    let weaver = site.page("Weaver", "L");
    assert!(layers(&weaver).iter().flat_map(|(_, rows)| rows).all(|row| row[1] == "-" && row[2] == "-"));
    assert!(
        weaver.text.contains("333 synapses received and 12 made lie in layers elsewhere"),
        "{}",
        weaver.text
    );
}

#[test]
fn sides_of_cards_add_up_to_the_whole() {
    let site = Site::build();
    let mut parts_of_none = 0;
    for page in site.pages().iter().filter(|page| page.side == "all") {
        for (title, texts) in page.cards() {
            if !["Neurons", "Synapses", "Connections"].contains(&title.as_str()) {
                continue;
            }
            let value = |text: &str| text.split(' ').next().unwrap().replace(',', "").parse::<u64>().unwrap();
            let sides = texts.iter().find(|text| text.contains(" right | ")).unwrap();
            let sum: u64 = sides.split(" | ").map(value).sum();
            assert_eq!(sum, value(&texts[0]), "{} {title}: {sides}", page.name);
            parts_of_none += usize::from(sides.contains("middle") || sides.contains("unknown"));
        }
    }
    assert_eq!(parts_of_none, 9, "of Kiel4a, Ostinato and Drift");
}

#[test]
fn transmitters_have_the_commonest_first_and_the_unknown_last() {
    let site = Site::build();
    for page in site.pages() {
        let (_, texts) = page.cards().into_iter().find(|(title, _)| title == "Transmitter").unwrap();
        let names: Vec<&str> = texts.iter().step_by(2).map(String::as_str).collect();
        let mut expected: Vec<(bool, i64, &str)> = page.record["transmitters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|told| {
                (
                    told["name"].is_null(),
                    -told["cells"].as_i64().unwrap(),
                    told["name"].as_str().unwrap_or("unknown"),
                )
            })
            .collect();
        expected.sort_unstable();
        let expected: Vec<&str> = expected.into_iter().map(|(_, _, name)| name).collect();
        assert_eq!(&names[..expected.len()], expected, "{}", page.name);
    }
    // Whatever the order of the record.
    let site = Site::changed(|catalogue| {
        edit(catalogue, "type-10.json", |it| {
            it["transmitters"] = json!([
                {"name": null, "cells": 2, "confidence": null},
                {"name": "glutamate", "cells": 1, "confidence": 0.61},
                {"name": "GABA", "cells": 1, "confidence": 0.5},
            ]);
        });
    });
    let (_, texts) = site.page("Ostinato", "all").cards().remove(3);
    let expected =
        ["GABA", "1 cell, confidence 0.50", "glutamate", "1 cell, confidence 0.61", "unknown", "2 cells"];
    assert_eq!(texts, expected);
}

#[test]
fn connections_name_the_transmitter_of_most_of_them() {
    let site = Site::build();
    let short = [
        ("acetylcholine", "ACh"),
        ("dopamine", "DA"),
        ("glutamate", "Glu"),
        ("octopamine", "OA"),
        ("GABA", "GABA"),
    ];
    let mut seen = BTreeSet::new();
    for page in site.pages() {
        for way in ["inputs", "outputs"] {
            for (told, row) in page.rows(way).iter().zip(page.view()[way].as_array().unwrap()) {
                let name = row["transmitter"].as_str();
                let expected = name.map_or("unknown", |name| {
                    short.iter().find(|(long, _)| *long == name).unwrap_or_else(|| panic!("{name}")).1
                });
                assert_eq!(told[2], expected, "{} {way} {}", page.name, told[0]);
                seen.insert(expected);
            }
            for name in between(page.section(way), "<td><abbr title=\"", "\"") {
                assert!(
                    short.iter().any(|(long, _)| *long == name),
                    "the whole name is in the title: {name}"
                );
            }
        }
    }
    assert!(seen.len() > 4, "{seen:?}");
}

#[test]
fn links_of_regions_are_values_of_the_filter() {
    let site = Site::changed(|catalogue| {
        // Some datasets write the side behind a line.
        for file in ["type-06.json", "type-08.json", "type-09.json", "type-11.json", "dataset.json"] {
            let path = catalogue.join("data").join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace("SLP(L)", "SLP_L").replace("SLP(R)", "SLP_R")).unwrap();
        }
        replace(
            catalogue,
            "templates/settings.html",
            "{% set primary = {} %}",
            "{% set primary = {\"sample-brain\": [\"OL\"]} %}",
        );
    });
    let data: Vec<Value> = serde_json::from_str(&site.read("data.json")).unwrap();
    let values = |field: &str| -> BTreeSet<&str> {
        data.iter()
            .flat_map(|row| row["fields"][field].as_array().unwrap())
            .map(|text| text.as_str().unwrap())
            .collect()
    };
    let mut found = BTreeSet::new();
    for page in site.pages() {
        for link in between(page.section("regions"), "index.html?", "\"") {
            let (field, value) = link.split_once('=').unwrap();
            let value = value.replace("%28", "(").replace("%29", ")");
            found.insert(format!("{field}={value}"));
            // Small parts are no values of the filter; sides are of none.
            assert!(
                values(field).contains(value.as_str()) || ["AME", "LA"].contains(&value.as_str()),
                "{}: {link}",
                page.name
            );
        }
    }
    assert!(found.contains("roi=SLP") && found.contains("roi=LegNp(T1)"), "{found:?}");
    // A region that settings add, as a filter of its own kind.
    assert!(found.contains("region=OL"), "{found:?}");
    let rows = site.page("Weft17", "L").rows("regions");
    assert!(rows.iter().any(|row| row[0] == "OL(L)"), "{rows:?}");
}

#[test]
fn what_belongs_to_a_dataset_is_on_its_pages() {
    let of = |name: &str, tag: &str, server: Option<&str>| {
        Site::changed(|catalogue| {
            edit(catalogue, "dataset.json", |it| {
                it["name"] = name.into();
                it["tag"] = tag.into();
                it["server"] = json!(server);
            });
        })
    };
    for (name, tag, server, explorer, cells, edges) in [
        (
            "optic-lobe",
            "v1.1",
            None,
            "https://neuprint.janelia.org/",
            "gs://flyem-optic-lobe/v1.1/segmentation",
            [8e-9, 8e-9, 8e-9],
        ),
        (
            "flywire-fafb",
            "v783b",
            Some("https://np.example.org"),
            "https://np.example.org/",
            "gs://flywire_v141_m783",
            [16e-9, 16e-9, 40e-9],
        ),
    ] {
        let site = of(name, tag, server);
        let page = site.page("Weft17", "all");
        let state = page.viewer_state();
        let told: Vec<f64> =
            ["x", "y", "z"].iter().map(|axis| number(&state["dimensions"][*axis][0])).collect();
        assert_eq!(told, edges);
        let layers = state["layers"].as_array().unwrap();
        assert_eq!(layers.last().unwrap()["source"], format!("precomputed://{cells}"));
        // In the head, and beside the page.
        let link = format!("href=\"{explorer}?dataset={name}%3A{tag}&amp;qt=findneurons");
        assert_eq!(page.html.matches(&link).count(), 2, "{link}");
        let head = page.html.split("</header>").nth(1).unwrap();
        assert!(head.contains(&link) && head.contains("Weft17 in neuPrint"), "{head}");
        let footer = between(&page.html, "<footer>", "</footer>")[0];
        assert!(plain(footer).contains(&format!("Data: Dataset {name}:{tag}")), "{footer}");
        assert_eq!(footer.contains("np.example.org"), server.is_some());
        let dataset = site.read(between(footer, "Data: <a href=\"", "\"")[0]);
        assert_eq!(dataset.contains("<dt>Server</dt>"), server.is_some());
    }
    let unknown = Site::build().page("Weft17", "all");
    assert!(!unknown.html.contains("in neuPrint") && !unknown.html.contains("In neuPrint"));
}
