//! Our values as the JSON Schema validator sees them: it walks them as they are, without a copy.

use std::borrow::Cow;

use bytes::Bytes;
use jaq_json::{Map, Num, Val};
use jaq_std::ValT as _;
use jsonschema::json::{Array, Json, JsonNumber, Node, NodeIdentity, Object};
use jsonschema::types::JsonType;
use serde_json::{Number, Value};

use crate::expr::get;

/// The representation of JSON that [`Val`] is.
pub(super) enum Jq {}

impl Json for Jq {
    type Node<'a> = &'a Val;
    type PreparedKey = Bytes;
    type StringBuffer = Val;

    fn prepare_key(key: &str) -> Bytes {
        Bytes::copy_from_slice(key.as_bytes())
    }

    fn with_string_node<T>(buffer: &mut Val, string: &str, f: impl FnOnce(&Val) -> T) -> T {
        *buffer = Val::from(string.to_owned());
        f(buffer)
    }
}

impl<'a> Node<'a, Jq> for &'a Val {
    type Object = &'a Map;
    type Array = &'a [Val];
    type Number = NumberNode<'a>;

    fn as_object(&self) -> Option<&'a Map> {
        match self {
            Val::Obj(members) => Some(members),
            _ => None,
        }
    }

    fn as_array(&self) -> Option<&'a [Val]> {
        match self {
            Val::Arr(items) => Some(items),
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self {
            Val::TStr(text) | Val::BStr(text) => Some(String::from_utf8_lossy(text)),
            _ => None,
        }
    }

    fn as_number(&self) -> Option<NumberNode<'a>> {
        match self {
            Val::Num(number) => Some(NumberNode { value: self, number }),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        match self {
            Val::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Val::Null)
    }

    fn is_string(&self) -> bool {
        matches!(self, Val::TStr(_) | Val::BStr(_))
    }

    fn json_type(&self) -> JsonType {
        match self {
            Val::Null => JsonType::Null,
            Val::Bool(_) => JsonType::Boolean,
            Val::Num(_) => JsonType::Number,
            Val::TStr(_) | Val::BStr(_) => JsonType::String,
            Val::Arr(_) => JsonType::Array,
            Val::Obj(_) => JsonType::Object,
        }
    }

    fn string_length(&self) -> Option<u64> {
        match self {
            // In UTF-8 every character has one byte that is not a continuation.
            Val::TStr(text) => Some(text.iter().filter(|&&byte| byte & 0xC0 != 0x80).count() as u64),
            _ => self.as_string().map(|text| text.chars().count() as u64),
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (self, expected) {
            (Val::TStr(text), Value::String(expected)) => ***text == *expected.as_bytes(),
            (Val::Null, Value::Null) => true,
            (Val::Bool(truth), Value::Bool(expected)) => truth == expected,
            _ => to_json(self) == *expected || numbers_equal(self, expected),
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(to_json(self))
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref::<Val>(self) as usize))
    }
}

/// `1` and `1.0` are the same number to JSON Schema.
fn numbers_equal(value: &Val, expected: &Value) -> bool {
    match (value, expected) {
        (Val::Num(_), Value::Number(expected)) => value.as_f64() == expected.as_f64(),
        (Val::Arr(items), Value::Array(expected)) => {
            items.len() == expected.len()
                && items.iter().zip(expected).all(|(item, expected)| item.equals_value(expected))
        }
        (Val::Obj(members), Value::Object(expected)) => {
            members.len() == expected.len()
                && members.iter().all(|(key, member)| {
                    let key = key.as_string().unwrap_or_default();
                    expected.get(&*key).is_some_and(|expected| member.equals_value(expected))
                })
        }
        _ => false,
    }
}

/// A copy as `serde_json` has it; for messages.
pub(crate) fn to_json(value: &Val) -> Value {
    match value {
        Val::Null => Value::Null,
        Val::Bool(truth) => Value::Bool(*truth),
        Val::Num(number) => NumberNode { value, number }.to_number().into_owned().into(),
        Val::TStr(text) | Val::BStr(text) => Value::String(String::from_utf8_lossy(text).into_owned()),
        Val::Arr(items) => Value::Array(items.iter().map(to_json).collect()),
        Val::Obj(members) => Value::Object(
            members
                .iter()
                .map(|(key, member)| (key.as_string().unwrap_or_default().into_owned(), to_json(member)))
                .collect(),
        ),
    }
}

/// A number in place.
pub(super) struct NumberNode<'a> {
    value: &'a Val,
    number: &'a Num,
}

impl JsonNumber for NumberNode<'_> {
    fn as_u64(&self) -> Option<u64> {
        match self.number {
            Num::Int(int) => u64::try_from(*int).ok(),
            Num::BigInt(_) => self.number.to_string().parse().ok(),
            _ => None,
        }
    }

    fn as_i64(&self) -> Option<i64> {
        match self.number {
            Num::Int(int) => i64::try_from(*int).ok(),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        self.value.as_f64()
    }

    fn as_str(&self) -> Cow<'_, str> {
        match self.number {
            Num::Dec(digits) => Cow::Borrowed(digits),
            number => Cow::Owned(number.to_string()),
        }
    }

    fn to_number(&self) -> Cow<'_, Number> {
        let whole = self.as_i64().map(Number::from).or_else(|| self.as_u64().map(Number::from));
        let number = whole.or_else(|| self.as_f64().and_then(Number::from_f64));
        Cow::Owned(number.unwrap_or_else(|| Number::from(0)))
    }

    fn is_integer(&self) -> bool {
        match self.number {
            Num::Int(_) | Num::BigInt(_) => true,
            Num::Float(float) => float.fract() == 0.0,
            Num::Dec(_) => self.as_f64().is_some_and(|float| float.fract() == 0.0),
        }
    }
}

impl<'a> Object<'a, Jq> for &'a Map {
    type Node = &'a Val;
    type MemberName = Cow<'a, str>;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        Map::len(self)
    }

    fn get(&self, key: &Bytes) -> Option<&'a Val> {
        get(self, key)
    }

    fn members(&self) -> Members<'a> {
        Members { map: self, next: 0 }
    }
}

/// Members of an object with their names as text.
pub(super) struct Members<'a> {
    map: &'a Map,
    next: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a Val);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = self.map.get_index(self.next)?;
        self.next += 1;
        let name = key.as_string().unwrap_or_else(|| Cow::Owned(key.to_string()));
        Some((name, value))
    }
}

impl<'a> Array<'a, Jq> for &'a [Val] {
    type Node = &'a Val;
    type ElementsIter = std::slice::Iter<'a, Val>;

    fn len(&self) -> usize {
        <[Val]>::len(self)
    }

    fn elements(&self) -> std::slice::Iter<'a, Val> {
        self.iter()
    }
}
