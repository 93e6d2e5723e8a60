//! How large the drawing is and where in it things stand.

use super::{Eyemap, Side, survey::Survey};
use crate::{
    FigureError,
    text::{hundredths, push_fixed},
};

/// Hexagons stand this much further right than their margin says; in hundredths.
const LEFT: i64 = 1000;

/// The background is this much wider than the drawing's width.
pub(super) const BESIDE: f64 = 40.0;

/// Height of a button of a layer.
pub(crate) const BUTTON: f64 = 8.0;

/// Longest side of a drawing.
const LONGEST: f64 = 1e7;

/// Size and origin of one drawing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// Taken from a place before rounding.
    shift: (f64, f64),
}

impl Frame {
    /// Around what the survey found.
    pub(crate) fn around(survey: &Survey, options: &Eyemap) -> Result<Self, FigureError> {
        let grid = &options.grid;
        let (x, y) = (survey.x.get().unwrap_or_default(), survey.y.get().unwrap_or_default());
        let around = |(low, high): (f64, f64)| high - low + 2.0 * grid.radius + 2.0 * grid.margin;
        let width = around(x).max(130.0).max(grid.least.0).trunc();
        let controls = controls_height(options.layers.len()) + 4.0 * grid.margin;
        let height = around(y).max(controls).max(grid.least.1).trunc();
        if width.max(height) > LONGEST {
            return Err(FigureError::TooMuch {
                what: "distance of the columns that are furthest apart, in pixels",
                found: width.max(height) as u64,
                limit: LONGEST as u64,
                remedy: "look for a wrong hex1 or hex2, or choose a smaller radius",
            });
        }
        let inside = grid.radius + grid.margin;
        Ok(Self { width, height, shift: (x.0 - inside, y.0 - inside) })
    }

    /// The centre of a hexagon, in hundredths.
    #[inline]
    pub(crate) fn place(&self, (x, y): (f64, f64)) -> (i64, i64) {
        (hundredths(x - self.shift.0) + LEFT, hundredths(y - self.shift.1))
    }

    /// Width of the picture.
    pub(crate) fn full_width(&self) -> f64 {
        self.width + BESIDE
    }

    /// Upper left corner of the first button of a layer.
    pub(crate) fn controls(&self, options: &Eyemap) -> (f64, f64) {
        let margin = options.grid.margin;
        let x = match options.side {
            Side::Right => margin + 15.0,
            Side::Left => self.width - 40.0 - margin,
        };
        (x, self.height - controls_height(options.layers.len()) / 2.0 - margin)
    }
}

/// Height that the buttons of so many layers ask for.
fn controls_height(layers: usize) -> f64 {
    if layers == 0 { 0.0 } else { BUTTON * (2 * layers - 1) as f64 }
}

/// The shared hexagon as the `d` of a path.
pub(crate) fn shape(corners: &[(f64, f64); 6]) -> Vec<u8> {
    let mut d = Vec::with_capacity(64);
    for (at, &(x, y)) in corners.iter().enumerate() {
        d.push(if at == 0 { b'M' } else { b'L' });
        push_fixed(&mut d, x);
        d.push(b' ');
        push_fixed(&mut d, y);
    }
    d.push(b'Z');
    d
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eyemap::Grid;

    #[test]
    fn the_hexagon_is_flat_on_top() {
        let d = shape(&Grid::default().corners());
        assert_eq!(String::from_utf8(d).unwrap(), "M6 0L3 5.2L-3 5.2L-6 0L-3 -5.2L3 -5.2Z");
    }
}
