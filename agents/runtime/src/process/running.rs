//! What control planes, metrics and the register of agents look at while a process works.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use quire_api::control::{Durations, LaneStatus, StatusResponse};
use quire_broker::Broker;
use quire_cache::CacheStore;
use quire_proto::StageName;
use tokio_util::sync::CancellationToken;

use super::{Program, ReadySwitch};
use crate::{Agent, Histogram, LaneStats, Metrics, config::Setting, telemetry::Telemetry};

/// A process from its start to its end. What it does not have yet, or never has, is empty.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) program: Program,
    /// Settings with their origins.
    pub(super) settings: Arc<[Setting]>,
    pub(super) ready: ReadySwitch,
    /// Ends the process.
    pub(super) stop: CancellationToken,
    pub(super) started: Instant,
    pub(super) metrics: Metrics,
    pub(super) telemetry: Telemetry,
    pub(super) broker: OnceLock<Broker>,
    pub(super) caches: OnceLock<CacheStore>,
    /// Only stages have one.
    pub(super) agent: OnceLock<Agent>,
}

impl Running {
    /// What the process is and does now.
    pub(super) fn status(&self) -> StatusResponse {
        let ready = self.ready.get();
        let stats = self.agent.get().map(Agent::stats);
        let lanes =
            stats.iter().flat_map(|stats| stats.lanes.iter().map(|lane| self.lane(stats.stage, lane)));
        StatusResponse {
            stage: self.program.stage.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ready: ready.is_yes(),
            reason: ready.reason().to_owned(),
            draining: self.stop.is_cancelled(),
            slots: stats.as_ref().map_or(0, |stats| u32::try_from(stats.slots).unwrap_or(u32::MAX)),
            uptime_seconds: self.started.elapsed().as_secs(),
            log_filter: self.telemetry.log_filter(),
            lanes: lanes.collect(),
            weights: stats.as_ref().map_or_else(Vec::new, |stats| stats.weights.to_vec()),
        }
    }

    fn lane(&self, stage: StageName, lane: &LaneStats) -> LaneStatus {
        let (counts, service) = self.metrics.lane(stage, lane.lane);
        let summary = service.summary();
        LaneStatus {
            lane: lane.lane.to_string(),
            paused: lane.paused,
            running: u32::try_from(lane.used.running).unwrap_or(u32::MAX),
            processed: counts.processed + counts.cached,
            service_ms: u64::try_from(lane.used.service.as_millis()).unwrap_or(u64::MAX),
            p50_ms: summary.p50_ms,
            p95_ms: summary.p95_ms,
            p99_ms: summary.p99_ms,
            service: Some(durations(&service)),
            dead: counts.dead,
            slow: counts.slow,
            very_slow: counts.very_slow,
        }
    }
}

/// A histogram as it travels.
fn durations(histogram: &Histogram) -> Durations {
    let (sum_us, max_us) = histogram.sum_and_max_us();
    let filled = histogram.filled().map(|(bucket, count)| (u32::try_from(bucket).unwrap_or(u32::MAX), count));
    let (buckets, counts) = filled.unzip();
    Durations { buckets, counts, sum_us, max_us }
}
