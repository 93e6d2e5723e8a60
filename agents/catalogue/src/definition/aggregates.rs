//! `aggregates:`, what all accepted records give together.

use super::{
    Expression,
    read::{is_new, list},
    reader::Reader,
};
use crate::yaml_tree::Node;

/// Most aggregates of a catalogue.
pub(super) const MOST: usize = 32;

/// One of `aggregates:`: outputs of an expression over every accepted record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// `name:`, unique: `[a-z0-9_]+`.
    pub name: String,
    /// `of:`, evaluated on each record; its outputs are members of the aggregate.
    pub of: Expression,
}

pub(super) fn aggregates<'t>(r: &mut Reader<'t>, node: &'t Node) -> Vec<Aggregate> {
    let mut aggregates: Vec<Aggregate> = Vec::new();
    for item in list(r, node, "`aggregates`") {
        let Some(fields) = r.fields(item, "an aggregate", &["name", "of"]) else { continue };
        let name = r.required(&fields, "name", "an aggregate").and_then(|node| r.name(node, "a name", "_"));
        let of = r.required(&fields, "of", "an aggregate").and_then(|node| r.expression(node));
        let (Some(name), Some(of)) = (name, of) else { continue };
        let known = aggregates.iter().map(|aggregate| aggregate.name.as_str());
        if is_new(r, &fields, &name, known, "aggregate") {
            aggregates.push(Aggregate { name, of });
        }
    }
    if aggregates.len() > MOST {
        r.error(node.span, format!("{} aggregates, at most {MOST} are allowed", aggregates.len()));
    }
    aggregates
}
