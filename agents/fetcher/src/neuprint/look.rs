//! A look at a dataset from outside of any run: who looks after an installation asks for it.

use std::sync::Mutex;

use quire_catalogue::Neuprint;

use super::{
    answer::Text,
    ask::{AskError, Asker},
    clients::{Clients, Reached, refused},
    meters::Meters,
    query,
    rows::Edited,
};
use crate::FetcherOptions;

/// What a server says of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetState {
    /// Scheme, host and port of the server.
    pub server: String,
    /// Name of the dataset, as it was asked for.
    pub dataset: String,
    /// Version of the data.
    pub uuid: Option<String>,
    /// When they were changed last, as the server writes it.
    pub edited: Option<String>,
}

/// Asks when the dataset of a source of `catalogue` was changed last: one short query.
///
/// # Errors
/// Why there is no answer, in one sentence without the token.
pub async fn dataset_state(
    catalogue: &str,
    source: &Neuprint,
    options: &FetcherOptions,
) -> Result<DatasetState, String> {
    let Reached { client, origin, dataset } = Clients::default().reach(catalogue, source, options)?;
    let meters = Meters::default();
    let asker =
        Asker { client: &client, ctx: None, dataset: &dataset, meters: &meters, requests: Mutex::default() };
    let answer = asker.ask::<Edited>("edited", query::EDITED).await.map_err(|error| match error {
        AskError::Refused(why) => refused(source, &why),
        error => error.to_string(),
    })?;
    if let Some(odd) = answer.odd.first() {
        return Err(format!("when the dataset was changed cannot be read: {odd}"));
    }
    let row = answer.rows.into_iter().next();
    let Edited(uuid, edited) = row.ok_or_else(|| format!("the dataset {dataset} says nothing of itself"))?;
    let text = |text: Option<Text>| text.map(|text| text.0);
    Ok(DatasetState { server: origin, uuid: text(uuid), edited: text(edited), dataset })
}
