//! Writes an SVG piece by piece to the caller's writer, and never more than it may.

use std::io::Write;

use crate::{
    error::FigureError,
    glyphs,
    palette::Colour,
    text::{push_escaped, push_fixed, push_value},
};

/// Bytes kept before they are handed on.
const BUFFER: usize = 32 * 1024;

/// How texts are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Lettering {
    /// As text, in the reader's sans-serif font.
    #[default]
    Live,
    /// As strokes of our own (`glyphs`): needs no font, so the same everywhere.
    Strokes,
}

/// A text and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Label<'a> {
    /// Where the baseline begins or has its middle, as `anchor` says.
    pub(crate) at: (f64, f64),
    /// Height of the letters' em.
    pub(crate) size: f64,
    /// Which part of the text stands there.
    pub(crate) anchor: Anchor,
    /// Whether it is read from bottom to top.
    pub(crate) upwards: bool,
    /// Its colour.
    pub(crate) fill: Colour,
    /// What it says, not escaped.
    pub(crate) text: &'a str,
}

/// Which part of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
}

/// A writer of one SVG.
pub(crate) struct Svg<W> {
    out: W,
    buffer: Vec<u8>,
    written: u64,
    most: u64,
    lettering: Lettering,
}

impl<W: Write> Svg<W> {
    /// Begins with an empty document of at most `most` bytes.
    pub(crate) fn new(out: W, most: u64, lettering: Lettering) -> Self {
        Self { out, buffer: Vec::with_capacity(BUFFER + 4096), written: 0, most, lettering }
    }

    /// Whether texts are strokes.
    pub(crate) fn has_strokes(&self) -> bool {
        self.lettering == Lettering::Strokes
    }

    /// Markup, as it is.
    pub(crate) fn raw(&mut self, markup: impl AsRef<[u8]>) -> Result<&mut Self, FigureError> {
        self.buffer.extend_from_slice(markup.as_ref());
        if self.buffer.len() >= BUFFER {
            self.hand_on()?;
        }
        Ok(self)
    }

    /// A text within an element or attribute.
    pub(crate) fn text(&mut self, text: &str) -> Result<&mut Self, FigureError> {
        push_escaped(&mut self.buffer, text);
        self.raw("")
    }

    /// A coordinate.
    pub(crate) fn fixed(&mut self, number: f64) -> Result<&mut Self, FigureError> {
        push_fixed(&mut self.buffer, number);
        self.raw("")
    }

    /// A value of the data.
    pub(crate) fn value(&mut self, value: f64) -> Result<&mut Self, FigureError> {
        push_value(&mut self.buffer, value);
        self.raw("")
    }

    /// ` name="number"`
    pub(crate) fn attribute(&mut self, name: &str, number: f64) -> Result<&mut Self, FigureError> {
        self.raw(" ")?.raw(name)?.raw("=\"")?.fixed(number)?.raw("\"")
    }

    /// ` fill="#rrggbb"`
    pub(crate) fn fill(&mut self, colour: Colour) -> Result<&mut Self, FigureError> {
        self.raw(" fill=\"")?.raw(colour.hex())?.raw("\"")
    }

    /// A rectangle at `(x, y)` of the given width and height; the element is closed.
    pub(crate) fn rect(
        &mut self,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
        fill: Colour,
    ) -> Result<&mut Self, FigureError> {
        self.raw("<rect")?.attribute("x", x)?.attribute("y", y)?;
        self.attribute("width", width)?.attribute("height", height)?.fill(fill)?.raw("/>")
    }

    /// A text with a place.
    pub(crate) fn label(&mut self, label: &Label<'_>) -> Result<&mut Self, FigureError> {
        if self.has_strokes() {
            return self.strokes(label);
        }
        let (x, y) = label.at;
        self.raw("<text")?;
        if label.upwards {
            self.raw(" transform=\"translate(")?.fixed(x)?.raw(" ")?.fixed(y)?.raw(")rotate(-90)\"")?;
        } else {
            self.attribute("x", x)?.attribute("y", y)?;
        }
        self.attribute("font-size", label.size)?;
        self.raw(match label.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
        })?;
        self.fill(label.fill)?.raw(">")?.text(label.text)?.raw("</text>")
    }

    fn strokes(&mut self, label: &Label<'_>) -> Result<&mut Self, FigureError> {
        let (x, y) = label.at;
        let scale = label.size / glyphs::EM;
        let width = glyphs::width(label.text);
        let shift = match label.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
        };
        self.raw("<path transform=\"translate(")?.fixed(x)?.raw(" ")?.fixed(y)?.raw(")")?;
        if label.upwards {
            self.raw("rotate(-90)")?;
        }
        self.raw("scale(")?.value(scale)?.raw(")translate(")?.fixed(shift)?.raw(" 0)\" stroke=\"")?;
        self.raw(label.fill.hex())?;
        self.raw(
            "\" stroke-width=\".9\" fill=\"none\" stroke-linecap=\"round\" stroke-linejoin=\"round\" d=\"",
        )?;
        glyphs::push_path(&mut self.buffer, label.text);
        self.raw("\"/>")
    }

    fn hand_on(&mut self) -> Result<(), FigureError> {
        self.written += self.buffer.len() as u64;
        if self.written > self.most {
            return Err(FigureError::TooMuch {
                what: "bytes of a figure",
                found: self.written,
                limit: self.most,
                remedy: "draw fewer things, or leave tooltips out",
            });
        }
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Hands on what is left; returns how many bytes the figure has.
    pub(crate) fn finish(mut self) -> Result<u64, FigureError> {
        self.hand_on()?;
        self.out.flush()?;
        Ok(self.written)
    }
}
