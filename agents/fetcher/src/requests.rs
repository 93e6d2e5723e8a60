//! Requests to sources, as they are counted for operators: what the metric means is in the guide, and dashboards rely on it.

use std::collections::BTreeMap;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Meter},
};

/// The counter `quire_upstream_requests_total`.
pub(crate) struct Requests(Option<Counter<u64>>);

impl Requests {
    /// Counts nothing without a meter.
    pub(crate) fn new(meter: Option<&Meter>) -> Self {
        let counter = meter.map(|meter| meter.u64_counter("quire_upstream_requests"));
        Self(
            counter.map(|counter| counter.with_description("Requests to sources by how they ended.").build()),
        )
    }

    /// Counts requests to a source, by how they ended.
    pub(crate) fn count(&self, catalogue: &str, source: &str, requests: &BTreeMap<String, u64>) {
        let Some(counter) = &self.0 else { return };
        for (status, count) in requests {
            let label = |name, value: &str| KeyValue::new(name, value.to_owned());
            counter.add(
                *count,
                &[label("catalogue", catalogue), label("source", source), label("status", status)],
            );
        }
    }
}
