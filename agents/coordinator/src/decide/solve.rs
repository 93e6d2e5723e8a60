//! Who is accepted, as a pure function of rows and stakes.
//!
//! 1. *Claims*, greedily in the order of the rows: a record is accepted if it can hold all its *reject* claims beside
//!    the records accepted before it.
//! 2. *References*, in rounds: all accepted records whose *reject* references fail are put out at once; their claims
//!    vanish, which may make other references fail; until nothing fails.
//! 3. If a record that was put out held a contested claim, claims are decided again without those put out, then
//!    references again. Records are only ever put out, so this ends; after [`MAX_ROUNDS`] claims are left as they are.
//! 4. *Second chance*: a rejected record is accepted after all if it now has its references, its claims are free and
//!    no accepted record excludes them; the earliest row first, until nothing changes.
//!
//! Records that are *held* are not decided: they are accepted, and hold their claims before all others.
//!
//! In the end every rejected record has a reason that is true of the records accepted. Nothing depends on the order in
//! which verdicts came.

use std::collections::BTreeSet;

use super::stake::{Group, Groups, Holder, Seeker};

/// How often claims are decided again because a holder was put out.
const MAX_ROUNDS: usize = 1_000;

/// How a row stands before the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Wrong by itself.
    Out,
    /// A record: accepted or not.
    Open,
    /// A record that is accepted, whatever others claim: it comes before all that are open.
    Held,
}

/// Who is accepted.
#[derive(Debug)]
pub(super) struct Solution {
    accepted: Vec<bool>,
    /// Stakes of rows in groups.
    pub(super) stakes: RowStakes,
}

impl Solution {
    pub(super) fn accepted(&self, row: u32) -> bool {
        self.accepted.get(row as usize).copied().unwrap_or(false)
    }
}

/// Decides.
pub(super) fn solve(standings: &[Standing], groups: &Groups) -> Solution {
    let mut solver = Solver::new(standings, groups);
    for _ in 0..MAX_ROUNDS {
        solver.decide_claims();
        if !solver.cascade() {
            break;
        }
    }
    solver.second_chance();
    Solution { accepted: solver.accepted, stakes: solver.stakes }
}

/// Which groups a row has a stake in.
#[derive(Debug, Default)]
pub(super) struct RowStakes {
    /// (row, group, position among the group's holders), ascending.
    holds: Vec<(u32, u32, u32)>,
    /// (row, group, position among the group's seekers), ascending.
    seeks: Vec<(u32, u32, u32)>,
}

impl RowStakes {
    fn new(groups: &Groups) -> Self {
        let mut stakes = Self::default();
        for (group, number) in groups.0.iter().zip(0..) {
            stakes.holds.extend(group.holders.iter().zip(0..).map(|(holder, at)| (holder.row, number, at)));
            stakes.seeks.extend(group.seekers.iter().zip(0..).map(|(seeker, at)| (seeker.row, number, at)));
        }
        stakes.holds.sort_unstable();
        stakes.seeks.sort_unstable();
        stakes
    }

    /// The groups in which `row` holds the value, with its holding.
    pub(super) fn held<'a>(
        &'a self,
        groups: &'a Groups,
        row: u32,
    ) -> impl Iterator<Item = (usize, &'a Group, &'a Holder)> {
        of_row(&self.holds, row).iter().filter_map(move |&(_, number, at)| {
            let group = groups.0.get(number as usize)?;
            Some((number as usize, group, group.holders.get(at as usize)?))
        })
    }

    /// The groups in which `row` seeks the value, with what it seeks.
    pub(super) fn sought<'a>(
        &'a self,
        groups: &'a Groups,
        row: u32,
    ) -> impl Iterator<Item = (usize, &'a Group, &'a Seeker)> {
        of_row(&self.seeks, row).iter().filter_map(move |&(_, number, at)| {
            let group = groups.0.get(number as usize)?;
            Some((number as usize, group, group.seekers.get(at as usize)?))
        })
    }
}

fn of_row(stakes: &[(u32, u32, u32)], row: u32) -> &[(u32, u32, u32)] {
    let start = stakes.partition_point(|stake| stake.0 < row);
    let end = stakes.partition_point(|stake| stake.0 <= row);
    stakes.get(start..end).unwrap_or_default()
}

/// Accepted holders of one group's value.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    /// Holdings of accepted rows.
    count: u32,
    /// The payload of the first.
    payload: Option<(u64, u64)>,
    /// Whether not all have that payload.
    mixed: bool,
}

impl Held {
    fn refuses(&self, holder: &Holder) -> bool {
        self.count > 0 && (self.mixed || self.payload.is_none() || self.payload != holder.payload)
    }

    fn take(&mut self, holder: &Holder) {
        self.mixed |= self.count > 0 && self.payload != holder.payload;
        if self.count == 0 {
            self.payload = holder.payload;
        }
        self.count += 1;
    }
}

struct Solver<'a> {
    groups: &'a Groups,
    stakes: RowStakes,
    /// Rows that hold a contested claim, ascending.
    contested: Vec<u32>,
    standings: &'a [Standing],
    /// Put out for a failing reference.
    out: Vec<bool>,
    accepted: Vec<bool>,
    held: Vec<Held>,
}

impl<'a> Solver<'a> {
    fn new(standings: &'a [Standing], groups: &'a Groups) -> Self {
        let holders = groups.0.iter().filter(|group| group.contested).flat_map(|group| &group.holders);
        let mut contested: Vec<u32> = holders.map(|holder| holder.row).collect();
        contested.sort_unstable();
        contested.dedup();
        Self {
            groups,
            stakes: RowStakes::new(groups),
            contested,
            standings,
            out: vec![false; standings.len()],
            accepted: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Step 1.
    fn decide_claims(&mut self) {
        let standings = self.standings.iter().zip(&self.out);
        self.accepted = standings.map(|(standing, out)| *standing != Standing::Out && !*out).collect();
        self.held = vec![Held::default(); self.groups.0.len()];
        let contested = std::mem::take(&mut self.contested);
        for &row in &contested {
            if self.stands(row) == Standing::Held {
                self.take_contested(row);
            }
        }
        for &row in &contested {
            if self.stands(row) == Standing::Open && self.accepted(row) {
                if self.claims_are_free(row) {
                    self.take_contested(row);
                } else {
                    self.set(row, false);
                }
            }
        }
        self.contested = contested;
        self.count_holders();
    }

    fn stands(&self, row: u32) -> Standing {
        self.standings.get(row as usize).copied().unwrap_or(Standing::Out)
    }

    fn accepted(&self, row: u32) -> bool {
        self.accepted.get(row as usize).copied().unwrap_or(false)
    }

    fn set(&mut self, row: u32, accepted: bool) {
        if let Some(state) = self.accepted.get_mut(row as usize) {
            *state = accepted;
        }
    }

    fn claims_are_free(&self, row: u32) -> bool {
        self.stakes.held(self.groups, row).all(|(number, group, holder)| {
            let refused = || self.held.get(number).is_some_and(|held| held.refuses(holder));
            !group.contested || !holder.reject || !refused()
        })
    }

    fn take_contested(&mut self, row: u32) {
        for (number, group, holder) in self.stakes.held(self.groups, row) {
            if let (true, Some(held)) = (group.contested, self.held.get_mut(number)) {
                held.take(holder);
            }
        }
    }

    /// Counts the accepted holders of every group anew.
    fn count_holders(&mut self) {
        for (group, held) in self.groups.0.iter().zip(&mut self.held) {
            *held = Held::default();
            for holder in &group.holders {
                if self.accepted.get(holder.row as usize) == Some(&true) {
                    held.take(holder);
                }
            }
        }
    }

    fn fails(&self, number: usize, group: &Group, seeker: &Seeker) -> bool {
        let count = self.held.get(number).map_or(0, |held| held.count);
        if seeker.must_exist {
            return count == 0;
        }
        // Its own holdings do not count; a row holds a value seldom more than once.
        let own = group.holders.iter().filter(|holder| holder.row == seeker.row).count();
        self.accepted(seeker.row) && count as usize > own || !self.accepted(seeker.row) && count > 0
    }

    /// Step 2. Whether a record that held a contested claim was put out.
    fn cascade(&mut self) -> bool {
        let mut contested_freed = false;
        let mut touched: Vec<usize> = (0..self.groups.0.len()).collect();
        while !touched.is_empty() {
            let failing = self.failing(&touched);
            touched.clear();
            for row in failing {
                self.set(row, false);
                if let Some(out) = self.out.get_mut(row as usize) {
                    *out = true;
                }
                contested_freed |= self.contested.binary_search(&row).is_ok();
                for (number, _, _) in self.stakes.held(self.groups, row) {
                    if let Some(held) = self.held.get_mut(number) {
                        held.count = held.count.saturating_sub(1);
                    }
                    touched.push(number);
                }
            }
            touched.sort_unstable();
            touched.dedup();
        }
        contested_freed
    }

    /// Accepted rows with a failing reject reference in one of these groups.
    fn failing(&self, touched: &[usize]) -> BTreeSet<u32> {
        let groups = touched.iter().filter_map(|&number| Some((number, self.groups.0.get(number)?)));
        let fails = |number, group: &'a Group| {
            group.seekers.iter().filter(move |seeker| {
                seeker.reject
                    && self.stands(seeker.row) != Standing::Held
                    && self.accepted(seeker.row)
                    && self.fails(number, group, seeker)
            })
        };
        groups.flat_map(|(number, group)| fails(number, group)).map(|seeker| seeker.row).collect()
    }

    /// Step 4.
    fn second_chance(&mut self) {
        self.count_holders();
        let rejected = |row: &u32| self.stands(*row) == Standing::Open && !self.accepted(*row);
        let mut waiting: BTreeSet<u32> = (0..self.standings.len() as u32).filter(rejected).collect();
        while let Some(row) = waiting.pop_first() {
            if !self.may_return(row) {
                continue;
            }
            self.set(row, true);
            for (number, group, holder) in self.stakes.held(self.groups, row) {
                if let Some(held) = self.held.get_mut(number) {
                    held.take(holder);
                }
                let seekers = group.seekers.iter().map(|seeker| seeker.row);
                waiting.extend(
                    seekers.filter(|&seeker| self.stands(seeker) == Standing::Open && !self.accepted(seeker)),
                );
            }
        }
    }

    fn may_return(&self, row: u32) -> bool {
        let references = self
            .stakes
            .sought(self.groups, row)
            .all(|(number, group, seeker)| !seeker.reject || !self.would_fail(row, number, group, seeker));
        references && self.claims_are_free(row) && self.excluded_by(row).is_none()
    }

    /// Whether the reference fails if `row`, which is rejected now, is accepted: it may refer to itself.
    fn would_fail(&self, row: u32, number: usize, group: &Group, seeker: &Seeker) -> bool {
        let holds_itself = || group.holders.iter().any(|holder| holder.row == row);
        self.fails(number, group, seeker) && !(seeker.must_exist && holds_itself())
    }

    /// An accepted row that does not bear one of `row`'s claims beside it.
    fn excluded_by(&self, row: u32) -> Option<u32> {
        let groups = self.stakes.held(self.groups, row);
        let mut seekers = groups.flat_map(|(_, group, _)| &group.seekers);
        seekers.find(|seeker| excludes(seeker, row) && self.accepted(seeker.row)).map(|seeker| seeker.row)
    }
}

/// Whether `seeker`, if accepted, keeps `row` out.
pub(super) const fn excludes(seeker: &Seeker, row: u32) -> bool {
    !seeker.must_exist && seeker.reject && seeker.row != row
}
