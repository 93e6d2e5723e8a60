//! The roll: agents by what they said last, and how fast they work.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prost::Message as _;
use quire_api::control::AgentEntry;
use quire_runtime::{
    broker::{Broker, Bucket, Change, Kv, KvError, Revision},
    process::{HEARTBEAT, REGISTER},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// An agent that is silent for so long is not there.
const SILENT: Duration = HEARTBEAT.saturating_mul(4);
/// What an agent said longer ago than this may not be so any more.
const LATE: Duration = HEARTBEAT.saturating_mul(3);
/// After so long its entry is taken out of the register.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// How often entries are looked through.
const LOOK: Duration = Duration::from_secs(5);
/// Pause before the register is watched again after an error.
const PAUSE: Duration = Duration::from_millis(500);
/// Counts remembered of an agent: rates are over as many heartbeats.
const SAMPLES: usize = 6;
/// Most agents that are kept in mind.
const MAX_AGENTS: usize = 10_000;

/// Agents by name.
#[derive(Default)]
pub(super) struct Roll(Mutex<BTreeMap<String, Heard>>);

/// What was heard of an agent.
struct Heard {
    entry: AgentEntry,
    at: Instant,
    revision: Revision,
    /// Parcels ended by lane, as of some moments.
    samples: VecDeque<(Instant, Vec<u64>)>,
}

/// An agent that is there.
pub(super) struct Present {
    /// What it said, and how long ago.
    pub(super) entry: AgentEntry,
    /// Parcels a second by lane, in the order of its status.
    pub(super) rates: Vec<f64>,
}

impl Roll {
    /// Follows the register until the process stops.
    pub(super) async fn follow(&self, broker: &Broker, stop: &CancellationToken) {
        let register = broker.kv(Bucket::Leases);
        while !stop.is_cancelled() {
            if let Err(error) = self.watch(&register, stop).await {
                tracing::debug!(
                    error = quire_runtime::chain(&error),
                    "the register of agents is watched again"
                );
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn watch(&self, register: &Kv, stop: &CancellationToken) -> Result<(), KvError> {
        let mut watch = register.watch(REGISTER).await?;
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                change = watch.next() => self.hear(change?),
                _ = looks.tick() => self.forget(register).await,
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    fn hear(&self, Change { key, value, revision }: Change) {
        let Some(name) = key.strip_prefix(REGISTER) else { return };
        let mut agents = self.lock();
        let Some(value) = value else {
            agents.remove(name);
            return;
        };
        let Ok(entry) = AgentEntry::decode(value) else {
            tracing::debug!(name, "an entry of the register of agents cannot be read");
            return;
        };
        if agents.len() >= MAX_AGENTS && !agents.contains_key(name) {
            return;
        }
        let now = Instant::now();
        let counts =
            entry.status.iter().flat_map(|status| &status.lanes).map(|lane| lane.processed).collect();
        let known = agents.remove(name);
        let mut samples = known.map(|known| known.samples).unwrap_or_default();
        samples.push_back((now, counts));
        while samples.len() > SAMPLES {
            samples.pop_front();
        }
        agents.insert(name.to_owned(), Heard { entry, at: now, revision, samples });
    }

    /// Takes those out of the register that were not heard of for long: they ended without a word.
    async fn forget(&self, register: &Kv) {
        let gone: Vec<(String, Revision)> = {
            let agents = self.lock();
            let gone = agents.iter().filter(|(_, heard)| heard.at.elapsed() > FORGOTTEN);
            gone.map(|(name, heard)| (name.clone(), heard.revision)).collect()
        };
        for (name, revision) in gone {
            // If it has said something meanwhile, its entry stays.
            if register.delete_at(&format!("{REGISTER}{name}"), revision).await.is_ok() {
                self.lock().remove(&name);
            }
        }
    }

    /// The agents that are there, by name.
    pub(super) fn present(&self) -> Vec<Present> {
        self.heard_within(SILENT)
    }

    /// The agents that were there when somebody could be heard last, by name: for while nobody can be.
    pub(super) fn remembered(&self) -> Vec<Present> {
        self.heard_within(FORGOTTEN)
    }

    fn heard_within(&self, time: Duration) -> Vec<Present> {
        let agents = self.lock();
        let present = agents.values().filter(|heard| heard.at.elapsed() <= time);
        present.map(Heard::present).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn present(&self) -> Present {
        let mut entry = self.entry.clone();
        let silent = self.at.elapsed();
        entry.silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
        if let Some(status) = entry.status.as_mut().filter(|_| silent > LATE) {
            status.ready = false;
            status.reason = format!("not heard of for {} s", silent.as_secs());
        }
        Present { entry, rates: self.rates() }
    }

    #[expect(clippy::cast_precision_loss, reason = "for people's eyes")]
    fn rates(&self) -> Vec<f64> {
        let (Some((first, before)), Some((last, after))) = (self.samples.front(), self.samples.back()) else {
            return Vec::new();
        };
        let seconds = last.duration_since(*first).as_secs_f64();
        let rate = |(before, after): (&u64, &u64)| match seconds {
            0.0 => 0.0,
            // A restarted agent of the same name counts from zero.
            seconds => after.saturating_sub(*before) as f64 / seconds,
        };
        before.iter().zip(after).map(rate).collect()
    }
}

#[cfg(test)]
mod tests {
    use quire_api::control::{LaneStatus, StatusResponse};

    use super::*;

    fn said(name: &str, processed: u64, revision: u64) -> Change {
        let lanes = vec![LaneStatus { lane: "normal".to_owned(), processed, ..LaneStatus::default() }];
        let status = Some(StatusResponse {
            stage: "fetch".to_owned(),
            ready: true,
            lanes,
            ..StatusResponse::default()
        });
        let entry = AgentEntry { name: name.to_owned(), status, ..AgentEntry::default() };
        let (key, value) = (format!("{REGISTER}{name}"), Some(entry.encode_to_vec().into()));
        Change { key, value, revision: Revision(revision) }
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_is_there_while_it_speaks_and_its_rate_is_over_the_last_heartbeats() {
        let roll = Roll::default();
        for beat in 0..10 {
            roll.hear(said("one", beat * 100, beat));
            tokio::time::advance(HEARTBEAT).await;
        }
        let present = roll.present();
        assert_eq!(present.len(), 1);
        assert_eq!(present[0].rates, [100.0 / HEARTBEAT.as_secs_f64()]);
        assert_eq!(present[0].entry.silent_ms, 2_000);
        assert!(present[0].entry.status.as_ref().unwrap().ready);
        tokio::time::advance(LATE - Duration::from_secs(1)).await;
        let status = roll.present().remove(0).entry.status.unwrap();
        assert_eq!((status.ready, status.reason.as_str()), (false, "not heard of for 7 s"));
        tokio::time::advance(HEARTBEAT).await;
        assert!(roll.present().is_empty(), "it is silent");
        assert_eq!(roll.remembered().len(), 1, "nobody could say that it ended");
        roll.hear(said("one", 1_000, 11));
        assert_eq!(roll.present().len(), 1, "it is heard again");
        roll.hear(Change { value: None, ..said("one", 0, 12) });
        assert!(roll.present().is_empty(), "it took itself out");
    }

    #[tokio::test(start_paused = true)]
    async fn who_ended_without_a_word_is_taken_out_of_the_register() {
        let broker = Broker::in_process(quire_runtime::broker::InProcessOptions::default());
        let register = broker.kv(Bucket::Leases);
        let Change { key, value, .. } = said("dead", 1, 0);
        let revision = register.put(&key, value.unwrap()).await.unwrap();
        let roll = Roll::default();
        roll.hear(Change { revision, ..said("dead", 1, 0) });
        tokio::time::advance(FORGOTTEN + HEARTBEAT).await;
        roll.forget(&register).await;
        assert_eq!(register.keys(REGISTER).await.unwrap(), Vec::<String>::new());
    }
}
