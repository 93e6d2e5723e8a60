//! Pixels from the SVG of a figure. Its letters must be strokes: there are no fonts here.

use std::io::Write;

use resvg::{tiny_skia, usvg};

use crate::FigureError;

/// Most bytes of SVG, some hundred thousand hexagons: its tree takes many times as many.
pub(crate) const MOST_SVG: u64 = 4 << 20;

/// Most pixels: 256 MB while they are drawn.
const MOST_PIXELS: u64 = 64_000_000;

/// Draws `svg` at its own size and writes it as PNG; returns the bytes written.
pub(crate) fn rasterise(svg: &[u8], mut out: impl Write) -> Result<u64, FigureError> {
    let failed = |error: &dyn std::fmt::Display| FigureError::Png(error.to_string());
    let tree = usvg::Tree::from_data(svg, &usvg::Options::default()).map_err(|error| failed(&error))?;
    let size = tree.size().to_int_size();
    let pixels = u64::from(size.width()) * u64::from(size.height());
    if pixels > MOST_PIXELS {
        return Err(FigureError::TooMuch {
            what: "pixels",
            found: pixels,
            limit: MOST_PIXELS,
            remedy: "choose a smaller width, or SVG",
        });
    }
    let mut pixmap = tiny_skia::Pixmap::new(size.width(), size.height())
        .ok_or_else(|| failed(&"there is no room for so many pixels"))?;
    resvg::render(&tree, tiny_skia::Transform::default(), &mut pixmap.as_mut());
    let png = pixmap.encode_png().map_err(|error| failed(&error))?;
    out.write_all(&png)?;
    out.flush()?;
    Ok(png.len() as u64)
}
