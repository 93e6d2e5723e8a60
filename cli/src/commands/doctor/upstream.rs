//! Servers that catalogues are read from.

use std::collections::BTreeMap;

use quire_catalogue::Neuprint;
use quire_fetcher::{
    FetcherOptions,
    neuprint::{DatasetState, dataset_state},
};

use super::{Check, CheckState, fine};
use crate::embedded::CatalogueFolder;

/// Longest that a server may take to say when its data were changed.
const PATIENCE_SECONDS: u64 = 10;

/// A check of each neuPrint dataset that the catalogue reads: asks when it was changed last.
pub(super) fn checks(folder: &CatalogueFolder) -> Vec<Check> {
    let sources = folder.catalogue.definition().sources.iter();
    sources.filter_map(|source| source.connector.neuprint()).map(|source| check(folder, source)).collect()
}

fn check(folder: &CatalogueFolder, source: &Neuprint) -> Check {
    let name = "neuPrint";
    match ask(folder, source) {
        Ok(DatasetState { server, dataset, uuid, edited }) => {
            let uuid = uuid.map(|uuid| format!(" (version {uuid})")).unwrap_or_default();
            let found = match edited {
                Some(edited) => format!("{dataset}{uuid} at {server} was changed last {edited}"),
                None => {
                    format!(
                        "{dataset}{uuid} at {server} does not say when it was changed: every run reads all of it"
                    )
                }
            };
            fine(name, found)
        }
        Err(why) => Check {
            name,
            state: CheckState::Failed,
            found: format!("{} cannot read {}: {why}", folder.name, source.dataset),
            remedy: Some("see `server`, `dataset` and `token` of the source in the definition".to_owned()),
        },
    }
}

fn ask(folder: &CatalogueFolder, source: &Neuprint) -> Result<DatasetState, String> {
    let roots = BTreeMap::from([(folder.name.clone(), folder.path.clone())]);
    let options = FetcherOptions { roots, ..FetcherOptions::default() };
    let mut source = source.clone();
    source.timeout_seconds = source.timeout_seconds.min(PATIENCE_SECONDS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the runtime cannot be started: {error}"))?;
    runtime.block_on(dataset_state(&folder.name, &source, &options))
}
