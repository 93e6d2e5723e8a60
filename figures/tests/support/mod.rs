//! What the tests of figures share.
#![allow(dead_code, unreachable_pub, clippy::print_stdout, reason = "tests, and no test uses everything")]

use std::path::PathBuf;

use quire_figures::eyemap::{Column, Columns};
use roxmltree::{Document, Node};

/// A file of the real neuron data, or `None` with a line that says why.
pub fn neuron_file(name: &str) -> Option<String> {
    let folder = std::env::var_os("QUIRE_NEURONS_DATA").map(PathBuf::from);
    let text = folder.and_then(|folder| std::fs::read_to_string(folder.join(name)).ok());
    if text.is_none() {
        println!("skipped: QUIRE_NEURONS_DATA does not name a folder with {name}");
    }
    text
}

/// A hexagon as it stands in an SVG.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    pub ids: (i32, i32),
    pub place: (f64, f64),
    pub value: Option<f64>,
    pub fill: String,
}

/// All hexagons of a map with full tooltips.
pub fn hexagons(svg: &str) -> Vec<Drawn> {
    let document = Document::parse(svg).unwrap();
    let uses = document.descendants().filter(|node| node.has_tag_name("use"));
    uses.map(|node| {
        let number = |name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
        let title = node.first_element_child().unwrap().text().unwrap().to_owned();
        let mut lines = title.lines();
        let ids = lines.next().unwrap().strip_prefix("Column: ").unwrap();
        let (hex1, hex2) = ids.split_once(", ").unwrap();
        let value = lines.next().unwrap().split_once(": ").map(|(_, value)| value.parse().unwrap());
        let fill = node.parent().unwrap().attribute("fill").unwrap().to_owned();
        Drawn {
            ids: (hex1.parse().unwrap(), hex2.parse().unwrap()),
            place: (number("x"), number("y")),
            value,
            fill,
        }
    })
    .collect()
}

/// The first element of a name.
pub fn element<'a, 'input>(document: &'a Document<'input>, name: &str) -> Node<'a, 'input> {
    document.descendants().find(|node| node.has_tag_name(name)).unwrap()
}

/// As many columns as asked for, made up as they are asked for: a square of the eye's grid with values that vary.
pub struct Made {
    pub count: u64,
    pub layers: usize,
}

const LAYERS: [f64; 10] = [12.0, 0.0, 7.0, 104.0, 33.0, 0.0, 8.0, 41.0, 2.0, 0.0];

impl Columns for Made {
    fn columns(&self) -> impl Iterator<Item = Column<'_>> {
        let side = (self.count as f64).sqrt().ceil() as u64;
        (0..self.count).map(move |at| {
            let (hex1, hex2) = ((at / side) as i32, (at % side) as i32);
            let mixed = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            match mixed % 16 {
                0 => Column::without_data(hex1, hex2),
                1 => Column::elsewhere(hex1, hex2),
                _ => {
                    let layers = &LAYERS[..self.layers];
                    Column { layers, ..Column::with_value(hex1, hex2, (mixed % 457) as f64) }
                }
            }
        })
    }
}
