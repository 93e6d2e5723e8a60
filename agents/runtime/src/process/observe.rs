//! The process's metrics: what each name means is in the guide, and dashboards rely on it.

use std::sync::{Arc, Weak};

use opentelemetry::{KeyValue, metrics::Meter};
use quire_broker::Queue;
use quire_cache::CacheStore;

use super::running::Running;
use crate::{Agent, Counts, LaneMetrics, Memory, Metrics};

type Count = fn(&Counts) -> u64;

/// What becomes of parcels, by the word of its label.
const ENDINGS: [(&str, Count); 8] = [
    ("processed", |counts| counts.processed),
    ("cached", |counts| counts.cached),
    ("retried", |counts| counts.retried),
    ("delayed", |counts| counts.delayed),
    ("split", |counts| counts.split),
    ("input_lost", |counts| counts.input_lost),
    ("no_room", |counts| counts.no_room),
    ("dead", |counts| counts.dead),
];

fn of_lane(lane: &LaneMetrics) -> [KeyValue; 2] {
    [KeyValue::new("stage", lane.stage.as_str()), KeyValue::new("lane", lane.lane.as_str())]
}

/// What every process tells.
pub(super) fn process(meter: &Meter, running: &Arc<Running>) {
    let (metrics, switch) = (&running.metrics, running.ready.clone());
    meter
        .u64_observable_gauge("quire_ready")
        .with_description("Whether the process takes work.")
        .with_callback(move |observer| observer.observe(u64::from(switch.get().is_yes()), &[]))
        .build();
    meter
        .u64_observable_gauge("quire_memory_bytes")
        .with_description("Resident memory of the process.")
        .with_callback(|observer| {
            let Some(memory) = Memory::now() else { return };
            for (kind, bytes) in [("now", memory.resident), ("peak", memory.peak)] {
                observer.observe(bytes, &[KeyValue::new("kind", kind)]);
            }
        })
        .build();
    let known = metrics.clone();
    meter
        .u64_observable_counter("quire_parcels")
        .with_description("Deliveries by what became of them.")
        .with_callback(move |observer| {
            for lane in known.snapshot() {
                for (ending, count) in ENDINGS {
                    let [stage, name] = of_lane(&lane);
                    observer.observe(count(&lane.counts), &[stage, name, KeyValue::new("ending", ending)]);
                }
            }
        })
        .build();
    counter(meter, metrics, "quire_records", "Records of parcels processed or cached.", |counts| {
        counts.records
    });
    counter(meter, metrics, "quire_handler_panics", "Handlers that panicked.", |counts| counts.panicked);
    let known = metrics.clone();
    meter
        .u64_observable_counter("quire_handler_slow")
        .with_description("Handlers that took longer than the label says.")
        .with_callback(move |observer| {
            for lane in known.snapshot() {
                for (over, count) in [("1s", lane.counts.slow), ("5s", lane.counts.very_slow)] {
                    let [stage, name] = of_lane(&lane);
                    observer.observe(count, &[stage, name, KeyValue::new("over", over)]);
                }
            }
        })
        .build();
    metrics.record_to(meter);
    caches(meter, running);
}

fn counter(meter: &Meter, metrics: &Metrics, name: &'static str, about: &'static str, count: Count) {
    let known = metrics.clone();
    meter
        .u64_observable_counter(name)
        .with_description(about)
        .with_callback(move |observer| {
            for lane in known.snapshot() {
                observer.observe(count(&lane.counts), &of_lane(&lane));
            }
        })
        .build();
}

/// What an agent tells beside.
pub(super) fn agent(meter: &Meter, running: &Arc<Running>) {
    lanes(meter, running, "quire_running", "Parcels being worked on.", |lane| lane.used.running as u64);
    lanes(meter, running, "quire_lane_paused", "Whether nothing of the lane is started.", |lane| {
        u64::from(lane.paused)
    });
    let known = Arc::downgrade(running);
    meter
        .u64_observable_gauge("quire_slots")
        .with_description("Parcels that may be worked on at once.")
        .with_callback(move |observer| {
            with_agent(&known, |agent| {
                let stats = agent.stats();
                observer.observe(stats.slots as u64, &[KeyValue::new("stage", stats.stage.as_str())]);
            });
        })
        .build();
    queues(meter, running);
}

fn with_agent(running: &Weak<Running>, look: impl FnOnce(&Agent)) {
    if let Some(running) = running.upgrade()
        && let Some(agent) = running.agent.get()
    {
        look(agent);
    }
}

fn with_caches(running: &Weak<Running>, look: impl FnOnce(&CacheStore)) {
    if let Some(running) = running.upgrade()
        && let Some(caches) = running.caches.get()
    {
        look(caches);
    }
}

fn lanes(
    meter: &Meter,
    running: &Arc<Running>,
    name: &'static str,
    about: &'static str,
    value: fn(&crate::LaneStats) -> u64,
) {
    let known = Arc::downgrade(running);
    meter
        .u64_observable_gauge(name)
        .with_description(about)
        .with_callback(move |observer| {
            with_agent(&known, |agent| {
                let stats = agent.stats();
                for lane in &stats.lanes {
                    let labels = [
                        KeyValue::new("stage", stats.stage.as_str()),
                        KeyValue::new("lane", lane.lane.as_str()),
                    ];
                    observer.observe(value(lane), &labels);
                }
            });
        })
        .build();
}

/// Depth and age of the agent's own queues.
fn queues(meter: &Meter, running: &Arc<Running>) {
    let known = Arc::downgrade(running);
    meter
        .u64_observable_gauge("quire_queue_messages")
        .with_description("Messages that wait in a lane, or are out with an agent.")
        .with_callback(move |observer| {
            each_queue(&known, |info, labels| observer.observe(info.unsettled() as u64, labels));
        })
        .build();
    let known = Arc::downgrade(running);
    meter
        .f64_observable_gauge("quire_queue_oldest_seconds")
        .with_description("How long the oldest message of a lane has waited.")
        .with_callback(move |observer| {
            each_queue(&known, |info, labels| observer.observe(info.oldest_age.as_secs_f64(), labels));
        })
        .build();
    let known = Arc::downgrade(running);
    meter
        .u64_observable_counter("quire_redelivered")
        .with_description("Deliveries beyond the first of their message.")
        .with_callback(move |observer| {
            each_queue(&known, |info, labels| observer.observe(info.redelivered, labels));
        })
        .build();
}

fn each_queue(running: &Weak<Running>, mut tell: impl FnMut(&quire_broker::QueueInfo, &[KeyValue; 2])) {
    let Some(running) = running.upgrade() else { return };
    let (Some(agent), Some(broker)) = (running.agent.get(), running.broker.get()) else { return };
    let stats = agent.stats();
    for lane in &stats.lanes {
        let labels =
            [KeyValue::new("stage", stats.stage.as_str()), KeyValue::new("lane", lane.lane.as_str())];
        tell(&broker.info(Queue::work(stats.stage, lane.lane)), &labels);
    }
}

fn caches(meter: &Meter, running: &Arc<Running>) {
    let known = Arc::downgrade(running);
    meter
        .u64_observable_counter("quire_cache_hits")
        .with_description("Values found, by cache and level.")
        .with_callback(move |observer| {
            with_caches(&known, |caches| {
                for stats in caches.stats() {
                    for (level, hits) in
                        [("memory", stats.hits_l1), ("disk", stats.hits_l2), ("shared", stats.hits_l3)]
                    {
                        let labels = [KeyValue::new("cache", stats.name), KeyValue::new("level", level)];
                        observer.observe(hits, &labels);
                    }
                }
            });
        })
        .build();
    let known = Arc::downgrade(running);
    meter
        .u64_observable_counter("quire_cache_misses")
        .with_description("Values not found.")
        .with_callback(move |observer| {
            with_caches(&known, |caches| {
                for stats in caches.stats() {
                    observer.observe(stats.misses, &[KeyValue::new("cache", stats.name)]);
                }
            });
        })
        .build();
    let known = Arc::downgrade(running);
    meter
        .u64_observable_counter("quire_cache_evictions")
        .with_description("Values that had to go for others.")
        .with_callback(move |observer| {
            with_caches(&known, |caches| {
                for stats in caches.stats() {
                    observer.observe(stats.evictions, &[KeyValue::new("cache", stats.name)]);
                }
            });
        })
        .build();
    let known = Arc::downgrade(running);
    meter
        .u64_observable_gauge("quire_cache_bytes")
        .with_description("Size of the caches, by level; on disk all caches together.")
        .with_callback(move |observer| {
            with_caches(&known, |caches| {
                for stats in caches.stats() {
                    let labels = [KeyValue::new("cache", stats.name), KeyValue::new("level", "memory")];
                    observer.observe(stats.bytes, &labels);
                }
                let labels = [KeyValue::new("cache", "all"), KeyValue::new("level", "disk")];
                observer.observe(caches.bytes_on_disk(), &labels);
            });
        })
        .build();
}
