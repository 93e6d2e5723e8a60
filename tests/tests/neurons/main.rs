//! The ready catalogue of neuron types: what its pages say is what the records say, calculated here once more.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_precision_loss, reason = "tests")]

mod again;
mod list;
mod maps;
#[path = "../neuron_pages/mod.rs"]
mod neuron_pages;
mod sections;

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use neuron_pages::{Page, Site, number, text_of};
use serde_json::Value;
use system_tests::{Build, Quire, copy_tree, repository, tree};

fn catalogue() -> PathBuf {
    repository().join("catalogues/neurons")
}

fn weight(rows: &Value) -> f64 {
    rows.as_array().unwrap().iter().map(|row| number(&row["weight"])).sum()
}

/// A number as pages write it, with so many decimals.
fn written(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let groups: Vec<&[u8]> = whole.as_bytes().rchunks(3).rev().collect();
    format!("{sign}{}{rest}", String::from_utf8(groups.join(&b','.to_owned())).unwrap())
}

#[test]
fn connections_have_their_shares_strengths_and_variations() {
    let site = Site::build();
    let mut seen = 0;
    for page in site.pages() {
        let view = page.view();
        let cells = number(&view["cells"]);
        for (way, all) in [("inputs", "upstream"), ("outputs", "downstream")] {
            let all = number(&view[all]);
            let rows = view[way].as_array().unwrap();
            let told = page.rows(way);
            assert_eq!(told.len(), rows.len(), "{} {way}", page.name);
            for (told, row) in told.iter().zip(rows) {
                seen += 1;
                let weight = number(&row["weight"]);
                let side = row["side"].as_str().map_or(String::new(), |side| format!(" ({side})"));
                let expected = [
                    format!("{}{side}", row["type"].as_str().unwrap()),
                    written(number(&row["cells"]), 0),
                    written(weight, 0),
                    written(weight / cells, 1),
                    written(100.0 * weight / all, 1),
                    written(number(&row["cv"]), 3),
                ];
                let [partner, cells, _, weight, each, share, cv] = told.as_slice() else {
                    panic!("{told:?}")
                };
                assert_eq!(
                    [partner, cells, weight, each, share, cv].map(String::clone),
                    expected,
                    "{} {way}",
                    page.name
                );
            }
            // Those without a type are told, and all together are everything.
            let untyped = all - weight(&view[way]);
            if !rows.is_empty() || untyped > 0.0 {
                let share = written(100.0 * untyped / all, 1);
                let words = format!("{} ({share} %) are with cells that have no type", written(untyped, 0));
                assert!(page.text.contains(&words), "{} {way}: {words}", page.name);
            }
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn what_a_partner_gives_is_what_it_is_told_to_give() {
    let site = Site::build();
    let records = site.records();
    let find = |name: &str| records.iter().find(|record| record["type"] == name);
    let mut compared = 0;
    for record in &records {
        for row in record["views"]["all"]["inputs"].as_array().unwrap() {
            let Some(partner) = find(row["type"].as_str().unwrap()) else { continue };
            let outputs = partner["views"]["all"]["outputs"].as_array().unwrap();
            let back = outputs.iter().find(|back| back["type"] == record["type"]).unwrap();
            assert_eq!(back["weight"], row["weight"], "{} to {}", row["type"], record["type"]);
            compared += 1;
        }
    }
    assert!(compared > 15, "{compared}");
}

#[test]
fn variations_are_those_of_the_weights_of_partner_cells() {
    // By hand: 29 and 19 synapses from two cells are 24 on average, 5 away each: 5/24.
    let site = Site::build();
    for record in site.records() {
        for row in
            record["views"].as_object().unwrap().values().flat_map(|view| view["inputs"].as_array().unwrap())
        {
            let (cells, cv) = (number(&row["cells"]), number(&row["cv"]));
            assert!(cells > 1.0 || cv == 0.0, "one cell does not vary: {row}");
            assert!(cv <= (cells - 1.0).max(0.0).sqrt() + 1e-9, "more than numbers can vary: {row}");
        }
    }
    let classes: BTreeSet<String> = site.pages().iter().flat_map(Page::classes).collect();
    assert!(classes.iter().any(|class| class.starts_with("middle")), "{classes:?}");
    for class in classes {
        let (class, cv) = class.split_once(' ').unwrap();
        let cv: f64 = cv.parse().unwrap();
        assert!(if class == "high" { cv > 1.0 } else { cv > 0.3 && cv <= 1.0 }, "{class} {cv}");
    }
}

#[test]
fn cards_have_sums_means_and_log_ratios() {
    let site = Site::build();
    for page in site.pages() {
        let view = page.view();
        let of = |what: &str| number(&view[what]);
        let cards = page.cards();
        let card = |name: &str| {
            cards.iter().find(|(title, _)| title == name).map(|(_, texts)| texts.join(" ")).unwrap()
        };
        let (synapses, connections) = (of("pre") + of("post"), of("upstream") + of("downstream"));
        for (name, first) in [
            ("Neurons", written(of("cells"), 0)),
            ("Synapses", written(synapses, 0)),
            ("Connections", written(connections, 0)),
            ("Synapses per neuron", written(synapses / of("cells"), 1)),
            ("Connections per neuron", written(connections / of("cells"), 1)),
        ] {
            assert!(card(name).starts_with(&first), "{} {name}: {} is not {first}", page.name, card(name));
        }
        if page.side == "all" {
            let side = |side: &str, what: &str| number(&page.record["views"][side][what]);
            let ratio = written_ratio(side("R", "cells"), side("L", "cells"));
            assert!(
                card("Neurons").contains(&format!("right / left {ratio}")),
                "{}: {}",
                page.name,
                card("Neurons")
            );
        } else {
            let ratio = written_ratio(of("post"), of("pre"));
            assert!(
                card("Synapses").contains(&format!("post / pre {ratio}")),
                "{}: {}",
                page.name,
                card("Synapses")
            );
        }
    }
}

fn written_ratio(a: f64, b: f64) -> String {
    match (a, b) {
        _ if a == b => "0.00".to_owned(),
        (_, 0.0) => "∞".to_owned(),
        (0.0, _) => "-∞".to_owned(),
        _ => written((a / b).log2(), 2).replace("-0.00", "0.00"),
    }
}

#[test]
fn regions_add_up_and_sides_are_put_together() {
    let site = Site::build();
    let primary = site.dataset()["primary"].clone();
    let primary: BTreeSet<&str> =
        primary.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for page in site.pages() {
        let mut sums = std::collections::BTreeMap::<String, [f64; 2]>::new();
        for row in page.view()["regions"].as_array().unwrap() {
            let name = row[0].as_str().unwrap();
            if !primary.contains(name) {
                continue;
            }
            let paired = page.side == "all" && (name.ends_with("(L)") || name.ends_with("(R)"));
            let name = if paired { &name[..name.len() - 3] } else { name };
            let sum = sums.entry(name.to_owned()).or_default();
            sum[0] += number(&row[1]);
            sum[1] += number(&row[2]);
        }
        let total = sums.values().fold([0.0, 0.0], |all, sum| [all[0] + sum[0], all[1] + sum[1]]);
        let told = page.rows("regions");
        assert_eq!(told.len(), sums.len(), "{}", page.name);
        for row in told {
            let [pre, post] = sums[&row[0]];
            let share = |part: f64, whole: f64| {
                if whole > 0.0 { written(100.0 * part / whole, 1) } else { "-".to_owned() }
            };
            let expected = [
                written(post, 0),
                share(post, total[1]),
                written_ratio(post, pre),
                written(pre, 0),
                share(pre, total[0]),
            ];
            assert_eq!(row[1..], expected, "{} {}", page.name, row[0]);
        }
    }
}

#[test]
fn shares_of_layers_count_no_total() {
    let site = Site::build();
    let mut pages = 0;
    for page in site.pages().iter().filter(|page| page.html.contains("id=\"layers\"")) {
        pages += 1;
        let section = page.section("layers");
        let post = section.split("num post\">").skip(1);
        let widths = post.filter_map(|cell| {
            cell.split("</td>").next()?.split_once("width=\"")?.1.split('"').next()?.parse::<f64>().ok()
        });
        let sum: f64 = widths.sum();
        // Of cells that have all their layers on the other side there are no bars.
        let none = sum == 0.0 && page.title == "Weaver";
        assert!(none || (sum - 100.0).abs() < 0.2, "{}: the bars are {sum} % of themselves", page.name);
    }
    assert!(pages >= 6, "{pages}");
}

#[test]
fn partners_are_links_where_they_have_a_page() {
    let site = Site::build();
    let names: BTreeSet<String> =
        site.records().iter().map(|record| record["type"].as_str().unwrap().to_owned()).collect();
    let mut links = 0;
    for page in site.pages() {
        for (partner, href) in page.partners() {
            let base = partner
                .strip_suffix(')')
                .and_then(|name| name.rsplit_once(" ("))
                .map_or(partner.as_str(), |(name, _)| name);
            match href {
                Some(href) => {
                    links += 1;
                    let title = text_of(&fs::read_to_string(site.folder().join(&href)).unwrap(), "h1");
                    assert!(title.starts_with(base), "{partner} leads to {title}");
                }
                None => assert!(!names.contains(base), "{partner} has a page and no link"),
            }
        }
    }
    assert!(links > 60, "{links}");
}

#[test]
fn odd_names_have_pages_of_their_own() {
    let site = Site::build();
    let titles: Vec<String> =
        site.pages().iter().filter(|page| page.main).map(|page| page.title.clone()).collect();
    assert_eq!(titles.len(), 12);
    for odd in ["Qu'il'-ap1", "Acc. ti/flexor MN", "Vane <M> & mast", "Weft17", "weft17"] {
        assert!(titles.iter().any(|title| title == odd), "{odd}: {titles:?}");
    }
    // Also where file names do not tell capitals from others.
    let files: Vec<String> = tree(&site.folder()).into_keys().collect();
    let folded: BTreeSet<String> = files.iter().map(|file| file.to_lowercase()).collect();
    assert_eq!(files.len(), folded.len());
}

#[test]
fn citations_that_are_not_known_are_told_and_lead_nowhere() {
    let site = Site::build();
    let page = site.pages().into_iter().find(|page| page.title == "Lumen1" && page.main).unwrap();
    let own = site.read(&page.cited("Harrow 2014").unwrap());
    assert_eq!(text_of(&own, "h1"), "Harrow 2014");
    assert!(own.contains("<a href=\"https://example.org/harrow-2014\">"), "{own}");
    assert!(own.contains(">Lumen1</a>") && !own.contains("the first 200"), "{own}");
    // What it is called has no address in it.
    let title = "Harrow (2014): Cells of the first relay. Made up for this sample.";
    assert!(page.html.contains(&format!("title=\"{title}\">Harrow 2014</a>")), "{}", page.html);
    assert!(site.read("index.html").contains(&format!(">{title}</a>")));
    assert!(page.text.contains("Unlisted 2001, not known here"));
    assert!(!page.html.contains("href=\"#\""));
    let fru = site.pages().into_iter().find(|page| page.title == "Weft17" && page.main).unwrap();
    assert!(fru.text.contains("W17") && !fru.text.contains("fru-W17"), "marks are no names");
}

#[test]
fn citations_are_read_however_they_are_written() {
    let addresses = [
        "10.1/x",
        "doi:10.1/x",
        "DOI: 10.1/x",
        "doi.org/10.1/x",
        "https://doi.org/10.1/x",
        "http://dx.doi.org/10.1/x",
        "https://example.org/10.1/x",
    ];
    for address in addresses {
        let site = Site::changed(|catalogue| {
            let table = format!(
                "citation, address, title\nHarrow 2014 , {address} , Harrow\n Pell 2019,10.2/y,\" Pell \"\n"
            );
            fs::write(catalogue.join("data/citations.csv"), table).unwrap();
        });
        let page = site.page("Lumen1", "all");
        let own = site.read(&page.cited("Harrow 2014").unwrap());
        let expected = if address.contains("example") { address } else { "https://doi.org/10.1/x" };
        assert!(own.contains(&format!("<a href=\"{expected}\">{expected}</a>")), "{address}: {own}");
        assert!(page.html.contains("title=\"Harrow\">"), "{address}");
        assert!(site.read("index.html").contains(">Pell</a>"));
    }
}

#[test]
fn a_citation_of_more_types_than_its_page_has_leads_to_all_of_them() {
    let names: Vec<String> = (0..200).map(|number| format!("More{number:03}")).collect();
    let site = Site::with_more(&names);
    let own = site.read(&site.page("Lumen1", "all").cited("Harrow 2014").unwrap());
    let types = own.split_once("Types whose other names").unwrap().1.split_once("</ul>").unwrap().0;
    assert_eq!(types.matches("</li>").count(), 200);
    assert!(own.contains("These are the first 200; <a href=\"index.html?cites=Harrow%202014\">"), "{own}");
    // There are more: those of the sample.
    let found = site.search(&["--filter", "cites=Harrow 2014"]);
    assert_eq!(found.len(), 50, "as many as are asked for");
    let data: Vec<Value> = serde_json::from_str(&site.read("data.json")).unwrap();
    let cites = |row: &&Value| row["fields"]["cites"].as_array().unwrap().contains(&"Harrow 2014".into());
    assert_eq!(data.iter().filter(cites).count(), 202);
    // The page of few says nothing of the kind.
    let few = site.read(&site.page("Lumen1", "all").cited("Pell 2019").unwrap_or_default());
    assert!(!few.contains("the first 200"));
}

#[test]
fn the_viewer_shows_the_cells_that_the_text_names() {
    for page in Site::build().pages() {
        let state = page.viewer_state();
        let layers = state["layers"].as_array().unwrap();
        let shown: Vec<&str> =
            layers[0]["segments"].as_array().unwrap().iter().map(|body| body.as_str().unwrap()).collect();
        let views = &page.record["views"];
        let of_sides =
            || ["L", "R", "M"].iter().filter_map(|side| views[*side]["shown"].as_str()).collect::<Vec<_>>();
        let expected = match page.side.as_str() {
            "all" if !of_sides().is_empty() => of_sides(),
            side => vec![views[side]["shown"].as_str().unwrap()],
        };
        assert_eq!(shown, expected, "{}", page.name);
        let text = &page.text;
        assert!(
            shown
                .iter()
                .all(|body| text.contains(&format!("Body {body}")) || text.contains(&format!("and {body}"))),
            "{}",
            page.name
        );
        // Those of unknown side are among those that are looked at only where no side is known.
        let unknown = page.record["sides"]["unknown"].as_u64().filter(|_| page.side == "all");
        let left_out = unknown.filter(|_| !of_sides().is_empty());
        assert_eq!(text.contains(" of unknown side are left out."), left_out.is_some_and(|count| count > 1));
        assert_eq!(
            text.contains("1 cell of unknown side is left out."),
            left_out == Some(1),
            "{}",
            page.name
        );
        let of = if page.side == "all" && !of_sides().is_empty() { "each side" } else { "these cells" };
        assert!(text.contains(&format!(": of {of} the one with most synapses")), "{}", page.name);
    }
}

#[test]
fn a_second_build_changes_nothing_and_one_from_nothing_is_the_same() {
    let (one, other) = (Quire::new(), Quire::new());
    one.build(&Build::of("neurons"));
    other.build(&Build::of("neurons"));
    let first = tree(&one.site());
    assert_eq!(first, tree(&other.site()));
    let again = one.build(&Build::of("neurons"));
    assert_eq!(again.runs[0].records.unchanged, 15);
    assert_eq!(first, tree(&one.site()));
}

#[test]
fn wrong_records_are_rejected_each_by_its_rule() {
    let sample = catalogue().join("data");
    let break_it = |file: &str, change: &dyn Fn(&mut Value)| {
        let folder = tempfile::tempdir().unwrap();
        copy_tree(&sample, folder.path());
        let path = folder.path().join(file);
        let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut record);
        fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
        let quire = Quire::with("NEURONS_ROOT", folder.path());
        quire.build(&Build::of("neurons"));
        let rejects: Vec<Value> =
            serde_json::from_slice(&fs::read(quire.site().join("neurons/rejects.json")).unwrap()).unwrap();
        rejects.iter().map(|reject| reject["rule"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    type Change = (&'static str, &'static str, fn(&mut Value));
    let changes: [Change; 14] = [
        ("schema", "type-01.json", |it| it["views"]["all"]["cells"] = "74".into()),
        ("schema", "type-01.json", |it| it["extra"] = 1.into()),
        ("cells-by-side", "type-01.json", |it| it["sides"]["L"] = 36.into()),
        ("cells-by-transmitter", "type-01.json", |it| it["transmitters"][0]["cells"] = 3.into()),
        ("sides-of-the-whole", "type-01.json", |it| it["views"]["L"]["pre"] = 1_000_000.into()),
        ("regions-of-the-whole", "type-04.json", |it| it["views"]["all"]["regions"][0][1] = 1_000_000.into()),
        ("layers-of-the-region", "type-04.json", |it| it["views"]["L"]["layers"][0][4] = 1_000_000.into()),
        ("cells-of-a-layer", "type-04.json", |it| it["views"]["L"]["layers"][0][5] = 0.into()),
        ("connections-of-the-whole", "type-04.json", |it| {
            it["views"]["L"]["inputs"][0]["weight"] = 1_000_000.into()
        }),
        ("connections-by-side", "type-04.json", |it| it["views"]["all"]["inputs"][0]["weight"] = 1.into()),
        ("partner", "type-04.json", |it| {
            let twice = it["views"]["L"]["inputs"][0].clone();
            it["views"]["L"]["inputs"].as_array_mut().unwrap().push(twice);
        }),
        ("columns-of-a-map", "type-04.json", |it| {
            it["eyemaps"][0]["columns"][1] = it["eyemaps"][0]["columns"][0].clone()
        }),
        ("cells-of-a-map", "type-04.json", |it| it["eyemaps"][0]["columns"][0][2] = 99.into()),
        ("primary-regions", "dataset.json", |it| it["primary"][0] = "Nowhere".into()),
    ];
    for (rule, file, change) in changes {
        let found = break_it(file, &change);
        assert!(found.iter().any(|name| name.contains(rule)), "{rule}: {found:?}");
    }
    assert!(break_it("dataset.json", &|_| {}).is_empty(), "the sample itself is right");
}

#[test]
fn both_definitions_differ_in_their_source_alone() {
    let read = |name: &str| fs::read_to_string(catalogue().join(name)).unwrap();
    let without = |text: &str| {
        let (before, rest) = text.split_once("\nsources:\n").unwrap();
        let (_, after) = rest.split_once("\nrecord:\n").unwrap();
        let before: Vec<&str> = before.lines().filter(|line| !line.starts_with('#')).collect();
        format!("{}\nrecord:\n{after}", before.join("\n"))
    };
    assert_eq!(without(&read("catalogue.yaml")), without(&read("neuprint.yaml")));
}

#[test]
fn the_sample_is_what_its_script_makes() {
    let folder = tempfile::tempdir().unwrap();
    let script = repository().join("tests/neurons/sample.py");
    let Ok(made) = Command::new("python3").arg("-B").arg(&script).arg(folder.path()).output() else {
        assert!(!system_tests::tools_promised(), "python3 is missing although promised");
        println!("skipped: no python3");
        return;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut ours = tree(&catalogue().join("data"));
    ours.remove("README.md");
    assert_eq!(ours, tree(folder.path()));
    let bytes: u64 = fs::read_dir(catalogue().join("data"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes < 300_000, "{bytes}");
}
