//! Expressions: jq, restricted to what is pure and ends.
//!
//! Most expressions of a catalogue are paths (`.name`, `.attributes[].oifma_id`, `.tags[]?`). Those are evaluated by
//! [`path`] without jaq, with the same results: at the first thing that is not simple (a type that does not fit), jaq
//! evaluates the whole expression instead. Everything else is compiled by jaq.
//!
//! What is bounded: text and nesting of an expression, its outputs, iterations of `range`, `repeat`, `while`, `until`
//! and `recurse`, the size of strings made by `*`. Definitions must not call themselves. What depends on the world is
//! not there: `env`, `$ENV`, `now`, `input`, `debug`, `halt`, local time zones.
//! What is not bounded: nested iteration over a record's own lists (`.a[] as $x | .a[] as $y | …` takes the square of
//! the length), memory of values that an expression doubles again and again with `+`, and nesting that
//! `reduce` builds by one level a step.

mod compile;
mod library;
mod lint;
mod path;
mod term;

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
use library::Run;
use path::Paths;
pub(crate) use path::get;

use crate::{decode::scalar::short, locate};

/// Most outputs of one expression on one record.
pub(crate) const MAX_OUTPUTS: usize = 65_536;
/// Most iterations of `range`, `repeat`, `while`, `until` and `recurse` together, on one record.
const MAX_STEPS: u32 = 1_000_000;

/// A compiled expression; usable from any thread.
pub(crate) struct Expr {
    /// The leading part whose outputs have a place in the record.
    place: Place,
    /// The rest, which makes something of each output of `place`.
    rest: Option<Filter>,
}

enum Place {
    /// Simple paths, and the expression for jaq in case they are not simple on this record.
    Fast(Paths, Box<Fallback>),
    /// A path expression: its filter makes pairs of path and value.
    Jaq(Filter),
    /// The record itself.
    Whole,
}

/// The simple paths as an expression for jaq, compiled when first needed.
struct Fallback {
    code: String,
    filter: OnceLock<Option<Filter>>,
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

    fn run<'v>(&self, record: &'v Val, places: bool) -> Evaluated<Vec<Hit<'v>>> {
        let hits = match &self.place {
            Place::Whole => vec![Hit { value: Cow::Borrowed(record), pointer: String::new() }],
            Place::Fast(paths, fallback) => match paths.hits(record, places) {
                Some(hits) => hits,
                None => fallback.hits(record)?,
            },
            Place::Jaq(filter) => place_hits(filter, record)?,
        };
        let Some(rest) = &self.rest else { return Ok(hits) };
        let mut out = Vec::with_capacity(hits.len());
        for hit in hits {
            for value in evaluate(rest, hit.value.into_owned())? {
                out.push(Hit { value: Cow::Owned(value), pointer: hit.pointer.clone() });
            }
            if out.len() > MAX_OUTPUTS {
                return Err(EvalError::TooMany);
            }
        }
        Ok(out)
    }
}

impl Fallback {
    fn hits<'v>(&self, record: &Val) -> Evaluated<Vec<Hit<'v>>> {
        // The code compiled before, as a part of the expression; so it does again.
        let filter = self.filter.get_or_init(|| compile::place_filter(&self.code).ok());
        let filter = filter.as_ref().ok_or_else(|| EvalError::Failed("cannot be compiled".into()))?;
        place_hits(filter, record)
    }
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
            Val::Num(position) => locate::push_step(&mut pointer, &position.to_string()),
            // A slice (`.[1:3]`) has no pointer; the list has.
            _ => break,
        }
    }
    pointer
}

fn evaluate(filter: &Filter, input: Val) -> Evaluated<Vec<Val>> {
    // jaq has a few arithmetic corners that panic (an absolute value that does not fit, a string of 2^60 bytes);
    // no record may take the process down with it.
    catch_unwind(AssertUnwindSafe(|| collect(filter, input)))
        .unwrap_or_else(|_| Err(EvalError::Failed("a number or size is out of range".into())))
}

fn collect(filter: &Filter, input: Val) -> Evaluated<Vec<Val>> {
    let fuel = Cell::new(MAX_STEPS);
    let ctx = Ctx::<library::Quire>::new(Run { lut: &filter.lut, fuel: &fuel }, Vars::new([]));
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
