//! A scatter plot from what an expression yields.

use quire_catalogue::decode::Value as Jq;
use quire_figures::scatter::{Point, Points, coverage_guides};

use super::value::{Members, Wrong, each, items, label, number, text};

const MEMBERS: [&str; 10] =
    ["file", "title", "x", "y", "colour", "points", "guides", "columns", "percentile", "with"];
/// Most points of a plot.
const MAX_POINTS: usize = 200_000;
/// Most guide lines.
const MAX_GUIDES: usize = 64;

/// One plot, read.
pub(super) struct Plot<'v> {
    pub(super) file: &'v str,
    pub(super) title: String,
    pub(super) x: Option<String>,
    pub(super) y: Option<String>,
    pub(super) colour: Option<String>,
    pub(super) points: List<'v>,
    pub(super) guides: Vec<(f64, String)>,
    pub(super) percentile: Option<f64>,
    pub(super) with: Option<&'v Jq>,
}

/// The points in their order.
pub(super) struct List<'v>(Vec<Point<'v>>);

impl Points for List<'_> {
    fn points(&self) -> impl Iterator<Item = Point<'_>> {
        self.0.iter().copied()
    }
}

impl List<'_> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'v> Plot<'v> {
    pub(super) fn read(value: &'v Jq) -> Result<Self, Wrong> {
        let members = Members::of(value, &MEMBERS)?;
        let mut guides = members.read("guides", |value| each(value, guide))?.unwrap_or_default();
        guides.extend(members.read("columns", number)?.map(coverage_guides).unwrap_or_default());
        if guides.len() > MAX_GUIDES {
            let found = guides.len();
            return Err(Wrong::new(format!("{found} guide lines, at most {MAX_GUIDES}")).within("guides"));
        }
        Ok(Self {
            file: members.required("file", text)?,
            title: members.required("title", label)?,
            x: members.read("x", label)?,
            y: members.read("y", label)?,
            colour: members.read("colour", label)?,
            points: members.required("points", points)?,
            guides,
            percentile: members.read("percentile", number)?,
            with: members.get("with"),
        })
    }
}

fn points(value: &Jq) -> Result<List<'_>, Wrong> {
    let found = items(value)?.len();
    if found > MAX_POINTS {
        return Err(Wrong::new(format!("{found} points, at most {MAX_POINTS} are drawn")));
    }
    let points = each(value, point)?;
    let mut names: Vec<&str> = points.iter().map(|point| point.name).collect();
    names.sort_unstable();
    let twice = |pair: &&[&str]| matches!(pair, [one, other] if one == other);
    match names.windows(2).find(twice).and_then(<[&str]>::first) {
        Some(name) => Err(Wrong::new(format!("two points have the label `{name}`"))),
        None => Ok(List(points)),
    }
}

fn point(value: &Jq) -> Result<Point<'_>, Wrong> {
    let members = Members::of(value, &["label", "x", "y", "colour", "href"])?;
    Ok(Point {
        name: members.required("label", text)?,
        link: members.read("href", link)?,
        x: members.required("x", number)?,
        y: members.required("y", number)?,
        colour: members.read("colour", number)?.unwrap_or_default(),
    })
}

/// An address that a click may lead to: of the site, or of the web.
fn link(value: &Jq) -> Result<&str, Wrong> {
    let address = text(value)?;
    let before = address.split(['/', '?', '#']).next().unwrap_or_default();
    if address.starts_with("https://") || address.starts_with("http://") || !before.contains(':') {
        return Ok(address);
    }
    Err(Wrong::new(format!("expected an address of the site or one with https://, found `{address}`")))
}

/// `[product, label]`.
fn guide(value: &Jq) -> Result<(f64, String), Wrong> {
    match items(value)? {
        [product, name] => Ok((
            number(product).map_err(|wrong| wrong.within_list(0))?,
            label(name).map_err(|wrong| wrong.within_list(1))?,
        )),
        _ => Err(Wrong::new("expected [product, label]")),
    }
}
