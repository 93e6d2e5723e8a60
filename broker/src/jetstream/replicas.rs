//! Whether the servers can keep as many copies as the layout wants.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Layout, apply, fault::Fault, link::Link};
use crate::ConnectError;

/// Copies that a vote needs no more of than it must: an even number survives no more losses than the odd one before.
const SENSIBLE: [usize; 3] = [1, 3, 5];
/// The server's errors for a cluster with too few servers, and for no cluster.
const NO_PEERS: u64 = 10_005;
const NO_CLUSTER: u64 = 10_074;
/// How long the servers of a cluster that has just started may need to find each other.
const GATHERING: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(250);

/// Whether any cluster could keep so many.
pub(super) fn check(layout: &Layout) -> Result<(), ConnectError> {
    if SENSIBLE.contains(&layout.replicas) {
        return Ok(());
    }
    Err(ConnectError::Replicas { replicas: layout.replicas, reason: "no such number is of use".to_owned() })
}

/// Applies the layout, and tells a cluster that is too small from one whose servers have not met yet.
pub(super) async fn apply_all(link: &Link, layout: &Layout) -> Result<apply::Applied, ConnectError> {
    check(layout)?;
    let began = Instant::now();
    loop {
        match apply::patiently(link, || apply::apply(link, layout)).await {
            Err(Fault::Refused { code: NO_PEERS, .. }) if began.elapsed() < GATHERING => sleep(PAUSE).await,
            Err(Fault::Refused { code: NO_PEERS | NO_CLUSTER, text }) => {
                return Err(ConnectError::Replicas { replicas: layout.replicas, reason: text });
            }
            done => return done.map_err(apply::connect_error),
        }
    }
}
