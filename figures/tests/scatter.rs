//! Scatter plots: where points stand, what they say and where they lead.
#![allow(clippy::unwrap_used, reason = "tests")]

use quire_figures::{
    StyleSheet,
    scatter::{Point, Scatter, coverage_guides, point_id},
};
use roxmltree::Document;

fn draw(scatter: &Scatter, points: &[Point<'_>]) -> String {
    let mut svg = Vec::new();
    let bytes = scatter.draw(points, &mut svg).unwrap();
    assert_eq!(bytes, svg.len() as u64);
    let svg = String::from_utf8(svg).unwrap();
    Document::parse(&svg).unwrap();
    svg
}

const fn point(name: &str, x: f64, y: f64, colour: f64) -> Point<'_> {
    Point { name, link: None, x, y, colour }
}

fn of_region() -> Scatter {
    Scatter { title: "ME (right)".to_owned(), guides: coverage_guides(892.0), ..Scatter::default() }
}

#[test]
fn points_stand_where_their_logarithms_are_and_what_is_beyond_at_the_ends() {
    let points = [point("a", 1.0, 1.0, 0.0), point("b", 1000.0, 1000.0, 1.0), point("c", 5000.0, 0.0, 0.5)];
    let svg = draw(&of_region(), &points);
    let document = Document::parse(&svg).unwrap();
    let places: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("use"))
        .map(|node| ["x", "y", "fill"].map(|name| node.attribute(name).unwrap()))
        .collect();
    assert_eq!(places, [["52", "434", "#ffffff"], ["450", "34", "#b40000"], ["450", "434", "#da8080"]]);
    assert!(svg.contains("3 points; 1 beyond the axes, at their ends. Across: Cells per eye"), "{svg}");
}

#[test]
fn the_strongest_colour_is_that_of_the_percentile() {
    let names: Vec<String> = (0..100).map(|at| format!("p{at}")).collect();
    let points: Vec<_> =
        (1..=100_u32).map(|at| point(&names[at as usize - 1], 10.0, 10.0, f64::from(at * at))).collect();
    let svg = draw(&of_region(), &points);
    assert!(svg.contains("strongest from 9604 on"), "{svg}");
    assert_eq!(svg.matches("fill=\"#b40000\"").count(), 3);
}

#[test]
fn points_are_links_with_ids_of_their_own() {
    let points = [
        Point { link: Some("types/KCa'b'-ap1.html?a&b"), ..point("KCa'b'-ap1", 10.0, 2.0, 1.0) },
        point("KC/a", 10.0, 2.0, 1.0),
        point("KC_a", 10.0, 2.0, 1.0),
    ];
    let svg = draw(&of_region(), &points);
    let document = Document::parse(&svg).unwrap();
    let links: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("a"))
        .map(|node| (node.attribute("id").unwrap(), node.attribute("href")))
        .collect();
    let first = ("KCa.27b.27-ap1", Some("types/KCa'b'-ap1.html?a&b"));
    assert_eq!(links, [first, ("KC.2fa", None), ("KC_a", None)]);
    // A plot that stands in a frame leads the page around it.
    assert!(
        document
            .descendants()
            .filter(|node| node.attribute("href").is_some())
            .all(|node| node.has_tag_name("use") || node.attribute("target") == Some("_top"))
    );
    assert_eq!(point_id("KC/a"), "KC.2fa");
    assert_eq!(point_id("KC.2fa"), "KC.2e2fa");
    assert!(svg.contains("<title>KC/a\nCells per eye: 10\nMedian columns per cell: 2\nCoverage: 1</title>"));
}

#[test]
fn guide_lines_are_straight_and_stay_within() {
    let svg = draw(&of_region(), &[]);
    let document = Document::parse(&svg).unwrap();
    let lines = document.descendants().filter(|node| node.attribute("stroke-dasharray").is_some());
    assert_eq!(lines.count(), 5);
    // 892 ÷ 1000 lies below the axis: this one begins at its upper end with a height of 892.
    assert!(svg.contains("d=\"M52 40.6"), "{svg}");
    assert!(svg.contains("0 points."));
}

#[test]
fn hostile_texts_wrong_numbers_and_options_are_taken_as_what_they_are() {
    let hostile = "</title><script/>";
    let scatter = Scatter {
        title: hostile.to_owned(),
        x: hostile.to_owned(),
        guides: vec![(10.0, hostile.to_owned())],
        style: StyleSheet::Linked(hostile.to_owned()),
        ..Scatter::default()
    };
    let svg = draw(&scatter, &[Point { link: Some(hostile), ..point(hostile, 1.0, 1.0, 1.0) }]);
    assert!(!svg.contains("<script"));
    let error = of_region().draw(&[point("a", f64::NAN, 1.0, 1.0)][..], Vec::new()).unwrap_err();
    assert!(error.to_string().starts_with("point `a` has the x NaN: expected a number"), "{error}");
    for wrong in [
        Scatter { axes: (0.0, 10.0), ..of_region() },
        Scatter { axes: (10.0, 1.0), ..of_region() },
        Scatter { size: (10.0, 480.0), ..of_region() },
        Scatter { percentile: 101.0, ..of_region() },
    ] {
        assert!(wrong.draw(&[][..], Vec::new()).unwrap_err().to_string().contains("expected"));
    }
}
