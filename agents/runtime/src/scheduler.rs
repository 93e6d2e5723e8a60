//! Which lane starts next. Pure: no clock, no queue, no thread; the agent tells it what happens.
//!
//! Of the slots one is only for critical parcels, one for critical and high, the rest for all. Every lane has
//! a *tag*: the service time that it was given, divided by its weight. A slot goes to the waiting lane with the
//! smallest tag, so that shares of service time converge to the weights (start-time fair queueing). What a
//! parcel will cost is guessed when it starts, from the lane's past, and put right when it ends.
//!
//! A lane that has nothing waiting falls out of the comparison; when it comes back, its tag is raised to where
//! the others are by now. So nobody saves credit by being idle. A lane's weight is raised, if need be, until
//! its share is [`FLOOR_PERCENT`] with all lanes busy; those of critical and high to the share that their reserved
//! slots give them anyway, so that what is left to the others is not less than it seems.

use std::time::Duration;

use quire_proto::Lane;

/// Fewest slots: one reserved for critical, one for critical and high, two shared.
pub const MIN_SLOTS: usize = 4;

/// Why fewer slots are refused.
pub(crate) fn too_few_slots() -> String {
    format!("an agent has at least {MIN_SLOTS} slots")
}
/// Least share of service time of a lane that has work.
pub const FLOOR_PERCENT: u64 = 5;
/// Weights of the lanes, most urgent first.
pub const WEIGHTS: [u32; LANES] = [8, 4, 2, 1];

const LANES: usize = Lane::ALL.len();
/// Fraction bits of a weight: a floor need not be a whole number.
const WEIGHT_BITS: u32 = 16;
/// Fraction bits of a tag.
const TAG_BITS: u32 = 32;
/// A new measurement moves the estimate by 1/8 of the difference.
const SMOOTHING: u64 = 8;
/// What a parcel is guessed to cost before any was measured.
const FIRST_GUESS: Duration = Duration::from_millis(1);

/// One flag a lane.
pub type LaneSet = [bool; LANES];

/// Which kind of slot a parcel occupies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Only for critical parcels.
    Critical,
    /// Only for critical and high parcels.
    Urgent,
    /// For all.
    Shared,
}

/// A started parcel's hold on a slot; given back by [`Scheduler::finish`].
#[derive(Debug)]
#[must_use = "a grant that is not given back occupies its slot for ever"]
pub struct Grant {
    lane: Lane,
    slot: Slot,
    charged: u64,
}

impl Grant {
    /// The parcel's lane.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        self.lane
    }

    /// The slot that it occupies.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.slot
    }
}

/// What a lane was given so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneUse {
    /// Parcels that run now.
    pub running: usize,
    /// Parcels started so far.
    pub started: u64,
    /// Service time of those that ended.
    pub service: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct LaneState {
    weight: u64,
    tag: i128,
    waiting: bool,
    estimate: Option<u64>,
    used: LaneUse,
}

/// Decides which lane starts next.
#[derive(Debug)]
pub struct Scheduler {
    lanes: [LaneState; LANES],
    clock: i128,
    weights: [u32; LANES],
    slots: usize,
    critical_used: usize,
    urgent_used: usize,
    shared_used: usize,
}

impl Scheduler {
    /// A scheduler of `slots` (at least [`MIN_SLOTS`]) under `weights`, most urgent lane first.
    #[must_use]
    pub fn new(slots: usize, weights: [u32; LANES]) -> Self {
        let mut scheduler = Self {
            lanes: [LaneState::default(); LANES],
            clock: 0,
            weights,
            slots: slots.max(MIN_SLOTS),
            critical_used: 0,
            urgent_used: 0,
            shared_used: 0,
        };
        scheduler.set_weights(weights);
        scheduler
    }

    /// Changes the weights from now on.
    pub fn set_weights(&mut self, weights: [u32; LANES]) {
        self.weights = weights;
        for (lane, weight) in self.lanes.iter_mut().zip(with_floors(weights, floors(self.slots))) {
            lane.weight = weight;
        }
    }

    /// Changes the number of slots. Parcels that run in slots which are gone finish undisturbed.
    pub fn set_slots(&mut self, slots: usize) {
        self.slots = slots.max(MIN_SLOTS);
        self.set_weights(self.weights);
    }

    /// Number of slots.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.slots
    }

    /// Weights of the lanes as they were set, most urgent first.
    #[must_use]
    pub const fn weights(&self) -> [u32; LANES] {
        self.weights
    }

    /// What a lane was given so far.
    #[must_use]
    pub const fn lane_use(&self, lane: Lane) -> LaneUse {
        self.lanes[lane.index()].used
    }

    /// Whether a parcel of `lane` would find a slot now.
    #[must_use]
    pub fn has_slot(&self, lane: Lane) -> bool {
        self.slot_for(lane).is_some()
    }

    /// The lane that starts next, of those that have something `waiting`; `None` if nothing waits or no waiting
    /// lane has a slot. Nothing is taken yet: see [`Self::start`].
    pub fn next(&mut self, waiting: LaneSet) -> Option<Lane> {
        self.note(waiting);
        let candidates = Lane::ALL.into_iter().filter(|lane| waiting[lane.index()]);
        let reserved = |lane: &Lane| matches!(self.slot_for(*lane), Some(Slot::Critical | Slot::Urgent));
        let smallest_tag = |lane: &Lane| self.lanes[lane.index()].tag;
        // min_by_key takes the first of equals, and the most urgent lane comes first.
        let urgent = candidates.clone().filter(reserved).min_by_key(smallest_tag);
        if waiting[Lane::Critical.index()] && self.slot_for(Lane::Critical) == Some(Slot::Critical) {
            return Some(Lane::Critical);
        }
        urgent.or_else(|| candidates.filter(|lane| self.has_slot(*lane)).min_by_key(smallest_tag))
    }

    /// Starts a parcel of `lane` and charges what it is guessed to cost; `None` if there is no slot for it.
    pub fn start(&mut self, lane: Lane) -> Option<Grant> {
        let slot = self.slot_for(lane)?;
        *self.used_mut(slot) += 1;
        let charged = self.guess(lane);
        let state = &mut self.lanes[lane.index()];
        state.used.running += 1;
        state.used.started += 1;
        state.charge(i128::from(charged));
        Some(Grant { lane, slot, charged })
    }

    /// Gives a slot back and charges what the parcel did cost.
    pub fn finish(&mut self, grant: Grant, service: Duration) {
        let used = self.used_mut(grant.slot);
        *used = used.saturating_sub(1);
        let cost = u64::try_from(service.as_nanos()).unwrap_or(u64::MAX).max(1);
        let state = &mut self.lanes[grant.lane.index()];
        state.used.running = state.used.running.saturating_sub(1);
        state.used.service += service;
        state.charge(i128::from(cost) - i128::from(grant.charged));
        state.estimate = Some(state.estimate.map_or(cost, |estimate| smooth(estimate, cost)));
    }

    /// Notes who waits, and brings those that come back to where the others are.
    fn note(&mut self, waiting: LaneSet) {
        let still_waiting = self.lanes.iter().zip(waiting).filter(|(lane, waits)| lane.waiting && *waits);
        if let Some(smallest) = still_waiting.map(|(lane, _)| lane.tag).min() {
            self.clock = self.clock.max(smallest);
        }
        for (lane, waits) in self.lanes.iter_mut().zip(waiting) {
            if waits && !lane.waiting {
                lane.tag = lane.tag.max(self.clock);
            }
            lane.waiting = waits;
        }
        if let Some(smallest) = self.lanes.iter().filter(|lane| lane.waiting).map(|lane| lane.tag).min() {
            self.clock = self.clock.max(smallest);
        }
    }

    fn slot_for(&self, lane: Lane) -> Option<Slot> {
        if lane == Lane::Critical && self.critical_used == 0 {
            Some(Slot::Critical)
        } else if lane <= Lane::High && self.urgent_used == 0 {
            Some(Slot::Urgent)
        } else if self.shared_used < self.slots - 2 {
            Some(Slot::Shared)
        } else {
            None
        }
    }

    const fn used_mut(&mut self, slot: Slot) -> &mut usize {
        match slot {
            Slot::Critical => &mut self.critical_used,
            Slot::Urgent => &mut self.urgent_used,
            Slot::Shared => &mut self.shared_used,
        }
    }

    /// A lane without a past is guessed to be like the most costly of the others.
    fn guess(&self, lane: Lane) -> u64 {
        let own = self.lanes[lane.index()].estimate;
        let others = || self.lanes.iter().filter_map(|lane| lane.estimate).max();
        own.or_else(others).unwrap_or_else(|| u64::try_from(FIRST_GUESS.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl LaneState {
    /// Adds (or takes back) nanoseconds of service.
    fn charge(&mut self, nanoseconds: i128) {
        self.tag = self.tag.saturating_add((nanoseconds << TAG_BITS) / i128::from(self.weight.max(1)));
    }
}

fn smooth(estimate: u64, cost: u64) -> u64 {
    if cost >= estimate {
        estimate + (cost - estimate) / SMOOTHING
    } else {
        estimate - (estimate - cost) / SMOOTHING
    }
}

/// Least share of each lane in percent: what its reserved slot gives it, or the floor.
fn floors(slots: usize) -> [u64; LANES] {
    let reserved = 100_u64.div_ceil(u64::try_from(slots).unwrap_or(u64::MAX)).max(FLOOR_PERCENT);
    [reserved, reserved, FLOOR_PERCENT, FLOOR_PERCENT]
}

/// Raises weights whose share would be below their floor, in percent. With lanes at their floors `f` and the rest
/// adding up to `r`, the sum is `r / (1 - Σf)`, of which each has its `f`. Raising some may push others below.
fn with_floors(weights: [u32; LANES], floors: [u64; LANES]) -> [u64; LANES] {
    let mut weights = weights.map(|weight| u64::from(weight) << WEIGHT_BITS);
    if weights.iter().all(|weight| *weight == 0) {
        weights = [1 << WEIGHT_BITS; LANES];
    }
    let mut raised = [false; LANES];
    for _ in 0..LANES {
        let rest: u64 =
            weights.iter().zip(raised).filter(|(_, raised)| !raised).map(|(weight, _)| weight).sum();
        let left: u64 = 100
            - floors.iter().zip(raised).filter(|(_, raised)| *raised).map(|(floor, _)| floor).sum::<u64>();
        for ((weight, raised), floor) in weights.iter_mut().zip(&mut raised).zip(floors) {
            if *raised {
                *weight = (floor * rest).div_ceil(left);
            } else if *weight * left < floor * rest {
                *raised = true;
            }
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: LaneSet = [true; LANES];

    #[test]
    fn weights_below_the_floor_are_raised_to_it_and_others_stay() {
        for slots in [4, 5, 7, 12] {
            for weights in
                [[8, 4, 2, 1], [1000, 1, 1, 1], [100, 40, 1, 0], [0, 0, 0, 7], [0; 4], [u32::MAX; 4]]
            {
                let raised = with_floors(weights, floors(slots));
                let sum: u64 = raised.iter().sum();
                for (weight, floor) in raised.into_iter().zip(floors(slots)) {
                    assert!(
                        weight * 1000 >= sum * 10 * floor - sum / 100,
                        "{weights:?} in {slots} slots became {raised:?}"
                    );
                }
            }
            assert_eq!(
                with_floors(WEIGHTS, floors(slots)),
                WEIGHTS.map(|weight| u64::from(weight) << WEIGHT_BITS)
            );
        }
    }

    #[test]
    fn reserved_slots_go_to_their_lanes_only() {
        let mut scheduler = Scheduler::new(4, WEIGHTS);
        let mut grants = Vec::new();
        let lower = [false, false, true, true];
        while let Some(lane) = scheduler.next(lower) {
            grants.extend(scheduler.start(lane));
        }
        assert_eq!(grants.len(), 2);
        assert_eq!(scheduler.next([false, true, true, true]), Some(Lane::High));
        grants.extend(scheduler.start(Lane::High));
        assert_eq!(scheduler.next([false, true, true, true]), None);
        assert_eq!(scheduler.next(ALL), Some(Lane::Critical));
        grants.extend(scheduler.start(Lane::Critical));
        assert_eq!(scheduler.next(ALL), None);
        assert_eq!(
            grants.iter().map(Grant::slot).collect::<Vec<_>>(),
            [Slot::Shared, Slot::Shared, Slot::Urgent, Slot::Critical]
        );
    }

    #[test]
    fn a_wrong_guess_is_put_right_when_the_parcel_ends() {
        let mut scheduler = Scheduler::new(4, WEIGHTS);
        let grant = scheduler.start(Lane::Low).expect("a slot");
        scheduler.finish(grant, Duration::from_secs(1));
        let (weight, tag) = (scheduler.lanes[3].weight, scheduler.lanes[3].tag);
        assert_eq!(tag, (1_000_000_000_i128 << TAG_BITS) / i128::from(weight));
        assert_eq!(
            scheduler.lane_use(Lane::Low),
            LaneUse { running: 0, started: 1, service: Duration::from_secs(1) }
        );
    }
}
