//! The first pass: how far the columns reach, and what their values are.

use super::{Column, Columns, Eyemap, Status, grid::Placing};
use crate::{
    error::{FigureError, drawable},
    scale::{Method, Scale},
    text::is_whole,
};

/// From the least to the greatest of some numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Extent {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Extent {
    /// Of no numbers at all.
    pub(crate) const EMPTY: Self = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };

    pub(crate) fn add(&mut self, value: f64) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    /// Low and high, unless there was no number.
    pub(crate) fn get(self) -> Option<(f64, f64)> {
        (self.low <= self.high).then_some((self.low, self.high))
    }
}

/// What there is to draw.
#[derive(Debug, Clone)]
pub(crate) struct Survey {
    pub(crate) columns: u64,
    pub(crate) with_data: u64,
    pub(crate) without_data: u64,
    /// Of centres, not yet moved to the margins.
    pub(crate) x: Extent,
    pub(crate) y: Extent,
    pub(crate) values: Extent,
    pub(crate) sum: f64,
    /// Of single layers, without zeros.
    pub(crate) layers: Extent,
    /// Whether all values are whole numbers.
    pub(crate) whole: bool,
}

impl Survey {
    /// Goes through the columns once.
    pub(crate) fn of<S: Columns + ?Sized>(source: &S, placing: &Placing) -> Result<Self, FigureError> {
        let mut survey = Self {
            columns: 0,
            with_data: 0,
            without_data: 0,
            x: Extent::EMPTY,
            y: Extent::EMPTY,
            values: Extent::EMPTY,
            sum: 0.0,
            layers: Extent::EMPTY,
            whole: true,
        };
        for column in source.columns() {
            survey.add(&column, placing)?;
        }
        Ok(survey)
    }

    fn add(&mut self, column: &Column<'_>, placing: &Placing) -> Result<(), FigureError> {
        self.columns += 1;
        let (x, y) = placing.of(column.hex1, column.hex2);
        self.x.add(x);
        self.y.add(y);
        match column.status {
            Status::HasData => self.add_values(column),
            Status::NoData => {
                self.without_data += 1;
                Ok(())
            }
            Status::NotInRegion => Ok(()),
        }
    }

    fn add_values(&mut self, column: &Column<'_>) -> Result<(), FigureError> {
        self.with_data += 1;
        let name = || format!("column {}, {}", column.hex1, column.hex2);
        let value = drawable(column.value, "the value", name)?;
        self.values.add(value);
        self.sum += value;
        self.whole &= is_whole(value);
        for &layer in column.layers {
            let value = drawable(layer, "the value of a layer", name)?;
            if value != 0.0 {
                self.layers.add(value);
            }
        }
        Ok(())
    }

    /// The scale of whole columns, unless none has data and no range is given.
    pub(crate) fn scale<S: Columns + ?Sized>(&self, source: &S, options: &Eyemap) -> Option<Scale> {
        let with_data = || source.columns().filter(|column| column.status == Status::HasData);
        let range = options.range.or(self.values.get()).filter(|_| self.with_data > 0)?;
        Some(scale(options, range, || with_data().map(|column| column.value)))
    }

    /// The scale of single layers, unless none has data.
    pub(crate) fn layer_scale<S: Columns + ?Sized>(&self, source: &S, options: &Eyemap) -> Option<Scale> {
        let with_data = || source.columns().filter(|column| column.status == Status::HasData);
        let range = options.layer_range.or(self.layers.get()).filter(|_| self.layers.get().is_some())?;
        let values = || with_data().flat_map(|column| column.layers.iter().copied());
        Some(scale(options, range, || values().filter(|&value| value != 0.0)))
    }
}

fn scale<I: Iterator<Item = f64>>(
    options: &Eyemap,
    (low, high): (f64, f64),
    values: impl Fn() -> I,
) -> Scale {
    match options.method {
        Method::Linear => Scale::linear(low, high, options.bins),
        Method::Log => Scale::log(low, high, options.bins),
        Method::Quantile => Scale::quantile(values, options.bins),
    }
}
