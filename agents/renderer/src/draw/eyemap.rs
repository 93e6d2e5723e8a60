//! An eyemap from what an expression yields: joins the columns that have data with those of the region and of the eye.

use quire_catalogue::decode::Value as Jq;
use quire_figures::eyemap::{Column, Columns, Metric, Side, Status};

use super::value::{Members, Wrong, each, id, items, label, number, pair, range, text};

/// Members of a drawing.
const MEMBERS: [&str; 14] = [
    "file",
    "title",
    "subject",
    "region",
    "side",
    "metric",
    "layers",
    "range",
    "layer_range",
    "radius",
    "columns",
    "region_columns",
    "eye_columns",
    "with",
];
/// Most columns of one map.
const MAX_COLUMNS: usize = 200_000;

/// One map, read.
pub(super) struct Map<'v> {
    pub(super) file: &'v str,
    pub(super) title: Option<String>,
    pub(super) subject: String,
    pub(super) region: String,
    pub(super) side: Side,
    pub(super) metric: Metric,
    pub(super) layers: Vec<String>,
    pub(super) range: Option<(f64, f64)>,
    pub(super) layer_range: Option<(f64, f64)>,
    /// From a hexagon's centre to its corners.
    pub(super) radius: Option<f64>,
    pub(super) columns: Joined,
    pub(super) with: Option<&'v Jq>,
}

/// Columns in the order of their ids.
#[derive(Debug, Default)]
pub(super) struct Joined {
    columns: Vec<Own>,
    /// Values of all layers of all columns that have any.
    layers: Vec<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Own {
    ids: (i32, i32),
    status: Status,
    value: f64,
    /// Where its layers begin and how many there are.
    layers: (u32, u32),
}

/// A column as it is given: ids, status, value.
type Found = ((i32, i32), Status, f64);

impl Columns for Joined {
    fn columns(&self) -> impl Iterator<Item = Column<'_>> {
        self.columns.iter().map(|column| {
            let (start, count) = column.layers;
            let layers = self.layers.get(start as usize..(start + count) as usize).unwrap_or_default();
            let (hex1, hex2) = column.ids;
            Column { hex1, hex2, status: column.status, value: column.value, layers }
        })
    }
}

impl<'v> Map<'v> {
    pub(super) fn read(value: &'v Jq) -> Result<Self, Wrong> {
        let members = Members::of(value, &MEMBERS)?;
        let metric = members.read("metric", metric)?.unwrap_or_default();
        let layers = members.read("layers", |value| each(value, label))?.unwrap_or_default();
        let columns = members.required("columns", |value| Joined::data(value, &metric, layers.len()))?;
        let of_region = members.read("region_columns", ids)?.unwrap_or_default();
        let of_eye = members.read("eye_columns", ids)?.unwrap_or_default();
        Ok(Self {
            file: members.required("file", text)?,
            title: members.read("title", label)?,
            subject: members.read("subject", label)?.unwrap_or_default(),
            region: members.read("region", label)?.unwrap_or_default(),
            side: members.required("side", side)?,
            metric,
            layers,
            range: members.read("range", range)?,
            layer_range: members.read("layer_range", range)?,
            radius: members.read("radius", number)?,
            columns: columns.joined(of_region, of_eye)?,
            with: members.get("with"),
        })
    }

    /// Smallest and greatest value of its columns, and of single layers without zeros.
    pub(super) fn extents(&self) -> [Option<(f64, f64)>; 2] {
        let with_data = self.columns.columns.iter().filter(|column| column.status == Status::HasData);
        let layers = self.columns.layers.iter().copied().filter(|&value| value != 0.0);
        [extent(with_data.map(|column| column.value)), extent(layers)]
    }
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |extent, value| wider(extent, Some((value, value))))
}

/// What holds both.
pub(super) fn wider(one: Option<(f64, f64)>, other: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (one, other) {
        (Some((low, high)), Some((lower, higher))) => Some((low.min(lower), high.max(higher))),
        (one, other) => one.or(other),
    }
}

fn side(value: &Jq) -> Result<Side, Wrong> {
    match text(value)? {
        "L" | "left" => Ok(Side::Left),
        "R" | "right" => Ok(Side::Right),
        other => Err(Wrong::new(format!("expected `L` or `R`, found `{other}`"))),
    }
}

fn metric(value: &Jq) -> Result<Metric, Wrong> {
    Ok(match text(value)? {
        "synapses" => Metric::Synapses,
        "cells" => Metric::Cells,
        other => Metric::Other(other.to_owned()),
    })
}

/// Pairs of ids, or lists of such pairs, whose union is meant.
fn ids(value: &Jq) -> Result<Vec<(i32, i32)>, Wrong> {
    let mut found = Vec::new();
    let lists = items(value)?;
    let nested = lists.iter().any(|first| matches!(items(first), Ok([Jq::Arr(_), ..])));
    if nested {
        found.reserve(lists.iter().filter_map(|list| items(list).ok()).map(<[Jq]>::len).sum());
        for (position, list) in lists.iter().enumerate() {
            // A region that the data set does not have is null.
            if !matches!(list, Jq::Null) {
                add_ids(list, &mut found).map_err(|wrong| wrong.within_list(position))?;
            }
        }
    } else if !lists.iter().all(|list| matches!(list, Jq::Null)) {
        add_ids(value, &mut found)?;
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn add_ids(list: &Jq, found: &mut Vec<(i32, i32)>) -> Result<(), Wrong> {
    for (position, item) in items(list)?.iter().enumerate() {
        found.push(pair(item, id).map_err(|wrong| wrong.within_list(position))?);
    }
    if found.len() > 8 * MAX_COLUMNS {
        return Err(Wrong::new(format!("more than {} ids", 8 * MAX_COLUMNS)));
    }
    Ok(())
}

impl Joined {
    pub(super) fn count(&self) -> usize {
        self.columns.len()
    }

    /// The columns that are given one by one, in any order.
    fn data(value: &Jq, metric: &Metric, layers: usize) -> Result<Self, Wrong> {
        let list = items(value)?;
        let mut joined =
            Self { columns: Vec::with_capacity(list.len()), layers: Vec::with_capacity(list.len() * layers) };
        for (position, item) in list.iter().enumerate() {
            joined.add(item, metric, layers).map_err(|wrong| wrong.within_list(position))?;
        }
        joined.columns.sort_unstable_by_key(|column| column.ids);
        let twice = |pair: &&[Own]| matches!(pair, [one, other] if one.ids == other.ids);
        match joined.columns.windows(2).find(twice).and_then(<[Own]>::first) {
            Some(one) => Err(Wrong::new(format!("column {}, {} is there twice", one.ids.0, one.ids.1))),
            None => Ok(joined),
        }
    }

    fn add(&mut self, item: &Jq, metric: &Metric, layers: usize) -> Result<(), Wrong> {
        let start = self.layers.len();
        let found = match item {
            Jq::Arr(cells) => self.compact(cells, metric)?,
            _ => Some(self.spelled(item)?),
        };
        let Some((ids, status, value)) = found else {
            self.layers.truncate(start);
            return Ok(());
        };
        let count = self.layers.len() - start;
        if count > layers && layers > 0 {
            return Err(Wrong::new(format!("{count} values of layers, expected at most {layers}")));
        }
        if layers == 0 {
            self.layers.truncate(start);
        }
        let range = (start as u32, (self.layers.len() - start) as u32);
        self.columns.push(Own { ids, status, value, layers: range });
        Ok(())
    }

    /// `[hex1, hex2, value]`, or `[hex1, hex2, cells, [synapses of layer 1, …]]`: which of both counts the metric says. Where
    /// that counts nothing, the column has data of the other metric alone: in this one it is what the region and the eye say.
    fn compact(&mut self, cells: &[Jq], metric: &Metric) -> Result<Option<Found>, Wrong> {
        let at = |position| move |wrong: Wrong| wrong.within_list(position);
        let (hex1, hex2, third, layers) = match cells {
            [hex1, hex2, third] => (hex1, hex2, third, None),
            [hex1, hex2, third, layers] => (hex1, hex2, third, Some(layers)),
            _ => {
                let message = "expected [hex1, hex2, value] or [hex1, hex2, cells, [value of each layer]]";
                return Err(Wrong::new(format!("{message}, found {} members", cells.len())));
            }
        };
        let ids = (id(hex1).map_err(at(0))?, id(hex2).map_err(at(1))?);
        let third = number(third).map_err(at(2))?;
        let value = match layers {
            Some(layers) if *metric != Metric::Cells => self.add_layers(layers).map_err(at(3))?,
            _ => third,
        };
        let is_other = layers.is_some() && value == 0.0;
        Ok((!is_other).then_some((ids, Status::HasData, value)))
    }

    /// `{hex1, hex2, value, layers, status}`.
    fn spelled(&mut self, item: &Jq) -> Result<Found, Wrong> {
        let members = Members::of(item, &["hex1", "hex2", "status", "value", "layers"])?;
        let ids = (members.required("hex1", id)?, members.required("hex2", id)?);
        let sum = members.read("layers", |layers| self.add_layers(layers))?;
        let value = members.read("value", number)?.or(sum);
        let given = members.read("status", status)?;
        let status = given.unwrap_or(if value.is_some() { Status::HasData } else { Status::NoData });
        if status == Status::HasData && value.is_none() {
            return Err(Wrong::new("the column has data, but no `value`"));
        }
        Ok((ids, status, value.unwrap_or_default()))
    }

    /// The sum of the layers, which are kept.
    fn add_layers(&mut self, layers: &Jq) -> Result<f64, Wrong> {
        let mut sum = 0.0;
        for (position, layer) in items(layers)?.iter().enumerate() {
            let layer = number(layer).map_err(|wrong| wrong.within_list(position))?;
            sum += layer;
            self.layers.push(layer);
        }
        Ok(sum)
    }

    /// With the columns of the region that have no data, and with those of the eye that are in other regions alone. Both sorted.
    fn joined(mut self, of_region: Vec<(i32, i32)>, of_eye: Vec<(i32, i32)>) -> Result<Self, Wrong> {
        for (others, status) in [(of_region, Status::NoData), (of_eye, Status::NotInRegion)] {
            let known = self.columns.len();
            let mut at = 0;
            for ids in others {
                while self.columns[..known].get(at).is_some_and(|column| column.ids < ids) {
                    at += 1;
                }
                if self.columns[..known].get(at).is_none_or(|column| column.ids != ids) {
                    self.columns.push(Own { ids, status, value: 0.0, layers: (0, 0) });
                }
            }
            self.columns.sort_unstable_by_key(|column| column.ids);
        }
        if self.columns.len() > MAX_COLUMNS {
            let found = self.columns.len();
            return Err(Wrong::new(format!("{found} columns, at most {MAX_COLUMNS} are drawn")));
        }
        Ok(self)
    }
}

fn status(value: &Jq) -> Result<Status, Wrong> {
    match text(value)? {
        "has_data" => Ok(Status::HasData),
        "no_data" => Ok(Status::NoData),
        "not_in_region" => Ok(Status::NotInRegion),
        other => {
            Err(Wrong::new(format!("expected `has_data`, `no_data` or `not_in_region`, found `{other}`")))
        }
    }
}
