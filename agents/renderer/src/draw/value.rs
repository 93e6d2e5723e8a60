//! Reads what an expression yields for a drawing, and says where something is wrong.

use std::fmt;

use quire_catalogue::decode::Value as Jq;

/// What is wrong with the input of a drawing, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    at: String,
    message: String,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { at: String::new(), message: message.into() }
    }

    /// The same, seen from what it is a member of.
    pub(super) fn within(mut self, member: &str) -> Self {
        let dot = if self.at.is_empty() || self.at.starts_with('[') { "" } else { "." };
        self.at = format!("{member}{dot}{}", self.at);
        self
    }

    /// The same, seen from the list that it is in.
    pub(super) fn within_list(self, position: usize) -> Self {
        self.within(&format!("[{position}]"))
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.at, self.message)
        }
    }
}

fn expected(what: &str, found: &Jq) -> Wrong {
    let found = match found {
        Jq::Null => "nothing",
        Jq::Bool(_) => "a truth",
        Jq::Num(_) => "a number",
        Jq::TStr(_) | Jq::BStr(_) => "text",
        Jq::Arr(_) => "a list",
        Jq::Obj(_) => "an object",
    };
    Wrong::new(format!("expected {what}, found {found}"))
}

/// The members of an object, whose names are all among `known`.
pub(super) struct Members<'v> {
    members: Vec<(&'static str, &'v Jq)>,
}

impl<'v> Members<'v> {
    pub(super) fn of(value: &'v Jq, known: &[&'static str]) -> Result<Self, Wrong> {
        let Jq::Obj(object) = value else { return Err(expected("an object", value)) };
        let mut members = Vec::with_capacity(object.len());
        for (key, member) in object.iter() {
            let Jq::TStr(name) = key else { return Err(expected("text as name of a member", key)) };
            match known.iter().find(|known| known.as_bytes() == name.as_ref()) {
                Some(known) => members.push((*known, member)),
                None => {
                    let name = String::from_utf8_lossy(name);
                    let known = known.join(", ");
                    return Err(Wrong::new(format!("unknown member `{name}`: expected {known}")));
                }
            }
        }
        Ok(Self { members })
    }

    /// A member; one that is null is as if it were not there.
    pub(super) fn get(&self, name: &str) -> Option<&'v Jq> {
        let found = self.members.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        found.filter(|value| !matches!(value, Jq::Null))
    }

    pub(super) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'v Jq) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Wrong> {
        self.get(name).map(|value| read(value).map_err(|wrong| wrong.within(name))).transpose()
    }

    pub(super) fn required<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'v Jq) -> Result<T, Wrong>,
    ) -> Result<T, Wrong> {
        self.read(name, read)?.ok_or_else(|| Wrong::new(format!("missing member `{name}`")))
    }
}

pub(super) fn text(value: &Jq) -> Result<&str, Wrong> {
    match value {
        Jq::TStr(text) => std::str::from_utf8(text).map_err(|_| Wrong::new("expected UTF-8")),
        _ => Err(expected("text", value)),
    }
}

/// Text, or a number as text.
pub(super) fn label(value: &Jq) -> Result<String, Wrong> {
    match value {
        Jq::Num(number) => Ok(number.to_string()),
        _ => text(value).map(str::to_owned),
    }
}

pub(super) fn number(value: &Jq) -> Result<f64, Wrong> {
    let Jq::Num(number) = value else { return Err(expected("a number", value)) };
    let read = match number.as_isize() {
        Some(whole) => Some(whole as f64),
        None => number.to_string().parse().ok(),
    };
    read.filter(|number: &f64| number.is_finite()).ok_or_else(|| Wrong::new("expected a finite number"))
}

/// An id of a column.
pub(super) fn id(value: &Jq) -> Result<i32, Wrong> {
    let Jq::Num(number) = value else { return Err(expected("a whole number", value)) };
    let whole = number.as_isize().and_then(|whole| i32::try_from(whole).ok());
    whole.ok_or_else(|| Wrong::new(format!("expected a whole number of at most 31 bits, found {number}")))
}

pub(super) fn items(value: &Jq) -> Result<&[Jq], Wrong> {
    match value {
        Jq::Arr(items) => Ok(items),
        _ => Err(expected("a list", value)),
    }
}

/// Reads every item of a list.
pub(super) fn each<'v, T>(
    value: &'v Jq,
    mut read: impl FnMut(&'v Jq) -> Result<T, Wrong>,
) -> Result<Vec<T>, Wrong> {
    let read = |(position, item)| read(item).map_err(|wrong: Wrong| wrong.within_list(position));
    items(value)?.iter().enumerate().map(read).collect()
}

/// Two numbers.
pub(super) fn pair<T>(value: &Jq, read: impl Fn(&Jq) -> Result<T, Wrong>) -> Result<(T, T), Wrong> {
    match items(value)? {
        [one, other] => Ok((
            read(one).map_err(|wrong| wrong.within_list(0))?,
            read(other).map_err(|wrong| wrong.within_list(1))?,
        )),
        items => Err(Wrong::new(format!("expected two numbers, found {}", items.len()))),
    }
}

/// From the smallest to the greatest.
pub(super) fn range(value: &Jq) -> Result<(f64, f64), Wrong> {
    let (low, high) = pair(value, number)?;
    if low <= high {
        Ok((low, high))
    } else {
        Err(Wrong::new(format!("expected the smaller end first, found {low} and {high}")))
    }
}
