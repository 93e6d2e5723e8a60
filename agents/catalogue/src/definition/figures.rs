//! `figures:`, pictures drawn from records and aggregates.

use super::{
    Expression,
    eyemap::{self, EyemapOptions},
    read::{is_new, list},
    reader::{Fields, Reader},
};
use crate::yaml_tree::Node;

/// Most figures of a catalogue.
const MOST: usize = 32;

/// Keys that all kinds have.
const COMMON: [&str; 3] = ["of", "from", "png"];

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
    Eyemap(EyemapOptions),
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
    let keys: Vec<&str> = COMMON.into_iter().chain(eyemap::KEYS).collect();
    let fields = r.fields(node, "`eyemap`", &keys)?;
    let options = eyemap::options(r, &fields);
    let common = common(r, &fields, "`eyemap`");
    Some(Figure { kind: FigureKind::Eyemap(options?), ..common? })
}

fn scatter<'t>(r: &mut Reader<'t>, node: &'t Node) -> Option<Figure> {
    let keys: Vec<&str> = COMMON.into_iter().chain(["x", "y", "colour", "low", "high"]).collect();
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
    let kind = FigureKind::Eyemap(EyemapOptions::default());
    Some(Figure { name: String::new(), kind, of: of?, from: from?, png })
}

/// `pages: { variants: … }`: names of further pages of a record.
pub(super) fn variants<'t>(r: &mut Reader<'t>, node: &'t Node) -> Option<Expression> {
    let fields = r.fields(node, "`variants`", &["each"])?;
    r.required(&fields, "each", "`variants`").and_then(|node| r.expression(node))
}
