//! What all scenarios share: the records, and what an undisturbed build makes of them.

use std::{
    cell::Cell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use quire_proto::BuildReport;
use tempfile::TempDir;

use crate::{Build, ClusterOptions, Quire, Random, RealFindings, Synonyms, multiply, repository};

/// The catalogue that all scenarios run.
pub(super) const CATALOGUE: &str = "findings";

/// What scenarios run over.
#[derive(Debug, Clone, Default)]
pub struct ChaosOptions {
    /// All that is random follows from it.
    pub seed: u64,
    /// Finding models: the real ones as often as needed, or the sample where they are not.
    pub records: usize,
    /// As many faults as the whole tier wants, or a few.
    pub whole: bool,
    /// Where each scenario leaves its cluster's folder, logs and all; `None` for folders that go with them.
    pub keep: Option<PathBuf>,
}

/// Records, and what an undisturbed build of them gives.
#[derive(Debug)]
pub struct Arena {
    /// What was asked for.
    pub options: ChaosOptions,
    models: TempDir,
    /// Clusters so far.
    clusters: Cell<usize>,
    /// The site's manifest of an undisturbed embedded build.
    pub(super) manifest: Vec<u8>,
    /// What that build told.
    pub(super) report: BuildReport,
}

impl Arena {
    /// Makes the records and builds them once.
    #[must_use]
    pub fn new(options: ChaosOptions) -> Self {
        let models = tempfile::Builder::new().prefix("quire-models-").tempdir().unwrap();
        multiply(&originals(), models.path(), options.records, Synonyms::Own);
        let (manifest, report) = expected(options.records, models.path());
        let counts = report.runs[0].records;
        println!("{} records: {counts:?}, site manifest {}", options.records, report.manifest);
        Self { options, models, clusters: Cell::new(0), manifest, report }
    }

    /// A cluster over these records.
    pub(super) fn cluster(&self, scenario: &str) -> ClusterOptions {
        let clusters = &self.clusters;
        let number = clusters.get() + 1;
        clusters.set(number);
        let folder = self.options.keep.as_ref().map(|folder| folder.join(format!("{number}-{scenario}")));
        ClusterOptions { synced: true, folder, ..ClusterOptions::default() }
            .variable("FINDINGS_ROOT", self.models.path().to_str().unwrap())
    }

    /// Numbers for one scenario.
    pub(super) fn random(&self, scenario: &str) -> Random {
        let named = scenario.bytes().fold(self.options.seed, |seed, byte| {
            seed.wrapping_mul(0x0100_0000_01b3).wrapping_add(u64::from(byte))
        });
        Random::new(named)
    }

    /// How many faults: a few in the short tier, more in the whole one.
    pub(super) const fn times(&self, short: usize, whole: usize) -> usize {
        if self.options.whole { whole } else { short }
    }
}

/// The real models, or the sample.
pub(super) fn originals() -> PathBuf {
    RealFindings::find().map_or_else(|| repository().join("catalogues/findings/data"), |real| real.models())
}

/// What an undisturbed build of so many records gives: built once a process, as the same records give the same bytes.
fn expected(records: usize, models: &Path) -> (Vec<u8>, BuildReport) {
    static KNOWN: Mutex<BTreeMap<usize, (Vec<u8>, BuildReport)>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(records).or_insert_with(|| undisturbed(models)).clone()
}

/// The site's manifest and the report of an embedded build.
pub(super) fn undisturbed(models: &Path) -> (Vec<u8>, BuildReport) {
    let quire = Quire::with("FINDINGS_ROOT", models);
    let report = quire.build(&Build::of(CATALOGUE));
    (std::fs::read(quire.site().join("manifest.json")).unwrap(), report)
}
