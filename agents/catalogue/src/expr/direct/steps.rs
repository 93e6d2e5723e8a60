//! Walking along a path, by reference.

use bytes::Bytes;
use jaq_json::{Map, Val};

use super::{Env, Part, Plain, Step};
use crate::locate;

/// Where a walk is in the record, as a JSON pointer; nothing is kept if nobody asks.
pub(in crate::expr) struct Trail {
    pointer: Option<String>,
    /// Past a step that no pointer can tell: the pointer stays where it is.
    lost: bool,
}

impl Trail {
    pub(in crate::expr) fn new(wanted: bool) -> Self {
        Self { pointer: wanted.then(String::new), lost: false }
    }

    /// The pointer so far.
    pub(in crate::expr) fn pointer(&self) -> String {
        self.pointer.clone().unwrap_or_default()
    }

    fn below<T>(&mut self, name: &str, visit: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.as_ref().map_or(0, String::len);
        if let Some(pointer) = self.pointer.as_mut().filter(|_| !self.lost) {
            locate::push_step(pointer, name);
        }
        let visited = visit(self);
        if let Some(pointer) = &mut self.pointer {
            pointer.truncate(length);
        }
        visited
    }

    fn at<T>(&mut self, position: usize, visit: impl FnOnce(&mut Self) -> T) -> T {
        match &self.pointer {
            None => visit(self),
            Some(_) => self.below(&position.to_string(), visit),
        }
    }

    /// A position counted from the end has no pointer.
    fn at_index<T>(&mut self, index: isize, visit: impl FnOnce(&mut Self) -> T) -> T {
        if let Ok(position) = usize::try_from(index) {
            return self.at(position, visit);
        }
        let before = std::mem::replace(&mut self.lost, true);
        let visited = visit(self);
        self.lost = before;
        visited
    }
}

/// Takes a value that a walk has come to.
pub(in crate::expr) type Arrive<'a, 'v> = &'a mut dyn FnMut(&'v Val, &Trail) -> Plain;

/// Visits what `steps` lead to from `value`.
pub(in crate::expr) fn walk<'v>(
    env: Option<&Env<'_>>,
    value: &'v Val,
    steps: &[Step],
    trail: &mut Trail,
    arrive: Arrive<'_, 'v>,
) -> Plain {
    let Some((step, rest)) = steps.split_first() else { return arrive(value, trail) };
    match (&step.part, value) {
        (Part::Key(key, name), Val::Obj(members)) => {
            let member = get(members, key).unwrap_or(&Val::Null);
            trail.below(name, |trail| walk(env, member, rest, trail, arrive))
        }
        (Part::Key(_, name), Val::Null) => trail.below(name, |trail| walk(env, value, rest, trail, arrive)),
        (Part::Index(index), Val::Arr(items)) => {
            let position = absolute(*index, items.len());
            let item = position.and_then(|position| items.get(position)).unwrap_or(&Val::Null);
            trail.at_index(*index, |trail| walk(env, item, rest, trail, arrive))
        }
        (Part::Index(index), Val::Null) => {
            trail.at_index(*index, |trail| walk(env, value, rest, trail, arrive))
        }
        (Part::Each, Val::Arr(items)) => {
            for (position, item) in items.iter().enumerate() {
                trail.at(position, |trail| walk(env, item, rest, trail, arrive))?;
            }
            Some(())
        }
        (Part::Each, Val::Obj(members)) => {
            for (key, item) in members.iter() {
                let Val::TStr(name) = key else { return None };
                trail.below(std::str::from_utf8(name).ok()?, |trail| walk(env, item, rest, trail, arrive))?;
            }
            Some(())
        }
        (Part::Where(condition), _) => {
            let mut times = 0;
            condition.eval(env, value, &mut |truth| {
                times += usize::from(is_true(truth));
                Some(())
            })?;
            (0..times).try_for_each(|_| walk(env, value, rest, trail, arrive))
        }
        // jaq looks a number up among an object's keys.
        (Part::Index(_), Val::Obj(_)) => None,
        _ if step.optional => Some(()),
        _ => None,
    }
}

/// A position counted from the end where it is negative.
pub(super) fn absolute(index: isize, len: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(position) => Some(position),
        Err(_) => len.checked_sub(index.unsigned_abs()),
    }
}

/// Everything but null and false.
pub(super) const fn is_true(value: &Val) -> bool {
    !matches!(value, Val::Null | Val::Bool(false))
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
