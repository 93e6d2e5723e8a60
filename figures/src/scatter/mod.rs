//! Scatter plots on logarithmic axes: a point for each thing, its colour a third number, straight guide lines where the product
//! of both axes is constant.
//!
//! A point may be a link, and has an id: `plot.svg#T4a` highlights it by `:target`, without script ([`point_id`] gives the
//! fragment of a name). The highlight needs a rule ([`StyleSheet`]); everything else does not.

mod plot;

use std::io::Write;

use plot::Plot;

use crate::{
    FigureError, MOST_BYTES, StyleSheet,
    error::{check_prefix, drawable, wrong_option},
    palette::Colour,
    svg::{Lettering, Svg},
    text::value_text,
};

/// Rules that highlight a point: for [`StyleSheet::Linked`]. Those drawn after it, and maybe over it, fade.
pub const STYLE_SHEET: &str = "a:focus-visible use,a:hover use{stroke-width:1.5}\
    a:target use{stroke:#00e;stroke-width:4}a:target~a{opacity:.3}";

/// One thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point<'a> {
    /// Its name, one of its own.
    pub name: &'a str,
    /// Where a click leads, if anywhere.
    pub link: Option<&'a str>,
    /// Place on the horizontal axis; outside of it, the point stands at the end.
    pub x: f64,
    /// The same on the vertical axis.
    pub y: f64,
    /// The number shown by colour.
    pub colour: f64,
}

/// Points that can be gone through more than once, in the same order every time.
pub trait Points {
    /// Goes through them.
    fn points(&self) -> impl Iterator<Item = Point<'_>>;
}

impl Points for [Point<'_>] {
    fn points(&self) -> impl Iterator<Item = Point<'_>> {
        self.iter().copied()
    }
}

impl Points for Vec<Point<'_>> {
    fn points(&self) -> impl Iterator<Item = Point<'_>> {
        self.iter().copied()
    }
}

/// What a plot shows, and how. The default is how types of cells cover an eye.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    /// What the plot is of, such as `ME (right)`.
    pub title: String,
    /// What the horizontal axis counts.
    pub x: String,
    /// What the vertical axis counts.
    pub y: String,
    /// What the colour shows.
    pub colour: String,
    /// Ends of both axes, both greater than nothing.
    pub axes: (f64, f64),
    /// Lines where the product of both axes is this, and what stands beside them.
    pub guides: Vec<(f64, String)>,
    /// From few to much. Much is what this percentile of the points has, and everything above.
    pub colours: (Colour, Colour),
    /// Which percentile that is, 0 to 100.
    pub percentile: f64,
    /// Width and height.
    pub size: (f64, f64),
    /// Where the rules stand that highlight a point.
    pub style: StyleSheet,
    /// Begins every id but those of points.
    pub id_prefix: String,
    /// Most bytes.
    pub most_bytes: u64,
}

impl Default for Scatter {
    fn default() -> Self {
        Self {
            title: String::new(),
            x: "Cells per eye".to_owned(),
            y: "Median columns per cell".to_owned(),
            colour: "Coverage".to_owned(),
            axes: (1.0, 1000.0),
            guides: Vec::new(),
            colours: (Colour::WHITE, Colour(180, 0, 0)),
            percentile: 98.0,
            size: (480.0, 480.0),
            style: StyleSheet::Inline,
            id_prefix: String::new(),
            most_bytes: MOST_BYTES,
        }
    }
}

/// Guide lines of types that cover `columns` columns 0.2, 0.5, 1, 2 and 5 times: cells × columns a cell = k × columns.
#[must_use]
pub fn coverage_guides(columns: f64) -> Vec<(f64, String)> {
    [0.2, 0.5, 1.0, 2.0, 5.0].map(|times| (times * columns, value_text(times))).into()
}

/// The id of a point and the fragment of the address that highlights it: the name, with everything but letters, digits, `-` and
/// `_` written as `.` and two hexadecimal digits a byte. Two names never share an id.
#[must_use]
pub fn point_id(name: &str) -> String {
    let mut id = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            id.push(char::from(byte));
        } else {
            id.push('.');
            id.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
        }
    }
    id
}

impl Scatter {
    /// Draws the points as SVG; returns the number of bytes.
    ///
    /// # Errors
    /// Options outside their bounds, coordinates that are no numbers, a writer that refuses.
    pub fn draw<S: Points + ?Sized, W: Write>(&self, source: &S, out: W) -> Result<u64, FigureError> {
        self.draw_as(source, out, Lettering::Live)
    }

    /// Draws the same as PNG, without links; returns the number of bytes.
    ///
    /// # Errors
    /// Those of [`Scatter::draw`], and too many points or pixels.
    #[cfg(feature = "png")]
    pub fn draw_png<S: Points + ?Sized, W: Write>(&self, source: &S, out: W) -> Result<u64, FigureError> {
        let mut svg = Vec::new();
        let limited = Self { most_bytes: self.most_bytes.min(crate::png::MOST_SVG), ..self.clone() };
        limited.draw_as(source, &mut svg, Lettering::Strokes)?;
        crate::png::rasterise(&svg, out)
    }

    fn draw_as<S: Points + ?Sized, W: Write>(
        &self,
        source: &S,
        out: W,
        lettering: Lettering,
    ) -> Result<u64, FigureError> {
        self.check()?;
        let plot = Plot::of(self, source)?;
        let mut svg = Svg::new(out, self.most_bytes, lettering);
        plot.write(source, &mut svg)?;
        svg.finish()
    }

    fn check(&self) -> Result<(), FigureError> {
        let (low, high) = self.axes;
        if !(low > 0.0 && high > low && high <= 1e15 && low >= 1e-15) {
            return Err(wrong_option("the range of the axes", format!("{low} to {high}"), "0 < low < high"));
        }
        if !(0.0..=100.0).contains(&self.percentile) {
            return Err(wrong_option("the percentile", self.percentile, "0 to 100"));
        }
        let (width, height) = self.size;
        if !(width.min(height) >= 200.0 && width.max(height) <= 10_000.0) {
            return Err(wrong_option("the size", format!("{width} by {height}"), "200 to 10000 each way"));
        }
        for (product, name) in &self.guides {
            drawable(*product, "the product", || format!("the guide line `{name}`"))?;
        }
        check_prefix(&self.id_prefix)
    }
}
