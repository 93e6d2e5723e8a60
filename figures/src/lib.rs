//! Figures drawn from data: SVG, written as a stream to the caller's writer, and PNG from it (feature `png`).
//!
//! Pure: no files, clocks or randomness, so the same input gives the same bytes. A figure goes through its data
//! twice, first to learn how far it reaches, then to write it; it keeps nothing of it, so its memory does not grow.
//!
//! A figure is a file of its own. What they share: [`palette`], [`scale`], texts and numbers (`text`), the writer of SVG with
//! its limit (`svg`), bounded CSV ([`csv`]), and strokes for letters where there are no fonts (`glyphs`).

pub mod csv;
mod error;
pub mod eyemap;
mod glyphs;
pub mod palette;
#[cfg(feature = "png")]
mod png;
mod quantile;
pub mod scale;
pub mod scatter;
mod style;
mod svg;
mod text;

pub use error::FigureError;
pub use style::StyleSheet;

/// Version of the figures: raised whenever the same input would give other bytes.
pub const FIGURES_VERSION: u32 = 1;

/// Most bytes of a figure, unless its options say otherwise: about two million hexagons with tooltips.
pub const MOST_BYTES: u64 = 256 << 20;
