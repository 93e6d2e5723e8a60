//! How the eyemaps of a figure look.
//!
//! Options are words here; the crate that draws knows what they mean.

use super::reader::{Fields, Reader};

/// Keys of `eyemap:` beside those that all figures have.
pub(super) const KEYS: [&str; 10] =
    ["table", "palette", "bins", "tooltips", "scale", "coordinates", "top", "spacing", "margin", "mirrored"];

/// The first word of each is the default.
const PALETTES: [&str; 6] = ["reds", "blues", "greys", "viridis", "cividis", "magma"];
const SCALES: [&str; 3] = ["linear", "log", "quantile"];
const COORDINATES: [&str; 4] = ["eye", "axial", "odd-offset", "even-offset"];
const TOPS: [&str; 2] = ["flat", "pointy"];

/// How the eyemaps of a figure look.
#[derive(Debug, Clone, PartialEq)]
pub struct EyemapOptions {
    /// `table:`, whether there is a page with the values as a table beside each SVG.
    pub table: bool,
    /// `palette:`.
    pub palette: &'static str,
    /// `bins:`, how many colours, 2 to 9.
    pub bins: usize,
    /// `tooltips:`.
    pub tooltips: FigureTooltips,
    /// `scale:`, how the range is cut into bins.
    pub scale: &'static str,
    /// `coordinates:`, what the two ids of a column mean.
    pub coordinates: &'static str,
    /// `top:`, which way hexagons stand.
    pub top: &'static str,
    /// `spacing:`, the distance of neighbours over that of hexagons that touch.
    pub spacing: f64,
    /// `margin:`, pixels around the hexagons.
    pub margin: f64,
    /// `mirrored:`, whether left and right are exchanged; by default on right eyes.
    pub mirrored: Option<bool>,
}

/// What pointing at a part of an eyemap shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FigureTooltips {
    /// `lines`: in words.
    #[default]
    Lines,
    /// `short`: in one line, less than half the bytes.
    Short,
    /// `none`.
    None,
}

impl Default for EyemapOptions {
    fn default() -> Self {
        Self {
            table: false,
            palette: PALETTES[0],
            bins: 5,
            tooltips: FigureTooltips::default(),
            scale: SCALES[0],
            coordinates: COORDINATES[0],
            top: TOPS[0],
            spacing: 1.1,
            margin: 10.0,
            mirrored: None,
        }
    }
}

/// The options among the keys of `eyemap:`.
pub(super) fn options<'t>(r: &mut Reader<'t>, fields: &Fields<'t>) -> Option<EyemapOptions> {
    let usual = EyemapOptions::default();
    let table = r.boolean(fields, "table", usual.table);
    let palette = word(r, fields, "palette", &PALETTES);
    let scale = word(r, fields, "scale", &SCALES);
    let coordinates = word(r, fields, "coordinates", &COORDINATES);
    let top = word(r, fields, "top", &TOPS);
    let tooltips = match fields.get("tooltips") {
        None => Some(FigureTooltips::default()),
        Some(node) => {
            let words = [
                ("lines", FigureTooltips::Lines),
                ("short", FigureTooltips::Short),
                ("none", FigureTooltips::None),
            ];
            r.choice(node, &words)
        }
    };
    let bins = usize::try_from(r.whole(fields, "bins", [2, usual.bins as u64, 9])).unwrap_or(usual.bins);
    let spacing = r.number(fields, "spacing", [0.1, usual.spacing, 100.0]);
    let margin = r.number(fields, "margin", [0.0, usual.margin, 10_000.0]);
    let mirrored = fields.get("mirrored").map(|_| r.boolean(fields, "mirrored", false));
    Some(EyemapOptions {
        table,
        palette: palette?,
        bins,
        tooltips: tooltips?,
        scale: scale?,
        coordinates: coordinates?,
        top: top?,
        spacing,
        margin,
        mirrored,
    })
}

/// One of these words; the first if there is none.
fn word<'t, const N: usize>(
    r: &mut Reader<'t>,
    fields: &Fields<'t>,
    key: &str,
    words: &[&'static str; N],
) -> Option<&'static str> {
    match fields.get(key) {
        None => words.first().copied(),
        Some(node) => r.choice(node, &words.map(|word| (word, word))),
    }
}
