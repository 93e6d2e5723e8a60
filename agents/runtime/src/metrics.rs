//! What the agents of this process have done: counters and service times by stage and lane.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use quire_proto::{Lane, StageName};

use crate::histogram::{Histogram, Summary};

/// A service time above this is slow.
pub const SLOW: Duration = Duration::from_secs(1);
/// A service time above this is very slow.
pub const VERY_SLOW: Duration = Duration::from_secs(5);
/// Upper bounds of the histogram that others collect, in seconds.
const BOUNDARIES: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const LANES: usize = Lane::ALL.len();

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its handler succeeded.
    Processed,
    /// Its outcome came from the results cache.
    Cached,
    /// Given back to be tried again.
    Retried,
    /// Given back because an upstream asked for less.
    Delayed,
    /// Split into two parcels.
    Split,
    /// Given up because its input is missing or damaged: it is planned anew.
    InputLost,
    /// Given up because nothing can be written: the run stops.
    NoRoom,
    /// Became a dead letter.
    Dead,
}

/// Counts for all agents of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    cells: Arc<[Mutex<Cell>]>,
    /// Service times as others collect them.
    told: Arc<OnceLock<opentelemetry::metrics::Histogram<f64>>>,
}

#[derive(Debug, Default, Clone)]
struct Cell {
    counts: Counts,
    service: Histogram,
}

/// Counters of one stage and lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// Parcels whose handler succeeded.
    pub processed: u64,
    /// Parcels whose outcome came from the results cache.
    pub cached: u64,
    /// Deliveries given back to be tried again.
    pub retried: u64,
    /// Deliveries given back because an upstream asked for less.
    pub delayed: u64,
    /// Parcels split.
    pub split: u64,
    /// Parcels given up because their input was missing or damaged; they were planned anew.
    pub input_lost: u64,
    /// Parcels given up because nothing could be written.
    pub no_room: u64,
    /// Parcels that became dead letters.
    pub dead: u64,
    /// Handlers that panicked.
    pub panicked: u64,
    /// Records of the parcels processed or cached.
    pub records: u64,
    /// Handlers that took more than a second.
    pub slow: u64,
    /// Handlers that took more than five seconds.
    pub very_slow: u64,
}

/// One stage and lane at one moment.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LaneMetrics {
    /// The stage.
    pub stage: StageName,
    /// The lane.
    pub lane: Lane,
    /// Counters.
    pub counts: Counts,
    /// Service times of handlers.
    pub service: Summary,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Counts from zero.
    #[must_use]
    pub fn new() -> Self {
        let cells = (0..StageName::ALL.len() * LANES).map(|_| Mutex::default()).collect();
        Self { cells, told: Arc::default() }
    }

    /// Records service times to an instrument of `meter` as well, from now on.
    pub(crate) fn record_to(&self, meter: &opentelemetry::metrics::Meter) {
        let histogram = meter
            .f64_histogram("quire_handler_seconds")
            .with_description("Service times of handlers, in seconds.")
            .with_boundaries(BOUNDARIES.to_vec())
            .build();
        // A second call changes nothing.
        let _ = self.told.set(histogram);
    }

    /// Counts one delivery; `service` is `None` where no handler ran.
    pub fn ended(
        &self,
        stage: StageName,
        lane: Lane,
        ending: Ending,
        records: u64,
        service: Option<Duration>,
    ) {
        let Some(mut cell) = self.cell(stage, lane) else { return };
        let counts = &mut cell.counts;
        match ending {
            Ending::Processed => counts.processed += 1,
            Ending::Cached => counts.cached += 1,
            Ending::Retried => counts.retried += 1,
            Ending::Delayed => counts.delayed += 1,
            Ending::Split => counts.split += 1,
            Ending::InputLost => counts.input_lost += 1,
            Ending::NoRoom => counts.no_room += 1,
            Ending::Dead => counts.dead += 1,
        }
        if matches!(ending, Ending::Processed | Ending::Cached) {
            counts.records += records;
        }
        if let Some(service) = service {
            if let Some(told) = self.told.get() {
                let labels = [("stage", stage.as_str()), ("lane", lane.as_str())];
                told.record(
                    service.as_secs_f64(),
                    &labels.map(|(name, value)| opentelemetry::KeyValue::new(name, value)),
                );
            }
            counts.slow += u64::from(service > SLOW);
            counts.very_slow += u64::from(service > VERY_SLOW);
            cell.service.record(service);
        }
    }

    /// Counts a handler that panicked.
    pub fn panicked(&self, stage: StageName, lane: Lane) {
        if let Some(mut cell) = self.cell(stage, lane) {
            cell.counts.panicked += 1;
        }
    }

    /// All stages and lanes in which something happened, in fixed order.
    #[must_use]
    pub fn snapshot(&self) -> Vec<LaneMetrics> {
        let pairs = StageName::ALL.iter().flat_map(|stage| Lane::ALL.iter().map(move |lane| (*stage, *lane)));
        pairs
            .filter_map(|(stage, lane)| {
                let cell = self.cell(stage, lane)?;
                let (counts, service) = (cell.counts, cell.service.summary());
                (counts != Counts::default()).then_some(LaneMetrics { stage, lane, counts, service })
            })
            .collect()
    }

    /// Counters and service times of one stage and lane.
    #[must_use]
    pub fn lane(&self, stage: StageName, lane: Lane) -> (Counts, Histogram) {
        self.cell(stage, lane).map_or_else(Default::default, |cell| (cell.counts, cell.service.clone()))
    }

    fn cell(&self, stage: StageName, lane: Lane) -> Option<MutexGuard<'_, Cell>> {
        let cell = self.cells.get(stage.index() * LANES + lane.index())?;
        Some(cell.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
