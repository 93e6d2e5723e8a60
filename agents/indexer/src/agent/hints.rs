//! Hints of the coordinator that a catalogue has a newer epoch.

use std::{collections::BTreeMap, time::Duration};

use quire_proto::{Digest, Epoch};
use quire_runtime::{Backoff, Commits, broker::Broker, chain};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

/// The last hint of each catalogue.
pub(super) type Hints = BTreeMap<String, Epoch>;

/// Catalogues of which hints are remembered; others are found by looking at the store.
const MAX_CATALOGUES: usize = 10_000;
/// Pauses before a watch that broke off begins anew.
const PAUSES: Backoff = Backoff { first: Duration::from_millis(200), max: Duration::from_secs(30) };

/// Passes on hints until it is told to stop. A broker that is away costs nothing but time.
pub(super) async fn listen(broker: Broker, hints: watch::Sender<Hints>, stop: CancellationToken) {
    let mut attempts = 0;
    while !stop.is_cancelled() {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = pass_on(&broker, &hints, &mut attempts) => ended,
        };
        attempts += 1;
        let error = chain(&ended);
        if attempts == 1 {
            tracing::info!(error, "no word of commits: the store is looked at instead");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(PAUSES.pause(&Digest::of(error.as_bytes()), attempts)) => {}
        }
    }
}

/// Passes on hints until the watch breaks off; says why.
async fn pass_on(
    broker: &Broker,
    hints: &watch::Sender<Hints>,
    attempts: &mut u32,
) -> quire_runtime::broker::KvError {
    let mut commits = match Commits::watch(broker).await {
        Ok(commits) => commits,
        Err(error) => return error,
    };
    loop {
        let (catalogue, epoch) = match commits.next().await {
            Ok(commit) => commit,
            Err(error) => return error,
        };
        *attempts = 0;
        hints.send_if_modified(|hints| {
            if hints.len() >= MAX_CATALOGUES && !hints.contains_key(&catalogue) {
                return false;
            }
            hints.insert(catalogue, epoch) != Some(epoch)
        });
    }
}
