//! Whether answers are whole: each says how much it holds, and what it holds is counted.

use super::{
    query::MOST_PARTNER_CELLS,
    record::{self, Answers},
    rows::{Edited, Layers, Of, Partner, Partners, Strengths, Way},
};

/// Whether all of these answers are of the dataset as it was when the cells were read. Cells tell the time before they were
/// read, the others that after they were: if it is the same, nothing changed in between.
pub(super) fn of_one_time(before: Option<&Edited>, partners: &[Partners], layers: &[Layers]) -> bool {
    let after = partners.iter().map(|row| &row.edited).chain(layers.iter().map(|row| &row.edited));
    before.is_none_or(|before| after.into_iter().all(|after| after == before))
}

/// What the answers about a type leave out, or say twice.
///
/// # Errors
/// The first of it, in words.
pub(super) fn check(name: &str, answers: &Answers<'_>) -> Result<(), String> {
    let shown = record::shown(&answers.cells);
    for (way, words) in [(Way::Out, "its outputs"), (Way::In, "its inputs")] {
        let rows = || answers.partners.iter().copied().filter(|row| row.way == way);
        one(rows().filter(|row| matches!(&row.of, Of::Type(of) if of == name)), words)?;
        for body in &shown {
            let about = |row: &&Partners| matches!(&row.of, Of::Body(of) if of.0 == *body);
            one(rows().filter(about), &format!("{words} of body {body}"))?;
        }
    }
    if !record::has_columns(&answers.cells) {
        return Ok(());
    }
    let [layers] = answers.layers.as_slice() else { return Err(times(answers.layers.len(), "its columns")) };
    let counts = layers.places.iter().flat_map(|place| &place.columns).flat_map(|(.., layers)| layers);
    let found: i128 = counts.map(|(_, synapses)| i128::from(synapses.0)).sum();
    let told = layers.synapses.0;
    if found == i128::from(told) {
        Ok(())
    } else {
        Err(format!("neuPrint counts {told} synapses in its columns, and brings {found}"))
    }
}

/// There is one row of partners, and it has as many as it says.
fn one<'a>(mut rows: impl Iterator<Item = &'a Partners> + Clone, what: &str) -> Result<(), String> {
    let count = rows.clone().count();
    let (Some(row), 1) = (rows.next(), count) else { return Err(times(count, what)) };
    let (told, found) = (row.number.0, row.partners.len());
    if usize::try_from(told) != Ok(found) {
        return Err(format!("neuPrint counts {told} groups of {what}, and brings {found}"));
    }
    match row.partners.iter().find(|partner| !has_all(&row.of, partner)) {
        Some(partner) => Err(format!("neuPrint leaves out some of {what}: those of {}", partner.name)),
        None => Ok(()),
    }
}

/// Whether there is what was asked for: sums for a type, and as many of the strongest partner cells as there can be for a cell.
fn has_all(of: &Of, partner: &Partner) -> bool {
    match (of, &partner.every) {
        (Of::Type(_), Strengths::Moments(_)) => true,
        (Of::Body(_), Strengths::Cells(number, cells)) => {
            usize::try_from(number.0).is_ok_and(|number| number.min(MOST_PARTNER_CELLS) == cells.len())
        }
        _ => false,
    }
}

fn times(count: usize, what: &str) -> String {
    if count == 0 {
        format!("neuPrint says nothing of {what}")
    } else {
        format!("neuPrint tells of {what} {count} times")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_row_has_what_it_counts_and_what_was_asked_for() {
        let check = |of: Value, number: i64, every: &[Value]| {
            let partner = |every: &Value| json!(["P", null, null, every, null, null, null]);
            let partners: Vec<Value> = every.iter().map(partner).collect();
            let row: Partners =
                serde_json::from_value(json!([of, "in", ["u", "t"], number, partners])).unwrap();
            one([&row].into_iter(), "its inputs")
        };
        let (sums, cells) = (json!([2, 13, 125]), json!([2, [[111, 4], [112, 2]]]));
        let eleven: Vec<_> = (0..11).map(|body| json!([body, 1])).collect();
        assert_eq!(check(json!("T"), 0, &[]), Ok(()));
        assert_eq!(check(json!("T"), 1, std::slice::from_ref(&sums)), Ok(()));
        assert_eq!(check(json!(7), 1, std::slice::from_ref(&cells)), Ok(()));
        assert_eq!(
            check(json!(7), 1, &[json!([11, eleven[..10]])]),
            Ok(()),
            "only the strongest are asked for"
        );
        for (of, number, every) in [
            (json!("T"), 1, &[][..]),
            (json!("T"), -1, &[]),
            (json!("T"), 1, &[sums.clone(), sums.clone()]),
            (json!("T"), 1, &[cells]),
            (json!(7), 1, &[sums]),
            (json!(7), 1, &[json!([3, [[111, 4], [112, 2]]])]),
            (json!(7), 1, &[json!([11, eleven])]),
        ] {
            assert!(check(of.clone(), number, every).is_err(), "{of} {number} {every:?}");
        }
    }
}
