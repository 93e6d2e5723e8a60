//! A JSON body as a value of the template engine, without a tree in between.

use std::{fmt, sync::Arc};

use minijinja::value::{Enumerator, Object, ObjectExt, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Reads a JSON text.
///
/// # Errors
/// When the text is not exactly one JSON value, or is nested deeper than 128 levels.
pub fn from_json(json: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let Body(value) = Body::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// An object of templates with these members, in this order.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::from_object(Members(members.into_iter().map(|(name, value)| (Value::from(name), value)).collect()))
}

/// A list of texts.
pub(crate) fn texts(texts: &[String]) -> Value {
    Value::from(texts.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>())
}

/// A JSON object: its members in the order of the source. Objects have a handful of members, so they are
/// looked through rather than hashed.
#[derive(Debug)]
struct Members(Vec<(Value, Value)>);

/// From this many members on an object is hashed after all.
const MANY: usize = 24;

impl Object for Members {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let found = self.0.iter().find(|(name, _)| name.as_str() == Some(key));
        found.map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_enumerator(|this| Box::new(this.0.iter().map(|(name, _)| name.clone())))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Body(Value);

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BodyVisitor).map(Body)
    }
}

struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::from(()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Body(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::from(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some((Body(name), Body(value))) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(if members.len() < MANY {
            Value::from_object(Members(members))
        } else {
            Value::from_pairs(members)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_are_found() {
        let value =
            from_json(br#"{"z":1,"a":{"b":[true,null,-1.5,"text"]},"m":18446744073709551615}"#).unwrap();
        let names: Vec<String> = value.try_iter().unwrap().map(|name| name.to_string()).collect();
        assert_eq!(names, ["z", "a", "m"]);
        assert_eq!(value.get_attr("m").unwrap(), Value::from(u64::MAX));
        assert_eq!(value.get_attr("a").unwrap().get_attr("b").unwrap().len(), Some(4));
        assert!(value.get_attr("none").unwrap().is_undefined());
    }

    #[test]
    fn an_object_with_many_members_is_the_same_to_templates() {
        let json = format!("{{{}}}", (0..100).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(","));
        let value = from_json(json.as_bytes()).unwrap();
        assert_eq!(value.len(), Some(100));
        assert_eq!(value.get_attr("k99").unwrap(), Value::from(99));
        assert_eq!(value.try_iter().unwrap().next(), Some(Value::from("k0")));
    }

    #[test]
    fn what_is_not_one_json_value_is_an_error() {
        for json in ["", "{", "1 2", "{\"a\":}"] {
            assert!(from_json(json.as_bytes()).is_err(), "{json}");
        }
        assert!(from_json("[".repeat(10_000).as_bytes()).is_err());
    }
}
