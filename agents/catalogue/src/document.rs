//! Index fields: the values of a record that search knows.

use bytes::Bytes;
use jaq_json::Val;
use quire_proto::{Format, Problem};
use serde::{Deserialize, Serialize};

use crate::{
    catalogue::{Catalogue, problem},
    decode::{self, Limits, MAX_DEPTH},
    definition::{Definition, FieldKind},
    diagnostics::Diagnostics,
    encode,
    expr::Expr,
};

/// Most bytes of a record's field values together.
const MAX_ROW_BYTES: usize = 4 * 1024 * 1024;

/// What search indexes of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDocument {
    /// The record's key.
    pub key: String,
    /// Its title, plain text.
    pub title: String,
    /// Values of the catalogue's index fields, in the order of [`crate::Index::fields`].
    pub fields: Vec<Vec<String>>,
}

/// Compiled expressions of the title and the index fields.
pub(crate) struct FieldExprs {
    title: Expr,
    fields: Vec<Expr>,
}

impl FieldExprs {
    pub(crate) fn compile(catalogue: &Catalogue) -> Result<Self, Diagnostics> {
        let definition = catalogue.definition();
        let fields: Result<_, _> =
            definition.index.fields.iter().map(|field| catalogue.compile(&field.from)).collect();
        Ok(Self { title: catalogue.compile(&definition.record.title)?, fields: fields? })
    }

    /// The record's title: the first text that the expression yields, else the key.
    pub(crate) fn title(&self, record: &Val, key: &str) -> Result<String, Problem> {
        Ok(first_text(&self.title, record, "title")?.unwrap_or_else(|| key.to_owned()))
    }

    /// Values of all fields.
    pub(crate) fn values(&self, definition: &Definition, record: &Val) -> Result<Vec<Vec<String>>, Problem> {
        let mut bytes = 0;
        let mut all = Vec::with_capacity(self.fields.len());
        for (field, expr) in definition.index.fields.iter().zip(&self.fields) {
            let rule = || format!("index:{}", field.name);
            let mut values = Vec::new();
            for value in expr.values(record).map_err(|error| problem(&rule(), error.to_string()))? {
                if let Some(text) = as_text(&value).filter(|text| fits(field.kind, text)) {
                    bytes += text.len();
                    values.push(text);
                }
            }
            if bytes > MAX_ROW_BYTES {
                return Err(problem(&rule(), format!("index fields have more than {MAX_ROW_BYTES} bytes")));
            }
            all.push(values);
        }
        Ok(all)
    }
}

/// Makes a document of a canonical body.
pub(crate) fn document(
    definition: &Definition,
    fields: &FieldExprs,
    key: &str,
    title: Option<&str>,
    body: &[u8],
) -> Result<IndexDocument, Problem> {
    let body = Bytes::copy_from_slice(body);
    let limits = Limits { max_bytes: 2 * encode::MAX_BODY_BYTES, max_depth: MAX_DEPTH };
    let record = decode::decode(Format::Json, &body, limits).map_err(|fault| fault.into_problem(1))?;
    let title = match title {
        Some(title) => title.to_owned(),
        None => fields.title(&record, key)?,
    };
    Ok(IndexDocument { key: key.to_owned(), title, fields: fields.values(definition, &record)? })
}

fn fits(kind: FieldKind, text: &str) -> bool {
    kind != FieldKind::Number || text.trim().parse::<f64>().is_ok_and(f64::is_finite)
}

/// The first text that an expression yields and that is not blank.
pub(crate) fn first_text(expr: &Expr, record: &Val, rule: &str) -> Result<Option<String>, Problem> {
    let values = expr.values(record).map_err(|error| problem(rule, error.to_string()))?;
    Ok(values.iter().filter_map(|value| as_text(value)).find(|text| !text.trim().is_empty()))
}

/// A value as plain text: strings as they are, other things as JSON; null and empty strings are nothing.
pub(crate) fn as_text(value: &Val) -> Option<String> {
    match value {
        Val::Null => None,
        Val::TStr(text) if text.is_empty() => None,
        Val::TStr(text) => Some(String::from_utf8_lossy(text).into_owned()),
        other => encode::to_text(other).ok(),
    }
}
