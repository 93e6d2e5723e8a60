//! One picture: options of the definition and of the drawing together.

use quire_catalogue::{EyemapOptions, Figure, FigureKind, FigureTooltips};
use quire_figures::{
    FigureError, StyleSheet,
    eyemap::{Eyemap, Grid, Tooltips},
    scatter::Scatter,
};
use serde::de::{DeserializeOwned, IntoDeserializer as _};

use super::{Drawing, eyemap::Map, scatter::Plot, sheets};

/// Most bytes of one drawing.
const MAX_DRAWING: u64 = 32 << 20;

/// What a drawing became.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) svg: Vec<u8>,
    pub(super) png: Option<Vec<u8>>,
    /// A page with the values as a table.
    pub(super) table: Option<Vec<u8>>,
    pub(super) title: String,
    /// What it shows, in words.
    pub(super) text: String,
    /// Width and height in pixels.
    pub(super) size: (f64, f64),
}

impl Picture {
    /// Of all its files.
    pub(super) fn bytes(&self) -> usize {
        [Some(&self.svg), self.png.as_ref(), self.table.as_ref()].into_iter().flatten().map(Vec::len).sum()
    }
}

/// Draws one; `deep` in a folder of its own.
pub(super) fn draw(figure: &Figure, drawing: &Drawing<'_>, deep: bool) -> Result<Picture, FigureError> {
    match (drawing, &figure.kind) {
        (Drawing::Eyemap(map), FigureKind::Eyemap(look)) => eyemap(figure.png, map, look, deep),
        (Drawing::Scatter(plot), FigureKind::Scatter { x, y, colour, axes }) => {
            scatter(figure.png, plot, ([x, y, colour], *axes), deep)
        }
        // What was read is of the figure's kind.
        _ => Ok(Picture::default()),
    }
}

fn eyemap(with_png: bool, map: &Map<'_>, look: &EyemapOptions, deep: bool) -> Result<Picture, FigureError> {
    let options = Eyemap {
        grid: grid(look, map.radius),
        subject: map.subject.clone(),
        region: map.region.clone(),
        side: map.side,
        metric: map.metric.clone(),
        palette: meaning(look.palette),
        bins: look.bins,
        method: meaning(look.scale),
        range: map.range,
        layer_range: map.layer_range,
        layers: map.layers.clone(),
        tooltips: match look.tooltips {
            FigureTooltips::Lines => Tooltips::Lines,
            FigureTooltips::Short => Tooltips::Short,
            FigureTooltips::None => Tooltips::None,
        },
        style: linked(&sheets::eyemap_sheet(look.palette, look.bins), deep),
        most_bytes: MAX_DRAWING,
        ..Eyemap::default()
    };
    let mut svg = Vec::with_capacity(64 * 1024);
    let summary = options.draw(&map.columns, &mut svg)?;
    let mut png = with_png.then(Vec::new);
    if let Some(png) = &mut png {
        options.draw_png(&map.columns, png)?;
    }
    let mut table = look.table.then(Vec::new);
    if let Some(table) = &mut table {
        options.page(&map.columns, table)?;
    }
    let title = map.title.clone().unwrap_or_else(|| options.name());
    let size = options.size_of(&summary);
    Ok(Picture { svg, png, table, title, text: summary.to_string(), size })
}

fn grid(look: &EyemapOptions, radius: Option<f64>) -> Grid {
    let usual = Grid::default();
    Grid {
        coordinates: meaning(look.coordinates),
        top: meaning(look.top),
        radius: radius.unwrap_or(usual.radius),
        spacing: look.spacing,
        margin: look.margin,
        mirrored: look.mirrored,
        ..usual
    }
}

fn scatter(
    with_png: bool,
    plot: &Plot<'_>,
    ([x, y, colour], axes): ([&Option<String>; 3], (f64, f64)),
    deep: bool,
) -> Result<Picture, FigureError> {
    let default = Scatter::default();
    let chosen = |own: &Option<String>, given: &Option<String>, otherwise: String| {
        own.clone().or_else(|| given.clone()).unwrap_or(otherwise)
    };
    let options = Scatter {
        title: plot.title.clone(),
        x: chosen(&plot.x, x, default.x),
        y: chosen(&plot.y, y, default.y),
        colour: chosen(&plot.colour, colour, default.colour),
        axes,
        guides: plot.guides.clone(),
        percentile: plot.percentile.unwrap_or(default.percentile),
        style: linked(sheets::SCATTER, deep),
        most_bytes: MAX_DRAWING,
        ..Scatter::default()
    };
    let mut svg = Vec::with_capacity(64 * 1024);
    options.draw(&plot.points, &mut svg)?;
    let mut png = with_png.then(Vec::new);
    if let Some(png) = &mut png {
        options.draw_png(&plot.points, png)?;
    }
    let text = format!("{} points. Across: {}; up: {}.", plot.points.len(), options.x, options.y);
    Ok(Picture { svg, png, table: None, title: options.title, text, size: options.size })
}

/// What a word of the definition means to the crate that draws. The definition has no other words.
pub(super) fn meaning<T: DeserializeOwned + Default>(word: &'static str) -> T {
    T::deserialize(word.into_deserializer()).unwrap_or_else(|_: serde::de::value::Error| T::default())
}

/// A style sheet among the site's assets, seen from a drawing.
fn linked(sheet: &str, deep: bool) -> StyleSheet {
    let up = if deep { "../../../" } else { "../../" };
    StyleSheet::Linked(format!("{up}assets/{sheet}"))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Debug};

    use quire_figures::{
        eyemap::{Coordinates, Top},
        palette::Palette,
        scale::Method,
    };

    use super::*;

    /// The words of the definition, and what they mean.
    fn meanings<T: DeserializeOwned + Default + Debug>(option: &str) -> (Vec<String>, Vec<T>) {
        let schema = quire_catalogue::Catalogue::definition_schema();
        let words = schema.pointer(&format!("/$defs/figure/properties/eyemap/properties/{option}/enum"));
        let words: Vec<String> = serde_json::from_value(words.unwrap().clone()).unwrap();
        let meanings: Vec<T> = words.iter().map(|word| meaning(word.clone().leak())).collect();
        let different: BTreeSet<String> = meanings.iter().map(|meaning| format!("{meaning:?}")).collect();
        assert_eq!(different.len(), words.len(), "{option}: {words:?} {meanings:?}");
        (words, meanings)
    }

    #[test]
    fn every_word_of_the_definition_has_a_meaning_of_its_own_and_the_first_is_the_default() {
        let (words, palettes) = meanings::<Palette>("palette");
        assert_eq!(palettes, Palette::ALL);
        assert_eq!(words, Palette::ALL.map(Palette::word));
        assert_eq!(meanings::<Method>("scale").1[0], Eyemap::default().method);
        assert_eq!(meanings::<Coordinates>("coordinates").1[0], Grid::default().coordinates);
        assert_eq!(meanings::<Top>("top").1[0], Grid::default().top);
    }
}
