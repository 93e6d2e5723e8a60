//! Functions of jq's library that are evaluated here.

use jaq_json::Rc;

use jaq_json::{Map, Num, Val};

use super::{Env, Node, Out, Plain, steps::is_true};
use crate::{fold::fold, slug::slugify};

/// A function; its name and number of arguments are in [`Function::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expr) enum Function {
    Empty,
    Select,
    Not,
    Length,
    Is(Kind),
    /// `objects`, `arrays` …: the input if it is one.
    Only(Kind),
    /// `values`: the input if it is not null.
    Values,
    Fold,
    Slugify,
    Downcase,
    ToString,
    StartsWith,
    EndsWith,
    Contains,
    Split,
    Index,
    Has,
    Unique,
    Sort,
    Add,
    Map,
    ToEntries,
}

/// A type of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expr) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Function {
    /// The function of this name and number of arguments.
    pub(in crate::expr) fn of(name: &str, arity: usize) -> Option<Self> {
        Some(match (name, arity) {
            ("empty", 0) => Self::Empty,
            ("select", 1) => Self::Select,
            ("not", 0) => Self::Not,
            ("length", 0) => Self::Length,
            ("isboolean", 0) => Self::Is(Kind::Boolean),
            ("isnumber", 0) => Self::Is(Kind::Number),
            ("isstring", 0) => Self::Is(Kind::String),
            ("isarray", 0) => Self::Is(Kind::Array),
            ("isobject", 0) => Self::Is(Kind::Object),
            ("nulls", 0) => Self::Only(Kind::Null),
            ("booleans", 0) => Self::Only(Kind::Boolean),
            ("numbers", 0) => Self::Only(Kind::Number),
            ("strings", 0) => Self::Only(Kind::String),
            ("arrays", 0) => Self::Only(Kind::Array),
            ("objects", 0) => Self::Only(Kind::Object),
            ("values", 0) => Self::Values,
            ("fold", 0) => Self::Fold,
            ("slugify", 0) => Self::Slugify,
            ("ascii_downcase", 0) => Self::Downcase,
            ("tostring", 0) => Self::ToString,
            ("startswith", 1) => Self::StartsWith,
            ("endswith", 1) => Self::EndsWith,
            ("contains", 1) => Self::Contains,
            ("split", 1) => Self::Split,
            ("index", 1) => Self::Index,
            ("has", 1) => Self::Has,
            ("unique", 0) => Self::Unique,
            ("sort", 0) => Self::Sort,
            ("add", 0) => Self::Add,
            ("map", 1) => Self::Map,
            ("to_entries", 0) => Self::ToEntries,
            _ => return None,
        })
    }

    /// Whether the function passes its input on or not: then it is a step of a path.
    pub(in crate::expr) const fn selects(self) -> bool {
        matches!(self, Self::Select | Self::Only(_) | Self::Values)
    }

    pub(in crate::expr) fn call(
        self,
        args: &[Node],
        env: Option<&Env<'_>>,
        input: &Val,
        out: Out<'_>,
    ) -> Plain {
        match (self, args) {
            (Self::Empty, _) => Some(()),
            (Self::Select, [condition]) => {
                condition.eval(env, input, &mut |truth| if is_true(truth) { out(input) } else { Some(()) })
            }
            (Self::Only(kind), _) => {
                if kind.has(input) {
                    out(input)
                } else {
                    Some(())
                }
            }
            (Self::Values, _) => {
                if matches!(input, Val::Null) {
                    Some(())
                } else {
                    out(input)
                }
            }
            (Self::Map, [each]) => {
                let Val::Arr(items) = input else { return None };
                let mut mapped = Vec::with_capacity(items.len());
                for item in items.iter() {
                    each.eval(env, item, &mut |value| {
                        mapped.push(value.clone());
                        Some(())
                    })?;
                }
                out(&Val::Arr(Rc::new(mapped)))
            }
            (_, []) => out(&self.of_input(input)?),
            (_, [arg]) => out(&self.of_two(input, &arg.one(env, input)?)?),
            _ => None,
        }
    }

    /// Functions without arguments that have one output.
    fn of_input(self, input: &Val) -> Plain<Val> {
        Some(match (self, input) {
            (Self::Not, _) => Val::Bool(!is_true(input)),
            (Self::Is(kind), _) => Val::Bool(kind.has(input)),
            (Self::Length, _) => length(input)?,
            (Self::ToString, Val::TStr(_)) => input.clone(),
            (Self::ToString, Val::Num(_) | Val::Bool(_) | Val::Null) => Val::from(input.to_string()),
            (Self::Fold, Val::TStr(text)) => Val::from(fold(std::str::from_utf8(text).ok()?)),
            (Self::Slugify, Val::TStr(text)) => Val::from(slugify(std::str::from_utf8(text).ok()?)),
            (Self::Downcase, Val::TStr(text)) => {
                Val::from(std::str::from_utf8(text).ok()?.to_ascii_lowercase())
            }
            (Self::Sort | Self::Unique, Val::Arr(items)) => {
                let mut items = items.to_vec();
                items.sort();
                if self == Self::Unique {
                    items.dedup();
                }
                Val::Arr(Rc::new(items))
            }
            (Self::Add, Val::Arr(items)) => {
                let sum = items.iter().try_fold(Val::Null, |sum, item| sum + item.clone());
                sum.ok()?
            }
            (Self::ToEntries, Val::Arr(items)) => {
                items.iter().enumerate().map(|(at, item)| entry(at.into(), item)).collect()
            }
            (Self::ToEntries, Val::Obj(members)) => {
                members.iter().map(|(key, item)| entry(key.clone(), item)).collect()
            }
            _ => return None,
        })
    }

    /// Functions with one argument and one output.
    fn of_two(self, input: &Val, arg: &Val) -> Plain<Val> {
        match (self, input, arg) {
            (Self::StartsWith, Val::TStr(text), Val::TStr(part)) => Some(Val::Bool(text.starts_with(part))),
            (Self::EndsWith, Val::TStr(text), Val::TStr(part)) => Some(Val::Bool(text.ends_with(part))),
            (Self::Contains, Val::TStr(text), Val::TStr(part)) => {
                let (text, part) = (std::str::from_utf8(text).ok()?, std::str::from_utf8(part).ok()?);
                Some(Val::Bool(text.contains(part)))
            }
            (Self::Split, Val::TStr(text), Val::TStr(by)) if !by.is_empty() && !text.is_empty() => {
                let parts = std::str::from_utf8(text).ok()?.split(std::str::from_utf8(by).ok()?);
                Some(parts.map(|part| Val::TStr(Box::new(text.slice_ref(part.as_bytes())))).collect())
            }
            (Self::Index, Val::Arr(items), arg) if !matches!(arg, Val::Arr(_)) => {
                Some(items.iter().position(|item| item == arg).map_or(Val::Null, Val::from))
            }
            (Self::Has, Val::Obj(members), Val::TStr(key)) => {
                Some(Val::Bool(super::get(members, key).is_some()))
            }
            _ => None,
        }
    }
}

impl Kind {
    const fn has(self, value: &Val) -> bool {
        match self {
            Self::Null => matches!(value, Val::Null),
            Self::Boolean => matches!(value, Val::Bool(_)),
            Self::Number => matches!(value, Val::Num(_)),
            Self::String => matches!(value, Val::TStr(_) | Val::BStr(_)),
            Self::Array => matches!(value, Val::Arr(_)),
            Self::Object => matches!(value, Val::Obj(_)),
        }
    }
}

fn length(value: &Val) -> Plain<Val> {
    match value {
        Val::Null => Some(Val::Num(Num::Int(0))),
        Val::TStr(text) => Some(std::str::from_utf8(text).ok()?.chars().count().into()),
        Val::Arr(items) => Some(items.len().into()),
        Val::Obj(members) => Some(members.len().into()),
        Val::Bool(_) | Val::Num(_) | Val::BStr(_) => None,
    }
}

fn entry(key: Val, value: &Val) -> Val {
    let mut map = Map::with_capacity_and_hasher(2, Default::default());
    map.insert(Val::TStr(Box::new("key".into())), key);
    map.insert(Val::TStr(Box::new("value".into())), value.clone());
    Val::obj(map)
}
