//! Eyemaps: hexagonal maps of the columns of an eye, coloured by value.
//!
//! A column is in one of three states ([`Status`]); those with data have one of (by default) five colours between the smallest and
//! the greatest value. So that maps of several regions, or of both eyes, can be compared, give all of them the same
//! [`Eyemap::range`].
//!
//! All layers of a region are in one file. Links (`<a href="#…">`) choose one by `:target`, without script, in the file by itself, in
//! `<object>` and inline; in `<img>` the fragment of the address does, as in `map.svg#layer3`. What is seen at first needs no
//! style; choosing a layer does ([`StyleSheet`]).
//!
//! ```
//! use quire_figures::eyemap::{Column, Eyemap};
//!
//! let columns = vec![Column::with_value(1, 7, 234.0), Column::without_data(1, 8), Column::elsewhere(2, 5)];
//! let mut svg = Vec::new();
//! let summary = Eyemap { region: "ME".to_owned(), ..Eyemap::default() }.draw(&columns, &mut svg)?;
//! assert_eq!(summary.columns, 3);
//! # Ok::<(), quire_figures::FigureError>(())
//! ```

mod column;
mod data;
mod draw;
mod frame;
mod grid;
mod hexagons;
mod legend;
mod style;
mod summary;
mod survey;

use std::io::Write;

pub use column::{Column, Columns, Metric, Side, Status};
pub use data::{EyemapData, RegionColumns};
pub use grid::{Coordinates, Grid, Top};
pub use style::style_sheet;
pub use summary::Summary;

use crate::{
    FigureError, MOST_BYTES, StyleSheet,
    error::{check_prefix, wrong_option},
    palette::Palette,
    scale::{MOST_BINS, Method},
    svg::Lettering,
};

/// Most layers of a map: a letter each.
pub const MOST_LAYERS: usize = 26;

/// What a map shows, and how. The default is the right eye with the geometry and colours that published maps have.
#[derive(Debug, Clone, PartialEq)]
pub struct Eyemap {
    /// What the map is of, such as a cell type; may be empty.
    pub subject: String,
    /// The region, such as `ME`; may be empty where there are no regions.
    pub region: String,
    /// Which eye.
    pub side: Side,
    /// What the values count.
    pub metric: Metric,
    /// Where hexagons stand.
    pub grid: Grid,
    /// Colours of the bins.
    pub palette: Palette,
    /// Number of bins, 2 to 9.
    pub bins: usize,
    /// How the range is cut into bins.
    pub method: Method,
    /// Smallest and greatest value of the colour scale; by default those of this map. Quantiles are always of this map.
    pub range: Option<(f64, f64)>,
    /// The same of the layers' scale; by default over all columns and layers of this map, without zeros.
    pub layer_range: Option<(f64, f64)>,
    /// Names of the layers, such as `1`, `5A`; at most 26.
    pub layers: Vec<String>,
    /// What pointing at a hexagon shows.
    pub tooltips: Tooltips,
    /// Where the rules that switch layers stand.
    pub style: StyleSheet,
    /// Begins every id: different ones keep maps apart that stand inline in one page. A name of letters, digits, `-` and `_`.
    pub id_prefix: String,
    /// Width of the picture in pixels; by default its natural one.
    pub width: Option<f64>,
    /// Most bytes.
    pub most_bytes: u64,
}

/// What pointing at a hexagon shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tooltips {
    /// Column, value and region in words, a line each; the layers' values in one more.
    #[default]
    Lines,
    /// The same in one line without words: less than half the bytes.
    Short,
    /// Nothing.
    None,
}

impl Default for Eyemap {
    fn default() -> Self {
        Self {
            subject: String::new(),
            region: String::new(),
            side: Side::Right,
            metric: Metric::Synapses,
            grid: Grid::default(),
            palette: Palette::Reds,
            bins: 5,
            method: Method::Linear,
            range: None,
            layer_range: None,
            layers: Vec::new(),
            tooltips: Tooltips::Lines,
            style: StyleSheet::Inline,
            id_prefix: String::new(),
            width: None,
            most_bytes: MOST_BYTES,
        }
    }
}

impl Eyemap {
    /// Draws a map of the columns as SVG and says what there was.
    ///
    /// # Errors
    /// Options outside their bounds, values that are no numbers, columns too far apart or too many, a writer that refuses.
    /// What was written by then is no figure.
    pub fn draw<S: Columns + ?Sized, W: Write>(&self, source: &S, out: W) -> Result<Summary, FigureError> {
        draw::draw(self, source, out, Lettering::Live)
    }

    /// Draws the same as PNG: without tooltips and layers, with letters that depend on no font, so the same on every machine.
    ///
    /// # Errors
    /// Those of [`Eyemap::draw`]; a picture of more than 64 million pixels or made of more than 4 MiB of SVG, some hundred
    /// thousand columns.
    #[cfg(feature = "png")]
    pub fn draw_png<S: Columns + ?Sized, W: Write>(
        &self,
        source: &S,
        out: W,
    ) -> Result<Summary, FigureError> {
        let mut svg = Vec::new();
        let options = Self { most_bytes: self.most_bytes.min(crate::png::MOST_SVG), ..self.clone() };
        let mut summary = draw::draw(&options, source, &mut svg, Lettering::Strokes)?;
        summary.bytes = crate::png::rasterise(&svg, out)?;
        Ok(summary)
    }

    /// Writes the columns as an HTML table, row by row: what the map says, for those who do not see it. A fragment
    /// to stand inside a page, without style or script.
    ///
    /// # Errors
    /// A writer that refuses.
    pub fn table<S: Columns + ?Sized, W: Write>(&self, source: &S, out: W) -> Result<(), FigureError> {
        summary::table(self, source, out)
    }

    /// Writes a page with that table, and says what there was: a map for screen readers and keyboards.
    ///
    /// # Errors
    /// Those of [`Eyemap::draw`].
    pub fn page<S: Columns + ?Sized, W: Write>(&self, source: &S, out: W) -> Result<Summary, FigureError> {
        let summary = draw::draw(self, source, std::io::sink(), Lettering::Live)?;
        summary::page(self, source, summary, out)
    }

    /// Whether all options are within their bounds, as [`Eyemap::draw`] asks at first.
    ///
    /// # Errors
    /// The first that is not, with what was expected.
    pub fn check(&self) -> Result<(), FigureError> {
        self.grid.check()?;
        if !(2..=MOST_BINS).contains(&self.bins) {
            return Err(wrong_option("the number of bins", self.bins, "2 to 9"));
        }
        if self.layers.len() > MOST_LAYERS {
            return Err(wrong_option("the number of layers", self.layers.len(), "at most 26"));
        }
        for range in [self.range, self.layer_range].into_iter().flatten() {
            for end in [range.0, range.1] {
                crate::error::drawable(end, "an end", || "the range of the colours".to_owned())?;
            }
        }
        check_prefix(&self.id_prefix)?;
        if self.width.is_some_and(|width| !(1.0..=100_000.0).contains(&width)) {
            return Err(wrong_option("the width", self.width.unwrap_or_default(), "1 to 100000 pixels"));
        }
        Ok(())
    }

    /// `ME (right)`, or `right eye` where there are no regions.
    fn place(&self) -> String {
        let side = self.side.word();
        if self.region.is_empty() { format!("{side} eye") } else { format!("{} ({side})", self.region) }
    }

    /// Width and height of the picture whose drawing gave this summary.
    #[must_use]
    pub fn size_of(&self, summary: &Summary) -> (f64, f64) {
        let (width, height) = (summary.size.0 + frame::BESIDE, summary.size.1);
        let zoom = self.width.map_or(1.0, |wanted| wanted / width);
        (width * zoom, height * zoom)
    }

    /// What the picture is called.
    #[must_use]
    pub fn name(&self) -> String {
        let metric = self.metric.name();
        if self.subject.is_empty() {
            return format!("{metric}: {}", self.place());
        }
        format!("{metric} of {}: {}", self.subject, self.place())
    }
}
