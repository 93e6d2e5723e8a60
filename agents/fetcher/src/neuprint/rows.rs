//! The rows of each query.

use serde::Deserialize;

use super::answer::{Row, Text, Whole};

/// A row of [`super::query::EDITED`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Edited(
    /// Version of the dataset.
    pub Option<Text>,
    /// When it was changed last.
    pub Option<Text>,
);

/// The row of [`super::query::META`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Meta {
    /// `cns`.
    pub dataset: String,
    /// `v0.9`.
    pub tag: Option<Text>,
    /// Version of the data.
    pub uuid: Option<Text>,
    /// When they were changed last.
    pub edited: Option<Text>,
    /// Names of the primary regions.
    pub primary: Option<Vec<String>>,
    /// Names of the regions above them.
    pub above: Option<Vec<String>>,
    /// The tree of regions, layers and columns among them: JSON `{"name", "children": [..]}`.
    pub hierarchy: Option<String>,
    /// What is known of each region: JSON.
    pub regions: Option<String>,
}

/// A row of [`super::query::TYPES`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Type {
    /// Its name; never empty of meaning, though it may be blank.
    pub name: String,
    /// How many cells it has.
    pub cells: Whole,
    /// Characters of their `roiInfo`, nearly all of what [`super::query::cells`] brings.
    pub characters: Whole,
}

/// A row of [`super::query::known`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Known {
    /// A type; `None` in the one row of an answer that knows none.
    pub name: Option<String>,
    /// How many cells it has.
    pub cells: Whole,
    /// Characters of their `roiInfo`.
    pub characters: Whole,
    /// When the dataset was changed last.
    pub edited: Edited,
}

/// A row of [`super::query::cells`]: cells of a type that share these properties.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Cells {
    /// The type.
    pub name: String,
    /// When the dataset was changed last, as it was before the cells were read.
    pub edited: Edited,
    /// `superclass`.
    pub superclass: Option<Text>,
    /// `class`.
    pub class: Option<Text>,
    /// `subclass`.
    pub subclass: Option<Text>,
    /// `dimorphism`.
    pub dimorphism: Option<Text>,
    /// `somaNeuromere`.
    pub neuromere: Option<Text>,
    /// `trumanHl`.
    pub hemilineage: Option<Text>,
    /// `Author Year, Author Year: name; name`.
    pub synonyms: Option<Text>,
    /// Names in FlyWire.
    pub flywire: Option<Text>,
    /// `consensusNt`.
    pub consensus: Option<Text>,
    /// `celltypePredictedNt`.
    pub predicted: Option<Text>,
    /// How sure that is, 0 to 1.
    pub confidence: Option<f64>,
    /// Of how many predictions.
    pub predictions: Option<Whole>,
    /// The cells, in no order.
    pub cells: Vec<Cell>,
    /// Whether the dataset names a seventh layer of the lobula; false or null if it does not.
    pub seventh: Option<bool>,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Cell {
    /// Body id; beyond 2^53 in some datasets.
    pub body: Whole,
    /// `rootSide`, as written.
    pub root_side: Option<Text>,
    /// `somaSide` or `side`, as written.
    pub soma_side: Option<Text>,
    /// Synapses that it makes.
    pub pre: Option<Whole>,
    /// Synapses that it receives.
    pub post: Option<Whole>,
    /// Connections to other cells.
    pub downstream: Option<Whole>,
    /// Connections from other cells.
    pub upstream: Option<Whole>,
    /// `predictedNt`, of this cell alone.
    pub transmitter: Option<Text>,
    /// How sure that is, 0 to 1.
    pub confidence: Option<f64>,
    /// JSON `{region: {"pre", "post", "downstream", "upstream"}}`; layers and columns are regions.
    pub regions: Option<String>,
}

/// A row of [`super::query::partners`]: all partners, one way, of a type or of a cell. There is one even if there are none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Partners {
    /// Whose partners: those of a type, or of a body.
    pub of: Of,
    /// Which way.
    pub way: Way,
    /// When the dataset was changed last, as it was after all of this was summed up.
    pub edited: Edited,
    /// How many `partners` there are.
    pub number: Whole,
    /// In no order.
    pub partners: Vec<Partner>,
}

/// Partners of one type, side and transmitter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Partner {
    /// Type of the partners.
    pub name: String,
    /// Their side, as written.
    pub side: Option<Text>,
    /// Their transmitter; null for a body.
    pub transmitter: Option<Text>,
    /// Connections with all cells of the type.
    pub every: Strengths,
    /// With those on the left alone; null for a body.
    pub left: Option<Moments>,
    /// On the right.
    pub right: Option<Moments>,
    /// In the middle.
    pub middle: Option<Moments>,
}

/// Whose partners.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Of {
    /// Of all cells of a type.
    Type(String),
    /// Of one cell.
    Body(Whole),
}

/// Which way connections go, seen from the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// To the partners.
    Out,
    /// From the partners.
    In,
}

/// How strong the connections are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Strengths {
    /// Of a type.
    Moments(Moments),
    /// Of a cell: how many partner cells it has, and the strongest of them with their weights, strongest first.
    Cells(Whole, Vec<(Whole, Whole)>),
}

/// Number, sum and sum of squares of the weights by partner cell: enough for mean and variance, and they add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Moments(
    /// Partner cells.
    pub Whole,
    /// Sum of their weights.
    pub Whole,
    /// Sum of the squares.
    pub Whole,
);

/// A row of [`super::query::layers`]. There is one for every type, even if it has no such synapses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Layers {
    /// The type.
    pub name: String,
    /// When the dataset was changed last, as it was after all of this was summed up.
    pub edited: Edited,
    /// How many synapses there are in all places.
    pub synapses: Whole,
    /// In no order.
    pub places: Vec<Columns>,
}

/// Where the cells of one side have synapses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Columns {
    /// Side of the cells, as written.
    pub side: Option<Text>,
    /// `ME(R)`; null for synapses in none of the six.
    pub region: Option<String>,
    /// In no order.
    pub columns: Vec<Column>,
}

/// A column: `hex1`, `hex2`, then layers (from 1) with their synapses, in no order.
pub type Column = (Whole, Whole, Vec<(Whole, Whole)>);

impl Row for Edited {
    const COLUMNS: &'static [&'static str] = &["uuid", "edited"];
}

impl Row for Meta {
    const COLUMNS: &'static [&'static str] =
        &["dataset", "tag", "uuid", "edited", "primary", "above", "hierarchy", "regions"];
}

impl Row for Type {
    const COLUMNS: &'static [&'static str] = &["type", "cells", "bytes"];
}

impl Row for Known {
    const COLUMNS: &'static [&'static str] = &["type", "cells", "bytes", "edited"];
}

impl Row for Cells {
    const COLUMNS: &'static [&'static str] = &[
        "type",
        "edited",
        "superclass",
        "class",
        "subclass",
        "dimorphism",
        "neuromere",
        "hemilineage",
        "synonyms",
        "flywire",
        "consensus",
        "predicted",
        "confidence",
        "predictions",
        "cells",
        "seventh",
    ];
}

impl Row for Partners {
    const COLUMNS: &'static [&'static str] = &["of", "way", "edited", "number", "partners"];
}

impl Row for Layers {
    const COLUMNS: &'static [&'static str] = &["type", "edited", "synapses", "places"];
}
