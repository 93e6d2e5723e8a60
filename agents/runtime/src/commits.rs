//! Word of commits: who follows manifests hears at once that there is a newer one.
//!
//! It is a hint and no more. The store alone says what is committed; whoever missed the word finds out by looking there.

use quire_broker::{Broker, Bucket, KvError, Watch};
use quire_proto::Epoch;

/// Keys of hints in [`Bucket::Runs`] start so; the catalogue follows.
const PREFIX: &str = "committed.";

/// Says that `catalogue` has a manifest of `epoch`.
///
/// # Errors
/// [`KvError`]; then followers find the manifest in the store, a little later.
pub async fn announce_commit(broker: &Broker, catalogue: &str, epoch: Epoch) -> Result<(), KvError> {
    let key = format!("{PREFIX}{catalogue}");
    broker.kv(Bucket::Runs).put(&key, epoch.0.to_string()).await.map(drop)
}

/// Hears of commits: first the last one of every catalogue, then each that is made.
#[derive(Debug)]
pub struct Commits(Watch);

impl Commits {
    /// Begins to listen.
    ///
    /// # Errors
    /// [`KvError`].
    pub async fn watch(broker: &Broker) -> Result<Self, KvError> {
        Ok(Self(broker.kv(Bucket::Runs).watch(PREFIX).await?))
    }

    /// The next catalogue and epoch. Cancel-safe.
    ///
    /// # Errors
    /// [`KvError::Lagged`] if commits were missed: look at the store, and go on. Otherwise the watch has ended.
    pub async fn next(&mut self) -> Result<(String, Epoch), KvError> {
        loop {
            let change = self.0.next().await?;
            let epoch = change.value.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
            if let (Some(catalogue), Some(epoch)) = (change.key.strip_prefix(PREFIX), epoch) {
                return Ok((catalogue.to_owned(), Epoch(epoch)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quire_broker::InProcessOptions;

    use super::*;

    #[tokio::test]
    async fn who_comes_late_hears_the_last_commit_of_each_and_then_every_new_one() {
        let broker = Broker::in_process(InProcessOptions::default());
        for epoch in 1..4 {
            announce_commit(&broker, "birds", Epoch(epoch)).await.unwrap();
        }
        broker.kv(Bucket::Runs).put("committed.bats", "not a number").await.unwrap();
        let mut commits = Commits::watch(&broker).await.unwrap();
        assert_eq!(commits.next().await.unwrap(), ("birds".to_owned(), Epoch(3)));
        announce_commit(&broker, "fish", Epoch(7)).await.unwrap();
        assert_eq!(commits.next().await.unwrap(), ("fish".to_owned(), Epoch(7)));
    }
}
