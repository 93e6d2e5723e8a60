//! Look-ups: which records are found under the terms that a record looks for.
//!
//! Terms are sorted; within a term those offered come first, by key. Each record that looks for the term meets the first
//! [`MAX_HITS`] + 1 of them (one may be itself). So of all its hits, sorted by key, the first [`MAX_HITS`] are exact,
//! with every term by which they were found, and a term that everyone shares costs no more than that. A record none of whose
//! terms is that common has all its hits, up to [`MAX_OWN_HITS`]: a thing that names a thousand others leads to each.

use std::{cmp::Ordering, collections::BTreeMap, io, sync::Arc};

use quire_proto::{LookupHit, RecordVerdict};
use serde::{Deserialize, Serialize};

use crate::{
    RunError,
    runs::{Row, Sorted, SortedRuns},
    workspace::Workspace,
};

/// Most hits of one look-up of one record; those with the least keys are kept.
pub(crate) const MAX_HITS: usize = 200;
/// The same where none of the record's terms has as many.
const MAX_OWN_HITS: usize = 4096;

/// A term that a record offers or looks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct TermRow {
    lookup: u16,
    value: String,
    /// Offered terms come before wanted ones.
    wanted: bool,
    who: Arc<Who>,
}

/// A record as a hit shows it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Who {
    key: String,
    title: String,
    slug: String,
}

impl Row for TermRow {
    fn order(&self, other: &Self) -> Ordering {
        let by = |row: &Self| (row.lookup, row.wanted);
        let value = self.lookup.cmp(&other.lookup).then_with(|| self.value.cmp(&other.value));
        value.then_with(|| by(self).cmp(&by(other))).then_with(|| self.who.cmp(&other.who))
    }

    fn weight(&self) -> usize {
        96 + self.value.len() + (self.who.key.len() + self.who.title.len() + self.who.slug.len()) / 2
    }
}

/// A record that found another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pair {
    /// The key of the record that looked.
    pub(crate) seeker: String,
    lookup: u16,
    hit: Arc<Who>,
    via: String,
}

impl Row for Pair {
    fn order(&self, other: &Self) -> Ordering {
        let seeker = self.seeker.cmp(&other.seeker).then(self.lookup.cmp(&other.lookup));
        seeker.then_with(|| self.hit.cmp(&other.hit)).then_with(|| self.via.cmp(&other.via))
    }

    fn weight(&self) -> usize {
        128 + self.seeker.len() + self.via.len()
    }
}

/// The hits of one record, by look-up: `pairs` are its pairs in their order.
pub(crate) fn hits(lookups: usize, pairs: Vec<Pair>) -> Vec<Vec<LookupHit>> {
    let mut found: Vec<Vec<LookupHit>> = vec![Vec::new(); lookups];
    let most = most_hits(lookups, &pairs);
    for Pair { lookup, hit, via, .. } in pairs {
        let Some(hits) = found.get_mut(usize::from(lookup)) else { continue };
        let full = most.get(usize::from(lookup)).is_none_or(|&most| hits.len() >= most);
        match hits.last_mut() {
            Some(last) if last.key == hit.key => {
                if last.via.last() != Some(&via) {
                    last.via.push(via);
                }
            }
            _ if full => {}
            _ => {
                let (key, title, slug) = (hit.key.clone(), hit.title.clone(), hit.slug.clone());
                hits.push(LookupHit { key, title, slug, via: vec![via] });
            }
        }
    }
    found
}

/// Most hits of each look-up: few where a term may have been cut, for what comes after is then not exact.
fn most_hits(lookups: usize, pairs: &[Pair]) -> Vec<usize> {
    let mut met: BTreeMap<(u16, &str), usize> = BTreeMap::new();
    for pair in pairs {
        *met.entry((pair.lookup, &pair.via)).or_default() += 1;
    }
    let mut most = vec![MAX_OWN_HITS; lookups];
    for ((lookup, _), _) in met.into_iter().filter(|(_, count)| *count >= MAX_HITS) {
        if let Some(most) = most.get_mut(usize::from(lookup)) {
            *most = MAX_HITS;
        }
    }
    most
}

/// Collects the terms of accepted records.
pub(super) struct Terms(SortedRuns<TermRow>);

impl Terms {
    pub(super) fn new(workspace: &Workspace) -> Self {
        Self(workspace.small_runs())
    }

    pub(super) fn add(&mut self, record: &RecordVerdict) -> Result<(), RunError> {
        if record.terms.is_empty() {
            return Ok(());
        }
        let who =
            Arc::new(Who { key: record.key.clone(), title: record.title.clone(), slug: record.slug.clone() });
        for term in &record.terms {
            for (is_so, wanted) in [(term.offered, false), (term.wanted, true)] {
                if is_so {
                    let (lookup, value, who) = (term.lookup, term.value.clone(), Arc::clone(&who));
                    self.0.push(TermRow { lookup, value, wanted, who }).map_err(RunError::Spill)?;
                }
            }
        }
        Ok(())
    }

    /// Brings together who looks for a term and who offers it.
    pub(super) fn resolve(self, workspace: &Workspace) -> Result<Sorted<Pair>, RunError> {
        let mut pairs = workspace.small_runs();
        self.meet(workspace, |pair| pairs.push(pair))?;
        Ok(pairs.finish())
    }

    fn meet(
        self,
        workspace: &Workspace,
        mut met: impl FnMut(Pair) -> io::Result<()>,
    ) -> Result<(), RunError> {
        let mut term: Option<(u16, String)> = None;
        let mut offered: Vec<Arc<Who>> = Vec::new();
        let rows = self.0.finish().into_rows().map_err(RunError::Spill)?;
        for (number, row) in rows.enumerate() {
            let row = row.map_err(RunError::Spill)?;
            super::pause(number, workspace)?;
            if term.as_ref().is_none_or(|(lookup, value)| (*lookup, value) != (row.lookup, &row.value)) {
                offered.clear();
                term = Some((row.lookup, row.value.clone()));
            }
            if !row.wanted {
                let repeated = offered.last().is_some_and(|last| last.key == row.who.key);
                if offered.len() <= MAX_HITS && !repeated {
                    offered.push(row.who);
                }
                continue;
            }
            for hit in offered.iter().filter(|hit| hit.key != row.who.key) {
                let (seeker, via) = (row.who.key.clone(), row.value.clone());
                met(Pair { seeker, lookup: row.lookup, hit: Arc::clone(hit), via })
                    .map_err(RunError::Spill)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(lookup: u16, number: usize, via: &str) -> Pair {
        let key = format!("k{number:05}");
        let hit = Arc::new(Who { title: key.clone(), slug: key.clone(), key });
        Pair { seeker: "seeker".to_owned(), lookup, hit, via: via.to_owned() }
    }

    #[test]
    fn who_names_many_finds_each_and_a_common_term_is_cut() {
        let own = (0..1000).map(|number| pair(0, number, &format!("term {number}")));
        let common = (0..201).map(|number| pair(1, number, "everyone"));
        let both = (300..500).map(|number| pair(1, number, &format!("term {number}")));
        let found = hits(2, own.chain(common).chain(both).collect());
        assert_eq!((found[0].len(), found[1].len()), (1000, MAX_HITS));
        let far = (0..=MAX_OWN_HITS).map(|number| pair(0, number, &format!("term {number}")));
        assert_eq!(hits(1, far.collect())[0].len(), MAX_OWN_HITS);
    }
}
