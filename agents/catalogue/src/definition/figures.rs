//! `figures:`, pictures drawn from records and aggregates.

use super::{
    Expression,
    read::{is_new, list},
    reader::{Fields, Reader},
};
use crate::yaml_tree::Node;

/// Most figures of a catalogue.
const MOST: usize = 32;

/// Words of the palettes that figures may have; the crate that draws knows the colours.
const PALETTES: [(&str, &str); 6] = [
    ("reds", "reds"),
    ("blues", "blues"),
    ("greys", "greys"),
    ("viridis", "viridis"),
    ("cividis", "cividis"),
    ("magma", "magma"),
];

/// One of `figures:`.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// `name:`, unique: `[a-z0-9_]+`.
    pub name: String,
    /// What is drawn, and how.
    pub kind: FigureKind,
    /// `of:`, what it is drawn from.
    pub of: FigureOf,
    /// `from:`, one output a drawing; sees `$aggregates`.
    pub from: Expression,
    /// `png:`, whether there is a PNG beside each SVG.
    pub png: bool,
}

/// What a figure is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FigureOf {
    /// Each record by itself.
    #[default]
    Record,
    /// The aggregates: drawn once a run.
    Catalogue,
}

/// Kinds of figures with their options.
#[derive(Debug, Clone, PartialEq)]
pub enum FigureKind {
    /// `eyemap:`, a map of an eye's columns.
    Eyemap {
        /// `palette:`.
        palette: &'static str,
        /// `bins:`, how many colours, 2 to 9.
        bins: usize,
        /// `tooltips:`.
        tooltips: FigureTooltips,
    },
    /// `scatter:`, points over two logarithmic axes.
    Scatter {
        /// `x:`, what the horizontal axis counts.
        x: Option<String>,
        /// `y:`, what the vertical axis counts.
        y: Option<String>,
        /// `colour:`, what the colour shows.
        colour: Option<String>,
        /// `low:` and `high:`, the ends of both axes.
        axes: (f64, f64),
    },
}

/// What pointing at a part of an eyemap shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FigureTooltips {
    /// `lines`: in words.
    #[default]
    Lines,
    /// `short`: in one line, less than half the bytes.
    Short,
    /// `none`.
    None,
}

pub(super) fn figures<'t>(r: &mut Reader<'t>, node: &'t Node) -> Vec<Figure> {
    let mut figures: Vec<Figure> = Vec::new();
    for item in list(r, node, "`figures`") {
        let Some(fields) = r.fields(item, "a figure", &["name", "eyemap", "scatter"]) else { continue };
        let name = r.required(&fields, "name", "a figure").and_then(|node| r.name(node, "a name", "_"));
        let figure = figure(r, &fields);
        let (Some(name), Some(figure)) = (name, figure) else { continue };
        if is_new(r, &fields, &name, figures.iter().map(|figure| figure.name.as_str()), "figure") {
            figures.push(Figure { name, ..figure });
        }
    }
    if figures.len() > MOST {
        r.error(node.span, format!("{} figures, at most {MOST} are allowed", figures.len()));
    }
    figures
}

/// A figure, still without its name.
fn figure<'t>(r: &mut Reader<'t>, fields: &Fields<'t>) -> Option<Figure> {
    match (fields.get("eyemap"), fields.get("scatter")) {
        (Some(node), None) => eyemap(r, node),
        (None, Some(node)) => scatter(r, node),
        (Some(_), Some(node)) => {
            r.error(node.span, "a figure is of one kind: expected `eyemap` or `scatter`, found both");
            None
        }
        (None, None) => {
            r.error(fields.span, "expected a figure of a kind: `eyemap` or `scatter`");
            None
        }
    }
}

fn eyemap<'t>(r: &mut Reader<'t>, node: &'t Node) -> Option<Figure> {
    let fields = r.fields(node, "`eyemap`", &["of", "from", "png", "palette", "bins", "tooltips"])?;
    let palette = match fields.get("palette") {
        None => Some("reds"),
        Some(node) => r.choice(node, &PALETTES),
    };
    let bins = usize::try_from(r.whole(&fields, "bins", [2, 5, 9])).unwrap_or(5);
    let tooltips = match fields.get("tooltips") {
        None => Some(FigureTooltips::default()),
        Some(node) => {
            let words = [
                ("lines", FigureTooltips::Lines),
                ("short", FigureTooltips::Short),
                ("none", FigureTooltips::None),
            ];
            r.choice(node, &words)
        }
    };
    let common = common(r, &fields, "`eyemap`");
    Some(Figure { kind: FigureKind::Eyemap { palette: palette?, bins, tooltips: tooltips? }, ..common? })
}

fn scatter<'t>(r: &mut Reader<'t>, node: &'t Node) -> Option<Figure> {
    let keys = ["of", "from", "png", "x", "y", "colour", "low", "high"];
    let fields = r.fields(node, "`scatter`", &keys)?;
    let [x, y, colour] = ["x", "y", "colour"].map(|key| r.optional_text(&fields, key, "a label"));
    let low = r.number(&fields, "low", [1e-9, 1.0, 1e9]);
    let high = r.number(&fields, "high", [1e-9, 1000.0, 1e12]);
    if low >= high {
        let span = fields.get("high").or(fields.get("low")).map_or(fields.span, |node| node.span);
        r.error(span, format!("expected `high` greater than `low`, found {high} and {low}"));
    }
    let common = common(r, &fields, "`scatter`");
    Some(Figure { kind: FigureKind::Scatter { x, y, colour, axes: (low, high) }, ..common? })
}

/// What all kinds have; the name and the kind are still to be filled in.
fn common<'t>(r: &mut Reader<'t>, fields: &Fields<'t>, what: &str) -> Option<Figure> {
    let of = match fields.get("of") {
        None => Some(FigureOf::Record),
        Some(node) => r.choice(node, &[("record", FigureOf::Record), ("catalogue", FigureOf::Catalogue)]),
    };
    let from = r.required(fields, "from", what).and_then(|node| r.expression(node));
    let png = r.boolean(fields, "png", false);
    let kind = FigureKind::Eyemap { palette: "reds", bins: 5, tooltips: FigureTooltips::Lines };
    Some(Figure { name: String::new(), kind, of: of?, from: from?, png })
}

/// `pages: { variants: … }`: names of further pages of a record.
pub(super) fn variants<'t>(r: &mut Reader<'t>, node: &'t Node) -> Option<Expression> {
    let fields = r.fields(node, "`variants`", &["each"])?;
    r.required(&fields, "each", "`variants`").and_then(|node| r.expression(node))
}
