//! Names of regions, and what a cell has in them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::answer::{Text, Whole};

/// A side of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Side {
    /// Left.
    L,
    /// Right.
    R,
    /// Middle.
    M,
}

impl Side {
    /// A side as datasets write it; `None` if it is unknown.
    #[must_use]
    pub fn read(written: &str) -> Option<Self> {
        match written.to_uppercase().as_str() {
            "L" | "LEFT" => Some(Self::L),
            "R" | "RIGHT" => Some(Self::R),
            "M" | "MIDDLE" | "C" | "CENTER" => Some(Self::M),
            _ => None,
        }
    }

    /// The side of a cell: that of its root if it is written, else that of its soma.
    #[must_use]
    pub fn of_cell(root: Option<&Text>, soma: Option<&Text>) -> Option<Self> {
        let root = root.filter(|text| !text.0.is_empty());
        root.or(soma).and_then(|text| Self::read(&text.0))
    }
}

/// What a name of a region says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place<'a> {
    /// A region: `ME(R)`, `GNG`.
    Region(&'a str),
    /// `ME_R_layer_03`: region, side, layer.
    Layer(&'a str, Side, &'a str),
    /// `ME_R_col_10_06`: region, side, column.
    Column(&'a str, Side, [i64; 2]),
}

impl<'a> Place<'a> {
    /// Reads a name. What is nearly a layer or a column is a region of that name.
    #[must_use]
    pub fn read(name: &'a str) -> Self {
        Self::part(name).unwrap_or(Self::Region(name))
    }

    fn part(name: &'a str) -> Option<Self> {
        if let Some((of, layer)) = name.split_once("_layer_") {
            let (region, side) = with_side(of)?;
            return Some(Self::Layer(region, side, layer));
        }
        let (of, column) = name.split_once("_col_")?;
        let (region, side) = with_side(of)?;
        let (first, second) = column.split_once('_')?;
        Some(Self::Column(region, side, [hex(first)?, hex(second)?]))
    }
}

fn with_side(of: &str) -> Option<(&str, Side)> {
    let (region, side) = of.rsplit_once('_')?;
    Some((region, Side::read(side)?))
}

/// A coordinate: decimal digits as a rule, hexadecimal where there are others.
fn hex(text: &str) -> Option<i64> {
    text.parse().or_else(|_| i64::from_str_radix(text, 16)).ok().filter(|number| *number >= 0)
}

/// The coordinates of a column as they are written, but for leading zeros and capitals: of one place there is one such text,
/// if all names are decimal or all are hexadecimal.
pub(super) fn spelt(name: &str) -> [String; 2] {
    let column = name.split_once("_col_").map_or("", |(_, column)| column);
    let (first, second) = column.split_once('_').unwrap_or((column, ""));
    [first, second].map(|part| part.trim_start_matches('0').to_ascii_lowercase())
}

/// Synapses of a cell in a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Counts {
    /// Made.
    #[serde(default)]
    pub pre: Option<Whole>,
    /// Received.
    #[serde(default)]
    pub post: Option<Whole>,
}

impl Counts {
    /// Made and received.
    #[must_use]
    pub fn both(self) -> [i64; 2] {
        [self.pre, self.post].map(|count| count.unwrap_or_default().0)
    }
}

/// What `roiInfo` says; nothing where there is none.
///
/// # Errors
/// If it is not JSON of that shape.
pub fn regions(text: Option<&str>) -> Result<BTreeMap<String, Counts>, serde_json::Error> {
    text.filter(|text| !text.is_empty()).map_or_else(|| Ok(BTreeMap::new()), serde_json::from_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_are_of() {
        assert_eq!(Place::read("ME_R_col_10_06"), Place::Column("ME", Side::R, [10, 6]));
        assert_eq!(Place::read("LOP_L_col_0a_1F"), Place::Column("LOP", Side::L, [10, 31]));
        assert_eq!(Place::read("LO_R_layer_5A"), Place::Layer("LO", Side::R, "5A"));
        for name in
            ["ME(R)", "a'L(R)", "ME_R_col_10", "ME_col_1_2", "ME_X_layer_1", "_col_", "GNG", "ME_R_col_-1_2"]
        {
            assert_eq!(Place::read(name), Place::Region(name));
        }
    }

    #[test]
    fn sides_are_written_in_many_ways() {
        let text = |text: &str| Some(Text(text.to_owned()));
        assert_eq!(Side::of_cell(text("L").as_ref(), text("R").as_ref()), Some(Side::L));
        assert_eq!(Side::of_cell(text("").as_ref(), text("right").as_ref()), Some(Side::R));
        assert_eq!(Side::of_cell(None, text("CENTER").as_ref()), Some(Side::M));
        assert_eq!(Side::of_cell(None, text("NA").as_ref()), None);
        assert_eq!(Side::of_cell(text("?").as_ref(), text("R").as_ref()), None, "what is written counts");
    }
}
