//! What is asked of neuPrint, as Cypher.
//!
//! The texts lie in `queries/` and keep to what openCypher engines share: no APOC (JSON texts are taken as they are), no
//! existence of a property presumed (a missing one is null), so that one text serves every dataset: what one calls
//! `somaSide` and `consensusNt`, another calls `side` and `predictedNt`. Each begins with a comment that names it, for those who
//! look after the server.
//!
//! Edges are followed from cells that are found first (`WITH n`): an engine that begins at the other end scans the graph.

/// Most partner cells that are asked for, of one shown cell, direction, partner type and side.
pub const MOST_PARTNER_CELLS: usize = 10;

/// When the dataset was changed last: `uuid, edited`. One row.
pub const EDITED: &str = include_str!("queries/edited.cypher");
/// The dataset and its regions: see [`super::rows::Meta`]. One row. The columns of the eyes are among the names of
/// `hierarchy`, and `regions` may count their synapses: summing `roiInfo` over all neurons would scan the dataset, and need APOC.
pub const META: &str = include_str!("queries/meta.cypher");
/// All types, with how many cells they have and how long the texts of their regions are: see [`super::rows::Type`].
pub const TYPES: &str = include_str!("queries/types.cypher");

/// What a dataset calls the side of a cell that has no `rootSide`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sides {
    /// `somaSide`, or `side` as in FlyWire.
    #[default]
    Written,
    /// Also the end of `instance`, as in `KCg-m_R` and `EPG(PB08)_L4`: the hemibrain has no property for it.
    Instance,
}

impl Sides {
    /// How the dataset of this name says it.
    #[must_use]
    pub fn of(dataset: &str) -> Self {
        match dataset.split(':').next() {
            Some("hemibrain") => Self::Instance,
            _ => Self::Written,
        }
    }

    fn expression(self, node: &str) -> String {
        match self {
            Self::Written => format!("coalesce({node}.somaSide, {node}.side)"),
            Self::Instance => format!(
                "coalesce({node}.somaSide, {node}.side, CASE WHEN {node}.instance CONTAINS '_' AND \
                 size(last(split({node}.instance, '_'))) <= 2 THEN left(last(split({node}.instance, '_')), 1) END)"
            ),
        }
    }
}

/// Whether there are cells of `types`, and when the dataset was changed last: see [`super::rows::Known`].
#[must_use]
pub fn known(types: &[&str]) -> String {
    fill(include_str!("queries/known.cypher"), Sides::Written, types, &[])
}

/// The cells of `types`: see [`super::rows::Cells`].
#[must_use]
pub fn cells(sides: Sides, types: &[&str]) -> String {
    fill(include_str!("queries/cells.cypher"), sides, types, &[])
}

/// Who `types` are connected with, both ways, and the strongest partner cells of the cells `bodies`: see
/// [`super::rows::Partner`], which tells one from the other.
#[must_use]
pub fn partners(sides: Sides, types: &[&str], bodies: &[i64]) -> String {
    fill(include_str!("queries/partners.cypher"), sides, types, bodies)
}

/// Synapses of `types` by side, region, column and layer: see [`super::rows::Layers`]. Worth asking of types that have
/// columns only: the server looks at every synapse.
#[must_use]
pub fn layers(sides: Sides, types: &[&str]) -> String {
    fill(include_str!("queries/layers.cypher"), sides, types, &[])
}

/// A string literal that means `text`, whatever is in it.
///
/// Only a backslash and the quote itself have a meaning inside of single quotes. Neo4j replaces `\uXXXX` wherever it stands
/// before it reads anything else, but takes backslashes in pairs as it does: one that is doubled begins none. Line ends and
/// other control characters stand for themselves.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for character in text.chars() {
        if matches!(character, '\'' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('\'');
    out
}

/// Fills in a text in one go: what a type is called is not looked at again.
fn fill(text: &str, sides: Sides, types: &[&str], bodies: &[i64]) -> String {
    let types = types.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ");
    let bodies = bodies.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let most = MOST_PARTNER_CELLS.to_string();
    let [of_n, of_m] = ["n", "m"].map(|node| sides.expression(node));
    let blanks = [
        ("{types}", &types),
        ("{bodies}", &bodies),
        ("{most}", &most),
        ("{side of n}", &of_n),
        ("{side of m}", &of_m),
    ];
    let mut out = String::with_capacity(text.len() + 2 * types.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        match blanks.iter().find(|(blank, _)| from.starts_with(blank)) {
            Some((blank, value)) => {
                out.push_str(value);
                rest = from.get(blank.len()..).unwrap_or_default();
            }
            None => {
                out.push('{');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_holds_any_text() {
        assert_eq!(literal("KCa'b'-ap1"), r"'KCa\'b\'-ap1'");
        assert_eq!(literal(r"ends in \"), r"'ends in \\'");
        assert_eq!(literal(r"\u0027 OR true //"), r"'\\u0027 OR true //'");
        assert_eq!(literal("say \"hi\"\n{types}"), "'say \"hi\"\n{types}'");
        assert_eq!(literal(""), "''");
    }

    #[test]
    fn blanks_are_filled_in_once() {
        let text =
            fill("a {types} b {bodies} {most} {other} {", Sides::Written, &["{bodies}", "x"], &[-1, 2]);
        assert_eq!(text, "a '{bodies}', 'x' b -1, 2 10 {other} {");
    }

    #[test]
    fn every_query_names_itself_and_has_no_blank_left() {
        for sides in [Sides::Written, Sides::Instance] {
            let filled =
                [cells(sides, &["a"]), partners(sides, &["a"], &[1]), layers(sides, &["a"]), known(&["a"])];
            let texts = [EDITED, META, TYPES].map(str::to_owned).into_iter().chain(filled);
            let names = ["edited", "meta", "types", "cells", "partners", "layers", "known"];
            for (text, name) in texts.zip(names) {
                assert!(text.starts_with(&format!("/* quire: {name} */")), "{text}");
                assert!(!text.contains('{'), "{text}");
            }
        }
    }
}
