//! What a page of one side, or of all cells of a type, shows: sums over its cells, and its connections.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    answer::{Text, Whole},
    region::{Counts, Place, Side},
    rows::{Cell, Cells, Moments, Of, Partners, Strengths, Way},
};

/// A cell and what is known of its regions.
pub(super) type Known<'a> = (&'a Cell, Option<Side>, &'a BTreeMap<String, Counts>);

/// Which regions are the central brain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Central {
    /// The one of that name.
    #[default]
    Named,
    /// All that are not of the optic lobes: the dataset names none.
    Rest,
}

impl Central {
    /// How the dataset of this name has it.
    #[must_use]
    pub fn of(dataset: &str) -> Self {
        match dataset.split(':').next() {
            Some("optic-lobe") => Self::Rest,
            _ => Self::Named,
        }
    }

    fn takes(self, region: &str) -> bool {
        let name = region.split_once('(').map_or(region, |(name, _)| name);
        match self {
            Self::Named => name == "CentralBrain",
            Self::Rest => !matches!(name, "ME" | "LO" | "LOP" | "AME" | "LA" | "OL"),
        }
    }
}

/// How the dataset names the layers of the lobula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lobula {
    /// As the field does: 1 to 4, 5A, 5B, 6.
    Named,
    /// 1 to 7.
    Numbered,
}

impl Lobula {
    /// How the dataset has it that these cells are of. One type tells nothing: it may have synapses in a few layers only.
    pub(super) fn of(cells: &[&Cells]) -> Self {
        if cells.iter().any(|row| row.seventh == Some(true)) { Self::Numbered } else { Self::Named }
    }

    /// What the field calls a layer.
    fn name<'a>(self, region: &str, layer: &'a str) -> &'a str {
        match (self, region, layer.trim_start_matches('0')) {
            (Self::Numbered, "LO", "5") => "5A",
            (Self::Numbered, "LO", "6") => "5B",
            (Self::Numbered, "LO", "7") => "6",
            _ => layer,
        }
    }
}

/// The cells of a type that a page is about.
#[derive(Debug, Serialize)]
pub(super) struct View {
    cells: usize,
    pre: i64,
    post: i64,
    downstream: i64,
    upstream: i64,
    /// The cell with most synapses: a body id, as text for those who read numbers as floats.
    shown: Option<String>,
    /// Region, synapses made and received, cells that have any there; sorted by name.
    regions: Vec<(String, i64, i64, usize)>,
    /// Region with its side, layer, synapses made and received, cells that have any there.
    layers: Vec<(String, Side, String, i64, i64, usize)>,
    /// The same of the central brain.
    central: (i64, i64, usize),
    inputs: Vec<Connection>,
    outputs: Vec<Connection>,
}

/// Partners of one type, and of one side where the page is of one.
#[derive(Debug, Serialize)]
struct Connection {
    #[serde(rename = "type")]
    name: String,
    side: Option<Side>,
    cells: i64,
    weight: i64,
    /// Coefficient of variation of the weight by partner cell.
    cv: f64,
    /// The transmitter with most weight.
    transmitter: Option<String>,
    /// Partner cells of the cells that the page shows, strongest first: see [`of_sides`].
    bodies: Vec<String>,
}

/// The cell with most synapses; of equals the one with the least body id.
pub(super) fn shown<'a>(cells: impl Iterator<Item = &'a Cell>) -> Option<i64> {
    let strength = |cell: &Cell| number(cell.pre) + number(cell.post);
    cells.max_by_key(|cell| (strength(cell), std::cmp::Reverse(cell.body))).map(|cell| cell.body.0)
}

/// The cells that a page of all cells shows: of each side the one with most synapses, or of all where no side is known.
pub(super) fn of_sides<'a>(cells: impl Iterator<Item = (&'a Cell, Option<Side>)> + Clone) -> BTreeSet<i64> {
    let sided = |side| cells.clone().filter(move |(_, own)| *own == Some(side)).map(|(cell, _)| cell);
    let found: BTreeSet<i64> =
        [Side::L, Side::R, Side::M].into_iter().filter_map(|side| shown(sided(side))).collect();
    if found.is_empty() { shown(cells.map(|(cell, _)| cell)).into_iter().collect() } else { found }
}

pub(super) fn number(whole: Option<Whole>) -> i64 {
    whole.unwrap_or_default().0
}

/// The view of the cells of one side, or of all (`None`); `None` if there are none.
pub(super) fn view(
    cells: &[Known<'_>],
    partners: &[&Partners],
    (central, lobula): (Central, Lobula),
    side: Option<Side>,
) -> Option<View> {
    let ours: Vec<_> = cells.iter().filter(|(_, own, _)| side.is_none() || *own == side).collect();
    let shown = shown(ours.iter().map(|(cell, ..)| *cell))?;
    let on_page = match side {
        None => of_sides(cells.iter().map(|(cell, own, _)| (*cell, *own))),
        Some(_) => BTreeSet::from([shown]),
    };
    let sum = |of: fn(&Cell) -> Option<Whole>| ours.iter().map(|(cell, ..)| number(of(cell))).sum();
    let (mut regions, mut layers) = (BTreeMap::new(), BTreeMap::new());
    for (name, counts) in ours.iter().flat_map(|(_, _, regions)| regions.iter()) {
        let [pre, post] = counts.both();
        match Place::read(name) {
            Place::Region(name) => add(regions.entry(name).or_insert((0, 0, 0)), pre, post),
            Place::Layer(region, side, layer) => {
                let layer = lobula.name(region, layer);
                add(layers.entry((region, side, layer)).or_insert((0, 0, 0)), pre, post);
            }
            Place::Column(..) => {}
        }
    }
    let region = |(name, (pre, post, cells)): (&str, _)| (name.to_owned(), pre, post, cells);
    let layer = |((region, side, layer), (pre, post, cells)): ((&str, Side, &str), _)| {
        (region.to_owned(), side, layer.to_owned(), pre, post, cells)
    };
    Some(View {
        cells: ours.len(),
        pre: sum(|cell| cell.pre),
        post: sum(|cell| cell.post),
        downstream: sum(|cell| cell.downstream),
        upstream: sum(|cell| cell.upstream),
        shown: Some(shown.to_string()),
        regions: regions.into_iter().map(region).collect(),
        layers: layers.into_iter().map(layer).collect(),
        central: sum_of(&ours, central),
        inputs: connections(partners, Way::In, side, &on_page),
        outputs: connections(partners, Way::Out, side, &on_page),
    })
}

/// Synapses in the central brain, and cells that have any there.
fn sum_of(cells: &[&Known<'_>], central: Central) -> (i64, i64, usize) {
    let mut all = (0, 0, 0);
    for (_, _, places) in cells {
        let here = places.iter().filter(|(name, _)| match Place::read(name) {
            Place::Region(name) => central.takes(name),
            Place::Layer(..) | Place::Column(..) => false,
        });
        let counts = here.map(|(_, counts)| counts.both());
        let [pre, post] = counts.fold([0, 0], |[pres, posts], [pre, post]| [pres + pre, posts + post]);
        add(&mut all, pre, post);
    }
    all
}

fn add((pres, posts, cells): &mut (i64, i64, usize), pre: i64, post: i64) {
    *pres += pre;
    *posts += post;
    *cells += usize::from(pre + post > 0);
}

/// Rows about one partner type and side.
#[derive(Default)]
struct Group {
    moments: [i64; 3],
    transmitters: BTreeMap<Option<String>, i64>,
    /// Weights by partner cell.
    bodies: BTreeMap<i64, i64>,
}

impl Group {
    fn add(&mut self, more: Self) {
        for (all, more) in self.moments.iter_mut().zip(more.moments) {
            *all += more;
        }
        for (name, weight) in more.transmitters {
            *self.transmitters.entry(name).or_default() += weight;
        }
        self.add_bodies(more.bodies);
    }

    /// A cell may be a partner of several of the cells shown.
    fn add_bodies(&mut self, more: impl IntoIterator<Item = (i64, i64)>) {
        for (body, weight) in more {
            *self.bodies.entry(body).or_default() += weight;
        }
    }
}

/// The connections of a view, strongest first. A page of all cells merges the partners' sides.
fn connections(
    partners: &[&Partners],
    way: Way,
    side: Option<Side>,
    on_page: &BTreeSet<i64>,
) -> Vec<Connection> {
    let mut groups: BTreeMap<(&str, Option<Side>), Group> = BTreeMap::new();
    let rows = partners.iter().filter(|row| row.way == way);
    for (of, row) in rows.flat_map(|row| row.partners.iter().map(|partner| (&row.of, partner))) {
        let at = (row.name.as_str(), row.side.as_ref().and_then(|text| Side::read(&text.0)));
        match (of, &row.every) {
            (Of::Type(_), Strengths::Moments(every)) => {
                let own = match side {
                    None => Some(*every),
                    Some(Side::L) => row.left,
                    Some(Side::R) => row.right,
                    Some(Side::M) => row.middle,
                };
                let Some(Moments(Whole(count @ 1..), sum, squares)) = own else { continue };
                let group = groups.entry(at).or_default();
                for (all, more) in group.moments.iter_mut().zip([count, sum.0, squares.0]) {
                    *all += more;
                }
                let transmitter = row.transmitter.as_ref().map(|Text(name)| name.clone());
                *group.transmitters.entry(transmitter).or_default() += sum.0;
            }
            (Of::Body(Whole(body)), Strengths::Cells(_, cells)) if on_page.contains(body) => {
                groups
                    .entry(at)
                    .or_default()
                    .add_bodies(cells.iter().map(|(body, weight)| (body.0, weight.0)));
            }
            _ => {}
        }
    }
    let groups = groups.into_iter().filter(|(_, group)| group.moments[0] > 0);
    let mut out: Vec<Connection> = match side {
        None => merged(groups),
        Some(_) => groups.map(|((name, side), group)| connection(name, side, group)).collect(),
    };
    out.sort_by(|a, b| (b.weight, &a.name, a.side).cmp(&(a.weight, &b.name, b.side)));
    out
}

fn connection(name: &str, side: Option<Side>, group: Group) -> Connection {
    let [cells, weight, _] = group.moments;
    let mut bodies: Vec<(i64, i64)> = group.bodies.into_iter().collect();
    bodies.sort_by_key(|(body, weight)| (std::cmp::Reverse(*weight), *body));
    // Of equals the first by name.
    let commonest = group.transmitters.into_iter().rev().max_by_key(|(_, weight)| *weight);
    Connection {
        name: name.to_owned(),
        side,
        cells,
        weight,
        cv: rounded(variation(group.moments)),
        transmitter: commonest.and_then(|(name, _)| name),
        bodies: bodies.iter().map(|(body, _)| body.to_string()).collect(),
    }
}

/// Population standard deviation by mean, of a number of weights, their sum and the sum of their squares.
fn variation([count, sum, squares]: [i64; 3]) -> f64 {
    if count < 2 || sum == 0 {
        return 0.0;
    }
    // Exact until the root is taken.
    let [count, sum, squares] = [count, sum, squares].map(i128::from);
    let spread = (count * squares - sum * sum).max(0);
    #[allow(clippy::cast_precision_loss, reason = "three decimals are kept")]
    let cv = (spread as f64).sqrt() / sum as f64;
    cv
}

/// Three decimals.
fn rounded(cv: f64) -> f64 {
    (cv * 1000.0).round() / 1000.0
}

/// Sides put together: what counts is added, the variation is the mean of the sides' by partner cells.
fn merged<'a>(groups: impl Iterator<Item = ((&'a str, Option<Side>), Group)>) -> Vec<Connection> {
    let mut types: BTreeMap<&str, (Group, f64)> = BTreeMap::new();
    for ((name, _), group) in groups {
        let (all, variations) = types.entry(name).or_default();
        *variations += variation(group.moments) * decimal(group.moments[0]);
        all.add(group);
    }
    let whole = |(name, (group, variations)): (&str, (Group, f64))| {
        let cv = rounded(variations / decimal(group.moments[0]));
        Connection { cv, ..connection(name, None, group) }
    };
    types.into_iter().map(whole).collect()
}

#[allow(clippy::cast_precision_loss, reason = "numbers of cells")]
const fn decimal(cells: i64) -> f64 {
    cells as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_central_brain_is_named_or_the_rest() {
        let of = |dataset: &str, regions: &[&str]| -> Vec<bool> {
            regions.iter().map(|region| Central::of(dataset).takes(region)).collect()
        };
        let regions = ["CentralBrain", "ME(R)", "LOP(L)", "OL(R)", "PLP(R)", "GNG"];
        assert_eq!(of("cns:v0.9", &regions), [true, false, false, false, false, false]);
        assert_eq!(of("optic-lobe:v1.0", &regions), [true, false, false, false, true, true]);
    }

    #[test]
    fn the_transmitter_of_both_sides_is_the_one_with_most_weight_in_all() {
        let group = |transmitters: &[(&str, i64)], bodies: &[(i64, i64)]| Group {
            moments: [1, transmitters.iter().map(|(_, weight)| weight).sum(), 0],
            transmitters: transmitters
                .iter()
                .map(|(name, weight)| (Some((*name).to_owned()), *weight))
                .collect(),
            bodies: bodies.iter().copied().collect(),
        };
        let left = group(&[("gaba", 6), ("acetylcholine", 5)], &[(1, 3)]);
        let right = group(&[("acetylcholine", 10)], &[(2, 8), (3, 1)]);
        let sides = [(("P", Some(Side::L)), left), (("P", Some(Side::R)), right)];
        let [both] = &merged(sides.into_iter())[..] else { panic!("one type") };
        assert_eq!((both.cells, both.weight, both.transmitter.as_deref()), (2, 21, Some("acetylcholine")));
        assert_eq!(both.bodies, ["2", "1", "3"], "strongest first");
    }

    #[test]
    fn the_variation_follows_from_the_moments() {
        assert_eq!(variation([1, 7, 49]), 0.0);
        // Weights 11 and 2: mean 6.5, deviation 4.5.
        assert_eq!(rounded(variation([2, 13, 125])), 0.692);
        assert_eq!(variation([3, 30, 300]), 0.0, "all alike");
        assert_eq!(variation([0, 0, 0]), 0.0);
    }
}
