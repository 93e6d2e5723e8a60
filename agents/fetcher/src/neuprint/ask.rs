//! Asks until there is an answer that makes sense, or it is clear that there will be none.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use quire_proto::Digest;
use quire_runtime::{Backoff, Context, StageError, telemetry::trace};
use tracing::Instrument as _;

use super::{
    answer::{self, Row, Rows},
    client::{Client, Trouble},
    meters::Meters,
};

/// Times that a query is asked before others shall decide.
const TIMES: u32 = 3;
/// Between them: about 0.2 s, then 1 s.
const PAUSES: [Backoff; 2] = [
    Backoff { first: Duration::from_millis(250), max: Duration::from_millis(250) },
    Backoff { first: Duration::from_millis(1250), max: Duration::from_millis(1250) },
];

/// Asks one dataset for one parcel.
pub(super) struct Asker<'a> {
    pub(super) client: &'a Client,
    /// Where answers are read; without one, at once: they are short then.
    pub(super) ctx: Option<&'a Context>,
    pub(super) dataset: &'a str,
    pub(super) meters: &'a Meters,
    /// Requests by how they ended.
    pub(super) requests: Mutex<BTreeMap<String, u64>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// The server asks for less, or is left alone after many failures.
    #[error("{0}")]
    Busy(String, Option<Duration>),
    /// No answer that makes sense, several times.
    #[error("{0}")]
    Broken(String),
    /// The server needs longer than we, or it, wait, again and again: less may be quicker.
    #[error("{0}")]
    Slow(String),
    /// More than the server, or we, can manage at once.
    #[error("{0}")]
    TooMuch(String),
    /// The token is not taken.
    #[error("{0}")]
    Refused(String),
    /// The query, or the dataset, is not understood.
    #[error("{0}")]
    Wrong(String),
    /// An answer with rows that make no sense.
    #[error("{0}")]
    Odd(String),
    /// Something of ours.
    #[error("{}", .0.chain())]
    Ours(StageError),
}

impl AskError {
    /// What the runtime shall do about it.
    pub(super) fn for_stage(self) -> StageError {
        const DOING: &str = "asking neuPrint";
        match self {
            Self::Busy(why, after) => StageError::overload(DOING, why, after),
            Self::Broken(why) | Self::Slow(why) => StageError::transient(DOING, why),
            Self::TooMuch(why) | Self::Refused(why) | Self::Wrong(why) | Self::Odd(why) => {
                StageError::permanent(DOING, why)
            }
            Self::Ours(error) => error,
        }
    }
}

impl Asker<'_> {
    /// Does what takes a processor.
    pub(super) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AskError> {
        match self.ctx {
            Some(ctx) => ctx.compute(work).await.map_err(AskError::Ours),
            None => Ok(work()),
        }
    }

    /// Requests so far, by how they ended.
    pub(super) fn requests(&self) -> BTreeMap<String, u64> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The rows of a query. `kind` is what it is counted as.
    pub(super) async fn ask<R: Row + Send + 'static>(
        &self,
        kind: &'static str,
        cypher: &str,
    ) -> Result<Rows<R>, AskError> {
        let body = serde_json::json!({ "cypher": cypher, "dataset": self.dataset }).to_string();
        let id = Digest::of(body.as_bytes());
        let mut last = String::new();
        for attempt in 0..TIMES {
            if let Some(pause) = attempt.checked_sub(1).and_then(|before| PAUSES.get(before as usize)) {
                tokio::time::sleep(pause.pause(&id, attempt)).await;
            }
            match self.once(kind, body.clone().into_bytes(), attempt).await {
                Err(AskError::Broken(why)) => {
                    tracing::debug!(kind, attempt, why, "a query brought no answer");
                    last = why;
                }
                // Once may be chance. Each try costs as long as we wait.
                Err(AskError::Slow(why)) if attempt == 0 => last = why,
                ended => return ended,
            }
        }
        Err(AskError::Broken(format!("{last} ({TIMES} times)")))
    }

    async fn once<R: Row + Send + 'static>(
        &self,
        kind: &'static str,
        body: Vec<u8>,
        attempt: u32,
    ) -> Result<Rows<R>, AskError> {
        let pass = self.client.turn().await.map_err(|closed| {
            let why = "neuPrint is left alone for a while: it failed many times, or asked for less";
            AskError::Busy(why.to_owned(), Some(closed.left))
        })?;
        let began = Instant::now();
        let span = self.client.span(kind, attempt);
        let (mut status, answer) = self.client.once(body).instrument(span.clone()).await;
        let bytes = answer.as_ref().map_or(0, bytes::Bytes::len);
        let read = match answer {
            Ok(bytes) => {
                let read = self.compute(move || answer::read::<R>(&bytes)).await?;
                read.map_err(|error| {
                    "odd".clone_into(&mut status);
                    Trouble::Broken(quire_runtime::chain(&error))
                })
            }
            Err(trouble) => Err(trouble),
        };
        trace::note_ending(&span, &status);
        drop(span);
        self.meters.asked(kind, &status, began.elapsed(), bytes);
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
        let trouble = match read {
            Ok(rows) => {
                pass.answered();
                return Ok(rows);
            }
            Err(trouble) => trouble,
        };
        Err(match trouble {
            Trouble::Busy(why, after) => AskError::Busy(why, pass.refused(after)),
            Trouble::Broken(why) => {
                pass.failed();
                AskError::Broken(why)
            }
            Trouble::Slow(why) => {
                // A query that takes long is one failure, however often it is asked: less of it may well be answered.
                if attempt > 0 {
                    pass.failed();
                }
                AskError::Slow(why)
            }
            Trouble::TooMuch(why) => {
                pass.answered();
                AskError::TooMuch(why)
            }
            Trouble::Refused(why) => {
                pass.answered();
                AskError::Refused(why)
            }
            Trouble::Wrong(why) => {
                pass.answered();
                AskError::Wrong(why)
            }
        })
    }
}
