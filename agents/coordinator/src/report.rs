//! Counts of a run on their way into its report.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use quire_proto::{CacheCounts, Outcome, Settlement, StageName, StageReport, UpstreamReport};
use quire_runtime::{Histogram, SLOW, VERY_SLOW};

/// What is counted of a run's parcels.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    stages: BTreeMap<StageName, StageTally>,
    results: CacheCounts,
    queries: u64,
    notes: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct StageTally {
    announced: u64,
    settled: u64,
    records: u64,
    slow: u64,
    very_slow: u64,
    service: Histogram,
}

impl Tally {
    /// A parcel is owed.
    pub(crate) fn announced(&mut self, stage: StageName) {
        self.stages.entry(stage).or_default().announced += 1;
    }

    /// A parcel counts; how many of its stage were settled and announced so far.
    pub(crate) fn settled(&mut self, settlement: &Settlement) -> (u64, u64) {
        if settlement.cached {
            self.results.hits += 1;
        } else if is_pure(&settlement.outcome) {
            self.results.misses += 1;
        }
        if let Outcome::Listed { queries, .. } | Outcome::Read { queries, .. } = settlement.outcome {
            self.queries += queries;
        }
        if let Outcome::Listed { source, notes, .. } = &settlement.outcome {
            self.notes.extend(notes.iter().map(|note| format!("source {source}: {note}")));
        }
        let stage = self.stages.entry(settlement.stage).or_default();
        stage.settled += 1;
        stage.records += settlement.records;
        let service = Duration::from_micros(settlement.service_us);
        stage.slow += u64::from(service > SLOW);
        stage.very_slow += u64::from(service > VERY_SLOW);
        stage.service.record(service);
        (stage.settled, stage.announced)
    }

    /// Service times by stage.
    pub(crate) fn stages(&self) -> BTreeMap<String, StageReport> {
        let report = |stage: &StageTally| {
            let summary = stage.service.summary();
            StageReport {
                parcels: stage.settled,
                records: stage.records,
                p50_ms: summary.p50_ms,
                p95_ms: summary.p95_ms,
                p99_ms: summary.p99_ms,
                mean_ms: summary.mean_ms,
                slow: stage.slow,
                very_slow: stage.very_slow,
            }
        };
        self.stages.iter().map(|(name, stage)| (name.to_string(), report(stage))).collect()
    }

    /// The stage that most of the service time went to.
    pub(crate) fn bottleneck(&self) -> Option<String> {
        let most = self.stages.iter().max_by_key(|(_, stage)| stage.service.sum())?;
        Some(most.0.to_string())
    }

    /// Use of the results cache. Other caches are counted by who owns them.
    pub(crate) fn caches(&self) -> BTreeMap<String, CacheCounts> {
        [("results".to_owned(), self.results)].into()
    }

    /// What sources said besides.
    pub(crate) fn notes(&self) -> BTreeSet<String> {
        self.notes.clone()
    }

    /// Use of the upstreams.
    pub(crate) const fn upstream(&self) -> UpstreamReport {
        UpstreamReport { queries: self.queries }
    }
}

const fn is_pure(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Validated { .. } | Outcome::Indexed { .. } | Outcome::Rendered { .. })
}
