//! Style sheets of figures: files of the site, for a strict policy lets no picture bring its own rules.

use std::collections::BTreeMap;

use quire_catalogue::{EyemapOptions, Figure, FigureKind};
use quire_figures::{
    eyemap::{MOST_LAYERS, style_sheet},
    scatter::STYLE_SHEET,
};

use super::picture::meaning;

/// Of scatter plots, below `assets/`.
pub(super) const SCATTER: &str = "figures/scatter.css";

/// Of eyemaps with these colours.
pub(super) fn eyemap_sheet(palette: &str, bins: usize) -> String {
    format!("figures/eyemap-{palette}-{bins}.css")
}

/// The style sheets that `figures` need, by path below `assets/`.
pub(crate) fn sheets(figures: &[Figure]) -> BTreeMap<String, String> {
    let sheet = |figure: &Figure| match &figure.kind {
        FigureKind::Eyemap(EyemapOptions { palette, bins, .. }) => {
            (eyemap_sheet(palette, *bins), style_sheet(meaning(palette), *bins, MOST_LAYERS))
        }
        FigureKind::Scatter { .. } => (SCATTER.to_owned(), STYLE_SHEET.to_owned()),
    };
    figures.iter().map(sheet).collect()
}
