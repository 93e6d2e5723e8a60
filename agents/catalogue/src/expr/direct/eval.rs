//! Evaluating by reference: outputs are handed to a closure, nothing is collected that need not be.

use jaq_json::{Map, Val};

use super::{
    Env, Node, Out, Plain, TextPart, Trail,
    steps::{is_true, walk},
};

impl Node {
    /// Hands every output on `input` to `out`, in order.
    pub(in crate::expr) fn eval(&self, env: Option<&Env<'_>>, input: &Val, out: Out<'_>) -> Plain {
        match self {
            Self::Id => out(input),
            Self::Constant(constant) => out(&constant.value()),
            Self::Var(ago) => {
                let mut env = env?;
                for _ in 0..*ago {
                    env = env.outer?;
                }
                out(env.value)
            }
            Self::Path(head, steps) => match &**head {
                // The usual head; walking from the input itself spares a closure.
                Self::Id => walk(env, input, steps, &mut Trail::new(false), &mut |value, _| out(value)),
                head => head.eval(env, input, &mut |value| {
                    walk(env, value, steps, &mut Trail::new(false), &mut |value, _| out(value))
                }),
            },
            Self::Pipe(first, then) => first.eval(env, input, &mut |value| then.eval(env, value, out)),
            Self::Comma(first, then) => {
                first.eval(env, input, out)?;
                then.eval(env, input, out)
            }
            Self::Alt(first, other) => {
                let mut any = false;
                first.eval(env, input, &mut |value| {
                    if !is_true(value) {
                        return Some(());
                    }
                    any = true;
                    out(value)
                })?;
                if any { Some(()) } else { other.eval(env, input, out) }
            }
            Self::Bind(value, then) => value.eval(env, input, &mut |value| {
                let inner = Env { value, outer: env };
                then.eval(Some(&inner), input, out)
            }),
            Self::Logic(first, stop, second) => first.eval(env, input, &mut |first| {
                if is_true(first) == *stop {
                    return out(&Val::Bool(*stop));
                }
                second.eval(env, input, &mut |second| out(&Val::Bool(is_true(second))))
            }),
            Self::Compare(left, op, right) => left.eval(env, input, &mut |left| {
                right.eval(env, input, &mut |right| out(&Val::Bool(op.run(left, right))))
            }),
            Self::Arithmetic(left, op, right) => left.eval(env, input, &mut |left| {
                right.eval(env, input, &mut |right| out(&op.run(left.clone(), right.clone()).ok()?))
            }),
            Self::If(branches, other) => self::branch(branches, other, env, input)?.eval(env, input, out),
            Self::Text(parts) => out(&Val::from(text(parts, env, input)?)),
            Self::Array(None) => out(&Val::Arr(jaq_json::Rc::default())),
            Self::Array(Some(inner)) => {
                let mut items = Vec::new();
                inner.eval(env, input, &mut |value| {
                    items.push(value.clone());
                    Some(())
                })?;
                out(&items.into_iter().collect())
            }
            Self::Object(members) => {
                let mut map = Map::with_capacity_and_hasher(members.len(), Default::default());
                for (key, value) in members {
                    map.insert(Val::TStr(Box::new(key.clone())), value.one(env, input)?);
                }
                out(&Val::obj(map))
            }
            Self::Update(..) => {
                let mut changed = input.clone();
                self.change(env, &mut changed)?;
                out(&changed)
            }
            Self::Call(function, args) => function.call(args, env, input, out),
        }
    }

    /// The one output; with none or several it is not plain.
    pub(in crate::expr) fn one(&self, env: Option<&Env<'_>>, input: &Val) -> Plain<Val> {
        let mut only = None;
        self.eval(env, input, &mut |value| match only {
            None => {
                only = Some(value.clone());
                Some(())
            }
            Some(_) => None,
        })?;
        only
    }

    /// The one output as a truth.
    pub(super) fn truth(&self, env: Option<&Env<'_>>, input: &Val) -> Plain<bool> {
        let mut only = None;
        self.eval(env, input, &mut |value| match only {
            None => {
                only = Some(is_true(value));
                Some(())
            }
            Some(_) => None,
        })?;
        only
    }
}

/// The branch that an `if` takes.
pub(super) fn branch<'n>(
    branches: &'n [(Node, Node)],
    other: &'n Node,
    env: Option<&Env<'_>>,
    input: &Val,
) -> Plain<&'n Node> {
    for (condition, then) in branches {
        if condition.truth(env, input)? {
            return Some(then);
        }
    }
    Some(other)
}

fn text(parts: &[TextPart], env: Option<&Env<'_>>, input: &Val) -> Plain<String> {
    let mut text = String::new();
    for part in parts {
        match part {
            TextPart::Fixed(fixed) => text.push_str(fixed),
            TextPart::Gap(gap) => match gap.one(env, input)? {
                Val::TStr(value) => text.push_str(std::str::from_utf8(&value).ok()?),
                value => text.push_str(&value.to_string()),
            },
        }
    }
    Some(text)
}
