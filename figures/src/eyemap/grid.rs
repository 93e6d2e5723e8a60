//! Where hexagons stand.
//!
//! Ids of columns become axial coordinates (q, r), and these a place in the plane. With e = radius × spacing:
//!
//! | top | x | y |
//! | --- | --- | --- |
//! | flat | 3/2 · e · q | e · (√3/2 · q + √3 · r) |
//! | pointy | e · (√3 · q + √3/2 · r) | 3/2 · e · r |
//!
//! The smallest ids do not enter: a map is moved to its margins in the end.

use serde::{Deserialize, Serialize};

use crate::error::{FigureError, wrong_option};

/// What the two ids of a column mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coordinates {
    /// Columns of the fly's eye: q = hex2 − hex1, r = −hex2.
    #[default]
    Eye,
    /// Axial: q = hex1, r = hex2.
    Axial,
    /// Column hex1 and row hex2; odd columns (flat top) or rows (pointy top) are shifted by half a hexagon.
    OddOffset,
    /// As `OddOffset`, the even ones shifted.
    EvenOffset,
}

/// Which way hexagons stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Top {
    /// An edge on top.
    #[default]
    Flat,
    /// A corner on top.
    Pointy,
}

/// Lengths in units of the drawing, which are pixels at its natural size.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// What ids mean.
    pub coordinates: Coordinates,
    /// Which way hexagons stand.
    pub top: Top,
    /// From a hexagon's centre to its corners.
    pub radius: f64,
    /// Distance of neighbours over that of hexagons that touch.
    pub spacing: f64,
    /// Around the hexagons.
    pub margin: f64,
    /// Whether left and right are exchanged; by default on right eyes.
    pub mirrored: Option<bool>,
    /// The drawing is not narrower and lower than this.
    pub least: (f64, f64),
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            coordinates: Coordinates::Eye,
            top: Top::Flat,
            radius: 6.0,
            spacing: 1.1,
            margin: 10.0,
            mirrored: None,
            least: (380.0, 410.0),
        }
    }
}

impl Grid {
    /// The default for an eye of so many columns. The usual hexagons are for hundreds of them: of fewer the text would cover
    /// them.
    #[must_use]
    pub fn fitting(columns: usize) -> Self {
        let usual = Self::default();
        let radius = match columns {
            0..100 => 24.0,
            100..300 => 12.0,
            _ => usual.radius,
        };
        Self { radius, ..usual }
    }

    /// Whether the options are such that something can be seen.
    pub(crate) fn check(&self) -> Result<(), FigureError> {
        let within = |value: f64, low: f64, high: f64| (low..=high).contains(&value);
        if !within(self.radius, 0.1, 1000.0) {
            return Err(wrong_option("the radius", self.radius, "0.1 to 1000"));
        }
        if !within(self.spacing, 0.1, 100.0) {
            return Err(wrong_option("the spacing", self.spacing, "0.1 to 100; 1 lets hexagons touch"));
        }
        if !within(self.margin, 0.0, 10_000.0) {
            return Err(wrong_option("the margin", self.margin, "0 to 10000"));
        }
        let (width, height) = self.least;
        if !within(width, 0.0, 100_000.0) || !within(height, 0.0, 100_000.0) {
            return Err(wrong_option(
                "the least size",
                format!("{width} by {height}"),
                "0 to 100000 each way",
            ));
        }
        Ok(())
    }

    /// From ids to places, not yet moved to the margins.
    pub(crate) fn placing(&self, mirrored: bool) -> Placing {
        let e = self.radius * self.spacing;
        let root = 3.0_f64.sqrt();
        let sign = if mirrored { -1.0 } else { 1.0 };
        let (x, y) = match self.top {
            Top::Flat => ((1.5 * e, 0.0), (e * root / 2.0, e * root)),
            Top::Pointy => ((e * root, e * root / 2.0), (0.0, 1.5 * e)),
        };
        Placing { coordinates: self.coordinates, top: self.top, x: (sign * x.0, sign * x.1), y }
    }

    /// Corners of a hexagon around (0, 0).
    pub(crate) fn corners(&self) -> [(f64, f64); 6] {
        let turned = if self.top == Top::Flat { 0.0 } else { 30.0 };
        [0.0, 60.0, 120.0, 180.0, 240.0, 300.0].map(|degrees: f64| {
            let angle = (degrees + turned).to_radians();
            (self.radius * angle.cos(), self.radius * angle.sin())
        })
    }
}

/// A linear way from axial coordinates to places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placing {
    coordinates: Coordinates,
    top: Top,
    x: (f64, f64),
    y: (f64, f64),
}

impl Placing {
    /// The place of a column.
    pub(crate) fn of(&self, hex1: i32, hex2: i32) -> (f64, f64) {
        let (q, r) = self.axial(i64::from(hex1), i64::from(hex2));
        let (q, r) = (q as f64, r as f64);
        (self.x.0 * q + self.x.1 * r, self.y.0 * q + self.y.1 * r)
    }

    fn axial(&self, hex1: i64, hex2: i64) -> (i64, i64) {
        let shifted = match self.coordinates {
            Coordinates::Eye => return (hex2 - hex1, -hex2),
            Coordinates::Axial => return (hex1, hex2),
            Coordinates::OddOffset => 0,
            Coordinates::EvenOffset => 1,
        };
        match self.top {
            Top::Flat => (hex1, hex2 - (hex1 + shifted).div_euclid(2)),
            Top::Pointy => (hex1 - (hex2 + shifted).div_euclid(2), hex2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance((ax, ay): (f64, f64), (bx, by): (f64, f64)) -> f64 {
        (ax - bx).hypot(ay - by)
    }

    #[test]
    fn neighbours_are_equally_far_in_every_grid() {
        let eye = [(1, 0), (0, 1), (1, 1), (-1, -1)];
        let axial = [(1, 0), (0, 1), (1, -1), (-1, 1)];
        // Of an even column or row, whose hexagons are not shifted.
        let odd_flat = [(1, 0), (1, -1), (0, 1), (-1, -1)];
        let odd_pointy = [(1, 0), (0, 1), (-1, 1), (-1, -1)];
        for (coordinates, top, neighbours) in [
            (Coordinates::Eye, Top::Flat, eye),
            (Coordinates::Eye, Top::Pointy, eye),
            (Coordinates::Axial, Top::Flat, axial),
            (Coordinates::Axial, Top::Pointy, axial),
            (Coordinates::OddOffset, Top::Flat, odd_flat),
            (Coordinates::OddOffset, Top::Pointy, odd_pointy),
        ] {
            for mirrored in [false, true] {
                let placing = Grid { coordinates, top, ..Grid::default() }.placing(mirrored);
                for (a, b) in neighbours {
                    let far = distance(placing.of(-2, 4), placing.of(-2 + a, 4 + b));
                    assert!(
                        (far - 6.6 * 3.0_f64.sqrt()).abs() < 1e-9,
                        "{coordinates:?} {top:?} {a},{b}: {far}"
                    );
                }
            }
        }
    }

    #[test]
    fn offsets_shift_odd_or_even_ones() {
        let y = |coordinates, hex1| {
            Grid { coordinates, ..Grid::default() }.placing(false).of(hex1, 0).1
                / (6.6 * 3.0_f64.sqrt() / 2.0)
        };
        assert_eq!([0, 1, 2, 3].map(|hex1| y(Coordinates::OddOffset, hex1).round()), [0.0, 1.0, 0.0, 1.0]);
        assert_eq!([0, 1, 2, 3].map(|hex1| y(Coordinates::EvenOffset, hex1).round()), [0.0, -1.0, 0.0, -1.0]);
    }

    #[test]
    fn the_greatest_ids_have_places() {
        for coordinates in [Coordinates::Eye, Coordinates::OddOffset, Coordinates::EvenOffset] {
            let placing = Grid { coordinates, ..Grid::default() }.placing(true);
            for (hex1, hex2) in [(i32::MIN, i32::MAX), (i32::MAX, i32::MIN), (i32::MIN, i32::MIN)] {
                let (x, y) = placing.of(hex1, hex2);
                assert!(x.is_finite() && y.is_finite());
            }
        }
    }
}
