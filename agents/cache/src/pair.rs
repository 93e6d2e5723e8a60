//! The two generations that count, seen as one.
//!
//! All writes go to the young one, the old one is only read. So the state of both is a prefix of what was
//! written to the young one, on top of an old one that stays as it is: a kill may take back the last writes, but never
//! brings back what an earlier write had replaced. A removed key of which the old one still has a value is therefore
//! hidden by a tombstone in the young one.

use std::collections::BTreeMap;

use crate::{
    entry::{TOMBSTONE, cut},
    folder::Pointer,
    generation::{Before, Found, Generation, Trouble},
};

#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) young: Generation,
    pub(crate) old: Option<Generation>,
}

/// The live ones of the keys up to `end`, or of all there are.
struct Page {
    live: Vec<Vec<u8>>,
    end: Option<Vec<u8>>,
}

impl Pair {
    pub(crate) fn pointer(&self) -> Pointer {
        Pointer { young: self.young.number(), old: self.old.as_ref().map(Generation::number) }
    }

    /// What is under `key`, and whether it should be put again, because only the old generation has it.
    pub(crate) fn get(&self, name: &str, key: &[u8]) -> Result<(Found, bool), Trouble> {
        match (self.young.get(name, key)?, &self.old) {
            (Found::Nothing, Some(old)) => Ok((old.get(name, key)?, true)),
            (found, _) => Ok((found, false)),
        }
    }

    /// `false`: the key or the value is too large.
    pub(crate) fn put(&self, name: &str, key: &[u8], stamp: u64, value: &[u8]) -> Result<bool, Trouble> {
        let Some(pieces) = cut(name, key, stamp, value) else {
            self.remove(name, key)?;
            return Ok(false);
        };
        let before = self.young.put(name, key, pieces)?;
        if let Some(old) = &self.old
            && before == Before::Nothing
            && old.has(name, key)?
        {
            old.uncount(name)?;
        }
        Ok(true)
    }

    pub(crate) fn remove(&self, name: &str, key: &[u8]) -> Result<(), Trouble> {
        let Some(old) = &self.old else { return self.young.remove(name, key) };
        if !old.has(name, key)? {
            return self.young.remove(name, key);
        }
        if self.young.put(name, key, vec![TOMBSTONE.to_vec()])? == Before::Nothing {
            old.uncount(name)?;
        }
        Ok(())
    }

    /// Keys after `after`, sorted: some, if there are any.
    pub(crate) fn keys_after(
        &self,
        name: &str,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Vec<Vec<u8>>, Trouble> {
        let mut after = after.map(<[u8]>::to_vec);
        loop {
            let page = self.page(name, after.as_deref(), most)?;
            if !page.live.is_empty() || page.end.is_none() {
                return Ok(page.live);
            }
            after = page.end;
        }
    }

    fn page(&self, name: &str, after: Option<&[u8]>, most: usize) -> Result<Page, Trouble> {
        let young = self.young.list(name, after, most)?;
        let old = self.old.as_ref().map_or(Ok(Vec::new()), |old| old.list(name, after, most))?;
        // Behind the end of a full list there may be keys of that generation which are not in the list.
        let ends = [&young, &old].into_iter().filter(|listed| listed.len() == most);
        let end = ends.filter_map(|listed| Some(listed.last()?.key.clone())).min();
        // Where both have a key, the young one is right.
        let mut merged: BTreeMap<Vec<u8>, bool> =
            old.into_iter().chain(young).map(|entry| (entry.key, entry.removed)).collect();
        merged.retain(|key, removed| !*removed && end.as_ref().is_none_or(|end| key <= end));
        Ok(Page { live: merged.into_keys().collect(), end })
    }

    /// Closes both; whether both closed well.
    pub(crate) fn close(self) -> bool {
        let old = self.old.is_none_or(Generation::close);
        self.young.close() && old
    }

    /// Leaves both to the end of the process.
    pub(crate) fn leak(self) {
        self.old.into_iter().for_each(Generation::leak);
        self.young.leak();
    }
}
