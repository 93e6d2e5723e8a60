//! What stands beside the hexagons: three lines of text, the buttons of the layers, the legend.

use std::{borrow::Cow, io::Write};

use super::{
    Eyemap, Side,
    frame::{BUTTON, Frame},
    survey::Survey,
};
use crate::{
    FigureError,
    palette::Colour,
    scale::Scale,
    svg::{Anchor, Label, Svg},
};

/// Side of a swatch.
const SWATCH: f64 = 12.0;

/// Top of the uppermost swatch.
const TOP: f64 = 10.0;

/// Letters of a line that fit beside the hexagons.
const LONGEST_LINE: usize = 24;

const INK: Colour = Colour(0x21, 0x25, 0x29);

/// Colour of the side's name: dark enough to be read (4.5:1 on the background), and never the only sign of the side.
const fn of_side(side: Side) -> Colour {
    match side {
        Side::Right => Colour(0xb0, 0x2a, 0x37),
        Side::Left => Colour(0x1e, 0x7e, 0x34),
    }
}

/// The metric, what the map is of, and the region.
pub(crate) fn write_lines<W: Write>(svg: &mut Svg<W>, options: &Eyemap) -> Result<(), FigureError> {
    let side = options.side.letter();
    let mut y = 14.0;
    let mut line = |text: &str, fill: Colour| {
        let label = Label { at: (5.0, y), size: 10.0, anchor: Anchor::Start, upwards: false, fill, text };
        y += 12.0;
        svg.label(&label).map(drop)
    };
    line(&cut(options.metric.name()), INK)?;
    if !options.subject.is_empty() {
        line(&format!("{} ({side})", cut(&options.subject)), of_side(options.side))?;
    }
    let region = if options.region.is_empty() {
        options.place()
    } else {
        format!("{} ({side})", cut(&options.region))
    };
    line(&region, of_side(options.side))
}

/// What fits beside the hexagons; the picture's title has all of it.
fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST_LINE) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

/// A link for all layers together and one for each; each is what its own address points to.
pub(crate) fn write_controls<W: Write>(
    svg: &mut Svg<W>,
    options: &Eyemap,
    frame: &Frame,
) -> Result<(), FigureError> {
    let count = options.layers.len();
    if count == 0 || svg.has_strokes() {
        return Ok(());
    }
    let (x, y) = frame.controls(options);
    let all_x = if options.side == Side::Right { x - 24.0 } else { x + 40.0 };
    button(
        svg,
        options,
        &Button {
            id: "all",
            class: "",
            label: "All layers",
            at: (all_x, y),
            size: (24.0, BUTTON * count as f64),
            text: "all",
        },
    )?;
    for (at, layer) in options.layers.iter().enumerate() {
        let letter = char::from(b'a' + at as u8);
        let name = format!("{}{layer}", options.region);
        button(
            svg,
            options,
            &Button {
                id: &format!("layer{}", at + 1),
                class: &format!("l {letter}"),
                label: &format!("Layer {name}"),
                at: (x, y + BUTTON * at as f64),
                size: (40.0, BUTTON),
                text: &name,
            },
        )?;
    }
    Ok(())
}

struct Button<'a> {
    id: &'a str,
    class: &'a str,
    label: &'a str,
    at: (f64, f64),
    size: (f64, f64),
    text: &'a str,
}

fn button<W: Write>(svg: &mut Svg<W>, options: &Eyemap, button: &Button<'_>) -> Result<(), FigureError> {
    let id = format!("{}{}", options.id_prefix, button.id);
    svg.raw("<a id=\"")?.text(&id)?.raw("\" href=\"#")?.text(&id)?.raw("\" aria-label=\"")?;
    svg.text(button.label)?.raw("\"")?;
    if !button.class.is_empty() {
        svg.raw(" class=\"")?.raw(button.class)?.raw("\"")?;
    }
    svg.raw(">")?.rect(button.at, button.size, Colour(0xe9, 0xec, 0xef))?;
    let (x, y) = button.at;
    let at = (x + button.size.0 / 2.0, y + button.size.1 / 2.0 + 2.5);
    let label = Label { at, size: 7.0, anchor: Anchor::Middle, upwards: false, fill: INK, text: button.text };
    svg.label(&label)?.raw("</a>")?;
    Ok(())
}

/// Swatches, where the bins begin and end, and what they count.
pub(crate) fn write_legend<W: Write>(
    svg: &mut Svg<W>,
    options: &Eyemap,
    frame: &Frame,
    survey: &Survey,
    (scale, layer_scale): (Option<&Scale>, Option<&Scale>),
) -> Result<(), FigureError> {
    let Some(scale) = scale else { return Ok(()) };
    let x = frame.width - 70.0 + 38.0;
    let bins = scale.bins();
    svg.raw("<g id=\"")?.raw(&options.id_prefix)?.raw("legend\">")?;
    for (bin, colour) in options.palette.colours(bins).into_iter().enumerate() {
        let y = TOP + SWATCH * (bins - 1 - bin) as f64;
        svg.rect((x, y), (SWATCH, SWATCH), colour)?;
    }
    let middle = TOP + SWATCH * bins as f64 / 2.0;
    svg.label(&Label {
        at: (x - 4.0, middle),
        size: 8.0,
        anchor: Anchor::Middle,
        upwards: true,
        fill: INK,
        text: options.metric.of_legend(),
    })?;
    let ticks = |svg: &mut Svg<W>, scale: &Scale| write_ticks(svg, scale, x, survey.whole);
    match layer_scale.filter(|_| !svg.has_strokes()) {
        None => ticks(svg, scale)?,
        Some(layer_scale) => {
            svg.raw("<g class=\"t\">")?;
            ticks(svg, scale)?;
            svg.raw("</g><g class=\"u\" display=\"none\">")?;
            ticks(svg, layer_scale)?;
            svg.raw("</g>")?;
        }
    }
    svg.raw("</g>")?;
    Ok(())
}

fn write_ticks<W: Write>(svg: &mut Svg<W>, scale: &Scale, x: f64, whole: bool) -> Result<(), FigureError> {
    let thresholds = scale.thresholds();
    let decimals = decimals(thresholds, whole);
    for (at, &threshold) in thresholds.iter().enumerate() {
        let y = TOP + SWATCH * (thresholds.len() - 1 - at) as f64 + 3.0;
        let text = tick(threshold, decimals);
        svg.label(&Label {
            at: (x + SWATCH + 3.0, y),
            size: 8.0,
            anchor: Anchor::Start,
            upwards: false,
            fill: INK,
            text: &text,
        })?;
    }
    Ok(())
}

/// Counts are rounded to whole numbers; other values have the decimals that tell thresholds apart.
fn decimals(thresholds: &[f64], whole: bool) -> usize {
    let span = thresholds.last().unwrap_or(&0.0) - thresholds.first().unwrap_or(&0.0);
    if whole || span >= 50.0 || span <= 0.0 {
        return 0;
    }
    (1.7 - span.log10()).ceil().clamp(0.0, 9.0) as usize
}

fn tick(threshold: f64, decimals: usize) -> String {
    if threshold.abs() >= 1e7 {
        return format!("{threshold:.1e}");
    }
    let scale = 10.0_f64.powi(decimals as i32);
    // A minus before nought means nothing.
    format!("{:.decimals$}", (threshold * scale).round_ties_even() / scale + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_rounded_as_their_values_ask() {
        let ticks = |low: f64, high: f64, whole: bool| {
            let scale = Scale::linear(low, high, 5);
            let decimals = decimals(scale.thresholds(), whole);
            scale.thresholds().iter().map(|&at| tick(at, decimals)).collect::<Vec<_>>()
        };
        assert_eq!(ticks(29.0, 456.0, true), ["29", "114", "200", "285", "371", "456"]);
        assert_eq!(ticks(0.0, 1.0, false), ["0.00", "0.20", "0.40", "0.60", "0.80", "1.00"]);
        assert_eq!(ticks(-0.1, 0.1, true), ["0", "0", "0", "0", "0", "0"]);
        assert_eq!(ticks(0.0, 1e9, false)[1], "2.0e8");
    }
}
