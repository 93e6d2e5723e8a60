//! One delivery from start to settlement.
//!
//! Children are published first, then the settlement, then the delivery is acknowledged; all ids are derived. So a
//! crash anywhere in between leads to a repeat that says the same again, and is counted once.

use std::{
    mem::discriminant,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use quire_broker::{Broker, Delivery, PublishError, PublishOptions};
use quire_proto::{Digest, Outcome, Parcel, Settlement, codec};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    AgentOptions, ComputePool, Context, Ending, ErrorClass, Metrics, Processed, ResultsCache, Stage,
    StageError, Store,
    crash::{crash_point, crash_point_about},
    error::chain,
    retry::Delays,
    settle::{self, DeadLetter, TellError},
    split::{self, Subjects},
    telemetry::trace,
    waiting::{catch, with_progress},
};

/// How often a parcel is tried while nothing can be written, before its run is told to stop.
const NO_ROOM_ATTEMPTS: u32 = 3;
/// What became of single parcels: where a run's report tells it, one need not read it twice.
const PARCELS: &str = "quire_runtime::parcels";
/// Longest pause that an upstream may ask for.
const MAX_DELAY: Duration = Duration::from_secs(600);

/// What an agent needs for a delivery.
pub(crate) struct Pump<S> {
    pub(crate) stage: S,
    pub(crate) broker: Broker,
    pub(crate) store: Store,
    pub(crate) pool: ComputePool,
    pub(crate) results: ResultsCache,
    pub(crate) options: AgentOptions,
    pub(crate) metrics: Metrics,
    pub(crate) cancelled: CancellationToken,
    pub(crate) delays: Delays,
}

/// How a delivery is settled.
enum Word {
    Ack,
    Term,
    Nak(Duration),
    /// For reasons that are not the parcel's: no attempt.
    Postpone(Duration),
}

/// What a handler, or the results cache in its place, gave.
struct Attempt {
    result: Result<Processed, StageError>,
    service: Duration,
    cached: bool,
}

impl<S: Stage> Pump<S> {
    /// Does what a delivery asks for and settles it; the service time of its handler.
    pub(crate) async fn handle(&self, delivery: Delivery) -> Duration {
        let span = trace::process(&delivery);
        self.settle(delivery).instrument(span).await
    }

    async fn settle(&self, delivery: Delivery) -> Duration {
        delivery.start();
        let mut service = Duration::ZERO;
        let word =
            with_progress(&delivery, self.options.ack_progress, self.answer(&delivery, &mut service)).await;
        if !matches!(word, Word::Nak(_) | Word::Postpone(_)) {
            self.delays.forget(&delivery.message.id);
        }
        match word {
            Word::Ack => delivery.ack(),
            Word::Term => delivery.term(),
            Word::Nak(pause) => delivery.nak(pause),
            Word::Postpone(pause) => delivery.postpone(pause),
        }
        service
    }

    async fn answer(&self, delivery: &Delivery, service: &mut Duration) -> Word {
        let told = match self.decode(delivery) {
            Ok(parcel) => {
                trace::note(&parcel);
                self.work(delivery, Arc::new(parcel), service).await
            }
            Err(error) => self.bury_message(delivery, &error).await,
        };
        // Who cannot be told now is told later; that is no fault of the parcel.
        told.unwrap_or_else(|error| {
            let pause = self.delay(&delivery.message.id).unwrap_or(self.options.backoff.max);
            tracing::warn!(error = chain(&error), stage = %self.stage.name(), "not settled, trying again");
            Word::Postpone(pause)
        })
    }

    fn decode(&self, delivery: &Delivery) -> Result<Parcel, StageError> {
        let parcel: Parcel = codec::decode(&delivery.message.payload)
            .map_err(|error| StageError::permanent("decoding a parcel", error))?;
        let (stage, meant) = (self.stage.name(), parcel.work.stage());
        if stage == meant {
            return Ok(parcel);
        }
        Err(StageError::new(
            ErrorClass::Permanent,
            format!("stage {stage} got a parcel for stage {meant}"),
            None,
        ))
    }

    async fn work(
        &self,
        delivery: &Delivery,
        parcel: Arc<Parcel>,
        service: &mut Duration,
    ) -> Result<Word, TellError> {
        let attempts = attempts(delivery);
        if attempts > self.options.max_attempts {
            let error =
                StageError::new(ErrorClass::Permanent, "earlier attempts ended without an answer", None);
            return self.give_up(&parcel, &error, attempts - 1, Duration::ZERO).await;
        }
        let key = self.results.key(&parcel.work, &parcel.header.catalogue);
        let attempt = self.attempt(&parcel, key.as_ref()).await;
        *service = attempt.service;
        crash_point_about("pump.processed", || split::subjects(&parcel.work));
        let error = match attempt.result {
            Ok(processed) => {
                let told = self.tell_done(&parcel, processed, key, attempt.service, attempt.cached).await;
                let Err(error) = told else { return Ok(Word::Ack) };
                untellable(error)?
            }
            Err(error) => error,
        };
        self.failed(delivery, &parcel, &error, attempts, attempt.service).await
    }

    async fn attempt(&self, parcel: &Arc<Parcel>, key: Option<&Digest>) -> Attempt {
        let known = if parcel.header.anew { None } else { self.known(key).await };
        if let Some(outcome) = known {
            return Attempt { result: Ok(Processed::leaf(outcome)), service: Duration::ZERO, cached: true };
        }
        let (store, pool, cancelled) = (self.store.clone(), self.pool.clone(), self.cancelled.clone());
        let ctx = Context::new(store, pool, cancelled, parcel.header.lane);
        let started = Instant::now();
        let handler = async { self.stage.process(ctx.clone(), Arc::clone(parcel)).await };
        let result = catch(handler).await.unwrap_or_else(|message| Err(StageError::panicked(&message)));
        let service = started.elapsed().saturating_sub(ctx.queued());
        Attempt { result, service, cached: false }
    }

    async fn known(&self, key: Option<&Digest>) -> Option<Outcome> {
        let (key, results, store) = (*key?, self.results.clone(), self.store.clone());
        trace::spawn_blocking(move || results.get(&key, &store)).await.ok().flatten()
    }

    async fn tell_done(
        &self,
        parcel: &Parcel,
        processed: Processed,
        key: Option<Digest>,
        service: Duration,
        cached: bool,
    ) -> Result<(), TellError> {
        let Processed { outcome, children } = processed;
        if let Some(key) = key
            && !cached
            && children.is_empty()
        {
            self.keep(key, outcome.clone()).await;
        }
        let (ending, served) =
            if cached { (Ending::Cached, None) } else { (Ending::Processed, Some(service)) };
        let children = settle::children(parcel, children);
        let announced = settle::announce(&children);
        let kind = discriminant(&parcel.work);
        let (own, next): (Vec<_>, Vec<_>) =
            children.into_iter().partition(|child| discriminant(&child.work) == kind);
        let left = own.iter().map(|child| child.work.records() as u64).sum();
        let records = (parcel.work.records() as u64).saturating_sub(left);
        self.metrics.ended(self.stage.name(), parcel.header.lane, ending, records, served);
        let settlement = settle::settlement(parcel, announced, outcome, service, cached);
        // First what may have to wait for room: with that left undone, all of it is done again.
        settle::publish_parcels(&self.broker, &next, PublishOptions::default()).await?;
        // As after a split: whoever works off a full lane must not wait for room in it.
        self.tell(&own, &Settlement { records, ..settlement }, PublishOptions::default().headroom()).await
    }

    /// Before anyone hears of the result, so that what is settled is kept. What could not be kept is made again.
    async fn keep(&self, key: Digest, outcome: Outcome) {
        let results = self.results.clone();
        let _ = trace::spawn_blocking(move || results.put(&key, &outcome)).await;
    }

    /// Children first, then the settlement: the ledger never owes what nobody will settle.
    async fn tell(
        &self,
        children: &[Parcel],
        settlement: &Settlement,
        options: PublishOptions,
    ) -> Result<(), TellError> {
        settle::publish_parcels(&self.broker, children, options).await?;
        crash_point("pump.children-published");
        settle::publish_settlement(&self.broker, settlement).await?;
        crash_point("pump.settled");
        Ok(())
    }

    async fn failed(
        &self,
        delivery: &Delivery,
        parcel: &Parcel,
        error: &StageError,
        attempts: u32,
        service: Duration,
    ) -> Result<Word, TellError> {
        if error.is_panic() {
            self.metrics.panicked(self.stage.name(), parcel.header.lane);
        }
        let id = &delivery.message.id;
        let again = match error.class() {
            ErrorClass::InputLost(object) => return self.tell_lost(parcel, error, object, service).await,
            ErrorClass::Overload { retry_after } => self.delay(id).map(|pause| {
                let pause = retry_after.map_or(pause, |after| after.min(MAX_DELAY));
                (Ending::Delayed, Word::Postpone(pause))
            }),
            ErrorClass::NoRoom if attempts >= NO_ROOM_ATTEMPTS => {
                return self.tell_no_room(parcel, error, service).await;
            }
            ErrorClass::NoRoom => {
                Some((Ending::Retried, Word::Nak(self.options.backoff.pause(id, attempts))))
            }
            ErrorClass::Transient if attempts < self.options.max_attempts => {
                Some((Ending::Retried, Word::Nak(self.options.backoff.pause(id, attempts))))
            }
            ErrorClass::Transient | ErrorClass::Permanent => None,
        };
        let Some((ending, word)) = again else {
            return self.give_up(parcel, error, attempts, service).await;
        };
        self.count(parcel, ending, Some(service));
        let (stage, subjects) = (self.stage.name(), Subjects(&parcel.work));
        if error.class() == ErrorClass::NoRoom {
            // Every parcel meets it: the run tells of it once.
            tracing::debug!(error = error.chain(), %stage, %subjects, attempts, "no room; parcel given back");
        } else {
            let lane = parcel.header.lane;
            tracing::warn!(target: PARCELS, error = error.chain(), %stage, %lane, %subjects, attempts, "parcel given back");
        }
        Ok(word)
    }

    /// How long to wait without counting an attempt; `None` once that was done too often.
    fn delay(&self, id: &Digest) -> Option<Duration> {
        let count = self.delays.add(id).filter(|count| *count <= self.options.max_delays)?;
        Some(self.options.backoff.pause(id, count))
    }

    /// Settles a parcel whose input is gone: the parcel itself is as good as any.
    async fn tell_lost(
        &self,
        parcel: &Parcel,
        error: &StageError,
        object: Digest,
        service: Duration,
    ) -> Result<Word, TellError> {
        let (stage, subjects) = (self.stage.name(), Subjects(&parcel.work));
        tracing::warn!(target: PARCELS, error = error.chain(), %stage, %subjects, "a parcel's input is lost");
        self.tell_end(parcel, Outcome::InputLost { object }, Ending::InputLost, service).await
    }

    /// Settles a parcel whose result cannot be written.
    async fn tell_no_room(
        &self,
        parcel: &Parcel,
        error: &StageError,
        service: Duration,
    ) -> Result<Word, TellError> {
        self.tell_end(parcel, Outcome::NoRoom { error: error.chain() }, Ending::NoRoom, service).await
    }

    /// Settles a parcel without a result.
    async fn tell_end(
        &self,
        parcel: &Parcel,
        outcome: Outcome,
        ending: Ending,
        service: Duration,
    ) -> Result<Word, TellError> {
        let settlement = settle::settlement(parcel, Vec::new(), outcome, service, false);
        self.count(parcel, ending, Some(service));
        self.tell(&[], &settlement, PublishOptions::default()).await?;
        Ok(Word::Ack)
    }

    /// Splits a suspect parcel; one that cannot be split is dead.
    async fn give_up(
        &self,
        parcel: &Parcel,
        error: &StageError,
        attempts: u32,
        service: Duration,
    ) -> Result<Word, TellError> {
        let stage = self.stage.name();
        if let Some(halves) = split::halves(&parcel.work) {
            let children = settle::halves(&parcel.header, halves);
            let announced = settle::announce(&children);
            let settlement = settle::settlement(parcel, announced, Outcome::Split, service, false);
            self.count(parcel, Ending::Split, Some(service));
            self.tell(&children, &settlement, PublishOptions::default().headroom()).await?;
            let (records, subjects) = (parcel.work.records(), Subjects(&parcel.work));
            tracing::debug!(error = error.chain(), %stage, records, %subjects, "parcel split");
            return Ok(Word::Ack);
        }
        let (text, subjects) = (error.chain(), split::subjects(&parcel.work));
        tracing::error!(target: PARCELS, error = text, %stage, subjects = %Subjects(&parcel.work), attempts, "parcel dead");
        let letter = DeadLetter {
            stage,
            parcel: Some(parcel.clone()),
            message: Bytes::new(),
            error: text.clone(),
            attempts,
        };
        settle::publish_dead(&self.broker, parcel.header.id.digest(), letter).await?;
        let outcome = Outcome::Dead { error: text, attempts, subjects };
        let settlement = settle::settlement(parcel, Vec::new(), outcome, service, false);
        self.count(parcel, Ending::Dead, Some(service));
        self.tell(&[], &settlement, PublishOptions::default()).await?;
        Ok(Word::Term)
    }

    /// A message that is no parcel of this stage: nobody waits for its settlement, a person may look at it.
    async fn bury_message(&self, delivery: &Delivery, error: &StageError) -> Result<Word, TellError> {
        let text = error.chain();
        tracing::error!(error = text, queue = %delivery.queue, id = %delivery.message.id, "message is no parcel");
        let letter = DeadLetter {
            stage: self.stage.name(),
            parcel: None,
            message: delivery.message.payload.clone(),
            error: text,
            attempts: attempts(delivery),
        };
        settle::publish_dead(&self.broker, &delivery.message.id, letter).await?;
        Ok(Word::Term)
    }

    /// Counts before the settlement is published: whoever has seen the last one of a run finds everything counted.
    fn count(&self, parcel: &Parcel, ending: Ending, service: Option<Duration>) {
        let records = parcel.work.records() as u64;
        self.metrics.ended(self.stage.name(), parcel.header.lane, ending, records, service);
    }
}

/// Attempts so far, this one included. What was put off was none.
fn attempts(delivery: &Delivery) -> u32 {
    delivery.attempt.max(1)
}

/// What can never be told, mostly because it is too large for a message, is the parcel's own fault: half of it may
/// fit. Everything else may be told later.
fn untellable(error: TellError) -> Result<StageError, TellError> {
    match error {
        TellError::Encode(_) | TellError::Publish { source: PublishError::TooLarge { .. }, .. } => {
            Ok(StageError::permanent("telling the result", error))
        }
        TellError::Publish { .. } => Err(error),
    }
}
