//! PNG: the same picture as the SVG, the same bytes everywhere, within limits.
#![cfg(feature = "png")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use quire_figures::{
    FigureError,
    eyemap::{Column, Eyemap},
    scatter::{Point, Scatter},
};
use support::Made;

fn size(png: &[u8]) -> (u32, u32) {
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

fn draw(eyemap: &Eyemap, made: &Made) -> Vec<u8> {
    let mut png = Vec::new();
    let summary = eyemap.draw_png(made, &mut png).unwrap();
    assert_eq!(summary.bytes, png.len() as u64);
    png
}

#[test]
fn a_map_is_as_wide_as_asked_and_the_same_every_time() {
    let made = Made { count: 892, layers: 4 };
    let layers = ["1", "2", "3", "4"].map(ToOwned::to_owned).to_vec();
    let map = Eyemap { subject: "T4a".to_owned(), layers, width: Some(840.0), ..Eyemap::default() };
    let png = draw(&map, &made);
    assert_eq!(size(&png).0, 840);
    assert_eq!(png, draw(&map, &made));
}

#[test]
fn hexagons_have_their_colours() {
    let mut png = Vec::new();
    Eyemap::default().draw_png(&[Column::with_value(1, 1, 3.0)][..], &mut png).unwrap();
    let pixels = resvg::tiny_skia::Pixmap::decode_png(&png).unwrap();
    // 80 % of #fc9272 over the background #f8f9fa.
    let pixel = pixels.pixel(26, 16).unwrap();
    let told = [pixel.red(), pixel.green(), pixel.blue()];
    assert!(
        told.iter().zip([251, 167, 141]).all(|(told, expected)| told.abs_diff(expected) <= 1),
        "{told:?}"
    );
    assert_eq!(pixels.pixel(200, 300).unwrap().red(), 0xf8);
}

#[test]
fn too_much_is_refused() {
    let too_wide = Eyemap { width: Some(50_000.0), ..Eyemap::default() };
    let error = too_wide.draw_png(&Made { count: 9, layers: 0 }, Vec::new()).unwrap_err();
    assert!(matches!(error, FigureError::TooMuch { what: "pixels", .. }), "{error}");
    let error = Eyemap::default().draw_png(&Made { count: 1_000_000, layers: 0 }, Vec::new()).unwrap_err();
    assert!(matches!(error, FigureError::TooMuch { .. }), "{error}");
}

#[test]
fn scatter_plots_are_pictures_too() {
    let mut png = Vec::new();
    let point = Point { name: "T4a", link: None, x: 800.0, y: 1.0, colour: 1.0 };
    Scatter::default().draw_png(&[point][..], &mut png).unwrap();
    assert_eq!(size(&png), (480, 480));
}
