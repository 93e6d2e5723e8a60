//! What a map says, in words and as a table.

use std::{
    fmt,
    io::{self, Write},
};

use serde::Serialize;

use super::{Columns, Eyemap, Status, survey::Survey};
use crate::{
    FigureError,
    text::{escaped, push_value, push_whole, value_text},
};

/// What there was to draw. Shown as a sentence or two.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Where the columns are, such as `ME (right)`.
    pub place: String,
    /// What their values count, such as `Synapse count`.
    pub metric: String,
    /// All columns drawn.
    pub columns: u64,
    /// Columns of the region with data.
    pub with_data: u64,
    /// Columns of the region without.
    pub without_data: u64,
    /// Columns of other regions.
    pub not_in_region: u64,
    /// Smallest and greatest value, where there are any.
    pub range: Option<(f64, f64)>,
    /// Mean of the values, where there are any.
    pub mean: Option<f64>,
    /// Size of the drawing: the width that places refer to, and the height. The picture is 40 wider, for the legend.
    pub size: (f64, f64),
    /// Bytes of the picture.
    pub bytes: u64,
}

impl Summary {
    pub(crate) fn of(options: &Eyemap, survey: &Survey, size: (f64, f64)) -> Self {
        Self {
            place: options.place(),
            metric: options.metric.name().to_owned(),
            columns: survey.columns,
            with_data: survey.with_data,
            without_data: survey.without_data,
            not_in_region: survey.columns - survey.with_data - survey.without_data,
            range: survey.values.get(),
            mean: (survey.with_data > 0).then(|| survey.sum / survey.with_data as f64),
            size,
            bytes: 0,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = if self.columns == 1 { "1 column" } else { &format!("{} columns", self.columns) };
        write!(f, "{columns}, {}: {} with data", self.place, self.with_data)?;
        if self.without_data > 0 {
            write!(f, ", {} without", self.without_data)?;
        }
        if self.not_in_region > 0 {
            write!(f, ", {} not in the region", self.not_in_region)?;
        }
        match (self.range, self.mean) {
            (Some((low, high)), Some(mean)) => {
                let (low, high) = (value_text(low), value_text(high));
                write!(f, ". {}: {low} to {high}, mean {}.", self.metric, rounded(mean))
            }
            _ => f.write_str("."),
        }
    }
}

/// A mean to four figures.
fn rounded(mean: f64) -> String {
    if mean == 0.0 {
        return "0".to_owned();
    }
    let decimals = (3.0 - mean.abs().log10().floor()).clamp(0.0, 12.0);
    let scale = 10.0_f64.powf(decimals);
    value_text(if mean.abs() < 1e12 { (mean * scale).round() / scale } else { mean })
}

/// Counts what is written.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// See [`Eyemap::page`].
pub(crate) fn page<S: Columns + ?Sized, W: Write>(
    options: &Eyemap,
    source: &S,
    summary: Summary,
    out: W,
) -> Result<Summary, FigureError> {
    let mut out = Counted { out, bytes: 0 };
    let (name, told) = (escaped(&options.name()), escaped(&summary.to_string()));
    let head = b"<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>";
    let parts = [head.as_slice(), &name, b"</title>\n<main>\n<h1>", &name, b"</h1>\n<p>", &told, b"</p>\n"];
    for part in parts {
        out.write_all(part)?;
    }
    table(options, source, &mut out)?;
    out.write_all(b"</main>\n</html>\n")?;
    Ok(Summary { bytes: out.bytes, ..summary })
}

/// See [`Eyemap::table`].
pub(crate) fn table<S: Columns + ?Sized, W: Write>(
    options: &Eyemap,
    source: &S,
    mut out: W,
) -> Result<(), FigureError> {
    let mut row = Vec::with_capacity(256);
    row.extend_from_slice(b"<table><caption>");
    row.extend_from_slice(&escaped(&options.name()));
    row.extend_from_slice(
        b"</caption><thead><tr><th scope=\"col\">hex1</th><th scope=\"col\">hex2</th><th scope=\"col\">",
    );
    row.extend_from_slice(&escaped(options.metric.name()));
    row.extend_from_slice(b"</th>");
    for layer in &options.layers {
        row.extend_from_slice(b"<th scope=\"col\">");
        row.extend_from_slice(&escaped(&format!("{}{layer}", options.region)));
        row.extend_from_slice(b"</th>");
    }
    row.extend_from_slice(b"</tr></thead><tbody>\n");
    for column in source.columns() {
        row.extend_from_slice(b"<tr><td>");
        push_whole(&mut row, column.hex1.into());
        row.extend_from_slice(b"</td><td>");
        push_whole(&mut row, column.hex2.into());
        row.extend_from_slice(b"</td><td>");
        match column.status {
            Status::HasData => push_value(&mut row, column.value),
            Status::NoData => row.extend_from_slice(b"no data"),
            Status::NotInRegion => row.extend_from_slice(b"not in the region"),
        }
        row.extend_from_slice(b"</td>");
        for at in 0..options.layers.len() {
            row.extend_from_slice(b"<td>");
            if column.status == Status::HasData {
                push_value(&mut row, column.layers.get(at).copied().unwrap_or_default());
            }
            row.extend_from_slice(b"</td>");
        }
        row.extend_from_slice(b"</tr>\n");
        out.write_all(&row)?;
        row.clear();
    }
    row.extend_from_slice(b"</tbody></table>\n");
    out.write_all(&row)?;
    Ok(())
}
