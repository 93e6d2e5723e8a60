//! What is on lease: a slab, threaded by a list in the order in which leases end.
//!
//! Every lease lasts equally long and a renewed one goes to the end of the list, so the list is sorted by itself and
//! all operations take constant time. Nothing stale stays behind.

use tokio::time::Instant;

use super::intake::Entry;
use crate::delivery::Token;

/// No slot.
const NONE: u32 = u32::MAX;

/// Messages on lease.
pub(super) struct Flights {
    slots: Vec<Slot>,
    free: Vec<u32>,
    first: u32,
    last: u32,
}

struct Slot {
    /// Grows whenever the slot is emptied, so that a late token does not meet a stranger.
    generation: u32,
    before: u32,
    after: u32,
    flight: Option<Flight>,
}

/// One message on lease.
pub(super) struct Flight {
    pub(super) entry: Entry,
    pub(super) started: bool,
    deadline: Instant,
}

impl Flights {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), first: NONE, last: NONE }
    }

    pub(super) const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// When the first lease ends.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.slots.get(self.first as usize)?.flight.as_ref().map(|flight| flight.deadline)
    }

    /// Puts a message on lease until `deadline`.
    pub(super) fn insert(&mut self, entry: Entry, deadline: Instant) -> Token {
        let sequence = entry.sequence;
        let flight = Some(Flight { entry, started: false, deadline: self.not_before_last(deadline) });
        let index = if let Some(index) = self.free.pop() {
            if let Some(slot) = self.slots.get_mut(index as usize) {
                slot.flight = flight;
            }
            index
        } else {
            // A queue holds far fewer messages than 2^32: its limit is reached long before.
            let index = u32::try_from(self.slots.len()).unwrap_or(NONE);
            self.slots.push(Slot { generation: 0, before: NONE, after: NONE, flight });
            index
        };
        self.append(index);
        let generation = self.slots.get(index as usize).map_or(0, |slot| slot.generation);
        Token(u64::from(generation) << 32 | u64::from(index), sequence)
    }

    /// The message of `token`, if it is still on that lease.
    pub(super) fn get_mut(&mut self, token: Token) -> Option<&mut Flight> {
        let slot = self.slots.get_mut(index(token) as usize)?;
        if slot.generation == generation(token) { slot.flight.as_mut() } else { None }
    }

    /// Begins the lease of `token` anew.
    pub(super) fn renew(&mut self, token: Token, deadline: Instant) {
        let deadline = self.not_before_last(deadline);
        if let Some(flight) = self.get_mut(token) {
            flight.deadline = deadline;
            self.unlink(index(token));
            self.append(index(token));
        }
    }

    /// Ends the lease of `token`.
    pub(super) fn remove(&mut self, token: Token) -> Option<Flight> {
        self.get_mut(token)?;
        self.remove_at(index(token))
    }

    /// Ends the first lease if its time is over.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Flight> {
        if self.first_deadline()? <= now { self.remove_at(self.first) } else { None }
    }

    /// All messages on lease, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().filter_map(|slot| slot.flight.as_ref().map(|flight| &flight.entry))
    }

    /// Ends the lease of the message of this sequence; its holder's words have no effect any more.
    pub(super) fn remove_sequence(&mut self, sequence: u64) -> Option<Entry> {
        let is_it =
            |slot: &Slot| slot.flight.as_ref().is_some_and(|flight| flight.entry.sequence == sequence);
        let index = u32::try_from(self.slots.iter().position(is_it)?).ok()?;
        self.remove_at(index).map(|flight| flight.entry)
    }

    fn remove_at(&mut self, index: u32) -> Option<Flight> {
        self.unlink(index);
        let slot = self.slots.get_mut(index as usize)?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        slot.flight.take()
    }

    /// Threads read the clock before they take the lock, so a later caller may come with an earlier time.
    fn not_before_last(&self, deadline: Instant) -> Instant {
        let last = self.slots.get(self.last as usize).and_then(|slot| slot.flight.as_ref());
        last.map_or(deadline, |last| last.deadline.max(deadline))
    }

    fn append(&mut self, index: u32) {
        let last = std::mem::replace(&mut self.last, index);
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.before = last;
            slot.after = NONE;
        }
        match self.slots.get_mut(last as usize) {
            Some(slot) => slot.after = index,
            None => self.first = index,
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some((before, after)) = self.slots.get(index as usize).map(|slot| (slot.before, slot.after))
        else {
            return;
        };
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.after = after,
            None => self.first = after,
        }
        match self.slots.get_mut(after as usize) {
            Some(slot) => slot.before = before,
            None => self.last = before,
        }
    }
}

/// The lower half of a token: its slot.
const fn index(token: Token) -> u32 {
    token.0 as u32
}

/// The upper half of a token: the slot's generation.
const fn generation(token: Token) -> u32 {
    (token.0 >> 32) as u32
}
