//! Runs of a cluster, as `quire` tells of them.

use std::path::Path;

use quire_proto::BuildReport;
use serde::Deserialize;

use super::Cluster;
use crate::repository;

/// A run, as `quire run list --json` tells it.
#[derive(Debug, Clone, Deserialize)]
pub struct RunState {
    /// Its name.
    pub run: String,
    /// Its epoch.
    pub epoch: u64,
    /// `running`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// Why it failed.
    #[serde(default)]
    pub error: String,
    /// What it ended with.
    pub report: Option<BuildReport>,
}

impl Cluster {
    /// Runs a catalogue of this repository to its end, and checks that counts add up.
    #[must_use]
    pub fn run(&self, catalogue: &str) -> BuildReport {
        self.run_folder(&repository().join("catalogues").join(catalogue))
    }

    /// Runs the catalogue in a folder to its end, and checks that counts add up.
    #[must_use]
    pub fn run_folder(&self, folder: &Path) -> BuildReport {
        let ended = self.quire(&["run", "start", folder.to_str().unwrap(), "--watch", "--json"]);
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, self.logs());
        let report = ended.report();
        assert!(report.runs.iter().all(|run| run.records.adds_up()), "{report:?}");
        report
    }

    /// Begins a run of a catalogue and does not wait for it.
    ///
    /// # Errors
    /// What `quire` said, if nobody takes it.
    pub fn begin(&self, catalogue: &str, full: bool) -> Result<(), String> {
        let folder = repository().join("catalogues").join(catalogue);
        let mut arguments = vec!["run", "start", folder.to_str().unwrap()];
        if full {
            arguments.push("--full");
        }
        let ended = self.quire(&arguments);
        if ended.code == Some(0) { Ok(()) } else { Err(ended.err) }
    }

    /// The newest run of a catalogue; `None` if nobody leads or there is none.
    #[must_use]
    pub fn newest_run(&self, catalogue: &str) -> Option<RunState> {
        let ended = self.quire(&["run", "list", "--catalogue", catalogue, "--json"]);
        let runs: Vec<RunState> = serde_json::from_str(&ended.out).ok()?;
        runs.into_iter().max_by_key(|run| run.epoch)
    }
}
