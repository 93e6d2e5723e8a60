//! The functions that expressions may call: jq's, less what is impure, with endless ones metered, plus our own.

use std::{cell::Cell, sync::OnceLock};

use bytes::Bytes;
use jaq_core::{
    Bind, DataT, Exn, Lut, RunPtr,
    data::HasLut,
    load::{self, parse::Def},
    native::{Fun, bome, run, v},
};
use jaq_json::{Error, Num, Val, ValR};
use quire_proto::Format;

use crate::{
    decode::{self, Limits},
    fold::fold,
    slug::{page_name, slugify},
};

/// The kind of data that our filters work on: JSON values, and a meter of steps.
pub(super) enum Quire {}

impl DataT for Quire {
    type V<'a> = Val;
    type Data<'a> = Run<'a>;
}

/// One run of a filter.
#[derive(Clone)]
pub(super) struct Run<'a> {
    pub(super) lut: &'a Lut<Quire>,
    /// Steps left.
    pub(super) fuel: &'a Cell<u32>,
    /// What `$aggregates` is, where there is such a thing.
    pub(super) aggregates: Option<&'a dyn Aggregated>,
}

impl<'a> HasLut<'a, Quire> for Run<'a> {
    fn lut(&self) -> &'a Lut<Quire> {
        self.lut
    }
}

/// Longest string that `*` makes, in bytes.
const MAX_REPEATED: usize = 16 * 1024 * 1024;

/// Functions of jq that depend on the world outside the record, or change it.
pub(super) const IMPURE: [&str; 13] = [
    "$ENV",
    "env",
    "now",
    "input",
    "inputs",
    "debug",
    "stderr",
    "halt",
    "halt_error",
    "localtime",
    "strflocaltime",
    "input_line_number",
    "input_filename",
];

/// Natives of jaq that are not offered: impure ones, and those with a metered or stricter twin of ours.
const LEFT_OUT: [&str; 9] =
    ["env", "now", "halt", "debug_empty", "stderr_empty", "localtime", "strflocaltime", "range", "fromjson"];

/// One aggregate by its name; stands for `$aggregates.name`.
pub(super) const AGGREGATE: &str = "!aggregate";
/// All of them; stands for `$aggregates` by itself.
pub(super) const AGGREGATES: &str = "!aggregates";

/// The aggregates that an expression sees.
pub trait Aggregated {
    /// Their names, in the order of the catalogue.
    fn names(&self) -> &[String];

    /// The aggregate at a position: an array.
    ///
    /// # Errors
    /// Why it cannot be had, in words.
    fn get(&self, position: usize) -> Result<Val, String>;
}

/// A native function: its name, its arguments, what it does.
type Native = (&'static str, Box<[Bind]>, RunPtr<Quire>);

/// Natives of ours; names with `!` cannot be written in an expression.
fn own() -> [Native; 9] {
    [
        ("fold", v(0), |cv| bome(text_to_text(cv.1, fold))),
        ("slugify", v(0), |cv| bome(text_to_text(cv.1, slugify))),
        ("page_name", v(0), |cv| bome(text_to_text(cv.1, page_name))),
        ("fromjson", v(0), |cv| bome(from_json(cv.1))),
        ("quire_step", v(0), |cv| {
            let left = cv.0.data().fuel;
            Box::new(std::iter::once(step(left).map(|()| cv.1)))
        }),
        ("range", v(3), |mut cv| {
            let by = cv.0.pop_var();
            let to = cv.0.pop_var();
            let from = cv.0.pop_var();
            Box::new(range(cv.0.data().fuel, from, to, by))
        }),
        (AGGREGATE, v(1), |mut cv| {
            let name = cv.0.pop_var();
            bome(aggregate(cv.0.data(), &name))
        }),
        (AGGREGATES, v(0), |cv| bome(aggregates(cv.0.data()))),
        ("!multiply", v(2), |mut cv| {
            let right = cv.0.pop_var();
            bome(multiply(cv.0.pop_var(), right))
        }),
    ]
}

/// All natives.
pub(super) fn natives() -> impl Iterator<Item = Fun<Quire>> {
    let theirs = jaq_core::funs::<Quire>().chain(jaq_std::funs::<Quire>()).chain(jaq_json::funs::<Quire>());
    theirs.filter(|(name, ..)| !LEFT_OUT.contains(name)).chain(own().map(run::<Quire>))
}

/// Loops of jq with a step taken off the meter in each round.
const METERED: &str = "
    def repeat(f): def rec: quire_step | f, rec; rec;
    def recurse(f): def rec: quire_step | ., (f | rec); rec;
    def while(cond; update): def rec: quire_step | if cond then ., (update | rec) else empty end; rec;
    def until(cond; update): def rec: quire_step | if cond then . else update | rec end; rec;
";

/// Definitions of jq's library in jq, ours in place of theirs.
pub(super) fn definitions() -> &'static [Def<&'static str>] {
    static DEFINITIONS: OnceLock<Vec<Def<&'static str>>> = OnceLock::new();
    DEFINITIONS.get_or_init(|| {
        let ours = load::parse(METERED, |p| p.defs()).unwrap_or_default();
        let theirs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let replaced = |def: &Def<&str>| {
            let twin = ours.iter().find(|own| own.name == def.name && own.args.len() == def.args.len());
            twin.cloned()
        };
        theirs.map(|def| replaced(&def).unwrap_or(def)).collect()
    })
}

fn step<'a>(fuel: &Cell<u32>) -> Result<(), Exn<'a, Val>> {
    match fuel.get().checked_sub(1) {
        Some(left) => {
            fuel.set(left);
            Ok(())
        }
        // Not an error but an exception: `try` cannot catch it and go on.
        None => Err(Exn::halt(1)),
    }
}

fn range<'a>(
    fuel: &'a Cell<u32>,
    from: Val,
    to: Val,
    by: Val,
) -> impl Iterator<Item = Result<Val, Exn<'a, Val>>> + 'a {
    let zero = Val::Num(Num::Int(0));
    let mut next = Some(from);
    std::iter::from_fn(move || {
        let here = next.take()?;
        let goes_on = match by.cmp(&zero) {
            std::cmp::Ordering::Greater => here < to,
            std::cmp::Ordering::Less => here > to,
            std::cmp::Ordering::Equal => here != to,
        };
        if !goes_on {
            return None;
        }
        if let Err(exception) = step(fuel) {
            return Some(Err(exception));
        }
        match here.clone() + by.clone() {
            Ok(following) => next = Some(following),
            Err(error) => return Some(Err(error.into())),
        }
        Some(Ok(here))
    })
}

fn multiply(left: Val, right: Val) -> ValR {
    let repeated = match (&left, &right) {
        (Val::TStr(text) | Val::BStr(text), Val::Num(times))
        | (Val::Num(times), Val::TStr(text) | Val::BStr(text)) => {
            let times = times.as_isize().map_or(usize::MAX, |times| usize::try_from(times).unwrap_or(0));
            text.len().saturating_mul(times)
        }
        _ => 0,
    };
    if repeated > MAX_REPEATED {
        return Err(Error::str(format_args!("a string repeated to more than {MAX_REPEATED} bytes")));
    }
    left * right
}

fn aggregate(run: &Run<'_>, name: &Val) -> ValR {
    let Some(aggregated) = run.aggregates else { return Ok(Val::Null) };
    let Val::TStr(text) = name else { return Err(Error::typ(name.clone(), "string")) };
    match aggregated.names().iter().position(|known| known.as_bytes() == text.as_ref()) {
        Some(position) => aggregated.get(position).map_err(Error::str),
        None => Ok(Val::Null),
    }
}

fn aggregates(run: &Run<'_>) -> ValR {
    let Some(aggregated) = run.aggregates else { return Ok(Val::Null) };
    super::Program::input_of(aggregated).map_err(Error::str)
}

fn text_to_text(value: Val, change: impl Fn(&str) -> String) -> ValR {
    match &value {
        Val::TStr(text) => Ok(Val::from(change(&String::from_utf8_lossy(text)))),
        _ => Err(Error::typ(value, "string")),
    }
}

/// One JSON text, read as strictly as an item.
fn from_json(value: Val) -> ValR {
    let Val::TStr(text) = &value else { return Err(Error::typ(value, "string")) };
    let text: &Bytes = text;
    let limits = Limits { max_bytes: usize::MAX, ..Limits::default() };
    decode::decode(Format::Json, text, limits).map_err(|fault| Error::str(fault.message))
}
