//! Simple paths without jaq: `.name`, `.attributes[].oifma_id`, `.tags[]?`, `.a, .b[]`, `.summary // empty`.
//!
//! Same outputs in the same order as jaq, or `None` when a value's type does not fit the path: then jaq says what
//! happens. A test compares the two on random values.

use std::borrow::Cow;

use bytes::Bytes;
use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Term},
    },
    path::{Opt, Part},
};
use jaq_json::{Map, Val};

use super::{Hit, MAX_OUTPUTS, term::Jq};
use crate::locate;

/// Alternatives of an expression, one after the other.
pub(super) struct Paths(Vec<Steps>);

struct Steps {
    steps: Vec<Step>,
    /// `… // empty`: null and false are left out.
    truthy: bool,
}

struct Step {
    part: StepPart,
    optional: bool,
}

enum StepPart {
    Key(Bytes, String),
    Each,
}

impl Paths {
    /// The paths of a term, if it is that simple.
    pub(super) fn of(term: &Jq<'_>) -> Option<Self> {
        let mut alternatives = Vec::new();
        alternatives_of(term, &mut alternatives)?;
        Some(Self(alternatives))
    }

    /// The outputs on `record`; pointers only when wanted.
    pub(super) fn hits<'v>(&self, record: &'v Val, places: bool) -> Option<Vec<Hit<'v>>> {
        let mut walk = Walk { places, pointer: String::new(), hits: Vec::new(), truthy: false };
        for alternative in &self.0 {
            walk.truthy = alternative.truthy;
            walk.visit(record, &alternative.steps)?;
        }
        Some(walk.hits)
    }
}

fn alternatives_of(term: &Jq<'_>, into: &mut Vec<Steps>) -> Option<()> {
    match term {
        Term::BinOp(left, BinaryOp::Comma, right) => {
            alternatives_of(left, into)?;
            alternatives_of(right, into)
        }
        Term::BinOp(left, BinaryOp::Alt, right) => {
            let empty = matches!(&**right, Term::Call("empty", args) if args.is_empty());
            let mut steps = Vec::new();
            steps_of(left, &mut steps)?;
            into.push(Steps { steps, truthy: true });
            empty.then_some(())
        }
        _ => {
            let mut steps = Vec::new();
            steps_of(term, &mut steps)?;
            into.push(Steps { steps, truthy: false });
            Some(())
        }
    }
}

fn steps_of(term: &Jq<'_>, into: &mut Vec<Step>) -> Option<()> {
    match term {
        Term::Id => Some(()),
        Term::BinOp(left, BinaryOp::Pipe(None), right) => {
            steps_of(left, into)?;
            steps_of(right, into)
        }
        Term::Path(head, path) => {
            steps_of(head, into)?;
            for (part, opt) in &path.0 {
                let optional = matches!(opt, Opt::Optional);
                into.push(Step { part: part_of(part)?, optional });
            }
            Some(())
        }
        _ => None,
    }
}

fn part_of(part: &Part<Jq<'_>>) -> Option<StepPart> {
    match part {
        Part::Range(None, None) => Some(StepPart::Each),
        Part::Index(Term::Str(None, parts)) => match parts.as_slice() {
            [StrPart::Str(key)] => {
                Some(StepPart::Key(Bytes::copy_from_slice(key.as_bytes()), (*key).to_owned()))
            }
            _ => None,
        },
        _ => None,
    }
}

struct Walk<'v> {
    places: bool,
    pointer: String,
    hits: Vec<Hit<'v>>,
    truthy: bool,
}

impl<'v> Walk<'v> {
    fn visit(&mut self, value: &'v Val, steps: &[Step]) -> Option<()> {
        let Some((step, rest)) = steps.split_first() else { return self.emit(value) };
        match (&step.part, value) {
            (StepPart::Key(key, name), Val::Obj(members)) => {
                let value = get(members, key).unwrap_or(&Val::Null);
                self.below(name, |walk| walk.visit(value, rest))
            }
            (StepPart::Key(_, name), Val::Null) => self.below(name, |walk| walk.visit(value, rest)),
            (StepPart::Each, Val::Arr(items)) => {
                for (position, item) in items.iter().enumerate() {
                    self.at(position, |walk| walk.visit(item, rest))?;
                }
                Some(())
            }
            (StepPart::Each, Val::Obj(members)) => {
                for (key, item) in members.iter() {
                    let Val::TStr(name) = key else { return None };
                    self.below(std::str::from_utf8(name).ok()?, |walk| walk.visit(item, rest))?;
                }
                Some(())
            }
            _ if step.optional => Some(()),
            _ => None,
        }
    }

    fn emit(&mut self, value: &'v Val) -> Option<()> {
        if self.truthy && matches!(value, Val::Null | Val::Bool(false)) {
            return Some(());
        }
        let pointer = if self.places { self.pointer.clone() } else { String::new() };
        self.hits.push(Hit { value: Cow::Borrowed(value), pointer });
        (self.hits.len() <= MAX_OUTPUTS).then_some(())
    }

    fn below(&mut self, name: &str, visit: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        if !self.places {
            return visit(self);
        }
        let length = self.pointer.len();
        locate::push_step(&mut self.pointer, name);
        let visited = visit(self);
        self.pointer.truncate(length);
        visited
    }

    fn at(&mut self, position: usize, visit: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        if !self.places {
            return visit(self);
        }
        self.below(&position.to_string(), visit)
    }
}

/// A member by key. Small objects, which nearly all are, are looked through: cheaper than a hash.
pub(crate) fn get<'v>(members: &'v Map, key: &Bytes) -> Option<&'v Val> {
    const SMALL: usize = 24;
    if members.len() <= SMALL {
        let named = |candidate: &Val| matches!(candidate, Val::TStr(name) if ***name == **key);
        return members.iter().find(|(candidate, _)| named(candidate)).map(|(_, value)| value);
    }
    members.get(&Val::TStr(Box::new(key.clone())))
}
