//! One record a neuron type, made of the rows that are about it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    answer::Text,
    region::{Place, Side, regions},
    rows::{Cell, Cells, Layers, Partners},
    view::{self, Known, Lobula, View, number},
};

pub use super::view::Central;

/// Version of what is made of answers. Raised when the same answers would make another record.
pub const VERSION: u64 = 5;

/// Everything that was answered about one type.
#[derive(Debug, Default)]
pub struct Answers<'a> {
    /// Its cells.
    pub cells: Vec<&'a Cells>,
    /// Its partners, and those of the cells that [`shown`] names.
    pub partners: Vec<&'a Partners>,
    /// Its synapses by column and layer.
    pub layers: Vec<&'a Layers>,
}

/// Why there is no record of a type.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// No cells.
    #[error("neuPrint has no cells of the type any more")]
    Gone,
    /// A cell's regions cannot be read.
    #[error("`roiInfo` of body {body} is not JSON of regions")]
    Regions {
        /// The cell.
        body: i64,
        /// What is wrong.
        source: serde_json::Error,
    },
}

#[derive(Serialize)]
struct Record<'a> {
    kind: &'static str,
    #[serde(rename = "type")]
    name: &'a str,
    sides: BTreeMap<&'static str, usize>,
    superclasses: Vec<&'a str>,
    classes: Vec<&'a str>,
    subclasses: Vec<&'a str>,
    dimorphisms: Vec<&'a str>,
    neuromeres: Vec<&'a str>,
    hemilineages: Vec<&'a str>,
    synonyms: Vec<&'a str>,
    flywire: Vec<&'a str>,
    transmitters: Vec<Transmitter<'a>>,
    /// By side, and `all`.
    views: BTreeMap<&'static str, View>,
    eyemaps: Vec<Eyemap<'a>>,
}

/// How many cells have a transmitter, and how sure that is.
#[derive(Serialize)]
struct Transmitter<'a> {
    name: Option<&'a str>,
    cells: usize,
    /// Mean of the cells' own, 0 to 1.
    confidence: Option<f64>,
}

/// Columns of one region, for the cells of one side.
#[derive(Serialize)]
struct Eyemap<'a> {
    cells_of: Option<Side>,
    region: &'a str,
    side: Side,
    /// Median of the columns of a cell, twice: a whole number.
    twice_median: i64,
    /// Column, cells with synapses there, synapses by layer from the first.
    columns: Vec<(i64, i64, usize, Vec<i64>)>,
}

/// The cells whose strongest partner cells the pages of a type show: of each side the one with most synapses, or of all where
/// no side is known.
#[must_use]
pub fn shown(cells: &[&Cells]) -> BTreeSet<i64> {
    view::of_sides(cells.iter().flat_map(|row| &row.cells).map(|cell| (cell, side_of(cell))))
}

/// Whether a type has synapses in columns, so that [`super::query::layers`] is worth asking.
#[must_use]
pub fn has_columns(cells: &[&Cells]) -> bool {
    let mut texts = cells.iter().flat_map(|row| &row.cells).filter_map(|cell| cell.regions.as_deref());
    texts.any(|text| text.contains("_col_"))
}

fn side_of(cell: &Cell) -> Option<Side> {
    Side::of_cell(cell.root_side.as_ref(), cell.soma_side.as_ref())
}

/// The record of a type as JSON. The same answers, in any order, give the same bytes.
///
/// # Errors
/// [`RecordError`].
pub fn record(name: &str, answers: &Answers<'_>, central: Central) -> Result<Vec<u8>, RecordError> {
    let mut cells: Vec<&Cell> = answers.cells.iter().flat_map(|row| &row.cells).collect();
    cells.sort_by_key(|cell| cell.body);
    if cells.is_empty() {
        return Err(RecordError::Gone);
    }
    let read = |cell: &&Cell| {
        regions(cell.regions.as_deref()).map_err(|source| RecordError::Regions { body: cell.body.0, source })
    };
    let places = cells.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let known: Vec<Known<'_>> =
        cells.iter().zip(&places).map(|(cell, places)| (*cell, side_of(cell), places)).collect();
    let distinct = |of: fn(&Cells) -> &Option<Text>| {
        let texts = answers.cells.iter().filter_map(|row| of(row).as_ref().map(|text| text.0.as_str()));
        texts.filter(|text| !text.is_empty()).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let named = (central, Lobula::of(&answers.cells));
    let names = [("all", None), ("L", Some(Side::L)), ("M", Some(Side::M)), ("R", Some(Side::R))];
    let views = names
        .into_iter()
        .filter_map(|(name, side)| Some((name, view::view(&known, &answers.partners, named, side)?)));
    let mut sides = BTreeMap::new();
    for (_, side, _) in &known {
        *sides.entry(side.map_or("unknown", word)).or_default() += 1;
    }
    let record = Record {
        kind: "type",
        name,
        sides,
        superclasses: distinct(|row| &row.superclass),
        classes: distinct(|row| &row.class),
        subclasses: distinct(|row| &row.subclass),
        dimorphisms: distinct(|row| &row.dimorphism),
        neuromeres: distinct(|row| &row.neuromere),
        hemilineages: distinct(|row| &row.hemilineage),
        synonyms: distinct(|row| &row.synonyms),
        flywire: distinct(|row| &row.flywire),
        transmitters: transmitters(&answers.cells),
        views: views.collect(),
        eyemaps: eyemaps(&known, &answers.layers),
    };
    // Of texts and numbers only: it cannot fail.
    Ok(serde_json::to_vec(&record).unwrap_or_default())
}

const fn word(side: Side) -> &'static str {
    match side {
        Side::L => "L",
        Side::R => "R",
        Side::M => "M",
    }
}

/// Transmitters of the cells, commonest first: agreed upon, else predicted for the type, else for the cell.
fn transmitters<'a>(rows: &[&'a Cells]) -> Vec<Transmitter<'a>> {
    let mut found: BTreeMap<Option<&str>, Vec<Option<f64>>> = BTreeMap::new();
    for row in rows {
        for cell in &row.cells {
            let name = [&row.consensus, &row.predicted, &cell.transmitter].into_iter().flatten().next();
            // How sure the prediction is says nothing of another transmitter.
            let of = |said: &Option<Text>, sure: Option<f64>| sure.filter(|_| said.as_ref() == name);
            let confidence = of(&cell.transmitter, cell.confidence).or(of(&row.predicted, row.confidence));
            found.entry(name.map(|text| text.0.as_str())).or_default().push(confidence);
        }
    }
    let transmitter = |(name, mut sure): (_, Vec<Option<f64>>)| {
        let cells = sure.len();
        sure.retain(Option::is_some);
        // The order of cells is the server's: that of the sum must not be.
        let mut sure: Vec<f64> = sure.into_iter().flatten().collect();
        sure.sort_by(f64::total_cmp);
        #[allow(clippy::cast_precision_loss, reason = "a number of cells")]
        let mean = sure.iter().sum::<f64>() / sure.len() as f64;
        let confidence = (!sure.is_empty()).then(|| (mean * 1e6).round() / 1e6);
        Transmitter { name, cells, confidence }
    };
    let mut out: Vec<_> = found.into_iter().map(transmitter).collect();
    out.sort_by_key(|found| (found.name.is_none(), std::cmp::Reverse(found.cells)));
    out
}

/// Where a map is of: side of the cells, region and its side.
type Map<'a> = (Option<Side>, &'a str, Side);

/// What a map is made of.
#[derive(Default)]
struct Drawn {
    /// By column: cells, and synapses by layer from the first.
    columns: BTreeMap<[i64; 2], (usize, Vec<i64>)>,
    /// Columns of each cell.
    sizes: Vec<i64>,
}

/// Cells from their own regions, synapses from the answer about layers.
fn eyemaps<'a>(cells: &'a [Known<'_>], layers: &'a [&Layers]) -> Vec<Eyemap<'a>> {
    let mut maps: BTreeMap<Map<'_>, Drawn> = BTreeMap::new();
    for (_, own, places) in cells {
        let mut columns_of: BTreeMap<Map<'_>, i64> = BTreeMap::new();
        for (name, _) in places.iter().filter(|(_, counts)| counts.both() != [0, 0]) {
            let Place::Column(region, side, column) = Place::read(name) else { continue };
            maps.entry((*own, region, side)).or_default().columns.entry(column).or_default().0 += 1;
            *columns_of.entry((*own, region, side)).or_default() += 1;
        }
        for (map, count) in columns_of {
            maps.entry(map).or_default().sizes.push(count);
        }
    }
    for place in layers.iter().flat_map(|row| &row.places) {
        let Some((region, side)) = place.region.as_deref().and_then(split) else { continue };
        let own = place.side.as_ref().and_then(|text| Side::read(&text.0));
        for (hex1, hex2, found) in &place.columns {
            let columns = &mut maps.entry((own, region, side)).or_default().columns;
            let synapses = &mut columns.entry([hex1.0, hex2.0]).or_default().1;
            for (layer, count) in found {
                put(synapses, layer.0, number(Some(*count)));
            }
        }
    }
    let map = |((cells_of, region, side), mut drawn): (Map<'a>, Drawn)| {
        drawn.sizes.sort_unstable();
        let column = |([hex1, hex2], (cells, synapses)): ([i64; 2], _)| (hex1, hex2, cells, synapses);
        let columns = drawn.columns.into_iter().map(column).collect();
        Eyemap { cells_of, region, side, twice_median: twice_median(&drawn.sizes), columns }
    };
    maps.into_iter().map(map).collect()
}

/// Most layers of a region; real ones have ten.
const MOST_LAYERS: i64 = 64;

fn put(synapses: &mut Vec<i64>, layer: i64, count: i64) {
    let Ok(at) = usize::try_from(layer - 1) else { return };
    if layer > MOST_LAYERS {
        return;
    }
    if synapses.len() <= at {
        synapses.resize(at + 1, 0);
    }
    if let Some(sum) = synapses.get_mut(at) {
        *sum += count;
    }
}

fn twice_median(sorted: &[i64]) -> i64 {
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    if sorted.is_empty() { 0 } else { at((sorted.len() - 1) / 2) + at(sorted.len() / 2) }
}

/// `ME(R)` is region and side.
fn split(name: &str) -> Option<(&str, Side)> {
    let (region, side) = name.strip_suffix(')')?.rsplit_once('(')?;
    Some((region, Side::read(side)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn how_sure_a_prediction_is_says_nothing_of_another_transmitter() {
        let row: Cells = serde_json::from_value(json!({
            "name": "T", "edited": ["u", "2025-01-02"], "consensus": "acetylcholine", "predicted": "gaba", "confidence": 0.5,
            "cells": [
                { "body": 1, "transmitter": "glutamate", "confidence": 0.95 },
                { "body": 2, "transmitter": "acetylcholine", "confidence": 0.75 },
            ],
        }))
        .unwrap();
        let [found] = &transmitters(&[&row])[..] else { panic!("one transmitter") };
        assert_eq!((found.name, found.cells, found.confidence), (Some("acetylcholine"), 2, Some(0.75)));
    }
}
