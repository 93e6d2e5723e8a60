//! The report of a build: the object that `quire build --json` prints.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Digest, Epoch, RunId};

/// What a build ends with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildReport {
    /// One report a catalogue, in the order given.
    pub runs: Vec<RunReport>,
    /// BLAKE3 of `site/manifest.json`.
    pub manifest: Digest,
}

/// What a run ends with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The catalogue's slug.
    pub catalogue: String,
    /// The run.
    pub run: RunId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Items by state.
    pub records: RecordCounts,
    /// Pages (`.html`) written by this run.
    pub pages: u64,
    /// Bytes written into the site by this run.
    pub bytes: u64,
    /// Wall time in milliseconds.
    pub duration_ms: f64,
    /// Service times a stage.
    pub stages: BTreeMap<String, StageReport>,
    /// Cache use.
    pub caches: BTreeMap<String, CacheCounts>,
    /// Upstream use.
    pub upstream: UpstreamReport,
    /// The stage that most of the service time went to; none if no parcel was owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bottleneck: Option<String>,
    /// Reasons for which items that this run judged were rejected, by rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rejects: BTreeMap<String, u64>,
    /// Why the run is *partial*: sources that were not listed completely, items that are dead. Empty for a complete run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// What else the catalogue's owner may want to know, by source: a pattern that no file matches.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub notes: BTreeSet<String>,
    /// How many of the failures are of sources that were not listed completely. Known to the process of the run alone.
    #[serde(skip)]
    pub unlisted: usize,
    /// Source and location of all that a run of some keys looked at. Known to the process of the run alone.
    #[serde(skip)]
    pub looked_at: BTreeSet<(String, String)>,
    /// Keys of records that died in it and could be made in the end. Known to the process of the run alone.
    #[serde(skip)]
    pub revived: BTreeSet<String>,
}

/// Items by state: `seen = published + unchanged + rejected + dead`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecordCounts {
    /// Items listed.
    pub seen: u64,
    /// Records whose pages are new or changed.
    pub published: u64,
    /// Records whose pages stand as they were.
    pub unchanged: u64,
    /// Items with a reason not to be published.
    pub rejected: u64,
    /// Items that could not be processed; they keep their last page.
    pub dead: u64,
    /// Former keys that are gone; counted apart.
    pub removed: u64,
}

impl RecordCounts {
    /// Whether every item seen is in exactly one state.
    #[must_use]
    pub const fn adds_up(&self) -> bool {
        self.seen == self.published + self.unchanged + self.rejected + self.dead
    }
}

/// Service times of one stage, in milliseconds a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct StageReport {
    /// Parcels settled.
    pub parcels: u64,
    /// Records in them.
    pub records: u64,
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Mean.
    #[serde(default)]
    pub mean_ms: f64,
    /// Parcels that took more than a second.
    #[serde(default)]
    pub slow: u64,
    /// Parcels that took more than five seconds.
    #[serde(default)]
    pub very_slow: u64,
}

impl StageReport {
    /// All service times together, in milliseconds.
    #[must_use]
    pub fn total_ms(&self) -> f64 {
        self.mean_ms * self.parcels as f64
    }
}

/// Hits and misses of one cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CacheCounts {
    /// Found.
    pub hits: u64,
    /// Not found.
    pub misses: u64,
}

/// Upstream use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UpstreamReport {
    /// Queries (file reads, requests) made.
    pub queries: u64,
}
