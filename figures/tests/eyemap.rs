//! Eyemaps as files: well-formed, small, readable without seeing, the same every time.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use quire_figures::{
    FigureError, StyleSheet,
    eyemap::{Column, Coordinates, Eyemap, Grid, Metric, Side, Tooltips, Top, style_sheet},
    palette::Palette,
    scale::Method,
};
use roxmltree::Document;
use support::{Made, element, hexagons};

fn draw(eyemap: &Eyemap, columns: &[Column<'_>]) -> String {
    let mut svg = Vec::new();
    eyemap.draw(columns, &mut svg).unwrap();
    let svg = String::from_utf8(svg).unwrap();
    Document::parse(&svg).unwrap();
    svg
}

fn drawn(eyemap: &Eyemap, made: &Made) -> String {
    let mut svg = Vec::new();
    let summary = eyemap.draw(made, &mut svg).unwrap();
    assert_eq!(summary.bytes, svg.len() as u64);
    let svg = String::from_utf8(svg).unwrap();
    Document::parse(&svg).unwrap();
    svg
}

fn of_region() -> Eyemap {
    Eyemap { subject: "T4a".to_owned(), region: "ME".to_owned(), ..Eyemap::default() }
}

fn layered(layers: usize) -> Eyemap {
    Eyemap { layers: (1..=layers).map(|layer| layer.to_string()).collect(), ..of_region() }
}

/// 8 columns of a made-up eye.
fn sample() -> Vec<Column<'static>> {
    vec![
        Column::with_value(1, 1, 10.0),
        Column::with_value(1, 2, 20.0),
        Column::with_value(2, 1, 35.0),
        Column::without_data(2, 2),
        Column::with_value(2, 3, 60.0),
        Column::elsewhere(3, 2),
        Column::with_value(3, 3, 77.0),
        Column::with_value(4, 3, 110.0),
    ]
}

#[test]
fn the_three_states_and_five_bins_have_their_colours_and_tooltips() {
    let svg = draw(&of_region(), &sample());
    let document = Document::parse(&svg).unwrap();
    let title = |hex1: i32, hex2: i32| {
        let begins = format!("Column: {hex1}, {hex2}\n");
        let texts = document.descendants().filter_map(|node| node.text());
        texts.filter(|text| text.starts_with(&begins)).map(ToOwned::to_owned).next().unwrap()
    };
    assert_eq!(title(1, 1), "Column: 1, 1\nSynapse count: 10\nROI: ME (right)");
    assert_eq!(title(2, 2), "Column: 2, 2\nSynapse count: 0\nROI: ME (right)");
    assert_eq!(title(3, 2), "Column: 3, 2\nColumn not identified in ME (right)");
    let mut fills: Vec<_> = hexagons(&svg).into_iter().map(|drawn| (drawn.ids, drawn.fill)).collect();
    fills.sort();
    let fills: Vec<&str> = fills.iter().map(|(_, fill)| fill.as_str()).collect();
    assert_eq!(
        fills,
        ["#fee5d9", "#fee5d9", "#fcbba1", "#ffffff", "#fc9272", "#999999", "#ef6548", "#a50f15"]
    );
}

#[test]
fn a_map_says_what_it_shows_to_those_who_listen() {
    let svg = draw(&of_region(), &sample());
    let document = Document::parse(&svg).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    let by_id = |name: &str| {
        let id = root.attribute(name).unwrap();
        let found = document.descendants().find(|node| node.attribute("id") == Some(id));
        found.unwrap().text().unwrap().to_owned()
    };
    assert_eq!(by_id("aria-labelledby"), "Synapse count of T4a: ME (right)");
    assert_eq!(
        by_id("aria-describedby"),
        "8 columns, ME (right): 6 with data, 1 without, 1 not in the region. Synapse count: 10 to 110, mean 52."
    );
    let mut table = Vec::new();
    of_region().table(&sample(), &mut table).unwrap();
    let table = String::from_utf8(table).unwrap();
    let document = Document::parse(&table).unwrap();
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("tr")).count(), 9);
    assert!(table.contains("<tr><td>3</td><td>2</td><td>not in the region</td></tr>"), "{table}");
}

#[test]
fn texts_of_others_stay_texts() {
    let hostile = "</title><script>alert(1)</script>&\"'\u{0}";
    let eyemap = Eyemap {
        subject: hostile.to_owned(),
        region: hostile.to_owned(),
        metric: Metric::Other(hostile.to_owned()),
        layers: vec![hostile.to_owned()],
        style: StyleSheet::Linked("\"><script/>".to_owned()),
        ..Eyemap::default()
    };
    let columns = [Column { layers: &[1.0], ..Column::with_value(1, 1, 1.0) }];
    for tooltips in [Tooltips::Lines, Tooltips::Short, Tooltips::None] {
        let eyemap = Eyemap { tooltips, ..eyemap.clone() };
        let svg = draw(&eyemap, &columns);
        let document = Document::parse(&svg).unwrap();
        assert!(!document.descendants().any(|node| node.has_tag_name("script")), "{svg}");
        let mut table = Vec::new();
        eyemap.table(&columns[..], &mut table).unwrap();
        let table = String::from_utf8(table).unwrap();
        assert!(!Document::parse(&table).unwrap().descendants().any(|node| node.has_tag_name("script")));
    }
}

#[test]
fn no_columns_and_one_column_are_maps() {
    let none = draw(&of_region(), &[]);
    assert!(none.contains("No columns") && none.contains("0 columns, ME (right): 0 with data."));
    assert!(!none.contains("legend"), "nothing to explain");
    let one = draw(&of_region(), &[Column::with_value(5, 5, 3.0)]);
    let [hexagon] = <[_; 1]>::try_from(hexagons(&one)).unwrap();
    assert_eq!(hexagon.place, (26.0, 16.0));
    assert_eq!(hexagon.fill, "#fc9272", "a single value is in the middle");
    assert!(one.contains("1 column, ME (right): 1 with data. Synapse count: 3 to 3, mean 3."));
    let without = draw(&of_region(), &[Column::without_data(5, 5)]);
    assert!(!without.contains("legend"));
}

#[test]
fn equal_negative_and_great_values_are_drawn() {
    for values in [[-5.0, -5.0, -5.0], [-9.0, -3.0, 0.0], [1e300, -1e300, 0.0], [0.001, 0.002, 0.003]] {
        let columns: Vec<_> = (0..).zip(values).map(|(at, value)| Column::with_value(at, 0, value)).collect();
        for method in [Method::Linear, Method::Log, Method::Quantile] {
            let svg = draw(&Eyemap { method, ..of_region() }, &columns);
            let mut drawn = hexagons(&svg);
            drawn.sort_by_key(|hexagon| hexagon.ids);
            let told: Vec<f64> = drawn.iter().filter_map(|hexagon| hexagon.value).collect();
            assert_eq!(told, values);
            assert!(!svg.contains("NaN") && !svg.contains("inf\"") && !svg.contains(">-0<"), "{svg}");
        }
    }
}

#[test]
fn what_is_no_number_is_refused_by_its_name() {
    for value in [f64::NAN, f64::INFINITY, -1e301] {
        let error = of_region().draw(&[Column::with_value(3, 7, value)][..], Vec::new()).unwrap_err();
        assert!(error.to_string().starts_with("column 3, 7 has the value"), "{error}");
    }
    let layers = [f64::NAN];
    let column = Column { layers: &layers, ..Column::with_value(3, 7, 1.0) };
    assert!(of_region().draw(&[column][..], Vec::new()).is_err());
}

#[test]
fn huge_ids_are_drawn_where_they_are_near_and_refused_where_they_are_far() {
    let near = [Column::with_value(i32::MAX, i32::MIN, 1.0), Column::with_value(i32::MAX - 1, i32::MIN, 2.0)];
    let mut drawn = hexagons(&draw(&of_region(), &near));
    drawn.sort_by_key(|hexagon| hexagon.ids);
    assert_eq!(drawn[0].place, (26.0, 21.72));
    assert_eq!(drawn[1].place, (35.9, 16.0));
    let far = [Column::with_value(i32::MAX, 0, 1.0), Column::with_value(i32::MIN, 0, 2.0)];
    let error = of_region().draw(&far[..], Vec::new()).unwrap_err();
    assert!(
        matches!(error, FigureError::TooMuch { .. }) && error.to_string().contains("wrong hex1"),
        "{error}"
    );
}

#[test]
fn the_left_eye_is_the_right_one_mirrored() {
    let places = |side: Side| {
        let mut drawn = hexagons(&draw(&Eyemap { side, ..of_region() }, &sample()));
        drawn.sort_by_key(|hexagon| hexagon.ids);
        drawn.into_iter().map(|hexagon| hexagon.place).collect::<Vec<_>>()
    };
    let (left, right) = (places(Side::Left), places(Side::Right));
    for (left, right) in left.iter().zip(&right) {
        assert_eq!(left.1, right.1);
        assert!((left.0 + right.0 - left_sum(&places(Side::Left), &places(Side::Right))).abs() < 0.02);
    }
}

fn left_sum(left: &[(f64, f64)], right: &[(f64, f64)]) -> f64 {
    left[0].0 + right[0].0
}

#[test]
fn other_grids_are_drawn_too() {
    for coordinates in [Coordinates::Axial, Coordinates::OddOffset, Coordinates::EvenOffset] {
        for top in [Top::Flat, Top::Pointy] {
            let grid = Grid { coordinates, top, spacing: 1.0, radius: 10.0, ..Grid::default() };
            let drawn = hexagons(&draw(&Eyemap { grid, ..of_region() }, &sample()));
            let mut places: Vec<(f64, f64)> = drawn.iter().map(|hexagon| hexagon.place).collect();
            places.sort_by(|one, other| one.partial_cmp(other).unwrap());
            places.dedup();
            assert_eq!(places.len(), sample().len(), "{coordinates:?} {top:?}");
        }
    }
}

#[test]
fn wrong_options_are_refused() {
    for wrong in [
        Eyemap { bins: 1, ..of_region() },
        Eyemap { bins: 10, ..of_region() },
        Eyemap { id_prefix: "a b".to_owned(), ..of_region() },
        Eyemap { id_prefix: "1".to_owned(), ..of_region() },
        Eyemap { width: Some(f64::NAN), ..of_region() },
        Eyemap { range: Some((0.0, f64::INFINITY)), ..of_region() },
        Eyemap { grid: Grid { radius: 0.0, ..Grid::default() }, ..of_region() },
        Eyemap { grid: Grid { spacing: f64::NAN, ..Grid::default() }, ..of_region() },
        layered(27),
    ] {
        let error = wrong.draw(&sample(), Vec::new()).unwrap_err();
        assert!(error.to_string().contains("expected"), "{error}");
    }
    let error = Eyemap { most_bytes: 1000, ..of_region() }.draw(&sample(), Vec::new()).unwrap_err();
    assert!(matches!(error, FigureError::TooMuch { .. }), "{error}");
}

#[test]
fn layers_are_chosen_without_script() {
    let values: [&[f64]; 3] = [&[4.0, 0.0], &[1.0, 19.0], &[0.0, 12.0]];
    let columns: Vec<Column<'_>> = (0..)
        .zip(values)
        .map(|(at, layers)| Column { layers, ..Column::with_value(at, 0, layers.iter().sum()) })
        .collect();
    let svg = draw(&layered(2), &columns);
    let document = Document::parse(&svg).unwrap();
    let classes: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("use"))
        .map(|node| (node.attribute("class").unwrap(), node.first_element_child().unwrap().text().unwrap()))
        .collect();
    assert!(
        classes.contains(&("a1", "Column: 0, 0\nSynapse count: 4\nROI: ME (right)\nME1–2: 4 0")),
        "{classes:?}"
    );
    assert!(classes.iter().any(|(class, _)| *class == "a1b5"));
    let links: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("a"))
        .map(|node| (node.attribute("href").unwrap(), node.attribute("aria-label").unwrap()))
        .collect();
    assert_eq!(links, [("#all", "All layers"), ("#layer1", "Layer ME1"), ("#layer2", "Layer ME2")]);
    for (address, _) in links {
        let target = document.descendants().find(|node| node.attribute("id") == Some(&address[1..])).unwrap();
        let after = target.next_siblings().any(|node| node.attribute("id") == Some("hexplot"));
        assert!(after, "{address} stands before the hexagons and beside them, or no rule reaches them");
    }
    assert!(svg.contains(&style_sheet(Palette::Reds, 5, 2)) && !svg.contains("<script"));
    assert_eq!(
        element(&document, "svg").attribute("role"),
        Some("group"),
        "links within an image would be lost"
    );
}

#[test]
fn a_strict_policy_gets_a_linked_style_sheet() {
    let linked = Eyemap { style: StyleSheet::Linked("../eyemap.css".to_owned()), ..layered(2) };
    let svg = draw(&linked, &sample());
    assert!(svg.starts_with("<?xml-stylesheet type=\"text/css\" href=\"../eyemap.css\"?>\n<svg "));
    for svg in [&svg, &draw(&Eyemap { style: StyleSheet::Elsewhere, ..layered(2) }, &sample())] {
        assert!(!svg.contains("<style") && !svg.contains(" style="));
    }
    assert!(!draw(&of_region(), &sample()).contains("style"), "without layers nothing needs a rule");
}

#[test]
fn several_maps_in_a_page_have_ids_of_their_own() {
    let svg = draw(&Eyemap { id_prefix: "ME-".to_owned(), ..layered(3) }, &sample());
    let document = Document::parse(&svg).unwrap();
    let ids: Vec<_> = document.descendants().filter_map(|node| node.attribute("id")).collect();
    assert!(ids.len() > 6 && ids.iter().all(|id| id.starts_with("ME-")), "{ids:?}");
    assert!(
        document.descendants().filter_map(|node| node.attribute("href")).all(|to| to.starts_with("#ME-"))
    );
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let made = Made { count: 5000, layers: 10 };
    assert_eq!(drawn(&layered(10), &made), drawn(&layered(10), &made));
}

/// The system replaced writes about 700 bytes a hexagon: 624 kB for these.
#[test]
fn maps_are_an_eighth_as_large_and_a_quarter_with_titles_and_layers() {
    let plain = drawn(&Eyemap { tooltips: Tooltips::None, ..of_region() }, &Made { count: 892, layers: 0 });
    assert!(plain.len() <= 40_000, "{}", plain.len());
    let titles = drawn(&of_region(), &Made { count: 892, layers: 0 });
    assert!(titles.len() <= 100_000, "{}", titles.len());
    let short = Eyemap { tooltips: Tooltips::Short, ..of_region() };
    let titles = drawn(&short, &Made { count: 892, layers: 0 });
    assert!(titles.len() <= 78_000, "an eighth with short titles, too: {}", titles.len());
    let all = drawn(&layered(10), &Made { count: 892, layers: 10 });
    assert!(all.len() <= 156_000, "{}", all.len());
    let short = Eyemap { tooltips: Tooltips::Short, ..layered(10) };
    let short = drawn(&short, &Made { count: 892, layers: 10 });
    assert!(short.len() <= 115_000, "{}", short.len());
}
