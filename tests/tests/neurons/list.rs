//! The list of types: what it counts, how its rows lead on, what is found and filtered.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::neuron_pages::{Site, between, edit, number, plain};

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The fields of all types, as `data.json` has them.
fn fields(site: &Site) -> BTreeMap<String, Value> {
    let data: Vec<Value> = serde_json::from_str(&site.read("data.json")).unwrap();
    data.into_iter().map(|row| (row["key"].as_str().unwrap().to_owned(), row["fields"].clone())).collect()
}

#[test]
fn types_alone_are_counted_and_the_rest_is_told_apart() {
    let site = Site::build();
    let html = site.read("index.html");
    let status = plain(&format!("<p {}", between(&html, "id=\"status\"", "</p>")[0]));
    assert_eq!(status, "12 types");
    let types = between(&html, "<ol class=\"rows\"", "</ol>")[0];
    assert_eq!(types.matches("<li id=").count(), 12);
    assert!(!types.contains("Dataset") && !types.contains("dataset-sample"), "{types}");
    let rest = html.split("About the data</h2>").nth(1).unwrap();
    let rest = between(rest, "<ul class=\"rows\">", "</section>")[0];
    assert_eq!(rest.matches("<li id=").count(), 3);
    assert!(rest.contains("Dataset sample-brain") && rest.contains("Harrow (2014)"));
    // Also in what a search finds.
    let about: BTreeSet<String> = fields(&site).values().flat_map(|fields| texts(&fields["about"])).collect();
    assert_eq!(about, ["citation", "dataset"].map(str::to_owned).into());
}

#[test]
fn rows_lead_to_the_pages_of_sides() {
    let site = Site::build();
    let html = site.read("index.html");
    let types = between(&html, "<ol class=\"rows\"", "</ol>")[0];
    let rows: BTreeMap<String, BTreeSet<String>> = types
        .split("<li id=")
        .skip(1)
        .map(|row| {
            let title = plain(&format!("<a{}</a>", between(row, "<a", "</a>")[0]));
            let sides = between(row, "<ul class=\"sides\">", "</ul>").concat();
            (title, between(&sides, "href=\"", "\"").into_iter().map(str::to_owned).collect())
        })
        .collect();
    let mut expected = BTreeMap::<String, BTreeSet<String>>::new();
    for page in site.pages() {
        let links = expected.entry(page.title.clone()).or_default();
        if !page.main {
            links.insert(page.file);
        }
    }
    assert_eq!(rows, expected);
    assert_eq!(expected.values().map(BTreeSet::len).sum::<usize>(), 18);
    // Of unknown side alone there are no pages to lead to.
    assert!(!types.contains("<ul class=\"sides\"></ul>") && types.contains("Ostinato"), "{types}");
}

#[test]
fn letters_and_numbers_of_a_long_list_are_those_of_types() {
    let names: Vec<String> = (0..90).map(|number| format!("More{number:03}")).collect();
    let site = Site::with_more(&names);
    let pages = ["index.html", "list/2.html", "list/3.html"].map(|page| site.read(page));
    let types = |page: &str| -> Vec<String> {
        let Some(rows) = page.split_once("<ol class=\"rows\"") else { return Vec::new() };
        let rows = rows.1.split_once("</ol>").unwrap().0;
        rows.split("<li id=")
            .skip(1)
            .map(|row| plain(&format!("<a{}", between(row, "<a", "</a>")[0])))
            .collect()
    };
    // 102 types; the other three are the last of all.
    assert_eq!(pages.each_ref().map(|page| types(page).len()), [50, 50, 2]);
    for (page, first) in pages.iter().zip([1, 51, 101]) {
        assert!(page.contains(&format!("<ol class=\"rows\" start=\"{first}\">")), "{page}");
    }
    assert_eq!(pages.each_ref().map(|page| page.contains("About the data</h2>")), [false, false, true]);
    for letter in between(between(&pages[0], "class=\"letters\"", "</nav>")[0], "<a href=\"", "</a>") {
        let (file, rest) = letter.split_once('#').unwrap();
        let (row, name) = rest.split_once('"').unwrap();
        let name = name.rsplit('>').next().unwrap();
        let html = site.read(file);
        let at: usize = row.strip_prefix("r-").unwrap().parse().unwrap();
        let found = &types(&html)[at - 1];
        let first = found.chars().find(|letter| letter.is_alphanumeric()).unwrap().to_uppercase().to_string();
        assert_eq!(first, name, "{letter}: {found}");
    }
}

#[test]
fn types_are_found_by_their_other_names() {
    let site = Site::build();
    for (query, key) in
        [("K4 anterior", "Kiel4a"), ("Ki4b", "Kiel4a"), ("Wf17", "Weft17"), ("Q'1", "Qu'il'-ap1")]
    {
        let hits = site.search(&[query]);
        assert_eq!((&hits[0]["key"], &hits[0]["matched"]), (&key.into(), &"synonym".into()), "{query}");
    }
    let hits = site.search(&["Kiel4a"]);
    let summary = hits[0]["summary"]["text"].as_str().unwrap();
    assert!(summary.contains("also K4 anterior") && summary.contains("FlyWire Ki4a, Ki4b"), "{summary}");
    // A FlyWire name that is the type's own says nothing.
    let html = site.read("index.html");
    assert!(!html.contains("FlyWire Weaver"));
}

#[test]
fn filters_have_the_values_of_the_records() {
    let site = Site::build();
    let found = fields(&site);
    let wide = ["OL", "CentralBrain", "VNC"];
    let mut rare = 0;
    for record in site.records() {
        let name = record["type"].as_str().unwrap();
        let fields = &found[name];
        let sides = record["sides"].as_object().unwrap();
        let known: Vec<&str> = [("L", "left"), ("R", "right"), ("M", "middle")]
            .into_iter()
            .filter_map(|(side, word)| sides.contains_key(side).then_some(word))
            .collect();
        let side = match known.as_slice() {
            [] => "undefined".to_owned(),
            [one] => format!("only {one}"),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        };
        assert_eq!(fields["side"][0], side, "{name}");
        let cells = number(&record["views"]["all"]["cells"]);
        let group = match cells {
            0.0..=5.0 => format!("{cells}"),
            0.0..=10.0 => "6–10".to_owned(),
            0.0..=50.0 => "11–50".to_owned(),
            _ => "51–100".to_owned(),
        };
        assert_eq!(fields["cell_count"][0], group, "{name}");
        // At least 1.5 % of what is made, or of what is received, both sides together.
        let all = &record["views"]["all"];
        let mut sums = BTreeMap::<&str, [f64; 2]>::new();
        for row in all["regions"].as_array().unwrap() {
            let region = row[0].as_str().unwrap();
            let pair = region.strip_suffix("(L)").or(region.strip_suffix("(R)")).unwrap_or(region);
            let sum = sums.entry(pair).or_default();
            sum[0] += number(&row[1]);
            sum[1] += number(&row[2]);
        }
        let enough = |part: f64, whole: &Value| part > 0.0 && part / number(whole) >= 0.015;
        let kept: BTreeSet<String> = sums
            .iter()
            .filter(|(_, [pre, post])| enough(*pre, &all["pre"]) || enough(*post, &all["post"]))
            .map(|(region, _)| (*region).to_owned())
            .collect();
        rare += sums.values().filter(|sum| sum[0] + sum[1] > 0.0).count() - kept.len();
        let (region, roi): (BTreeSet<_>, _) =
            kept.into_iter().partition(|name| wide.contains(&name.as_str()));
        assert_eq!((texts(&fields["region"]), texts(&fields["roi"])), (region, roi), "{name}");
    }
    assert!(rare > 0, "the sample has regions with less than 1.5 %");
}

#[test]
fn a_side_beside_unknown_cells_is_not_all_there_is() {
    let site = Site::changed(|catalogue| {
        edit(catalogue, "type-05.json", |it| {
            it["sides"]["unknown"] = 1.into();
            it["views"]["all"]["cells"] = 3.into();
            it["transmitters"][0]["cells"] = 3.into();
        });
    });
    assert_eq!(fields(&site)["weft17"]["side"][0], "right and unknown");
    assert!(site.read("index.html").contains("href=\"weft17.r.html\">R"));
    let text = site.page("weft17", "all").text;
    assert!(text.contains(": of this side the one with most synapses"), "{text}");
    assert!(text.contains("1 cell of unknown side is left out."), "{text}");
}

#[test]
fn regions_are_filters_from_one_and_a_half_percent_on() {
    let site = Site::changed(|catalogue| {
        edit(catalogue, "type-11.json", |it| {
            let all = &mut it["views"]["all"];
            (all["pre"], all["post"]) = (1000.into(), 2000.into());
            // The sides of AVLP are too little each, and enough together.
            all["regions"] = serde_json::json!([
                ["AVLP(L)", 8, 0, 1],
                ["AVLP(R)", 7, 0, 1],
                ["CentralBrain", 1000, 2000, 3],
                ["GNG", 0, 30, 1],
                ["IntTct", 0, 0, 0],
                ["MB(L)", 15, 0, 1],
                ["OL(L)", 14, 29, 1],
                ["SLP(R)", 14, 29, 1],
            ]);
        });
    });
    let drift = &fields(&site)["Drift"];
    assert_eq!(drift["region"], serde_json::json!(["CentralBrain"]));
    assert_eq!(drift["roi"], serde_json::json!(["AVLP", "GNG", "MB"]));
}
