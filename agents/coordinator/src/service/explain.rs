//! What is known of one record: the manifests and the dead letters together.

use quire_api::run::{DeadFilter, ExplainRequest, ExplainResponse};
use quire_runtime::{Store, broker::Broker};
use tonic::Status;

use super::dead;
use crate::{RunError, task::on_thread};

pub(super) async fn explain(
    store: &Store,
    broker: &Broker,
    request: ExplainRequest,
) -> Result<ExplainResponse, Status> {
    let ExplainRequest { key, catalogue } = request;
    if key.is_empty() {
        return Err(Status::invalid_argument("expected a key, a page's name, a location or a claimed value"));
    }
    let filter = DeadFilter { catalogue: catalogue.clone(), ..DeadFilter::default() };
    let letters = dead::of_subject(broker, filter, &key).await?;
    let (store, wanted) = (store.clone(), key.clone());
    let explanations_json = on_thread(move || {
        let only = (!catalogue.is_empty()).then_some(catalogue.as_str());
        let explained = crate::explain(&store, only, &wanted)?;
        let json = |explanation| {
            serde_json::to_string(explanation).map_err(|error| RunError::Task(error.to_string()))
        };
        explained.iter().map(json).collect::<Result<Vec<_>, RunError>>()
    })
    .await
    .map_err(|error| Status::internal(quire_runtime::chain(&error)))?;
    if explanations_json.is_empty() && letters.is_empty() {
        return Err(Status::not_found(format!(
            "nothing is known of `{key}`: it is no key, page, location or claimed value of a committed run"
        )));
    }
    Ok(ExplainResponse { explanations_json, letters })
}
