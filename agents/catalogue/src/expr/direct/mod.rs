//! The part of jq that most expressions are, evaluated on the record in place.
//!
//! jaq clones values into boxed iterators; for the paths, conditions and small changes that catalogues are made of this
//! takes ten times what the work itself does. So the common part of jq is evaluated here. It has no semantics of its
//! own: whatever is not plain sailing (a type that does not fit, a condition with two outputs, a function not
//! known here) yields `None`, and jaq evaluates the whole expression instead. A test compares the two.

mod call;
mod compile;
mod eval;
mod steps;
mod update;

use bytes::Bytes;
use jaq_core::ops::{Cmp, Math};
use jaq_json::Val;

use super::Constant;
pub(super) use call::Function;
pub(crate) use steps::get;
pub(super) use steps::{Trail, walk};

/// An expression as we evaluate it.
pub(super) enum Node {
    /// `.`
    Id,
    /// A value that does not depend on the input.
    Constant(Constant),
    /// `$x`, by how many bindings ago it was bound.
    Var(usize),
    /// `head.a[]…`; also `head | select(…)`, for selecting is a step.
    Path(Box<Node>, Vec<Step>),
    /// `a | b`
    Pipe(Box<Node>, Box<Node>),
    /// `a, b`
    Comma(Box<Node>, Box<Node>),
    /// `a // b`
    Alt(Box<Node>, Box<Node>),
    /// `a as $x | b`
    Bind(Box<Node>, Box<Node>),
    /// `a and b`, `a or b`; the truth at which `b` no longer matters.
    Logic(Box<Node>, bool, Box<Node>),
    /// `a < b` and the like
    Compare(Box<Node>, Cmp, Box<Node>),
    /// `a + b` and the like
    Arithmetic(Box<Node>, Math, Box<Node>),
    /// `if a then b elif c then d else e end`
    If(Vec<(Node, Node)>, Box<Node>),
    /// `"text \(a)"`
    Text(Vec<TextPart>),
    /// `[a]`
    Array(Option<Box<Node>>),
    /// `{a: b}`
    Object(Vec<(Bytes, Node)>),
    /// `path |= a`, `path = a`, `path += a`
    Update(Vec<Step>, Box<Change>),
    /// A function with its arguments.
    Call(Function, Vec<Node>),
}

/// A step of a path.
pub(super) struct Step {
    part: Part,
    /// `?`: what does not fit yields nothing.
    optional: bool,
}

enum Part {
    Key(Bytes, String),
    Index(isize),
    Each,
    /// `select(condition)`
    Where(Node),
}

/// A part of a text with gaps.
pub(super) enum TextPart {
    Fixed(String),
    Gap(Node),
}

/// What an update makes of the values at its paths.
pub(super) enum Change {
    /// `|= a`, with the value as input.
    By(Node),
    /// `= a`, with the whole as input.
    To(Node),
    /// `+= a` and the like, with the whole as input.
    Math(Math, Node),
}

/// Values bound to variables, innermost first.
#[derive(Clone, Copy)]
pub(super) struct Env<'e> {
    value: &'e Val,
    outer: Option<&'e Env<'e>>,
}

/// `None`: not plain sailing, jaq is to evaluate it.
pub(super) type Plain<T = ()> = Option<T>;
/// Takes an output.
pub(super) type Out<'o> = &'o mut dyn FnMut(&Val) -> Plain;

pub(super) use compile::{node, steps_of};
