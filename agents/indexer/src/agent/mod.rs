//! The indexer as a process: beside its stage, an index of every catalogue that follows the manifests, and who answers
//! questions from it.

mod asking;
mod follower;
mod hints;
mod http;
mod indexes;
mod observe;
mod service;

use std::{sync::Arc, time::Duration};

use quire_runtime::{
    BoxError,
    process::{Process, Role, Services},
};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use asking::{Asking, Refused};
use follower::Follower;
use hints::Hints;
use indexes::Indexes;
use observe::Instruments;
use service::Search;

/// How long the follower gets to end after the stage has.
const END: Duration = Duration::from_secs(2);

/// How an indexer follows.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct FollowArgs {
    /// Most seconds between two looks for new manifests in the store; it is told of most of them
    #[arg(long, env = "QUIRE_FOLLOW_SECONDS", default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub follow_seconds: u16,
}

/// The stage's role, with search beside it.
pub struct IndexerRole<R> {
    stage: R,
    args: FollowArgs,
    indexes: Indexes,
    asking: Asking,
}

impl<R: Role> IndexerRole<R> {
    /// `stage` with search beside it.
    #[must_use]
    pub fn new(stage: R, args: FollowArgs) -> Self {
        let indexes = Indexes::default();
        let asking = Asking::new(indexes.clone());
        Self { stage, args, indexes, asking }
    }

    /// Starts what follows; it ends when the process shall.
    fn follow(&self, process: &Process) -> [JoinHandle<()>; 2] {
        let meter = process.telemetry.meter();
        observe::follower(&meter, &self.indexes);
        // Set once: a role works once.
        let _ = self.asking.instruments.set(Instruments::new(&meter));
        let stop = process.stop_token().clone();
        let every = Duration::from_secs(self.args.follow_seconds.into());
        let (store, folder) = (process.store.clone(), process.state.index());
        let follower = Follower::new(store, folder, self.indexes.clone(), every, stop.clone());
        let hints = watch::Sender::new(Hints::new());
        let heard = hints.subscribe();
        [tokio::spawn(hints::listen(process.broker.clone(), hints, stop)), tokio::spawn(follower.run(heard))]
    }
}

impl<R: Role> Role for IndexerRole<R> {
    fn serve(&self, services: &mut Services) {
        self.stage.serve(services);
        services.add(Search::service(self.asking.clone()));
    }

    fn http(&self) -> axum::Router {
        self.stage.http().merge(http::routes(self.asking.clone()))
    }

    async fn work(self, process: Arc<Process>) -> Result<(), BoxError> {
        let following = self.follow(&process);
        let worked = self.stage.work(process).await;
        for task in following {
            match timeout(END, task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "the index no longer followed"),
                // An index that was being written is found unfinished by the next start, and made anew.
                Err(_) => tracing::debug!("following was cut short"),
            }
        }
        worked
    }
}
