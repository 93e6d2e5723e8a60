//! Answers of neuPrint: columns, and rows of values.
//!
//! A row that cannot be read is told with its number and, where it says so itself, the type that it is about: it spoils that
//! type, not its batch. Numbers may come as whole floats: the server in between may have read them so.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, Visitor},
};
use serde_json::{Value, value::RawValue};

/// A row of one query.
pub trait Row: DeserializeOwned {
    /// The columns, in their order.
    const COLUMNS: &'static [&'static str];
}

/// The rows of an answer.
#[derive(Debug)]
pub struct Rows<R> {
    /// Those that could be read.
    pub rows: Vec<R>,
    /// The others.
    pub odd: Vec<OddRow>,
}

/// A row that is not what the query asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {number} of the answer: {message}")]
pub struct OddRow {
    /// Its number, from 1.
    pub number: usize,
    /// What its first column says, if that is a text: the type.
    pub of: Option<String>,
    /// What was expected, and what was found.
    pub message: String,
}

/// Why an answer cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// Not JSON, or not an answer.
    #[error("neuPrint's answer is not `{{\"columns\": …, \"data\": …}}`")]
    Json(#[from] serde_json::Error),
    /// Other columns.
    #[error("neuPrint's answer has the columns {found:?} where the query asks for {expected:?}")]
    Columns {
        /// What the query asks for.
        expected: &'static [&'static str],
        /// What the answer has.
        found: Vec<String>,
    },
}

#[derive(Deserialize)]
struct Answer<'a> {
    columns: Vec<String>,
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

/// Reads an answer.
///
/// # Errors
/// [`AnswerError`] if it is none, or one to another query.
pub fn read<R: Row>(bytes: &[u8]) -> Result<Rows<R>, AnswerError> {
    let answer: Answer<'_> = serde_json::from_slice(bytes)?;
    if answer.columns != R::COLUMNS {
        return Err(AnswerError::Columns { expected: R::COLUMNS, found: answer.columns });
    }
    let mut rows = Rows { rows: Vec::with_capacity(answer.data.len()), odd: Vec::new() };
    for (number, raw) in (1..).zip(answer.data) {
        match serde_json::from_str(raw.get()) {
            Ok(row) => rows.rows.push(row),
            Err(error) => rows.odd.push(OddRow { number, of: first_text(raw), message: error.to_string() }),
        }
    }
    Ok(rows)
}

fn first_text(raw: &RawValue) -> Option<String> {
    let row: Vec<Value> = serde_json::from_str(raw.get()).ok()?;
    row.first()?.as_str().map(str::to_owned)
}

/// A whole number, written as one or as a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Whole(pub i64);

/// A text, or a number that is one here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Whole, E> {
        Ok(Whole(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Whole, E> {
        i64::try_from(number).map(Whole).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Whole, E> {
        /// From here on floats leave whole numbers out.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if number.fract() != 0.0 || number.abs() > EXACT {
            return Err(E::custom(format!("expected a whole number, found {number}")));
        }
        #[allow(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        Ok(Whole(number as i64))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            other => Err(D::Error::custom(format!("expected a text, found {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neuprint::rows::{Moments, Of, Partners, Strengths, Type, Way};

    fn types(data: &str) -> Rows<Type> {
        read(format!(r#"{{"columns":["type","cells","bytes"],"data":{data},"debug":"x"}}"#).as_bytes())
            .unwrap()
    }

    #[test]
    fn whole_numbers_may_come_as_floats_and_large_ones_stay_exact() {
        let rows = types(r#"[["a",720575940615928386,3.0],["b",1e3,0]]"#).rows;
        assert_eq!((rows[0].cells, rows[0].characters), (Whole(720_575_940_615_928_386), Whole(3)));
        assert_eq!(rows[1].cells, Whole(1000));
    }

    #[test]
    fn an_odd_row_is_told_with_its_type_and_spoils_no_other() {
        let read = types(r#"[["a",1,1],[null,1,1],["b",null,1],["c",1],["d",1.5,1],7,["e",1e300,1]]"#);
        assert_eq!(read.rows.len(), 1);
        let told: Vec<_> = read.odd.iter().map(|odd| (odd.number, odd.of.as_deref())).collect();
        assert_eq!(
            told,
            [(2, None), (3, Some("b")), (4, Some("c")), (5, Some("d")), (6, None), (7, Some("e"))]
        );
        assert!(
            read.odd[3].to_string().starts_with("row 5 of the answer: expected a whole number, found 1.5")
        );
    }

    #[test]
    fn another_answer_is_an_error() {
        for text in
            ["", "<html>", "{}", r#"{"error":"Timeout experienced."}"#, r#"{"columns":["type"],"data":[]}"#]
        {
            assert!(read::<Type>(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn partners_of_types_and_of_cells_share_their_columns() {
        let columns = serde_json::to_string(Partners::COLUMNS).unwrap();
        let text = format!(
            r#"{{"columns":{columns},"data":[
                ["Mi1","out",["u","t"],1,[["T4a","R","gaba",[2,13,125],[1,1,1],[2,12,104],[0,0,0]]]],
                [101,"in",["u",null],1,[["T4a",null,null,[3,[[111,4],[112,2]]],null,null,null]]],
                [102,"in",["u","t"],0,[]]]}}"#
        );
        let rows = read::<Partners>(text.as_bytes()).unwrap();
        assert_eq!(rows.odd, []);
        let moments = Moments(Whole(2), Whole(13), Whole(125));
        assert_eq!(rows.rows[0].partners[0].every, Strengths::Moments(moments));
        assert_eq!(rows.rows[1].of, Of::Body(Whole(101)));
        let cells = Strengths::Cells(Whole(3), vec![(Whole(111), Whole(4)), (Whole(112), Whole(2))]);
        assert_eq!((rows.rows[1].way, &rows.rows[1].partners[0].every), (Way::In, &cells));
    }
}
