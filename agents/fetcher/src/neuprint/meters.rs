//! Queries as they are counted for operators: what the metrics mean is in the guide.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter},
};

/// What is counted of queries; nothing without a meter.
#[derive(Debug, Default)]
pub(crate) struct Meters(Option<Instruments>);

#[derive(Debug)]
struct Instruments {
    queries: Counter<u64>,
    seconds: Histogram<f64>,
    bytes: Counter<u64>,
}

impl Meters {
    pub(crate) fn new(meter: Option<&Meter>) -> Self {
        Self(meter.map(|meter| {
            Instruments {
                queries: meter
                    .u64_counter("quire_upstream_queries")
                    .with_description("Queries to neuPrint by what they ask for and how they ended.")
                    .build(),
                seconds: meter
                    .f64_histogram("quire_upstream_query_seconds")
                    .with_description("Time until a query's answer is there and read.")
                    .build(),
                bytes: meter
                    .u64_counter("quire_upstream_bytes")
                    .with_description("Bytes of neuPrint's answers.")
                    .build(),
            }
        }))
    }

    /// Counts a query of `kind`, one of the six, that ended with `status` and an answer of `bytes`.
    pub(super) fn asked(&self, kind: &'static str, status: &str, took: Duration, bytes: usize) {
        let Some(Instruments { queries, seconds, bytes: total }) = &self.0 else { return };
        let of_kind = [KeyValue::new("kind", kind)];
        queries.add(1, &[KeyValue::new("kind", kind), KeyValue::new("status", status.to_owned())]);
        seconds.record(took.as_secs_f64(), &of_kind);
        total.add(bytes as u64, &of_kind);
    }
}
