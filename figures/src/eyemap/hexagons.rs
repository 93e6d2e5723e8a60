//! The hexagons: sorted by colour into buffers that are handed on when they are full, so that colours stand once a group
//! and memory has a bound.

use std::io::Write;

use super::{Column, Columns, Eyemap, MOST_LAYERS, Status, Tooltips, frame::Frame, grid::Placing};
use crate::{
    FigureError,
    palette::Colour,
    scale::Scale,
    svg::Svg,
    text::{escaped, push_hundredths, push_value, push_whole},
};

/// Bytes of all groups together before they are handed on.
const BUFFER: usize = 192 * 1024;

/// A column of other regions.
pub(crate) const ELSEWHERE: Colour = Colour(0x99, 0x99, 0x99);

/// What all hexagons of a map have in common.
pub(crate) struct Hexagons<'a> {
    pub(crate) options: &'a Eyemap,
    pub(crate) placing: Placing,
    pub(crate) frame: Frame,
    pub(crate) scale: Option<&'a Scale>,
    pub(crate) layer_scale: Option<&'a Scale>,
    pub(crate) tooltips: Tooltips,
}

impl Hexagons<'_> {
    /// Writes all columns.
    pub(crate) fn write<S: Columns + ?Sized, W: Write>(
        &self,
        source: &S,
        svg: &mut Svg<W>,
    ) -> Result<(), FigureError> {
        let words = Words::of(self.options, self.tooltips);
        let mut groups = Groups::of(self.options);
        for column in source.columns() {
            let group = &mut groups.bytes[self.class(&column)];
            let before = group.len();
            self.push(group, &column, &words);
            groups.held += group.len() - before;
            if groups.held >= BUFFER {
                groups.hand_on(svg)?;
            }
        }
        groups.hand_on(svg)
    }

    /// Its bin, or one of the two classes after the bins.
    #[inline]
    fn class(&self, column: &Column<'_>) -> usize {
        match (column.status, self.scale) {
            (Status::HasData, Some(scale)) => scale.bin(column.value),
            (Status::HasData | Status::NoData, _) => self.options.bins,
            (Status::NotInRegion, _) => self.options.bins + 1,
        }
    }

    #[inline]
    fn push(&self, out: &mut Vec<u8>, column: &Column<'_>, words: &Words) {
        let (x, y) = self.frame.place(self.placing.of(column.hex1, column.hex2));
        out.extend_from_slice(&words.shape);
        push_hundredths(out, x);
        out.extend_from_slice(b"\" y=\"");
        push_hundredths(out, y);
        out.push(b'"');
        if let Some(scale) = self.layer_scale
            && column.status == Status::HasData
        {
            push_layers(out, column.layers, scale, self.options.layers.len());
        }
        if words.column.is_empty() {
            out.extend_from_slice(b"/>");
        } else {
            out.extend_from_slice(b"><title>");
            words.push(out, column);
            out.extend_from_slice(b"</title></use>");
        }
    }
}

/// ` class="a3c1"`: a letter for the layer, a digit for the bin; layers without data are left out.
fn push_layers(out: &mut Vec<u8>, values: &[f64], scale: &Scale, layers: usize) {
    let mut class = [0_u8; 2 * MOST_LAYERS];
    let mut length = 0;
    for (letter, &value) in (b'a'..=b'z').zip(values.iter().take(layers)) {
        if value != 0.0 {
            class[length] = letter;
            class[length + 1] = b'1' + scale.bin(value) as u8;
            length += 2;
        }
    }
    if length > 0 {
        out.extend_from_slice(b" class=\"");
        out.extend_from_slice(&class[..length]);
        out.push(b'"');
    }
}

/// What the hexagons of one colour gather in.
struct Groups {
    bytes: Vec<Vec<u8>>,
    opening: Vec<Vec<u8>>,
    held: usize,
}

impl Groups {
    fn of(options: &Eyemap) -> Self {
        let mut colours = options.palette.colours(options.bins);
        colours.extend([Colour::WHITE, ELSEWHERE]);
        let layered = !options.layers.is_empty();
        let opening = |(at, colour): (usize, &Colour)| {
            // Columns of the region change their colour with the layer.
            let class = if layered && at <= options.bins { " class=\"v\"" } else { "" };
            format!("<g fill=\"{colour}\"{class}>").into_bytes()
        };
        let opening = colours.iter().enumerate().map(opening).collect();
        Self { bytes: vec![Vec::new(); colours.len()], opening, held: 0 }
    }

    fn hand_on<W: Write>(&mut self, svg: &mut Svg<W>) -> Result<(), FigureError> {
        for (bytes, opening) in self.bytes.iter_mut().zip(&self.opening) {
            if !bytes.is_empty() {
                svg.raw(opening)?.raw(&*bytes)?.raw("</g>\n")?;
                bytes.clear();
            }
        }
        self.held = 0;
        Ok(())
    }
}

/// What is the same in every hexagon, escaped once.
struct Words {
    /// Up to the x.
    shape: Vec<u8>,
    /// Before the ids; empty where there are no tooltips.
    column: &'static [u8],
    /// Between ids and value.
    value: Vec<u8>,
    /// After the value.
    region: Vec<u8>,
    /// After the ids of a column of other regions.
    elsewhere: Vec<u8>,
    /// Before the values of the layers; empty where there are none.
    layers: Vec<u8>,
    count: usize,
}

impl Words {
    fn of(options: &Eyemap, tooltips: Tooltips) -> Self {
        let place = options.place();
        let lines = tooltips == Tooltips::Lines;
        let value = if lines { format!("\n{}: ", options.metric.name()) } else { ": ".to_owned() };
        let region = match (lines, options.region.is_empty()) {
            (_, true) => String::new(),
            (true, false) => format!("\nROI: {place}"),
            (false, false) => format!(" {place}"),
        };
        let elsewhere =
            if lines { format!("\nColumn not identified in {place}") } else { format!(": not in {place}") };
        let layers = match (options.layers.first(), options.layers.last()) {
            (Some(first), Some(last)) if lines => format!("\n{}{first}–{last}: ", options.region),
            (Some(_), _) => "; ".to_owned(),
            (None, _) => String::new(),
        };
        let column: &'static [u8] = match tooltips {
            Tooltips::Lines => b"Column: ",
            Tooltips::Short => b" ",
            Tooltips::None => b"",
        };
        Self {
            shape: format!("<use href=\"#{}h\" x=\"", options.id_prefix).into_bytes(),
            column,
            value: escaped(&value),
            region: escaped(&region),
            elsewhere: escaped(&elsewhere),
            layers: escaped(&layers),
            count: options.layers.len(),
        }
    }

    fn push(&self, out: &mut Vec<u8>, column: &Column<'_>) {
        out.extend_from_slice(self.column.trim_ascii_start());
        push_whole(out, column.hex1.into());
        out.extend_from_slice(b", ");
        push_whole(out, column.hex2.into());
        if column.status == Status::NotInRegion {
            out.extend_from_slice(&self.elsewhere);
            return;
        }
        let has_data = column.status == Status::HasData;
        out.extend_from_slice(&self.value);
        push_value(out, if has_data { column.value } else { 0.0 });
        out.extend_from_slice(&self.region);
        if has_data && self.count > 0 {
            out.extend_from_slice(&self.layers);
            for at in 0..self.count {
                if at > 0 {
                    out.push(b' ');
                }
                push_value(out, column.layers.get(at).copied().unwrap_or_default());
            }
        }
    }
}
