//! Answers questions beside the stage's work: a bounded number at once, each counted and timed.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, time::timeout};

use super::{indexes::Indexes, observe::Instruments};
use crate::SearchError;

/// Questions that are answered at once, for each core.
const PER_CORE: usize = 4;
/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// The question is wrong.
    Wrong(String),
    /// There is no such thing.
    NotFound(String),
    /// Not now, and not here.
    Unavailable(String),
    /// The answer cannot be had.
    Failed(String),
}

impl Refused {
    pub(super) fn message(&self) -> &str {
        match self {
            Self::Wrong(message)
            | Self::NotFound(message)
            | Self::Unavailable(message)
            | Self::Failed(message) => message,
        }
    }

    /// The word of its label.
    const fn word(&self) -> &'static str {
        match self {
            Self::Wrong(_) => "wrong",
            Self::NotFound(_) => "not_found",
            Self::Unavailable(_) => "unavailable",
            Self::Failed(_) => "failed",
        }
    }
}

impl From<SearchError> for Refused {
    fn from(error: SearchError) -> Self {
        let told = quire_runtime::chain(&error);
        if error.is_usage() { Self::Wrong(told) } else { Self::Failed(told) }
    }
}

/// Who is asked. Cheap to clone.
#[derive(Clone)]
pub(super) struct Asking {
    indexes: Indexes,
    room: Arc<Semaphore>,
    /// Empty until there are instruments.
    pub(super) instruments: Arc<OnceLock<Instruments>>,
}

impl Asking {
    pub(super) fn new(indexes: Indexes) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { indexes, room: Arc::new(Semaphore::new(PER_CORE * cores)), instruments: Arc::default() }
    }

    /// Answers a question of the kind `call`.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        call: &'static str,
        work: impl FnOnce(&Indexes) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let began = Instant::now();
        let answer = self.answer(work).await;
        if let Some(instruments) = self.instruments.get() {
            let ending = answer.as_ref().err().map_or("ok", Refused::word);
            instruments.asked(call, ending, began.elapsed());
        }
        answer
    }

    async fn answer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Indexes) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let turn = timeout(PATIENCE, Arc::clone(&self.room).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Refused::Unavailable("too many questions at once: ask again later".to_owned()));
        };
        let indexes = self.indexes.clone();
        let answered = tokio::task::spawn_blocking(move || {
            // Held until the work has ended, also when nobody waits for it any more.
            let _turn = turn;
            work(&indexes)
        });
        answered.await.unwrap_or_else(|error| Err(Refused::Failed(format!("the search failed: {error}"))))
    }
}
