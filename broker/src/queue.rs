//! Queues: where messages wait, and what can be known about one.

use std::{fmt, time::Duration};

use quire_proto::{Lane, StageName};

/// Where messages wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Parcels for one stage, in one lane.
    Work {
        /// Who does the work.
        stage: StageName,
        /// How urgent it is.
        lane: Lane,
    },
    /// Settlements, for the coordinator.
    Settled,
    /// Dead letters, for a person.
    Dead,
}

impl Queue {
    /// How many queues there are.
    pub const COUNT: usize = StageName::ALL.len() * Lane::ALL.len() + 2;

    /// The queue of `stage` in `lane`.
    #[must_use]
    pub const fn work(stage: StageName, lane: Lane) -> Self {
        Self::Work { stage, lane }
    }

    /// All queues: work by stage and lane, then settlements, then dead letters.
    pub fn all() -> impl Iterator<Item = Self> {
        let work =
            StageName::ALL.into_iter().flat_map(|stage| Lane::ALL.map(|lane| Self::Work { stage, lane }));
        work.chain([Self::Settled, Self::Dead])
    }

    /// Position in [`Self::all`]; less than [`Self::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Work { stage, lane } => stage.index() * Lane::ALL.len() + lane.index(),
            Self::Settled => Self::COUNT - 2,
            Self::Dead => Self::COUNT - 1,
        }
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work { stage, lane } => {
                write!(f, "Q_{}_{}", stage.as_str().to_uppercase(), lane.as_str().to_uppercase())
            }
            Self::Settled => f.write_str("Q_SETTLED"),
            Self::Dead => f.write_str("Q_DEAD"),
        }
    }
}

/// Why nothing can be pulled of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueFault {
    /// Its stream or consumer does not exist.
    Missing,
    /// It is not permitted.
    Denied,
    /// The broker refuses or fails again and again, for reasons that it logs.
    Disturbed,
}

/// What can be known about a queue. Counters count since the backend was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueInfo {
    /// Messages that could be delivered now (were the queue not paused).
    pub depth: usize,
    /// Messages on lease to someone.
    pub in_flight: usize,
    /// Messages that wait for the end of a `nak` delay.
    pub delayed: usize,
    /// Bytes of all these.
    pub bytes: usize,
    /// How long ago the oldest message of `depth` was published; zero if there is none.
    pub oldest_age: Duration,
    /// Whether nothing is handed out at present.
    pub paused: bool,
    /// What keeps this process from pulling of the queue, if anything does.
    pub fault: Option<QueueFault>,
    /// Messages accepted, without duplicates.
    pub published: u64,
    /// Publishes recognised as repeats.
    pub duplicates: u64,
    /// Messages settled by `ack`.
    pub acked: u64,
    /// Messages settled by `term`.
    pub terminated: u64,
    /// Deliveries beyond the first of their message.
    pub redelivered: u64,
}

impl QueueInfo {
    /// Messages that are not settled, wherever they are.
    #[must_use]
    pub const fn unsettled(&self) -> usize {
        self.depth + self.in_flight + self.delayed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_has_its_own_position_and_name() {
        let queues: Vec<Queue> = Queue::all().collect();
        assert_eq!(queues.len(), Queue::COUNT);
        for (position, queue) in queues.iter().enumerate() {
            assert_eq!(queue.index(), position);
        }
        assert_eq!(Queue::work(StageName::Fetch, Lane::Low).to_string(), "Q_FETCH_LOW");
        assert_eq!(Queue::Settled.to_string(), "Q_SETTLED");
        assert_eq!(Queue::Dead.to_string(), "Q_DEAD");
    }
}
