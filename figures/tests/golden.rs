//! Every hexagon of the published geometry: 5,352 rows that another program computed, where they are.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use quire_figures::eyemap::{Column, Eyemap, Side, Status};
use support::{Drawn, hexagons};

/// One map of the file.
#[derive(Default)]
struct Map {
    size: (f64, f64),
    columns: Vec<Column<'static>>,
    /// Ids, place, status, colour as they must be drawn.
    expected: Vec<Drawn>,
}

#[test]
fn every_hexagon_is_where_and_what_the_golden_rows_say() {
    let Some(text) = support::neuron_file("eyemap_golden.csv") else { return };
    let mut maps: BTreeMap<(String, String), Map> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [side, region, width, height, hex1, hex2, x, y, status, value, fill] = cells.try_into().unwrap();
        let map = maps.entry((side.to_owned(), region.to_owned())).or_default();
        map.size = (width.parse().unwrap(), height.parse().unwrap());
        let (hex1, hex2) = (hex1.parse().unwrap(), hex2.parse().unwrap());
        let status = match status {
            "has_data" => Status::HasData,
            "no_data" => Status::NoData,
            _ => Status::NotInRegion,
        };
        let number = value.parse().unwrap_or(0.0);
        map.columns.push(Column { hex1, hex2, status, value: number, layers: &[] });
        map.expected.push(Drawn {
            ids: (hex1, hex2),
            place: (x.parse().unwrap(), y.parse().unwrap()),
            value: (!value.is_empty()).then_some(number),
            fill: fill.to_owned(),
        });
    }
    assert_eq!(maps.values().map(|map| map.columns.len()).sum::<usize>(), 5352);
    for ((side, region), map) in maps {
        check(&side, &region, &map);
    }
}

fn check(side: &str, region: &str, map: &Map) {
    let eyemap = Eyemap {
        region: region.to_owned(),
        side: if side == "L" { Side::Left } else { Side::Right },
        range: Some((29.0, 456.0)),
        ..Eyemap::default()
    };
    let mut svg = Vec::new();
    let summary = eyemap.draw(&map.columns, &mut svg).unwrap();
    assert_eq!(summary.size, map.size, "{region} {side}");
    let mut drawn = hexagons(&String::from_utf8(svg).unwrap());
    drawn.sort_by_key(|hexagon| hexagon.ids);
    let mut expected = map.expected.clone();
    expected.sort_by_key(|hexagon| hexagon.ids);
    assert_eq!(drawn.len(), expected.len());
    for (drawn, expected) in drawn.iter().zip(&expected) {
        assert_eq!(drawn, expected, "{region} {side}");
    }
}
