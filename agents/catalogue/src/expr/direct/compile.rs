//! Parsed jq to [`Node`], where it is of the part that is evaluated here.

use bytes::Bytes;
use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern, Term},
    },
    path::{Opt, Part as TermPart, Path},
};

use super::{Change, Function, Node, Part, Step, TextPart};
use crate::expr::{Constant, term::Jq};

/// Most definitions put in place of their calls, one inside the other.
const MAX_INLINED: usize = 8;

/// What names mean at a place of the expression.
#[derive(Clone, Default)]
struct Scope<'t, 's> {
    vars: Vec<&'s str>,
    defs: Vec<&'t Def<&'s str>>,
    inlined: usize,
}

/// The whole term.
pub(in crate::expr) fn node(term: &Jq<'_>) -> Option<Node> {
    node_in(term, &Scope::default())
}

/// A term that is nothing but a path: steps and selections.
pub(in crate::expr) fn steps_of(term: &Jq<'_>) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    add_steps(term, &Scope::default(), &mut steps)?;
    Some(steps)
}

fn node_in<'t, 's>(term: &'t Jq<'s>, scope: &Scope<'t, 's>) -> Option<Node> {
    let boxed = |term: &'t Jq<'s>| node_in(term, scope).map(Box::new);
    Some(match term {
        Term::Id => Node::Id,
        Term::Num(number) => Node::Constant(Constant::number(number)?),
        Term::Str(None, parts) => text(parts, scope)?,
        Term::Var(name) => var(name, scope)?,
        Term::Arr(inner) => Node::Array(match inner {
            None => None,
            Some(inner) => Some(boxed(inner)?),
        }),
        Term::Obj(members) => {
            Node::Object(members.iter().map(|member| self::member(member, scope)).collect::<Option<_>>()?)
        }
        Term::Path(head, path) => {
            let mut steps = Vec::new();
            path_steps(path, &mut steps)?;
            Node::Path(boxed(head)?, steps)
        }
        Term::IfThenElse(branches, other) => {
            let branch = |(condition, then): &'t (Jq<'s>, Jq<'s>)| {
                Some((node_in(condition, scope)?, node_in(then, scope)?))
            };
            let branches = branches.iter().map(branch).collect::<Option<_>>()?;
            let other = match other {
                None => Box::new(Node::Id),
                Some(other) => boxed(other)?,
            };
            Node::If(branches, other)
        }
        Term::BinOp(left, op, right) => operation(left, op, right, scope)?,
        Term::Def(defs, inner) => {
            let mut scope = scope.clone();
            scope.defs.extend(defs);
            node_in(inner, &scope)?
        }
        Term::Call(name, args) => call(name, args, scope)?,
        _ => return None,
    })
}

fn operation<'t, 's>(
    left: &'t Jq<'s>,
    op: &'t BinaryOp<&'s str>,
    right: &'t Jq<'s>,
    scope: &Scope<'t, 's>,
) -> Option<Node> {
    let boxed = |term: &'t Jq<'s>| node_in(term, scope).map(Box::new);
    let update = |change: Change| {
        let mut steps = Vec::new();
        add_steps(left, scope, &mut steps)?;
        Some(Node::Update(steps, Box::new(change)))
    };
    Some(match op {
        BinaryOp::Pipe(None) => Node::Pipe(boxed(left)?, boxed(right)?),
        BinaryOp::Pipe(Some(Pattern::Var(name))) => {
            let mut inner = scope.clone();
            inner.vars.push(name);
            Node::Bind(boxed(left)?, Box::new(node_in(right, &inner)?))
        }
        BinaryOp::Pipe(Some(_)) => return None,
        BinaryOp::Comma => Node::Comma(boxed(left)?, boxed(right)?),
        BinaryOp::Alt => Node::Alt(boxed(left)?, boxed(right)?),
        BinaryOp::Or => Node::Logic(boxed(left)?, true, boxed(right)?),
        BinaryOp::And => Node::Logic(boxed(left)?, false, boxed(right)?),
        BinaryOp::Math(op) => Node::Arithmetic(boxed(left)?, *op, boxed(right)?),
        BinaryOp::Cmp(op) => Node::Compare(boxed(left)?, *op, boxed(right)?),
        BinaryOp::Update => update(Change::By(node_in(right, scope)?))?,
        BinaryOp::Assign => update(Change::To(node_in(right, scope)?))?,
        BinaryOp::UpdateMath(op) => update(Change::Math(*op, node_in(right, scope)?))?,
        BinaryOp::UpdateAlt => return None,
    })
}

fn call<'t, 's>(name: &str, args: &'t [Jq<'s>], scope: &Scope<'t, 's>) -> Option<Node> {
    let known = |def: &&&'t Def<&'s str>| def.name == name && def.args.len() == args.len();
    if let Some(def) = scope.defs.iter().rev().find(known) {
        return inlined(def, scope);
    }
    match (name, args) {
        ("null", []) => return Some(Node::Constant(Constant::Null)),
        ("true", []) => return Some(Node::Constant(Constant::Bool(true))),
        ("false", []) => return Some(Node::Constant(Constant::Bool(false))),
        _ => {}
    }
    let function = Function::of(name, args.len())?;
    let args = args.iter().map(|arg| node_in(arg, scope)).collect::<Option<_>>()?;
    Some(Node::Call(function, args))
}

/// A definition without arguments and variables, in place of its call.
fn inlined<'t, 's>(def: &'t Def<&'s str>, scope: &Scope<'t, 's>) -> Option<Node> {
    if !def.args.is_empty() || scope.inlined >= MAX_INLINED {
        return None;
    }
    // It sees the definitions before it, and no variables: those of the place of the call are not its own.
    let before = scope.defs.iter().take_while(|known| !std::ptr::eq(**known, def)).copied().collect();
    node_in(&def.body, &Scope { vars: Vec::new(), defs: before, inlined: scope.inlined + 1 })
}

fn member<'t, 's>(
    (key, value): &'t (Jq<'s>, Option<Jq<'s>>),
    scope: &Scope<'t, 's>,
) -> Option<(Bytes, Node)> {
    match (key, value) {
        (Term::Str(None, parts), value) => {
            let key = fixed(parts)?;
            let value = match value {
                Some(value) => node_in(value, scope)?,
                None => Node::Path(Box::new(Node::Id), vec![key_step(&key, false)]),
            };
            Some((Bytes::copy_from_slice(key.as_bytes()), value))
        }
        (Term::Var(name), None) => {
            let key = name.strip_prefix('$')?;
            Some((Bytes::copy_from_slice(key.as_bytes()), var(name, scope)?))
        }
        _ => None,
    }
}

fn var(name: &str, scope: &Scope<'_, '_>) -> Option<Node> {
    scope.vars.iter().rev().position(|known| *known == name).map(Node::Var)
}

fn text<'t, 's>(parts: &'t [StrPart<&'s str, Jq<'s>>], scope: &Scope<'t, 's>) -> Option<Node> {
    if let Some(fixed) = fixed(parts) {
        return Some(Node::Constant(Constant::Text(fixed.into())));
    }
    let part = |part: &'t StrPart<&'s str, Jq<'s>>| {
        Some(match part {
            StrPart::Str(text) => TextPart::Fixed((*text).to_owned()),
            StrPart::Char(c) => TextPart::Fixed(c.to_string()),
            StrPart::Term(gap) => TextPart::Gap(node_in(gap, scope)?),
        })
    };
    Some(Node::Text(parts.iter().map(part).collect::<Option<_>>()?))
}

/// A text without gaps.
fn fixed(parts: &[StrPart<&str, Jq<'_>>]) -> Option<String> {
    let mut text = String::new();
    for part in parts {
        match part {
            StrPart::Str(part) => text.push_str(part),
            StrPart::Char(c) => text.push(*c),
            StrPart::Term(_) => return None,
        }
    }
    Some(text)
}

fn add_steps<'t, 's>(term: &'t Jq<'s>, scope: &Scope<'t, 's>, into: &mut Vec<Step>) -> Option<()> {
    match term {
        Term::Id => Some(()),
        Term::BinOp(left, BinaryOp::Pipe(None), right) => {
            add_steps(left, scope, into)?;
            add_steps(right, scope, into)
        }
        Term::Path(head, path) => {
            add_steps(head, scope, into)?;
            path_steps(path, into)
        }
        Term::Call(name, args) => {
            let Node::Call(function, mut args) = call(name, args, scope)? else { return None };
            if !function.selects() {
                return None;
            }
            let condition = match (function, args.pop()) {
                (Function::Select, Some(condition)) => condition,
                // `objects` selects by itself: what it passes on must only count as true.
                (function, _) => {
                    let passed = Node::Call(function, Vec::new());
                    Node::Pipe(Box::new(passed), Box::new(Node::Constant(Constant::Bool(true))))
                }
            };
            into.push(Step { part: Part::Where(condition), optional: false });
            Some(())
        }
        _ => None,
    }
}

fn path_steps(path: &Path<Jq<'_>>, into: &mut Vec<Step>) -> Option<()> {
    for (part, opt) in &path.0 {
        let optional = matches!(opt, Opt::Optional);
        let step = match part {
            TermPart::Range(None, None) => Step { part: Part::Each, optional },
            TermPart::Index(Term::Str(None, parts)) => key_step(&fixed(parts)?, optional),
            TermPart::Index(Term::Num(number)) => Step { part: Part::Index(number.parse().ok()?), optional },
            TermPart::Index(Term::Neg(number)) => {
                let Term::Num(number) = &**number else { return None };
                Step { part: Part::Index(-number.parse::<isize>().ok()?), optional }
            }
            _ => return None,
        };
        into.push(step);
    }
    Some(())
}

fn key_step(key: &str, optional: bool) -> Step {
    Step { part: Part::Key(Bytes::copy_from_slice(key.as_bytes()), key.to_owned()), optional }
}
