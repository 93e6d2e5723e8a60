//! One picture: options of the definition and of the drawing together.

use quire_catalogue::{Figure, FigureKind, FigureTooltips};
use quire_figures::{
    FigureError, StyleSheet,
    eyemap::{Eyemap, Grid, Tooltips},
    palette::Palette,
    scatter::Scatter,
};

use super::{Drawing, eyemap::Map, scatter::Plot, sheets};

/// Most bytes of one drawing.
const MAX_DRAWING: u64 = 32 << 20;

/// What a drawing became.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) svg: Vec<u8>,
    pub(super) png: Option<Vec<u8>>,
    pub(super) title: String,
    /// What it shows, in words.
    pub(super) text: String,
    /// Width and height in pixels.
    pub(super) size: (f64, f64),
}

/// Draws one; `deep` in a folder of its own.
pub(super) fn draw(figure: &Figure, drawing: &Drawing<'_>, deep: bool) -> Result<Picture, FigureError> {
    match (drawing, &figure.kind) {
        (Drawing::Eyemap(map), FigureKind::Eyemap { palette, bins, tooltips }) => {
            eyemap(figure.png, map, (palette, *bins, *tooltips), deep)
        }
        (Drawing::Scatter(plot), FigureKind::Scatter { x, y, colour, axes }) => {
            scatter(figure.png, plot, ([x, y, colour], *axes), deep)
        }
        // What was read is of the figure's kind.
        _ => Ok(Picture::default()),
    }
}

fn eyemap(
    with_png: bool,
    map: &Map<'_>,
    (palette, bins, tooltips): (&str, usize, FigureTooltips),
    deep: bool,
) -> Result<Picture, FigureError> {
    let usual = Grid::default();
    let options = Eyemap {
        grid: Grid { radius: map.radius.unwrap_or(usual.radius), ..usual },
        subject: map.subject.clone(),
        region: map.region.clone(),
        side: map.side,
        metric: map.metric.clone(),
        palette: palette_of(palette),
        bins,
        range: map.range,
        layer_range: map.layer_range,
        layers: map.layers.clone(),
        tooltips: match tooltips {
            FigureTooltips::Lines => Tooltips::Lines,
            FigureTooltips::Short => Tooltips::Short,
            FigureTooltips::None => Tooltips::None,
        },
        style: linked(&sheets::eyemap_sheet(palette, bins), deep),
        most_bytes: MAX_DRAWING,
        ..Eyemap::default()
    };
    let mut svg = Vec::with_capacity(64 * 1024);
    let summary = options.draw(&map.columns, &mut svg)?;
    let mut png = with_png.then(Vec::new);
    if let Some(png) = &mut png {
        options.draw_png(&map.columns, png)?;
    }
    let title = map.title.clone().unwrap_or_else(|| options.name());
    let size = options.size_of(&summary);
    Ok(Picture { svg, png, title, text: summary.to_string(), size })
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
    Ok(Picture { svg, png, title: options.title, text, size: options.size })
}

/// The palette of a word of the definition.
pub(super) fn palette_of(word: &str) -> Palette {
    Palette::ALL.into_iter().find(|palette| palette.word() == word).unwrap_or_default()
}

/// A style sheet among the site's assets, seen from a drawing.
fn linked(sheet: &str, deep: bool) -> StyleSheet {
    let up = if deep { "../../../" } else { "../../" };
    StyleSheet::Linked(format!("{up}assets/{sheet}"))
}
