//! Walking over parsed jq.

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern, Term},
    },
    ops::Math,
    path::{Part, Path},
};

use super::library::{AGGREGATE, AGGREGATES};

pub(super) type Jq<'s> = Term<&'s str>;

/// Calls `each` on every direct part of `term`.
pub(super) fn each_part<'s>(term: &mut Jq<'s>, each: &mut dyn FnMut(&mut Jq<'s>)) {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => {}
        Term::Str(_, parts) => {
            for part in parts {
                if let StrPart::Term(inner) = part {
                    each(inner);
                }
            }
        }
        Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) => each(inner),
        Term::Obj(members) => {
            for (key, value) in members {
                each(key);
                value.iter_mut().for_each(&mut *each);
            }
        }
        Term::BinOp(left, op, right) => {
            each(left);
            if let BinaryOp::Pipe(Some(pattern)) = op {
                each_in_pattern(pattern, each);
            }
            each(right);
        }
        Term::Fold(_, inner, pattern, args) => {
            each(inner);
            each_in_pattern(pattern, each);
            args.iter_mut().for_each(each);
        }
        Term::TryCatch(inner, catch) => {
            each(inner);
            catch.iter_mut().for_each(|catch| each(catch));
        }
        Term::IfThenElse(branches, other) => {
            for (condition, then) in branches {
                each(condition);
                each(then);
            }
            other.iter_mut().for_each(|other| each(other));
        }
        Term::Def(defs, inner) => {
            defs.iter_mut().for_each(|def| each(&mut def.body));
            each(inner);
        }
        Term::Call(_, args) => args.iter_mut().for_each(each),
        Term::Path(inner, path) => {
            each(inner);
            for (part, _) in &mut path.0 {
                match part {
                    Part::Index(index) => each(index),
                    Part::Range(from, to) => from.iter_mut().chain(to).for_each(&mut *each),
                }
            }
        }
    }
}

fn each_in_pattern<'s>(pattern: &mut Pattern<&'s str>, each: &mut dyn FnMut(&mut Jq<'s>)) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(items) => items.iter_mut().for_each(|item| each_in_pattern(item, each)),
        Pattern::Obj(members) => {
            for (key, item) in members {
                each(key);
                each_in_pattern(item, each);
            }
        }
    }
}

/// Names and arities of the filters that `term` calls, those of string formats included.
pub(super) fn calls<'s>(term: &mut Jq<'s>, found: &mut dyn FnMut(&'s str, usize)) {
    match term {
        Term::Call(name, args) => found(name, args.len()),
        Term::Str(Some(format), _) => found(format, 0),
        _ => {}
    }
    each_part(term, &mut |part| calls(part, found));
}

/// Puts a call of our bounded `!multiply` in place of every `*` and `*=`.
pub(super) fn meter_products(term: &mut Jq<'_>) {
    each_part(term, &mut |part| meter_products(part));
    let whole = std::mem::take(term);
    *term = match whole {
        Term::BinOp(left, BinaryOp::Math(Math::Mul), right) => Term::Call("!multiply", vec![*left, *right]),
        Term::BinOp(place, BinaryOp::UpdateMath(Math::Mul), factor) => {
            let product = Term::Call("!multiply", vec![Term::Id, Term::Var("$!factor")]);
            let update = Term::BinOp(place, BinaryOp::Update, Box::new(product));
            Term::BinOp(factor, BinaryOp::Pipe(Some(Pattern::Var("$!factor"))), Box::new(update))
        }
        other => other,
    };
}

/// Puts calls of our own in place of `$aggregates.name` and of `$aggregates` by itself, so that it is known which of them
/// were looked at; tells the names.
pub(super) fn name_aggregates<'s>(term: &mut Jq<'s>, found: &mut dyn FnMut(&'s str)) {
    const ALL: &str = "$aggregates";
    let whole = std::mem::take(term);
    *term = match whole {
        Term::Path(head, mut path) if matches!(*head, Term::Var(ALL)) && first_name(&path).is_some() => {
            first_name(&path).into_iter().for_each(&mut *found);
            let (first, _) = path.0.remove(0);
            let args = match first {
                Part::Index(index) => vec![index],
                Part::Range(..) => Vec::new(),
            };
            let one = Term::Call(AGGREGATE, args);
            if path.0.is_empty() { one } else { Term::Path(Box::new(one), path) }
        }
        Term::Var(ALL) => Term::Call(AGGREGATES, Vec::new()),
        other => other,
    };
    each_part(term, &mut |part| name_aggregates(part, found));
}

/// The name that a path begins with, if it is written out.
fn first_name<'s>(path: &Path<Jq<'s>>) -> Option<&'s str> {
    match path.0.first() {
        Some((Part::Index(Term::Str(None, parts)), _)) => match parts.as_slice() {
            [StrPart::Str(name)] => Some(name),
            _ => None,
        },
        _ => None,
    }
}

/// Puts `if any(a; .) then a | select(.) else b end` in place of every `a // b`: where jaq tells the places of
/// outputs, it does not leave out what is null or false.
pub(super) fn select_alternatives(term: &mut Jq<'_>) {
    each_part(term, &mut |part| select_alternatives(part));
    let whole = std::mem::take(term);
    *term = match whole {
        Term::BinOp(first, BinaryOp::Alt, other) => {
            let any = Term::Call("any", vec![(*first).clone(), Term::Id]);
            let select = Term::Call("select", vec![Term::Id]);
            let true_ones = Term::BinOp(first, BinaryOp::Pipe(None), Box::new(select));
            Term::IfThenElse(vec![(any, true_ones)], Some(other))
        }
        unchanged => unchanged,
    };
}

/// The terms of a pipe without variables, in order; a term that is none is a pipe of one.
pub(super) fn into_pipe(term: Jq<'_>) -> Vec<Jq<'_>> {
    let mut stages = Vec::new();
    let mut rest = term;
    loop {
        match rest {
            Term::BinOp(left, BinaryOp::Pipe(None), right) => {
                stages.extend(into_pipe(*left));
                rest = *right;
            }
            last => {
                stages.push(last);
                return stages;
            }
        }
    }
}

/// The reverse of [`into_pipe`].
pub(super) fn from_pipe(stages: Vec<Jq<'_>>) -> Option<Jq<'_>> {
    let mut stages = stages.into_iter().rev();
    let last = stages.next()?;
    Some(stages.fold(last, |rest, stage| Term::BinOp(Box::new(stage), BinaryOp::Pipe(None), Box::new(rest))))
}

/// Whether jaq can tell the places of the term's outputs in its input.
pub(super) fn has_places(term: &Jq<'_>) -> bool {
    match term {
        Term::Id | Term::Recurse => true,
        Term::Path(inner, _) | Term::TryCatch(inner, None) => has_places(inner),
        Term::BinOp(_, BinaryOp::Pipe(Some(_)), right) => has_places(right),
        Term::BinOp(left, BinaryOp::Pipe(None) | BinaryOp::Comma | BinaryOp::Alt, right) => {
            has_places(left) && has_places(right)
        }
        Term::IfThenElse(branches, other) => {
            branches.iter().all(|(_, then)| has_places(then))
                && other.as_ref().is_none_or(|other| has_places(other))
        }
        Term::Call(name, args) => match (*name, args.as_slice()) {
            ("select", [_]) => true,
            ("first" | "last" | "recurse", [inner]) => has_places(inner),
            ("empty" | "first" | "last" | "recurse" | "error", []) => true,
            ("values" | "nulls" | "booleans" | "numbers" | "strings" | "arrays", []) => true,
            ("objects" | "iterables" | "scalars", []) => true,
            _ => false,
        },
        _ => false,
    }
}

/// Definitions that an expression brings along.
pub(super) fn definitions<'t, 's>(
    term: &'t mut Jq<'s>,
) -> Option<(&'t mut Vec<Def<&'s str>>, &'t mut Jq<'s>)> {
    match term {
        Term::Def(defs, inner) => Some((defs, inner)),
        _ => None,
    }
}
