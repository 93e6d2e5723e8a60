//! Values that stand in an expression, as they may be shared between threads.

use bytes::Bytes;
use jaq_core::ValT as _;
use jaq_json::{Num, Val};

/// A value without an input.
pub(super) enum Constant {
    Null,
    Bool(bool),
    Int(isize),
    Decimal(String),
    Text(Bytes),
}

impl Constant {
    /// A number as jq reads it.
    pub(super) fn number(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(int) => Some(Self::Int(int)),
            Err(_) => Val::from_num(text).ok().map(|_| Self::Decimal(text.to_owned())),
        }
    }

    /// The value.
    pub(super) fn value(&self) -> Val {
        match self {
            Self::Null => Val::Null,
            Self::Bool(truth) => Val::Bool(*truth),
            Self::Int(int) => Val::Num(Num::Int(*int)),
            Self::Decimal(text) => Val::from_num(text).unwrap_or_default(),
            Self::Text(text) => Val::TStr(Box::new(text.clone())),
        }
    }
}
