//! The ledger: what a run still owes, as a set of announced and a set of settled parcels.
//!
//! A parcel counts once it is both announced (by the plan, or by a parcel that counts) and settled. Whatever the order
//! and however often settlements come, each reachable parcel counts exactly once and unreachable ones never do: a late
//! worker's result is litter, not damage. A child's settlement that overtakes its parent's is kept until the parent counts.

use std::collections::{HashMap, HashSet};

use quire_proto::ParcelId;

/// What a run owes. `T` is what a settlement carries; it is handed out when its parcel counts.
#[derive(Debug)]
pub(crate) struct Ledger<T> {
    announced: HashSet<ParcelId>,
    counted: HashSet<ParcelId>,
    /// Settled before they were announced.
    early: HashMap<ParcelId, (Vec<ParcelId>, T)>,
    /// Whether the plan has announced all that it will.
    sealed: bool,
}

impl<T> Ledger<T> {
    /// An empty ledger that waits for the plan.
    pub(crate) fn new() -> Self {
        Self { announced: HashSet::new(), counted: HashSet::new(), early: HashMap::new(), sealed: false }
    }

    /// The plan announces a parcel; returns what counts because of that, parents first.
    pub(crate) fn announce(&mut self, parcel: ParcelId) -> Vec<(ParcelId, T)> {
        let mut counted = Vec::new();
        self.reach(vec![parcel], &mut counted);
        counted
    }

    /// The plan has announced everything.
    pub(crate) const fn seal(&mut self) {
        self.sealed = true;
    }

    /// A settlement came; returns what counts because of it, parents first.
    pub(crate) fn settle(
        &mut self,
        parcel: ParcelId,
        children: Vec<ParcelId>,
        carried: T,
    ) -> Vec<(ParcelId, T)> {
        let mut counted = Vec::new();
        if self.counted.contains(&parcel) {
            return counted;
        }
        if !self.announced.contains(&parcel) {
            // The first settlement of a parcel is the one that counts, as for a parcel that was announced in time.
            self.early.entry(parcel).or_insert((children, carried));
            return counted;
        }
        self.counted.insert(parcel);
        counted.push((parcel, carried));
        self.reach(children, &mut counted);
        counted
    }

    /// Announces `parcels` and, where they are settled already, their children, and so on.
    fn reach(&mut self, mut parcels: Vec<ParcelId>, counted: &mut Vec<(ParcelId, T)>) {
        while let Some(parcel) = parcels.pop() {
            if !self.announced.insert(parcel) {
                continue;
            }
            if let Some((children, carried)) = self.early.remove(&parcel) {
                self.counted.insert(parcel);
                counted.push((parcel, carried));
                parcels.extend(children);
            }
        }
    }

    /// How many parcels are announced and not settled.
    pub(crate) fn owed(&self) -> usize {
        self.announced.len() - self.counted.len()
    }

    /// Whether nothing is owed and nothing more will be planned.
    pub(crate) fn is_complete(&self) -> bool {
        self.sealed && self.owed() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quire_proto::{Epoch, RunId};

    use super::*;

    fn root() -> ParcelId {
        ParcelId::root(&RunId::new("t", Epoch(1)))
    }

    /// A tree of parcels: each has a parent among those before it; the first `roots` are the plan's.
    fn tree(roots: usize, parents: &[usize]) -> Vec<(ParcelId, Vec<ParcelId>)> {
        let id = |number: usize| root().child("t", number as u64);
        let mut nodes: Vec<(ParcelId, Vec<ParcelId>)> =
            (0..roots + parents.len()).map(|number| (id(number), Vec::new())).collect();
        for (child, parent) in parents.iter().enumerate() {
            let child = roots + child;
            nodes[parent % child].1.push(id(child));
        }
        nodes
    }

    proptest! {
        #[test]
        fn every_reachable_parcel_counts_once_whatever_the_order_and_the_repeats(
            roots in 1usize..4,
            parents in proptest::collection::vec(any::<usize>(), 0..40),
            order in proptest::collection::vec(any::<usize>(), 0..160),
            strangers in 0u64..4,
        ) {
            let nodes = tree(roots, &parents);
            let mut ledger = Ledger::new();
            let mut counted = Vec::new();
            for (id, _) in &nodes[..roots] {
                counted.extend(ledger.announce(*id));
            }
            ledger.seal();
            for stranger in 0..strangers {
                let id = root().child("stranger", stranger);
                counted.extend(ledger.settle(id, vec![id.child("t", 0)], 0));
            }
            // A random sequence with repeats, then all that it left out, children first.
            let random = order.iter().map(|pick| pick % nodes.len());
            for node in random.chain((0..nodes.len()).rev()) {
                let (id, children) = &nodes[node];
                let complete = counted.len() == nodes.len();
                prop_assert_eq!(ledger.is_complete(), complete);
                counted.extend(ledger.settle(*id, children.clone(), 0));
            }
            prop_assert!(ledger.is_complete());
            let mut ids: Vec<ParcelId> = counted.iter().map(|(id, _)| *id).collect();
            for (position, (id, children)) in nodes.iter().enumerate() {
                let place = ids.iter().position(|counted| counted == id).unwrap();
                for child in children {
                    prop_assert!(ids.iter().position(|counted| counted == child).unwrap() > place, "parent {position} first");
                }
            }
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), nodes.len());
            prop_assert_eq!(counted.len(), nodes.len());
        }
    }

    #[test]
    fn a_ledger_is_not_complete_before_the_plan_is() {
        let mut ledger = Ledger::new();
        assert!(!ledger.is_complete());
        ledger.announce(root());
        ledger.settle(root(), vec![], ());
        assert!(!ledger.is_complete());
        ledger.seal();
        assert!(ledger.is_complete());
    }

    #[test]
    fn a_split_owes_its_children() {
        let mut ledger = Ledger::new();
        ledger.announce(root());
        ledger.seal();
        let halves = vec![root().child("read", 0), root().child("read", 1)];
        assert_eq!(ledger.settle(root(), halves.clone(), "split").len(), 1);
        assert_eq!(ledger.owed(), 2);
        ledger.settle(halves[0], vec![], "a");
        assert_eq!(ledger.settle(halves[0], vec![], "again"), vec![]);
        ledger.settle(halves[1], vec![], "b");
        assert!(ledger.is_complete());
    }
}
