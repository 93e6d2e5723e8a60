//! Every hexagon of the published geometry: 5,352 rows that another program computed, made here from the values and the
//! columns of each region alone.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{collections::BTreeMap, fmt::Write as _};

use quire_figures::eyemap::{Columns as _, Eyemap, EyemapData, Side, Status};
use support::{Drawn, hexagons};

const REGIONS: [&str; 3] = ["ME", "LO", "LOP"];

/// One map of the file.
#[derive(Default)]
struct Map {
    size: (f64, f64),
    /// Ids, place, value, colour as they must be drawn, and the status.
    expected: Vec<(Drawn, Status)>,
}

/// By side and region.
type Maps = BTreeMap<(String, String), Map>;

fn golden(text: &str) -> Maps {
    let mut maps = Maps::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [side, region, width, height, hex1, hex2, x, y, status, value, fill] = cells.try_into().unwrap();
        let map = maps.entry((side.to_owned(), region.to_owned())).or_default();
        map.size = (width.parse().unwrap(), height.parse().unwrap());
        let status = match status {
            "has_data" => Status::HasData,
            "no_data" => Status::NoData,
            _ => Status::NotInRegion,
        };
        let drawn = Drawn {
            ids: (hex1.parse().unwrap(), hex2.parse().unwrap()),
            place: (x.parse().unwrap(), y.parse().unwrap()),
            value: value.parse().ok(),
            fill: fill.to_owned(),
        };
        map.expected.push((drawn, status));
    }
    maps
}

/// What is known of one eye: which columns each region has, and what the type has in them. No status, no range.
fn table(side: &str, columns: &str, maps: &Maps) -> String {
    let mut out = "hex1,hex2,region,value\n".to_owned();
    for line in columns.lines().skip(1) {
        let cells: Vec<i64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        let [hex1, hex2, me, _, lo, _, lop, _] = cells.try_into().unwrap();
        let regions = REGIONS.into_iter().zip([me, lo, lop]).filter(|(_, synapses)| *synapses > 0);
        for (region, _) in regions {
            let rows = &maps[&(side.to_owned(), region.to_owned())].expected;
            let found = rows.iter().find(|(drawn, _)| drawn.ids == (hex1 as i32, hex2 as i32));
            let value = found.and_then(|(drawn, _)| drawn.value).filter(|value| *value > 0.0);
            let value = value.map(|value| value.to_string()).unwrap_or_default();
            writeln!(out, "{hex1},{hex2},{region},{value}").unwrap();
        }
    }
    out
}

#[test]
fn every_hexagon_is_where_and_what_the_golden_rows_say() {
    let Some(text) = support::neuron_file("eyemap_golden.csv") else { return };
    let Some(columns) = support::neuron_file("columns_ol_R.csv") else { return };
    let maps = golden(&text);
    assert_eq!(maps.values().map(|map| map.expected.len()).sum::<usize>(), 5352);
    let eyes = ["L", "R"].map(|side| {
        let table = table(side, &columns, &maps);
        (side, EyemapData::read(table.as_bytes(), 0).unwrap())
    });
    // Both eyes and all regions share one range.
    let ranges = eyes.iter().map(|(_, eye)| eye.range().unwrap());
    let range = ranges.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))).unwrap();
    assert_eq!(range, (29.0, 456.0));
    let mut checked = 0;
    for (side, eye) in &eyes {
        for region in REGIONS {
            checked += check(side, region, eye, range, &maps[&((*side).to_owned(), region.to_owned())]);
        }
    }
    assert_eq!(checked, 5352);
}

/// Compares one map, and says how many hexagons it has.
fn check(side: &str, region: &str, eye: &EyemapData, range: (f64, f64), map: &Map) -> usize {
    let eyemap = Eyemap {
        region: region.to_owned(),
        side: if side == "L" { Side::Left } else { Side::Right },
        range: Some(range),
        ..Eyemap::default()
    };
    let columns = eye.region(region).unwrap();
    let mut svg = Vec::new();
    let summary = eyemap.draw(&columns, &mut svg).unwrap();
    assert_eq!(summary.size, map.size, "{region} {side}");
    let mut drawn = hexagons(&String::from_utf8(svg).unwrap());
    drawn.sort_by_key(|hexagon| hexagon.ids);
    let status: BTreeMap<_, _> =
        columns.columns().map(|column| ((column.hex1, column.hex2), column.status)).collect();
    let mut expected = map.expected.clone();
    expected.sort_by_key(|(hexagon, _)| hexagon.ids);
    assert_eq!(drawn.len(), expected.len());
    for (drawn, (expected, of)) in drawn.iter().zip(&expected) {
        assert_eq!((drawn, status[&drawn.ids]), (expected, *of), "{region} {side}");
    }
    drawn.len()
}
