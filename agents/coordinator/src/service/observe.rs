//! The coordinator's metrics: what each name means is in the guide, and dashboards rely on it.

use std::sync::Arc;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter},
};
use quire_api::run::{Run, State};
use quire_proto::BuildReport;
use quire_runtime::broker::{Broker, Queue};
use tokio::sync::watch;

use super::lead::Leading;

/// Upper bounds of the histogram of runs, in seconds.
const BOUNDARIES: [f64; 12] =
    [1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 14_400.0];

/// What is counted when a run ends.
#[derive(Clone)]
pub(super) struct Instruments {
    runs: Counter<u64>,
    seconds: Histogram<f64>,
    pages: Counter<u64>,
    rejects: Counter<u64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        Self {
            runs: meter.u64_counter("quire_runs").with_description("Runs by how they ended.").build(),
            seconds: meter
                .f64_histogram("quire_run_seconds")
                .with_description("How long runs took that were done, in seconds.")
                .with_boundaries(BOUNDARIES.to_vec())
                .build(),
            rejects: meter
                .u64_counter("quire_rejects")
                .with_description("Reasons for which items that a run judged were rejected.")
                .build(),
            pages: meter
                .u64_counter("quire_pages")
                .with_description("Pages written, and records whose pages stood as they were.")
                .build(),
        }
    }

    /// Counts a run that has ended.
    pub(super) fn ended(&self, run: &Run, report: Option<&BuildReport>) {
        let state = match run.state() {
            State::Done => "done",
            State::Cancelled => "cancelled",
            _ => "failed",
        };
        let catalogue = || KeyValue::new("catalogue", run.catalogue.clone());
        self.runs.add(1, &[catalogue(), KeyValue::new("state", state)]);
        for report in report.into_iter().flat_map(|report| &report.runs) {
            self.seconds.record(report.duration_ms / 1_000.0, &[catalogue()]);
            for (rule, count) in &report.rejects {
                self.rejects.add(*count, &[catalogue(), KeyValue::new("rule", rule.clone())]);
            }
            let records = report.records;
            for (result, count) in [("written", report.pages), ("unchanged", records.unchanged)] {
                self.pages.add(count, &[catalogue(), KeyValue::new("result", result)]);
            }
        }
    }
}

/// Whether this one leads, and what lies in the dead letters.
pub(super) fn observe(meter: &Meter, leading: watch::Receiver<Option<Arc<Leading>>>, broker: Broker) {
    meter
        .u64_observable_gauge("quire_leader")
        .with_description("Whether this coordinator leads.")
        .with_callback(move |observer| observer.observe(u64::from(leading.borrow().is_some()), &[]))
        .build();
    meter
        .u64_observable_gauge("quire_dead_letters")
        .with_description("Dead letters that nobody has replayed or dropped.")
        .with_callback(move |observer| observer.observe(broker.info(Queue::Dead).unsettled() as u64, &[]))
        .build();
}
