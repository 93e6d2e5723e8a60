//! Columns from comma-separated rows: `hex1,hex2,value`, and if there are several, `region` and `layer`.
//!
//! A value that is left out says that the column is in its region and has no data. With regions, a column that is only in
//! others than the one drawn is grey. With layers, the value of a column is the sum over them.

use std::io::BufRead;

use super::{Column, Columns, MOST_LAYERS, Status, survey::Extent};
use crate::{
    csv::{CsvError, Rows},
    error::LARGEST,
};

/// Most rows of a table.
const MOST_ROWS: usize = 2_000_000;

/// Most regions of a table.
const MOST_REGIONS: usize = 64;

/// Longest name of a region or a layer.
const LONGEST_NAME: usize = 64;

/// One row, small: a million of them are 24 MB. A value that is not there is NaN.
#[derive(Debug, Clone, Copy)]
#[repr(C, packed(4))]
struct Row {
    hex1: i32,
    hex2: i32,
    line: u32,
    region: u8,
    layer: u8,
    value: f64,
}

impl Row {
    const fn ids(&self) -> (i32, i32) {
        (self.hex1, self.hex2)
    }

    const fn key(&self) -> (i32, i32, u8, u8) {
        (self.hex1, self.hex2, self.region, self.layer)
    }

    fn value(&self) -> Option<f64> {
        let value = self.value;
        (!value.is_nan()).then_some(value)
    }
}

/// A table that was read and is right, sorted by column.
#[derive(Debug)]
pub struct EyemapData {
    rows: Vec<Row>,
    regions: Vec<String>,
    layers: Vec<String>,
}

impl EyemapData {
    /// Reads a table of at most two million rows. `bytes` is its size if that is known, 0 otherwise: room is then made at once.
    ///
    /// # Errors
    /// What is not a number, not finite or there twice; too many rows, regions or layers; an input that fails.
    pub fn read<R: BufRead>(input: R, bytes: u64) -> Result<Self, CsvError> {
        let mut input = Rows::new(input, &["hex1", "hex2", "value"], &["region", "layer"])?;
        let common_row = 10;
        let room = usize::try_from(bytes / common_row).unwrap_or(MOST_ROWS).min(MOST_ROWS);
        let mut data = Self { rows: Vec::with_capacity(room), regions: Vec::new(), layers: Vec::new() };
        let at = |name| input.position(name).unwrap_or_default();
        let places = (at("hex1"), at("hex2"), at("value"));
        let (region, layer) = (input.position("region"), input.position("layer"));
        while input.next_row()? {
            if data.rows.len() == MOST_ROWS {
                let what = format!("more than {MOST_ROWS} rows: draw a part of them");
                return Err(input.wrong(input.line(), what));
            }
            let row = Row {
                hex1: id(&input, places.0)?,
                hex2: id(&input, places.1)?,
                line: u32::try_from(input.line()).unwrap_or(u32::MAX),
                region: name(&input, region, &mut data.regions, MOST_REGIONS)?,
                layer: name(&input, layer, &mut data.layers, MOST_LAYERS)?,
                value: value(&input, places.2)?,
            };
            data.rows.push(row);
        }
        data.rows.sort_unstable_by_key(Row::key);
        data.refuse_repeats(&input)?;
        data.name_layers_in_order();
        Ok(data)
    }

    fn refuse_repeats<R: BufRead>(&self, input: &Rows<R>) -> Result<(), CsvError> {
        let mut repeats = self.rows.windows(2).filter(|pair| pair[0].key() == pair[1].key());
        let Some([one, other]) = repeats.next() else { return Ok(()) };
        let (first, second) = (one.line.min(other.line), one.line.max(other.line));
        let (hex1, hex2) = one.ids();
        let what = format!(
            "column {hex1}, {hex2} is there twice, first in line {first}: expected one row a column{}; remove one of them",
            if self.layers.is_empty() { "" } else { " and layer" }
        );
        Err(input.wrong(second.into(), what))
    }

    /// Layers in the order of their names, numbers in them by size: 1, 2, 10; 5A, 5B.
    fn name_layers_in_order(&mut self) {
        let key = |name: &str| {
            let digits = name.bytes().take_while(u8::is_ascii_digit).count();
            (name[..digits].parse::<u64>().unwrap_or(u64::MAX), name[digits..].to_owned())
        };
        let mut order: Vec<usize> = (0..self.layers.len()).collect();
        order.sort_by_key(|&at| key(&self.layers[at]));
        let place =
            |layer: u8| order.iter().position(|&at| at == usize::from(layer)).unwrap_or_default() as u8;
        if self.layers.len() > 1 {
            self.rows.iter_mut().for_each(|row| row.layer = place(row.layer));
            self.rows.sort_unstable_by_key(Row::key);
        }
        self.layers = order.iter().map(|&at| self.layers[at].clone()).collect();
    }

    /// Names of the regions, in the order in which they occur; none where the table has no such column.
    #[must_use]
    pub fn regions(&self) -> &[String] {
        &self.regions
    }

    /// Whether there are no columns at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many columns the eye has, in whatever region.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.by_column().count()
    }

    /// Names of the layers, in order.
    #[must_use]
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// Smallest and greatest value of a column over all regions: what makes maps comparable.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        let mut extent = Extent::EMPTY;
        for column in self.rows.chunk_by(|one, other| (one.ids(), one.region) == (other.ids(), other.region))
        {
            let values = column.iter().filter_map(Row::value);
            values.reduce(|sum, value| sum + value).into_iter().for_each(|value| extent.add(value));
        }
        extent.get()
    }

    /// The columns as the region sees them; `None` if there is no such region. Where the table has none, the name does not matter.
    #[must_use]
    pub fn region(&self, name: &str) -> Option<RegionColumns<'_>> {
        let region = match self.regions.iter().position(|there| there == name) {
            Some(region) => region as u8,
            None if self.regions.is_empty() => 0,
            None => return None,
        };
        Some(RegionColumns {
            layers: self.layer_values(region),
            count: self.layers.len(),
            region,
            data: self,
        })
    }

    /// The values of all columns by layer, where there are layers: as many a column as there are.
    fn layer_values(&self, region: u8) -> Vec<f64> {
        let count = self.layers.len();
        let mut values = Vec::new();
        if count == 0 {
            return values;
        }
        for column in self.by_column() {
            let begin = values.len();
            values.resize(begin + count, 0.0);
            for row in column.iter().filter(|row| row.region == region) {
                values[begin + usize::from(row.layer)] = row.value().unwrap_or_default();
            }
        }
        values
    }

    fn by_column(&self) -> impl Iterator<Item = &[Row]> {
        self.rows.chunk_by(|one, other| one.ids() == other.ids())
    }
}

/// The columns of a table as one region sees them.
#[derive(Debug)]
pub struct RegionColumns<'a> {
    data: &'a EyemapData,
    region: u8,
    layers: Vec<f64>,
    count: usize,
}

impl Columns for RegionColumns<'_> {
    fn columns(&self) -> impl Iterator<Item = Column<'_>> {
        self.data.by_column().enumerate().map(|(at, rows)| {
            let (hex1, hex2) = rows.first().map_or((0, 0), Row::ids);
            let mut ours = rows.iter().filter(|row| row.region == self.region).peekable();
            let inside = ours.peek().is_some();
            let value = ours.filter_map(Row::value).reduce(|sum, value| sum + value);
            let status = match (inside, value) {
                (_, Some(_)) => Status::HasData,
                (true, None) => Status::NoData,
                (false, None) => Status::NotInRegion,
            };
            let layers = self.layers.get(at * self.count..(at + 1) * self.count).unwrap_or_default();
            Column { hex1, hex2, status, value: value.unwrap_or_default(), layers }
        })
    }
}

fn id<R: BufRead>(input: &Rows<R>, column: usize) -> Result<i32, CsvError> {
    input.cell(column).parse().map_err(|_| {
        input.wrong_cell(column, "a whole number of a column, between -2147483648 and 2147483647, such as 7")
    })
}

fn value<R: BufRead>(input: &Rows<R>, column: usize) -> Result<f64, CsvError> {
    let cell = input.cell(column);
    if cell.is_empty() {
        return Ok(f64::NAN);
    }
    match cell.parse::<f64>() {
        Ok(value) if value.abs() <= LARGEST => Ok(value),
        Ok(_) => Err(input.wrong_cell(
            column,
            "a finite number between -1e300 and 1e300; leave the cell empty where there is no data",
        )),
        Err(_) => Err(input.wrong_cell(column, "a number, such as 234 or 0.5, or nothing")),
    }
}

/// The number of a name, which is remembered if it is new. Without such a column everything has the number 0.
fn name<R: BufRead>(
    input: &Rows<R>,
    column: Option<usize>,
    names: &mut Vec<String>,
    most: usize,
) -> Result<u8, CsvError> {
    let Some(column) = column else { return Ok(0) };
    let cell = input.cell(column);
    if cell.is_empty() || cell.len() > LONGEST_NAME {
        return Err(input.wrong_cell(
            column,
            "a name of at most 64 bytes in every row; leave the column out where there are none",
        ));
    }
    if let Some(at) = names.iter().position(|name| name == cell) {
        return Ok(at as u8);
    }
    if names.len() == most {
        return Err(input.wrong_cell(column, &format!("at most {most} different names")));
    }
    names.push(cell.to_owned());
    Ok((names.len() - 1) as u8)
}
