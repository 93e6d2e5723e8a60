//! Style sheets of figures: files of the site, for a strict policy lets no picture bring its own rules.

use std::collections::BTreeMap;

use quire_catalogue::{Figure, FigureKind};
use quire_figures::{
    eyemap::{MOST_LAYERS, style_sheet},
    scatter::STYLE_SHEET,
};

use super::picture::palette_of;

/// Of scatter plots, below `assets/`.
pub(super) const SCATTER: &str = "figures/scatter.css";

/// Of eyemaps with these colours.
pub(super) fn eyemap_sheet(palette: &str, bins: usize) -> String {
    format!("figures/eyemap-{palette}-{bins}.css")
}

/// The style sheets that `figures` need, by path below `assets/`.
pub(crate) fn sheets(figures: &[Figure]) -> BTreeMap<String, String> {
    let sheet = |figure: &Figure| match &figure.kind {
        FigureKind::Eyemap { palette, bins, .. } => {
            (eyemap_sheet(palette, *bins), style_sheet(palette_of(palette), *bins, MOST_LAYERS))
        }
        FigureKind::Scatter { .. } => (SCATTER.to_owned(), STYLE_SHEET.to_owned()),
    };
    figures.iter().map(sheet).collect()
}

#[cfg(test)]
mod tests {
    use quire_figures::palette::Palette;

    use super::*;

    #[test]
    fn every_palette_has_its_word_in_the_definition() {
        for palette in Palette::ALL {
            assert_eq!(palette_of(palette.word()), palette);
        }
        let words = quire_catalogue::Catalogue::definition_schema();
        let known = words.pointer("/$defs/figure/properties/eyemap/properties/palette/enum").unwrap();
        let ours: Vec<&str> = Palette::ALL.into_iter().map(Palette::word).collect();
        assert_eq!(known, &serde_json::json!(ours));
    }
}
