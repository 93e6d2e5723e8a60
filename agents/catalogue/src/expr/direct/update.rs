//! Changing a value in place: `path |= f`, chains and conditions of them.

use jaq_json::Rc;

use jaq_core::ops::Math;
use jaq_json::Val;

use super::{Change, Env, Node, Part, Plain, Step, eval::branch, steps::absolute};

impl Node {
    /// Puts the one output on `value` in its place. After `None`, `value` may be half changed.
    pub(in crate::expr) fn change(&self, env: Option<&Env<'_>>, value: &mut Val) -> Plain {
        match self {
            Self::Id => Some(()),
            Self::Pipe(first, then) => {
                first.change(env, value)?;
                then.change(env, value)
            }
            Self::Bind(bound, then) => {
                let bound = bound.one(env, value)?;
                then.change(Some(&Env { value: &bound, outer: env }), value)
            }
            Self::If(branches, other) => branch(branches, other, env, value)?.change(env, value),
            Self::Update(steps, change) => match &**change {
                Change::By(by) => update(env, value, steps, &mut |place| by.change(env, place)),
                Change::To(to) => {
                    let to = to.one(env, value)?;
                    update(env, value, steps, &mut |place| {
                        *place = to.clone();
                        Some(())
                    })
                }
                Change::Math(op, by) => {
                    let by = by.one(env, value)?;
                    update(env, value, steps, &mut |place| arithmetic(place, *op, &by))
                }
            },
            other => {
                *value = other.one(env, value)?;
                Some(())
            }
        }
    }
}

fn arithmetic(place: &mut Val, op: Math, by: &Val) -> Plain {
    let left = std::mem::take(place);
    *place = op.run(left, by.clone()).ok()?;
    Some(())
}

/// Visits the places that `steps` lead to, to change them.
fn update(
    env: Option<&Env<'_>>,
    value: &mut Val,
    steps: &[Step],
    change: &mut dyn FnMut(&mut Val) -> Plain,
) -> Plain {
    let Some((step, rest)) = steps.split_first() else { return change(value) };
    match (&step.part, value) {
        (Part::Key(key, _), Val::Obj(members)) => {
            let members = Rc::make_mut(members);
            let small =
                members.iter().position(|(known, _)| matches!(known, Val::TStr(name) if ***name == **key));
            if let Some((_, member)) = small.and_then(|at| members.get_index_mut(at)) {
                return update(env, member, rest, change);
            }
            let mut member = Val::Null;
            update(env, &mut member, rest, change)?;
            members.insert(Val::TStr(Box::new(key.clone())), member);
            Some(())
        }
        (Part::Index(index), Val::Arr(items)) => {
            let position = absolute(*index, items.len())?;
            update(env, Rc::make_mut(items).get_mut(position)?, rest, change)
        }
        (Part::Each, Val::Arr(items)) => {
            Rc::make_mut(items).iter_mut().try_for_each(|item| update(env, item, rest, change))
        }
        (Part::Each, Val::Obj(members)) => {
            Rc::make_mut(members).values_mut().try_for_each(|item| update(env, item, rest, change))
        }
        (Part::Where(condition), value) => {
            let mut times = 0;
            let mut truths = 0;
            condition.eval(env, value, &mut |truth| {
                times += 1;
                truths += usize::from(super::steps::is_true(truth));
                Some(())
            })?;
            match (times, truths) {
                (0 | 1, 0) => Some(()),
                (1, 1) => update(env, value, rest, change),
                _ => None,
            }
        }
        _ if step.optional => Some(()),
        _ => None,
    }
}
