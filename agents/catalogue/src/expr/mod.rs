//! Expressions: jq, restricted to what is pure and ends.
//!
//! Most expressions of a catalogue are paths (`.name`, `.attributes[].oifma_id`, `.tags[]?`) and small conditions.
//! Those are evaluated by [`direct`] on the record in place, with jaq's results: where that is not plain sailing, jaq
//! evaluates the expression instead. Everything else is compiled by jaq.
//!
//! What is bounded: text and nesting of an expression, its outputs, iterations of `range`, `repeat`, `while`, `until`
//! and `recurse`, the size of strings made by `*`. Definitions must not call themselves. What depends on the world is
//! not there: `env`, `$ENV`, `now`, `input`, `debug`, `halt`, local time zones.
//! What is not bounded: nested iteration over a record's own lists (`.a[] as $x | .a[] as $y | …` takes the square of
//! the length), memory of values that an expression doubles again and again, and nesting that `reduce` or definitions
//! build level by level: whoever evaluates the expressions of others should do so on a thread with a large stack.

mod compile;
mod constant;
mod direct;
mod library;
mod lint;
mod program;
mod term;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
};

use jaq_core::{Ctx, Vars};
use jaq_json::Val;

use compile::Filter;
pub(crate) use compile::Flaw;
use constant::Constant;
pub(crate) use direct::get;
use direct::{Node, Step, Trail, walk};
pub use library::Aggregated;
use library::{Quire, Run};
pub use program::Program;

use crate::{decode::scalar::short, locate};

/// Most outputs of one expression on one record.
pub(crate) const MAX_OUTPUTS: usize = 65_536;
/// Most iterations of `range`, `repeat`, `while`, `until` and `recurse` together, on one record.
const MAX_STEPS: u32 = 100_000;

/// A compiled expression; usable from any thread.
pub(crate) struct Expr {
    code: String,
    /// The leading part whose outputs have a place in the record.
    place: Place,
    /// The rest, which makes something of each output of `place`.
    rest: Rest,
    /// The whole, for those who ask for no places or for a change in place.
    whole: Option<Node>,
    /// jaq's filters of the two parts, compiled when first needed.
    place_filter: Lazy,
    rest_filter: Lazy,
}

type Lazy = OnceLock<Option<Filter>>;

enum Place {
    /// The record itself.
    Whole,
    /// Paths, one after the other.
    Direct(Vec<Alternative>),
    Jaq,
}

/// One of the paths of an expression.
struct Alternative {
    steps: Vec<Step>,
    /// `… // …`: null and false are left out; these are taken if nothing else remains.
    otherwise: Option<Vec<Alternative>>,
}

enum Rest {
    Nothing,
    Direct(Node),
    Jaq,
}

/// An output and where in the record it stands (a JSON pointer; empty if it has no place).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hit<'v> {
    pub(crate) value: Cow<'v, Val>,
    pub(crate) pointer: String,
}

/// Why an expression has no value on a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvalError {
    #[error("expression failed: {0}")]
    Failed(String),
    #[error("expression did not end within {MAX_STEPS} steps")]
    Endless,
    #[error("expression has more than {MAX_OUTPUTS} outputs")]
    TooMany,
    #[error("expected one output, found {0}")]
    NotOne(usize),
}

type Evaluated<T> = Result<T, EvalError>;

impl Expr {
    /// Compiles `code`.
    pub(crate) fn compile(code: &str) -> Result<Self, Flaw> {
        compile::expression(code)
    }

    /// All outputs on `record`, in order, without their places.
    pub(crate) fn values<'v>(&self, record: &'v Val) -> Evaluated<Vec<Cow<'v, Val>>> {
        Ok(self.run(record, false)?.into_iter().map(|hit| hit.value).collect())
    }

    /// All outputs with their places.
    pub(crate) fn hits<'v>(&self, record: &'v Val) -> Evaluated<Vec<Hit<'v>>> {
        self.run(record, true)
    }

    /// The one output on `record`, which is changed in place where that is possible; `again` makes the record anew.
    pub(crate) fn transform(&self, mut record: Val, again: impl FnOnce() -> Val) -> Evaluated<Val> {
        if let Some(whole) = &self.whole {
            match whole.change(None, &mut record) {
                Some(()) => return Ok(record),
                None => record = again(),
            }
        }
        let mut values = self.values(&record)?;
        match (values.pop(), values.len()) {
            (Some(value), 0) => Ok(value.into_owned()),
            (last, others) => Err(EvalError::NotOne(others + usize::from(last.is_some()))),
        }
    }

    fn run<'v>(&self, record: &'v Val, places: bool) -> Evaluated<Vec<Hit<'v>>> {
        if let (Place::Jaq, Some(whole), false) = (&self.place, &self.whole, places) {
            let (nowhere, mut hits) =
                (Hit { value: Cow::Borrowed(record), pointer: String::new() }, Vec::new());
            if direct_values(whole, &nowhere, &mut hits).is_some() {
                return Ok(hits);
            }
        }
        let hits = match &self.place {
            Place::Whole => vec![Hit { value: Cow::Borrowed(record), pointer: String::new() }],
            Place::Direct(alternatives) => match direct_hits(alternatives, record, places) {
                Some(hits) => hits,
                None => place_hits(self.filter(&self.place_filter, compile::place_filter)?, record)?,
            },
            Place::Jaq => place_hits(self.filter(&self.place_filter, compile::place_filter)?, record)?,
        };
        let rest = match &self.rest {
            Rest::Nothing => return Ok(hits),
            Rest::Direct(node) => Some(node),
            Rest::Jaq => None,
        };
        let mut out = Vec::with_capacity(hits.len());
        for hit in hits {
            let before = out.len();
            if rest.and_then(|node| direct_values(node, &hit, &mut out)).is_none() {
                out.truncate(before);
                let filter = self.filter(&self.rest_filter, compile::rest_filter)?;
                for value in evaluate(filter, hit.value.into_owned())? {
                    out.push(Hit { value: Cow::Owned(value), pointer: hit.pointer.clone() });
                }
            }
            if out.len() > MAX_OUTPUTS {
                return Err(EvalError::TooMany);
            }
        }
        Ok(out)
    }

    fn filter<'f>(&self, lazy: &'f Lazy, compile: fn(&str) -> Result<Filter, Flaw>) -> Evaluated<&'f Filter> {
        let filter = lazy.get_or_init(|| compile(&self.code).ok());
        // What is evaluated directly is jaq's as well, so it compiles.
        filter.as_ref().ok_or_else(|| EvalError::Failed("cannot be compiled".into()))
    }
}

fn direct_hits<'v>(alternatives: &[Alternative], record: &'v Val, places: bool) -> Option<Vec<Hit<'v>>> {
    let mut hits = Vec::new();
    for Alternative { steps, otherwise } in alternatives {
        let before = hits.len();
        walk(None, record, steps, &mut Trail::new(places), &mut |value, trail| {
            if otherwise.is_none() || !matches!(value, Val::Null | Val::Bool(false)) {
                hits.push(Hit { value: Cow::Borrowed(value), pointer: trail.pointer() });
            }
            (hits.len() <= MAX_OUTPUTS).then_some(())
        })?;
        if let (Some(otherwise), true) = (otherwise, hits.len() == before) {
            hits.extend(direct_hits(otherwise, record, places)?);
        }
    }
    Some(hits)
}

fn direct_values<'v>(node: &Node, hit: &Hit<'_>, out: &mut Vec<Hit<'v>>) -> Option<()> {
    node.eval(None, &hit.value, &mut |value| {
        out.push(Hit { value: Cow::Owned(value.clone()), pointer: hit.pointer.clone() });
        (out.len() <= MAX_OUTPUTS).then_some(())
    })
}

/// Outputs of a filter that makes `[path, value]`.
fn place_hits<'v>(filter: &Filter, record: &Val) -> Evaluated<Vec<Hit<'v>>> {
    let pairs = evaluate(filter, record.clone())?;
    let hit = |pair: Val| match &pair {
        Val::Arr(pair) => match pair.as_slice() {
            [Val::Arr(path), value] => Some(Hit { value: Cow::Owned(value.clone()), pointer: pointer(path) }),
            _ => None,
        },
        _ => None,
    };
    Ok(pairs.into_iter().filter_map(hit).collect())
}

fn pointer(path: &[Val]) -> String {
    let mut pointer = String::new();
    for step in path {
        match step {
            Val::TStr(key) => locate::push_step(&mut pointer, &String::from_utf8_lossy(key)),
            Val::Num(position) if !position.to_string().starts_with('-') => {
                locate::push_step(&mut pointer, &position.to_string());
            }
            // A slice (`.[1:3]`) or a position counted from the end has no pointer; the list has.
            _ => break,
        }
    }
    pointer
}

fn evaluate(filter: &Filter, input: Val) -> Evaluated<Vec<Val>> {
    // jaq has a few arithmetic corners that panic (an absolute value that does not fit, a string of 2^60 bytes);
    // no record may take the process down with it.
    catch_unwind(AssertUnwindSafe(|| collect(filter, input, None)))
        .unwrap_or_else(|_| Err(EvalError::Failed("a number or size is out of range".into())))
}

fn collect(filter: &Filter, input: Val, aggregates: Option<&dyn Aggregated>) -> Evaluated<Vec<Val>> {
    let fuel = Cell::new(MAX_STEPS);
    let ctx = Ctx::<Quire>::new(Run { lut: &filter.lut, fuel: &fuel, aggregates }, Vars::new([]));
    let mut out = Vec::new();
    for output in filter.id.run((ctx, input)) {
        match output {
            Ok(value) => out.push(value),
            Err(exception) => {
                return Err(match exception.get_err() {
                    Ok(error) => EvalError::Failed(short(&error.to_string())),
                    Err(_) => EvalError::Endless,
                });
            }
        }
        if out.len() > MAX_OUTPUTS {
            return Err(EvalError::TooMany);
        }
    }
    Ok(out)
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Expr>();
};
