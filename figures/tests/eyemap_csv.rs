//! Tables of columns: what is read, and what is said of mistakes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{collections::HashMap, fmt::Write as _};

use quire_figures::eyemap::{Column, Columns, Eyemap, EyemapData, Status};

fn read(text: &str) -> Result<EyemapData, String> {
    EyemapData::read(text.as_bytes(), text.len() as u64).map_err(|error| error.to_string())
}

#[test]
fn values_may_be_missing_and_rows_in_any_order() {
    let data = read("hex1,hex2,value\n2,1,5\n-1,7,0.5\n2,0,\n").unwrap();
    let columns = data.region("").unwrap();
    let columns: Vec<_> = columns.columns().collect();
    let expected =
        [Column::with_value(-1, 7, 0.5), Column::without_data(2, 0), Column::with_value(2, 1, 5.0)];
    assert_eq!(columns, expected);
    assert_eq!(data.range(), Some((0.5, 5.0)));
}

#[test]
fn regions_share_a_range_and_see_each_others_columns_grey() {
    let data = read("region,hex1,hex2,value\nME,1,1,5\nME,1,2,\nLO,1,1,40\nLO,1,3,1\n").unwrap();
    assert_eq!(data.regions(), ["ME", "LO"]);
    assert_eq!(data.range(), Some((1.0, 40.0)));
    let states = |region: &str| {
        let columns = data.region(region).unwrap();
        columns.columns().map(|column| column.status).collect::<Vec<_>>()
    };
    assert_eq!(states("ME"), [Status::HasData, Status::NoData, Status::NotInRegion]);
    assert_eq!(states("LO"), [Status::HasData, Status::NotInRegion, Status::HasData]);
    assert!(data.region("LOP").is_none());
}

#[test]
fn layers_add_up_and_stand_in_order() {
    let data = read("hex1,hex2,value,layer\n1,1,5,10\n1,1,3,2\n2,1,,2\n3,1,7,5B\n3,1,1,5A\n").unwrap();
    assert_eq!(data.layers(), ["2", "5A", "5B", "10"]);
    let columns = data.region("").unwrap();
    let columns: Vec<_> = columns.columns().collect();
    assert_eq!(columns[0].value, 8.0);
    assert_eq!(columns[0].layers, [3.0, 0.0, 0.0, 5.0]);
    assert_eq!(columns[1].status, Status::NoData);
    assert_eq!(columns[2].layers, [0.0, 1.0, 7.0, 0.0]);
}

#[test]
fn mistakes_say_where_what_and_what_was_expected() {
    for (text, told) in [
        ("", "line 1: nothing is there: expected the header hex1,hex2,value"),
        ("hex1,hex2\n", "line 1: the header does not name `value`"),
        ("hex1,hex2,value\n1,2,3\n1,x,3\n", "line 3, column 2 (hex2): found `x`, expected a whole number"),
        ("hex1,hex2,value\n1.5,2,3\n", "line 2, column 1 (hex1): found `1.5`, expected a whole number"),
        ("hex1,hex2,value\n99999999999,2,3\n", "line 2, column 1 (hex1): found `99999999999`, expected"),
        ("hex1,hex2,value\n1,2,many\n", "line 2, column 3 (value): found `many`, expected a number"),
        ("hex1,hex2,value\n1,2,NaN\n", "line 2, column 3 (value): found `NaN`, expected a finite number"),
        ("hex1,hex2,value\n1,2,-inf\n", "line 2, column 3 (value): found `-inf`, expected a finite number"),
        ("hex1,hex2,value\n1,2,1e999\n", "line 2, column 3 (value): found `1e999`, expected a finite number"),
        ("hex1,hex2,value\n1,2,3\n4,5,6\n1,2,7\n", "line 4: column 1, 2 is there twice, first in line 2"),
        ("hex1,hex2,value,layer\n1,2,3,\n", "line 2, column 4 (layer): found ``, expected a name"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.starts_with(told), "{error}");
    }
}

#[test]
fn the_number_of_names_is_bounded() {
    let mut text = "hex1,hex2,value,layer\n".to_owned();
    (0..27).for_each(|layer| writeln!(text, "1,1,1,{layer}").unwrap());
    assert!(read(&text).unwrap_err().contains("at most 26 different names"));
}

/// Cells of 15 real types in real columns, counted: what a table of another program may look like.
#[test]
fn real_cells_in_real_columns_make_a_map() {
    let (Some(cells), Some(columns)) =
        (support::neuron_file("columnar_cells_R.csv"), support::neuron_file("columns_ol_R.csv"))
    else {
        return;
    };
    let mut counts: HashMap<(String, String), u32> = HashMap::new();
    for line in cells.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        *counts.entry((cells[2].to_owned(), cells[3].to_owned())).or_default() += 1;
    }
    let mut text = "hex1,hex2,value\n".to_owned();
    for line in columns.lines().skip(1) {
        let mut ids = line.split(',').map(ToOwned::to_owned);
        let ids = (ids.next().unwrap(), ids.next().unwrap());
        let count = counts.get(&ids).map(ToString::to_string).unwrap_or_default();
        writeln!(text, "{},{},{count}", ids.0, ids.1).unwrap();
    }
    let data = read(&text).unwrap();
    let mut svg = Vec::new();
    let summary = Eyemap::default().draw(&data.region("").unwrap(), &mut svg).unwrap();
    assert_eq!((summary.columns, summary.size), (892, (380.0, 410.0)));
    assert!(summary.with_data > 800 && summary.range.unwrap().1 >= 15.0, "{summary}");
    let drawn = support::hexagons(&String::from_utf8(svg).unwrap());
    assert_eq!(drawn.iter().filter_map(|hexagon| hexagon.value).sum::<f64>(), 13_267.0);
}
