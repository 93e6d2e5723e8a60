//! Columns: what an eyemap is drawn from.

use serde::{Deserialize, Serialize};

/// One column of the eye, seen from one region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column<'a> {
    /// First id.
    pub hex1: i32,
    /// Second id.
    pub hex2: i32,
    /// What the region knows of it.
    pub status: Status,
    /// Its value, if there is data: the sum over its layers.
    pub value: f64,
    /// Its values by layer, in the order of [`Eyemap::layers`](super::Eyemap::layers); missing ones count as 0, which is no data.
    pub layers: &'a [f64],
}

impl Column<'_> {
    /// A column with a value and without layers.
    #[must_use]
    pub const fn with_value(hex1: i32, hex2: i32, value: f64) -> Self {
        Self { hex1, hex2, status: Status::HasData, value, layers: &[] }
    }

    /// A column of the region without a value.
    #[must_use]
    pub const fn without_data(hex1: i32, hex2: i32) -> Self {
        Self { hex1, hex2, status: Status::NoData, value: 0.0, layers: &[] }
    }

    /// A column of other regions alone.
    #[must_use]
    pub const fn elsewhere(hex1: i32, hex2: i32) -> Self {
        Self { hex1, hex2, status: Status::NotInRegion, value: 0.0, layers: &[] }
    }
}

/// What a region knows of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is in the region, and there is a value.
    HasData,
    /// It is in the region, without a value: white.
    NoData,
    /// It is in another region only: grey.
    NotInRegion,
}

/// Columns that can be gone through more than once, the same ones in the same order every time and none twice.
/// They are drawn in their order, so sort them by (`hex1`, `hex2`) where the order of a source is not fixed.
///
/// Nothing is kept of them: they may be computed as they are asked for.
pub trait Columns {
    /// Goes through them.
    fn columns(&self) -> impl Iterator<Item = Column<'_>>;
}

impl Columns for [Column<'_>] {
    fn columns(&self) -> impl Iterator<Item = Column<'_>> {
        self.iter().copied()
    }
}

impl Columns for Vec<Column<'_>> {
    fn columns(&self) -> impl Iterator<Item = Column<'_>> {
        self.iter().copied()
    }
}

/// Which eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The left one.
    Left,
    /// The right one, drawn mirrored.
    #[default]
    Right,
}

impl Side {
    /// `left` or `right`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }

    /// `L` or `R`.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Left => "L",
            Self::Right => "R",
        }
    }
}

/// What the values count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Metric {
    /// Synapses of a column.
    #[default]
    Synapses,
    /// Cells of a column.
    Cells,
    /// Something else, by its name in the singular, such as `Contrast`.
    Other(String),
}

impl Metric {
    /// What stands before a value: `Synapse count`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Synapses => "Synapse count",
            Self::Cells => "Cell count",
            Self::Other(name) => name,
        }
    }

    /// What stands beside the colours: `Total Synapses`.
    #[must_use]
    pub fn of_legend(&self) -> &str {
        match self {
            Self::Synapses => "Total Synapses",
            Self::Cells => "Cell Count",
            Self::Other(name) => name,
        }
    }
}
