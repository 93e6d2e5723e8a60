//! One plot from beginning to end.

use std::io::Write;

use super::{Point, Points, STYLE_SHEET, Scatter, point_id};
use crate::{
    FigureError,
    error::drawable,
    palette::Colour,
    quantile::order_statistics,
    svg::{Anchor, Label, Svg},
    text::value_text,
};

const LEFT: f64 = 52.0;
const BELOW: f64 = 46.0;
const RIGHT: f64 = 30.0;
const ABOVE: f64 = 34.0;

const PAPER: Colour = Colour::WHITE;
const INK: Colour = Colour(0x21, 0x25, 0x29);

/// A plot whose points were gone through once.
pub(super) struct Plot<'a> {
    options: &'a Scatter,
    points: u64,
    /// Points that the axes do not reach.
    outside: u64,
    /// The number that has the strongest colour.
    most: f64,
}

impl<'a> Plot<'a> {
    pub(super) fn of<S: Points + ?Sized>(options: &'a Scatter, source: &S) -> Result<Self, FigureError> {
        let (low, high) = options.axes;
        let (mut points, mut outside) = (0_u64, 0);
        for point in source.points() {
            for (number, what) in [(point.x, "the x"), (point.y, "the y"), (point.colour, "the colour")] {
                drawable(number, what, || format!("point `{}`", point.name))?;
            }
            points += 1;
            outside += u64::from(!(low..=high).contains(&point.x) || !(low..=high).contains(&point.y));
        }
        // Nearest rank.
        let rank = (options.percentile / 100.0 * points as f64).ceil() as u64;
        let rank = rank.clamp(1, points.max(1)) - 1;
        let most = if points == 0 {
            Vec::new()
        } else {
            order_statistics(|| source.points().map(|point| point.colour), &[rank])
        };
        Ok(Self { options, points, outside, most: most.first().copied().unwrap_or_default().max(0.0) })
    }

    pub(super) fn write<S: Points + ?Sized, W: Write>(
        &self,
        source: &S,
        svg: &mut Svg<W>,
    ) -> Result<(), FigureError> {
        self.write_head(svg)?;
        self.write_axes(svg)?;
        self.write_guides(svg)?;
        self.write_legend(svg)?;
        svg.raw("<g stroke=\"#6c757d\" stroke-width=\".6\">\n")?;
        for point in source.points() {
            self.write_point(svg, &point)?;
        }
        svg.raw("</g>\n</svg>\n")?;
        Ok(())
    }

    /// Share of the axes, from 0 at their beginning to 1 at their end.
    fn share(&self, number: f64) -> f64 {
        let (low, high) = self.options.axes;
        (number.clamp(low, high) / low).ln() / (high / low).ln()
    }

    fn x(&self, number: f64) -> f64 {
        LEFT + self.share(number) * (self.options.size.0 - LEFT - RIGHT)
    }

    fn y(&self, number: f64) -> f64 {
        let height = self.options.size.1;
        height - BELOW - self.share(number) * (height - ABOVE - BELOW)
    }

    fn write_head<W: Write>(&self, svg: &mut Svg<W>) -> Result<(), FigureError> {
        let options = self.options;
        let prefix = options.id_prefix.as_bytes();
        let (width, height) = options.size;
        let live = !svg.has_strokes();
        if live {
            options.style.write_link(svg)?;
        }
        svg.raw("<svg xmlns=\"http://www.w3.org/2000/svg\"")?.attribute("width", width)?;
        svg.attribute("height", height)?.raw(" viewBox=\"0 0 ")?.fixed(width)?.raw(" ")?.fixed(height)?;
        // A group, not an image: its points are links, which would be lost within an image.
        svg.raw("\" font-family=\"sans-serif\" role=\"group\" aria-labelledby=\"")?.raw(prefix)?;
        svg.raw("title\" aria-describedby=\"")?.raw(prefix)?.raw("desc\">\n<title id=\"")?.raw(prefix)?;
        svg.raw("title\">")?.text(&options.title)?.raw("</title>\n<desc id=\"")?.raw(prefix)?;
        svg.raw("desc\">")?.text(&self.description())?.raw("</desc>\n<defs>")?;
        if live {
            options.style.write_rules(svg, STYLE_SHEET)?;
        }
        svg.raw("<circle id=\"")?.raw(prefix)?.raw("point\" r=\"3.5\"/>")?;
        svg.raw("<linearGradient id=\"")?.raw(prefix)?.raw("colours\"><stop stop-color=\"")?;
        svg.raw(options.colours.0.hex())?.raw("\"/><stop offset=\"1\" stop-color=\"")?;
        svg.raw(options.colours.1.hex())?.raw("\"/></linearGradient></defs>\n")?;
        svg.rect((0.0, 0.0), (width, height), PAPER)?;
        self.label(svg, (LEFT, 20.0), 12.0, Anchor::Start, &options.title)
    }

    fn description(&self) -> String {
        let Scatter { x, y, colour, .. } = self.options;
        let points = if self.points == 1 { "1 point" } else { &format!("{} points", self.points) };
        let outside = match self.outside {
            0 => String::new(),
            count => format!("; {count} beyond the axes, at their ends"),
        };
        format!(
            "{points}{outside}. Across: {x}; up: {y}; both logarithmic. Colour: {colour}, strongest from {} on.",
            value_text(self.most)
        )
    }

    fn write_axes<W: Write>(&self, svg: &mut Svg<W>) -> Result<(), FigureError> {
        let (low, high) = self.options.axes;
        let (width, height) = self.options.size;
        svg.raw("<g stroke=\"#e2e5e8\" fill=\"none\"><path d=\"")?;
        let mut labels = Vec::new();
        let first = low.log10().floor() as i32;
        for power in first..=high.log10().ceil() as i32 {
            for digit in 1..10 {
                let number = f64::from(digit) * 10.0_f64.powi(power);
                // The ends are powers of ten in floating point, too.
                if number < low * (1.0 - 1e-9) || number > high * (1.0 + 1e-9) {
                    continue;
                }
                svg.raw("M")?.fixed(self.x(number))?.raw(" ")?.fixed(ABOVE)?.raw("V")?;
                svg.fixed(height - BELOW)?.raw("M")?.fixed(LEFT)?.raw(" ")?;
                svg.fixed(self.y(number))?.raw("H")?.fixed(width - RIGHT)?;
                if digit == 1 {
                    labels.push(number);
                }
            }
        }
        svg.raw("\"/></g>")?;
        for number in labels {
            let text = value_text(number);
            self.label(svg, (self.x(number), height - BELOW + 14.0), 10.0, Anchor::Middle, &text)?;
            self.label(svg, (LEFT - 18.0, self.y(number) + 3.5), 10.0, Anchor::Middle, &text)?;
        }
        let middle = (LEFT + (width - LEFT - RIGHT) / 2.0, ABOVE + (height - ABOVE - BELOW) / 2.0);
        self.label(svg, (middle.0, height - 10.0), 11.0, Anchor::Middle, &self.options.x)?;
        let upwards = Label {
            at: (14.0, middle.1),
            size: 11.0,
            anchor: Anchor::Middle,
            upwards: true,
            fill: INK,
            text: &self.options.y,
        };
        svg.label(&upwards)?;
        Ok(())
    }

    /// Where x × y is constant both logarithms have a constant sum: a straight line.
    fn write_guides<W: Write>(&self, svg: &mut Svg<W>) -> Result<(), FigureError> {
        let (low, high) = self.options.axes;
        for (product, name) in &self.options.guides {
            // From where it enters to where it leaves.
            let (from, to) = ((product / high).max(low), (product / low).min(high));
            if !(*product > 0.0 && from < to) {
                continue;
            }
            let (x, y) = (self.x(from), self.y(product / from));
            svg.raw("<path stroke=\"#8a9198\" stroke-dasharray=\"4 3\" d=\"M")?
                .fixed(x)?
                .raw(" ")?
                .fixed(y)?;
            svg.raw("L")?.fixed(self.x(to))?.raw(" ")?.fixed(self.y(product / to))?.raw("\"/>")?;
            let (x, y) = (self.x(to), self.y(product / to));
            // Above the end of the line, or right of it where that is the edge.
            let at = if to < high { (x + 3.0, y - 4.0) } else { (x + 4.0, y + 3.0) };
            self.label(svg, at, 9.0, Anchor::Start, name)?;
        }
        Ok(())
    }

    fn write_legend<W: Write>(&self, svg: &mut Svg<W>) -> Result<(), FigureError> {
        let right = self.options.size.0 - RIGHT;
        svg.raw("<rect")?
            .attribute("x", right - 90.0)?
            .raw(" y=\"14\" width=\"60\" height=\"8\" stroke=\"#6c757d\" ")?;
        svg.raw("stroke-width=\".6\" fill=\"url(#")?.raw(&self.options.id_prefix)?.raw("colours)\"/>")?;
        self.label(svg, (right - 60.0, 10.0), 8.0, Anchor::Middle, &self.options.colour)?;
        self.label(svg, (right - 96.0, 21.0), 8.0, Anchor::Middle, "0")?;
        let most = value_text((self.most * 100.0).round() / 100.0);
        self.label(svg, (right - 26.0, 21.0), 8.0, Anchor::Start, &most)
    }

    fn write_point<W: Write>(&self, svg: &mut Svg<W>, point: &Point<'_>) -> Result<(), FigureError> {
        let Scatter { x, y, colour, colours, id_prefix, .. } = self.options;
        let share = if self.most > 0.0 { (point.colour / self.most).clamp(0.0, 1.0) } else { 0.0 };
        let live = !svg.has_strokes();
        if live {
            svg.raw("<a id=\"")?.raw(point_id(point.name))?.raw("\"")?;
            if let Some(link) = point.link {
                // Where the plot stands in a frame, the page is to change.
                svg.raw(" href=\"")?.text(link)?.raw("\" target=\"_top\"")?;
            }
            svg.raw(">")?;
        }
        svg.raw("<use href=\"#")?.raw(id_prefix)?.raw("point\"")?.attribute("x", self.x(point.x))?;
        svg.attribute("y", self.y(point.y))?.fill(colours.0.towards(colours.1, share))?;
        if !live {
            svg.raw("/>\n")?;
            return Ok(());
        }
        svg.raw("><title>")?.text(point.name)?;
        for (what, number) in [(x, point.x), (y, point.y), (colour, point.colour)] {
            svg.raw("\n")?.text(what)?.raw(": ")?.value(number)?;
        }
        svg.raw("</title></use></a>\n")?;
        Ok(())
    }

    fn label<W: Write>(
        &self,
        svg: &mut Svg<W>,
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        text: &str,
    ) -> Result<(), FigureError> {
        svg.label(&Label { at, size, anchor, upwards: false, fill: INK, text }).map(drop)
    }
}
