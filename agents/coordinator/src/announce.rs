//! Tells whoever follows manifests of a commit. Nobody waits for it, and it may fail: followers look at the store, too.

use std::time::Duration;

use quire_proto::Epoch;
use quire_runtime::{announce_commit, broker::Broker};
use tokio::time::timeout;

/// How long it is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells of the manifest of `epoch`, beside everything else.
pub(crate) fn announce(broker: &Broker, catalogue: &str, epoch: Epoch) {
    let (broker, catalogue) = (broker.clone(), catalogue.to_owned());
    tokio::spawn(async move {
        match timeout(PATIENCE, announce_commit(&broker, &catalogue, epoch)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = quire_runtime::chain(&error);
                tracing::debug!(catalogue, %epoch, error, "a commit is not announced: followers find it later");
            }
            Err(_) => {
                tracing::debug!(catalogue, %epoch, "a commit is not announced: followers find it later")
            }
        }
    });
}
