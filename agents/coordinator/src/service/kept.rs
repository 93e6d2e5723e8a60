//! Reports of runs that ended, as they are kept in the store.

use quire_api::run::{Run, State};
use quire_runtime::Store;

use super::table::{MAX_KEPT, Table};
use crate::RunError;

/// Where they are kept.
const REPORTS: &str = "reports";

/// A run as it is kept.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Kept {
    id: String,
    catalogue: String,
    epoch: u64,
    state: String,
    error: String,
    report: String,
    /// Epochs by which it may be asked for, too.
    #[serde(default)]
    replaces: Vec<u64>,
    /// When it was begun; 0 in reports of former versions.
    #[serde(default)]
    started_ms: u64,
    /// How urgent it was; empty in reports of former versions.
    #[serde(default)]
    lane: String,
}

impl Kept {
    fn new(run: &Run, replaces: Vec<u64>) -> Self {
        Self {
            id: run.id.clone(),
            catalogue: run.catalogue.clone(),
            epoch: run.epoch,
            state: run.state().as_str_name().to_owned(),
            error: run.error.clone(),
            report: run.report_json.clone(),
            replaces,
            started_ms: run.started_ms,
            lane: run.lane.clone(),
        }
    }

    fn told(self) -> (Run, Vec<u64>) {
        let state = State::from_str_name(&self.state).unwrap_or_default();
        let run = Run {
            id: self.id,
            catalogue: self.catalogue,
            epoch: self.epoch,
            state: state.into(),
            error: self.error,
            report_json: self.report,
            started_ms: self.started_ms,
            lane: self.lane,
            ..Run::default()
        };
        (run, self.replaces)
    }
}

/// Keeps the report of a run that has ended, and drops those that are too many. Blocks.
pub(super) fn keep(store: &Store, run: &Run, replaces: Vec<u64>) -> Result<(), RunError> {
    let folder = format!("{REPORTS}/{}", run.catalogue);
    let bytes =
        serde_json::to_vec(&Kept::new(run, replaces)).map_err(|error| RunError::Task(error.to_string()))?;
    store.put(&format!("{folder}/{}", run.epoch), &bytes)?;
    let mut epochs: Vec<u64> = store.list(&folder)?.iter().filter_map(|name| name.parse().ok()).collect();
    epochs.sort_unstable();
    let surplus = epochs.len().saturating_sub(MAX_KEPT);
    for epoch in epochs.into_iter().take(surplus) {
        store.remove(&format!("{folder}/{epoch}"))?;
    }
    Ok(())
}

/// Reports of earlier runs; those that cannot be read are no reason not to lead. Blocks.
pub(super) fn read(store: &Store, table: &Table) {
    for catalogue in store.list(REPORTS).unwrap_or_default() {
        let folder = format!("{REPORTS}/{catalogue}");
        for name in store.list(&folder).unwrap_or_default() {
            let Ok(Some(bytes)) = store.read(&format!("{folder}/{name}")) else { continue };
            if let Ok(kept) = serde_json::from_slice::<Kept>(&bytes) {
                let (run, replaces) = kept.told();
                table.ended(run, &replaces);
            }
        }
    }
}
