//! One map from beginning to end.

use std::io::Write;

use super::{
    Columns, Eyemap, Summary, Tooltips,
    frame::{Frame, shape},
    hexagons::Hexagons,
    legend,
    style::style_sheet,
    survey::Survey,
};
use crate::{
    FigureError,
    palette::Colour,
    svg::{Anchor, Label, Lettering, Svg},
};

const BACKGROUND: Colour = Colour(0xf8, 0xf9, 0xfa);

pub(crate) fn draw<S: Columns + ?Sized, W: Write>(
    options: &Eyemap,
    source: &S,
    out: W,
    lettering: Lettering,
) -> Result<Summary, FigureError> {
    options.check()?;
    let mirrored = options.grid.mirrored.unwrap_or(options.side == super::Side::Right);
    let placing = options.grid.placing(mirrored);
    let survey = Survey::of(source, &placing)?;
    let frame = Frame::around(&survey, options)?;
    let mut summary = Summary::of(options, &survey, (frame.width, frame.height));
    let scale = survey.scale(source, options);
    let layer_scale = survey.layer_scale(source, options).filter(|_| !options.layers.is_empty());
    let scales = (scale.as_ref(), layer_scale.as_ref());

    let mut svg = Svg::new(out, options.most_bytes, lettering);
    write_head(&mut svg, options, &frame, &summary)?;
    legend::write_lines(&mut svg, options)?;
    legend::write_controls(&mut svg, options, &frame)?;
    svg.raw("\n<g id=\"")?.raw(&options.id_prefix)?.raw("hexplot\"")?;
    if is_layered(options, &svg) {
        svg.raw(" role=\"img\"")?;
        write_names(&mut svg, options)?;
    }
    svg.raw(" fill-opacity=\".8\">\n")?;
    let tooltips = if svg.has_strokes() { Tooltips::None } else { options.tooltips };
    let hexagons = Hexagons { options, placing, frame, scale: scales.0, layer_scale: scales.1, tooltips };
    hexagons.write(source, &mut svg)?;
    svg.raw("</g>\n")?;
    if survey.columns == 0 {
        write_emptiness(&mut svg, &frame)?;
    }
    legend::write_legend(&mut svg, options, &frame, &survey, scales)?;
    svg.raw("</svg>\n")?;
    summary.bytes = svg.finish()?;
    Ok(summary)
}

/// All that stands before the first mark: size, name, description, the shape, the background.
fn write_head<W: Write>(
    svg: &mut Svg<W>,
    options: &Eyemap,
    frame: &Frame,
    summary: &Summary,
) -> Result<(), FigureError> {
    let layered = is_layered(options, svg);
    if layered {
        options.style.write_link(svg)?;
    }
    let (width, height) = (frame.full_width(), frame.height);
    let zoom = options.width.map_or(1.0, |wanted| wanted / width);
    svg.raw("<svg xmlns=\"http://www.w3.org/2000/svg\"")?.attribute("width", width * zoom)?;
    svg.attribute("height", height * zoom)?.raw(" viewBox=\"0 0 ")?.fixed(width)?.raw(" ")?.fixed(height)?;
    // Links inside of an image would not be there for those who listen: with layers it is a group.
    let role = if layered { "group" } else { "img" };
    svg.raw("\" font-family=\"sans-serif\" role=\"")?.raw(role)?;
    svg.raw("\"")?;
    write_names(svg, options)?;
    let prefix = options.id_prefix.as_bytes();
    svg.raw(">\n<title id=\"")?.raw(prefix)?.raw("title\">")?.text(&options.name())?;
    svg.raw("</title>\n<desc id=\"")?.raw(prefix)?.raw("desc\">")?.text(&summary.to_string())?;
    svg.raw("</desc>\n<defs>")?;
    if layered {
        let rules = style_sheet(options.palette, options.bins, options.layers.len());
        options.style.write_rules(svg, &rules)?;
    }
    svg.raw("<path id=\"")?.raw(prefix)?.raw("h\" d=\"")?.raw(shape(&options.grid.corners()))?;
    svg.raw("\"/></defs>\n")?.rect((0.0, 0.0), (width, height), BACKGROUND)?;
    Ok(())
}

/// Whether there are layers to choose from.
fn is_layered<W: Write>(options: &Eyemap, svg: &Svg<W>) -> bool {
    !options.layers.is_empty() && !svg.has_strokes()
}

/// What an element is called and described by.
fn write_names<W: Write>(svg: &mut Svg<W>, options: &Eyemap) -> Result<(), FigureError> {
    let prefix = options.id_prefix.as_bytes();
    svg.raw(" aria-labelledby=\"")?.raw(prefix)?.raw("title\" aria-describedby=\"")?.raw(prefix)?;
    svg.raw("desc\"")?;
    Ok(())
}

fn write_emptiness<W: Write>(svg: &mut Svg<W>, frame: &Frame) -> Result<(), FigureError> {
    svg.label(&Label {
        at: (frame.full_width() / 2.0, frame.height / 2.0),
        size: 12.0,
        anchor: Anchor::Middle,
        upwards: false,
        fill: Colour(0x49, 0x50, 0x57),
        text: "No columns",
    })?;
    Ok(())
}
