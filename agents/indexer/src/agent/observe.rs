//! The indexer's metrics: what each name means is in the guide, and dashboards rely on it.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Histogram, Meter},
};

use super::indexes::{Indexes, Told};

/// Upper bounds of the histogram of questions, in seconds.
const BOUNDARIES: [f64; 12] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];

/// What is recorded of questions.
pub(super) struct Instruments {
    seconds: Histogram<f64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        let seconds = meter
            .f64_histogram("quire_search_seconds")
            .with_description("How long questions took, waiting included, in seconds.")
            .with_boundaries(BOUNDARIES.to_vec())
            .build();
        Self { seconds }
    }

    pub(super) fn asked(&self, call: &'static str, ending: &'static str, took: Duration) {
        self.seconds
            .record(took.as_secs_f64(), &[KeyValue::new("call", call), KeyValue::new("ending", ending)]);
    }
}

/// What the follower tells, by catalogue.
pub(super) fn follower(meter: &Meter, indexes: &Indexes) {
    gauge(meter, indexes, "quire_index_epoch", "Epoch that the index has; 0 without one.", |told| told.epoch);
    gauge(meter, indexes, "quire_index_documents", "Records in the index.", |told| told.documents);
    let known = indexes.clone();
    meter
        .f64_observable_gauge("quire_index_behind_seconds")
        .with_description("For how long a newer epoch has been known that the index does not have.")
        .with_callback(move |observer| {
            known.told().iter().for_each(|told| observer.observe(told.behind_seconds, &of(told)));
        })
        .build();
    let known = indexes.clone();
    meter
        .u64_observable_counter("quire_index_failures")
        .with_description("Attempts to follow that failed; without a catalogue, to list the store.")
        .with_callback(move |observer| {
            known.told().iter().for_each(|told| observer.observe(told.failures, &of(told)));
            observer.observe(known.listing_failures(), &[KeyValue::new("catalogue", "")]);
        })
        .build();
}

fn of(told: &Told) -> [KeyValue; 1] {
    [KeyValue::new("catalogue", told.catalogue.clone())]
}

fn gauge(meter: &Meter, indexes: &Indexes, name: &'static str, about: &'static str, value: fn(&Told) -> u64) {
    let known = indexes.clone();
    meter
        .u64_observable_gauge(name)
        .with_description(about)
        .with_callback(move |observer| {
            known.told().iter().for_each(|told| observer.observe(value(told), &of(told)));
        })
        .build();
}
