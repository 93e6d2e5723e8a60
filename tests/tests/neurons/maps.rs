//! Maps of the eyes, their table, and the type among all types.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::neuron_pages::{Page, Site, between, edit, plain};

/// Region, eye and cells of the maps of one metric, in their order.
fn maps(page: &Page, metric: &str) -> Vec<(String, String, String)> {
    if !page.html.contains("id=\"coverage\"") {
        return Vec::new();
    }
    let titles =
        between(page.section("coverage"), "<object type=\"image/svg+xml\" data=\"figures/", "</object>");
    titles
        .into_iter()
        .filter(|object| !object.starts_with("coverage-"))
        .filter_map(|object| {
            let title = plain(&format!("<x>{}", between(object, "title=\"", "\"")[0]));
            let (cells, what) = title.rsplit_once(", cells of ").unwrap().1.split_once(": ")?;
            let (kind, place) = what.split_once(" in ")?;
            let (region, side) = place.strip_suffix(')')?.split_once(" (")?;
            (kind == metric).then(|| (region.to_owned(), side.to_owned(), cells.to_owned()))
        })
        .collect()
}

/// The same of the table's rows, with whether they have a map.
fn rows(page: &Page) -> Vec<((String, String, String), bool)> {
    let row = |row: Vec<String>| {
        let cells = match row[0].as_str() {
            "left" => "L",
            "right" => "R",
            "middle" => "M",
            other => other,
        };
        let (region, rest) = row[1].split_once(" (").unwrap();
        ((region.to_owned(), rest[..1].to_owned(), cells.to_owned()), !row[1].ends_with("no map"))
    };
    page.rows("coverage").into_iter().map(row).collect()
}

#[test]
fn the_table_has_the_order_of_the_maps() {
    let site = Site::build();
    let mut seen = 0;
    for page in site.pages().iter().filter(|page| page.html.contains("id=\"coverage\"")) {
        let told: Vec<_> = rows(page).into_iter().filter_map(|(row, drawn)| drawn.then_some(row)).collect();
        assert_eq!(told, maps(page, "cells"), "{}", page.name);
        assert_eq!(told, maps(page, "synapses"), "{}", page.name);
        let of_sides: Vec<_> = told.iter().filter(|(_, _, cells)| cells == "L" || cells == "R").collect();
        assert!(of_sides.len() <= 6, "{}: twelve maps at most, and those of cells of no side", page.name);
        let place = |region: &str| ["ME", "LO", "LOP"].iter().position(|name| *name == region).unwrap();
        assert!(of_sides.is_sorted_by_key(|(region, side, _)| (place(region), side.clone())), "{told:?}");
        seen += told.len();
    }
    assert!(seen > 20, "{seen}");
    let kiel = maps(&site.page("Kiel4a", "all"), "cells");
    assert_eq!(kiel.iter().filter(|(_, _, cells)| cells == "unknown side").count(), 3, "{kiel:?}");
}

/// Maps of the cells of the left, beside those of their own eye, in the right one: with so many synapses and cells a column.
fn with_other_eye(synapses: u64, cells: u64) -> Site {
    Site::changed(|catalogue| {
        edit(catalogue, "type-04.json", |it| {
            let maps = it["eyemaps"].as_array_mut().unwrap();
            let own = maps.iter_mut().find(|map| map["cells_of"] == "L").unwrap();
            for column in own["columns"].as_array_mut().unwrap() {
                column[2] = 2.into();
                column[3] = json!([9]);
            }
            let mut other = own.clone();
            other["side"] = "R".into();
            for column in other["columns"].as_array_mut().unwrap() {
                column[2] = cells.into();
                column[3] = json!([synapses]);
            }
            maps.push(other);
        });
    })
}

#[test]
fn the_other_eye_is_drawn_if_it_has_more_synapses_and_more_cells() {
    for (synapses, cells, eye) in [(10, 3, "R"), (10, 2, "L"), (9, 3, "L"), (8, 1, "L")] {
        let site = with_other_eye(synapses, cells);
        let page = site.page("Weft17", "L");
        let drawn = |eye: &str| ("LO".to_owned(), eye.to_owned(), "L".to_owned());
        assert_eq!(maps(&page, "cells"), [drawn(eye)], "{synapses} {cells}");
        assert_eq!(page.html.contains(">cells of the other side<"), eye == "R");
        // What is not drawn is told in numbers.
        let other = if eye == "L" { "R" } else { "L" };
        assert_eq!(rows(&page), [(drawn(eye), true), (drawn(other), false)]);
        let whole = site.page("Weft17", "all");
        assert_eq!(maps(&whole, "cells").len(), 2);
        // The plot of an eye has the cells of that eye; this type is in it once, and on no page of others.
        let plots = |page: &Page| between(&page.html, "data=\"figures/coverage-", "#").len();
        assert_eq!((plots(&page), plots(&whole)), (usize::from(eye == "L"), 1));
    }
    // Weaver's cells have all they have on the other side.
    let page = Site::build().page("Weaver", "L");
    assert_eq!(maps(&page, "synapses"), [("ME".to_owned(), "R".to_owned(), "L".to_owned())]);
}

/// Of some columns only synapses are known: they are no columns that have cells, on the page, its maps and the plot.
#[test]
fn columns_without_cells_are_not_counted_among_those_with() {
    let mut cells = Vec::new();
    let site = Site::changed(|catalogue| {
        edit(catalogue, "type-04.json", |it| {
            let maps = it["eyemaps"].as_array_mut().unwrap();
            let own = maps.iter_mut().find(|map| map["cells_of"] == "L").unwrap();
            let columns = own["columns"].as_array_mut().unwrap();
            columns[0][2] = 0.into();
            columns[1][2] = 0.into();
            cells =
                columns.iter().filter_map(|column| column[2].as_u64()).filter(|cells| *cells > 0).collect();
        });
    });
    let page = site.page("Weft17", "L");
    let (columns, sum) = (cells.len(), cells.iter().sum::<u64>() as f64);
    let row = page.rows("coverage").remove(0);
    assert_eq!(
        (row[2].clone(), row[4].clone()),
        (columns.to_string(), format!("{:.2}", sum / columns as f64))
    );
    let text = plain(page.section("coverage"));
    assert!(text.contains(&format!("{columns} with data")), "{text}");
    assert!(text.contains(&format!("{} with data", columns + 2)), "synapses have them: {text}");
    let plots = between(&page.html, "data=\"figures/coverage-", "\"");
    let own = plots.iter().find(|plot| plot.starts_with("lo-l.svg")).unwrap();
    let (file, point) = own.split_once('#').unwrap();
    let svg = site.read(&format!("figures/coverage-{file}"));
    let point = between(&svg, &format!("<a id=\"{point}\""), "</a>")[0];
    assert!(point.contains(&format!("Coverage: {}", sum / columns as f64)), "{point}");
}

#[test]
fn left_and_right_have_their_places_also_where_one_is_missing() {
    let site = Site::changed(|catalogue| {
        edit(catalogue, "type-02.json", |it| {
            let gone = |map: &Value| map["cells_of"] == "L" && map["region"] == "LO";
            it["eyemaps"].as_array_mut().unwrap().retain(|map| !gone(map));
        });
    });
    let page = site.page("Kiel4a", "all");
    let pairs = between(page.section("coverage"), "<div class=\"maps pair\">", "</div>");
    let eyes: Vec<Vec<&str>> = pairs.iter().map(|pair| between(pair, "<figure class=\"eye-", "\"")).collect();
    assert_eq!(eyes.concat(), ["L", "R", "R", "L", "R"].repeat(2));
    assert_eq!(eyes.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 2].repeat(2));
    let css = std::fs::read_to_string(site.catalogue().join("assets/neurons.css")).unwrap();
    assert!(css.contains(".maps.pair .eye-R { grid-column: 2; }"));
}

#[test]
fn a_type_is_outlined_only_where_it_has_a_point_of_the_cells_of_the_page() {
    let site = Site::build();
    let files: BTreeSet<String> =
        site.pages().into_iter().filter(|page| page.main).map(|page| page.file).collect();
    let (mut outlined, mut linked) = (0, BTreeSet::new());
    for page in site.pages() {
        for plot in between(&page.html, "data=\"figures/coverage-", "\"") {
            let (file, point) = plot.split_once('#').unwrap();
            let svg = site.read(&format!("figures/coverage-{file}"));
            let found = between(&svg, "<a id=\"", "</a>");
            let found = found.iter().find(|found| found.starts_with(&format!("{point}\""))).unwrap();
            let link = between(found, "href=\"../", "\"")[0];
            assert!(files.contains(link), "{link} is the page of no type");
            linked.insert(link.to_owned());
            outlined += 1;
        }
        assert_eq!(
            page.html.contains("This type is outlined"),
            page.html.contains("data=\"figures/coverage-"),
            "{}",
            page.name
        );
    }
    assert!(outlined > 15, "{outlined}");
    assert_eq!(linked.len(), 5, "{linked:?}");
}
