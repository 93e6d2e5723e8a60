//! The register of agents: each process says every few seconds that it is there and what it does.
//!
//! An entry is a key of the bucket of leases. Nobody compares clocks: whoever reads the register goes by when it heard
//! of an entry last.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use quire_api::control::AgentEntry;
use quire_broker::{Broker, Bucket};
use tokio::time::MissedTickBehavior;

use super::running::Running;

/// Keys of entries begin so; the name follows.
pub const REGISTER: &str = "agents/";
/// How often an agent says that it is there.
pub const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long the last word may take.
const LAST_WORD: Duration = Duration::from_millis(500);

/// A name that no other process has at the time: host and process.
#[must_use]
pub fn instance_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let host = host.replace(|letter| !allowed(letter), "-");
    format!("{host}-{}", std::process::id())
}

/// Keeps the entry of the process until it stops, then takes it out.
pub(super) async fn keep(running: Arc<Running>, broker: Broker, address: String) {
    let leases = broker.kv(Bucket::Leases);
    let name = instance_name();
    let key = format!("{REGISTER}{name}");
    let mut beats = tokio::time::interval(HEARTBEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ready = running.ready.watch();
    loop {
        tokio::select! {
            // First of all: a broker that is away makes a beat take so long that the next one is always due.
            biased;
            () = running.stop.cancelled() => break,
            _ = beats.tick() => {}
            // Who looks shall not see for seconds what is no longer so.
            Ok(()) = ready.changed() => {}
        }
        let entry = AgentEntry {
            name: name.clone(),
            address: address.clone(),
            status: Some(running.status()),
            silent_ms: 0,
        };
        // The bucket waits for a broker that is away; a process that shall end does not.
        let said = tokio::select! {
            () = running.stop.cancelled() => break,
            said = leases.put(&key, entry.encode_to_vec()) => said,
        };
        if let Err(error) = said {
            tracing::debug!(error = crate::chain(&error), "the register of agents does not hear of this one");
        }
    }
    // If this is not heard, the entry is forgotten by itself.
    let _ = tokio::time::timeout(LAST_WORD, leases.delete(&key)).await;
}
