//! Gets work done: publishes parcels, a bounded number at a time, and keeps the ledger until nothing is owed.
//!
//! Each work keeps a *slot* from its publishing until its parcel and all that descends from it are settled. When
//! nothing comes and the broker was seen twice with nothing left of ours, the slots that are still owed are planned
//! again under new ids: lost messages and a wiped broker heal that way, within seconds. Results of the first try that
//! come late are litter.
//!
//! A parcel whose input is lost ends the flight, and the run plans anew without what earlier runs left. A parcel that finds
//! no room to write ends flight and run.

use std::{collections::BTreeMap, collections::HashMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use quire_proto::{
    CatalogueRef, Epoch, Lane, Outcome, Parcel, ParcelHeader, ParcelId, RunId, Settlement, StageName, Work,
};
use quire_runtime::{
    StoreError,
    broker::{Broker, Message, PublishError, Queue, Readiness},
    crash_point, parcel_message,
    telemetry::trace,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{Event, Progress, RunError, ledger::Ledger, report::Tally, router::Subscription};

/// The flight of a run's first parcels.
pub(crate) const LIST: &str = "list";
/// Parcels of ours that may be owed at once.
const WINDOW: usize = 256;
/// Between attempts to publish.
const PAUSE: Duration = Duration::from_millis(100);
/// How often one looks whether the broker still has what is owed while nothing is settled.
const LOOK: Duration = Duration::from_secs(2);
/// So many looks in a row must find nothing: what was known at the first one may be old.
const LOOKS: u32 = 2;
/// Planned again so often in vain, and for so many stall times, the run fails.
const MAX_STALLS: u32 = 5;
/// A broker that holds parcels is waited for so many stall times before it is not believed any more.
const PATIENCE: u32 = 10;

/// What every parcel of a run says of it.
#[derive(Debug, Clone)]
pub(crate) struct RunFacts {
    pub(crate) run: RunId,
    pub(crate) epoch: Epoch,
    pub(crate) catalogue: CatalogueRef,
    pub(crate) lane: Lane,
    /// Whether agents have to do everything anew.
    pub(crate) anew: bool,
}

/// The lines between a run and its agents.
pub(crate) struct Lines {
    pub(crate) facts: RunFacts,
    pub(crate) broker: Broker,
    pub(crate) settlements: Subscription,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) stall: Duration,
    pub(crate) cancelled: CancellationToken,
    pub(crate) tally: Tally,
}

/// Takes what counts: the slot of its work and the settlement.
pub(crate) type Take<'a> = dyn FnMut(u32, Settlement) -> Result<(), RunError> + Send + 'a;

impl Lines {
    /// Has `works` done as they come. `kind` names this flight, and `again` says how many of that name there were before in
    /// this run: ids of its parcels follow from both.
    pub(crate) async fn fly(
        &mut self,
        (kind, again): (&'static str, u64),
        works: mpsc::Receiver<Work>,
        take: &mut Take<'_>,
    ) -> Result<(), RunError> {
        Flight::new(self, kind, again, works).run(take).await
    }
}

type Publishing = Pin<Box<dyn Future<Output = Result<(), PublishError>> + Send>>;

struct Slot {
    work: Work,
    /// Parcels announced for it and not settled.
    owed: usize,
}

struct Flight<'a> {
    lines: &'a mut Lines,
    kind: &'static str,
    again: u64,
    works: mpsc::Receiver<Work>,
    ledger: Ledger<Settlement>,
    slot_of: HashMap<ParcelId, u32>,
    slots: BTreeMap<u32, Slot>,
    next_slot: u32,
    /// Whether more works may come.
    open: bool,
    publishing: Option<Publishing>,
    /// Slots to be published once more.
    repeated: Vec<u32>,
    round: u32,
    last_settled: Instant,
    /// When one last looked at the broker, or had no reason to.
    looked: Instant,
    /// Looks in a row that found nothing of ours at the broker.
    found_nothing: u32,
    /// When anything was last settled or planned again.
    last_moved: Instant,
    /// How often everything was planned again since the last settlement.
    in_vain: u32,
}

/// What happened.
enum Step {
    Work(Option<Work>),
    Published(Result<(), PublishError>),
    Settled(Option<Settlement>),
    Silence,
    Cancelled,
}

impl<'a> Flight<'a> {
    fn new(lines: &'a mut Lines, kind: &'static str, again: u64, works: mpsc::Receiver<Work>) -> Self {
        let now = Instant::now();
        Self {
            lines,
            kind,
            again,
            works,
            ledger: Ledger::new(),
            slot_of: HashMap::new(),
            slots: BTreeMap::new(),
            next_slot: 0,
            open: true,
            publishing: None,
            repeated: Vec::new(),
            round: 0,
            last_settled: now,
            looked: now,
            found_nothing: 0,
            last_moved: now,
            in_vain: 0,
        }
    }

    async fn run(mut self, take: &mut Take<'_>) -> Result<(), RunError> {
        while !self.is_over() {
            match self.step().await {
                Step::Work(Some(work)) => self.begin(work)?,
                Step::Work(None) => {
                    self.open = false;
                    self.ledger.seal();
                    if self.kind == LIST {
                        crash_point("coordinator.planned");
                    }
                }
                Step::Published(done) => {
                    self.publishing = None;
                    done.map_err(|error| RunError::Broker(error.into()))?;
                    self.publish_again()?;
                }
                Step::Settled(Some(settlement)) => self.settled(settlement, take)?,
                Step::Settled(None) => return Err(RunError::Broker("the broker is closed".into())),
                Step::Silence => self.look()?,
                Step::Cancelled => return Err(RunError::Interrupted),
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.ledger.is_complete() && self.publishing.is_none() && self.repeated.is_empty()
    }

    async fn step(&mut self) -> Step {
        let may_begin =
            self.open && self.publishing.is_none() && self.repeated.is_empty() && self.slots.len() < WINDOW;
        let owes = self.ledger.owed() > 0;
        let look = self.looked + self.lines.stall.min(LOOK);
        tokio::select! {
            biased;
            () = self.lines.cancelled.cancelled() => Step::Cancelled,
            settlement = self.lines.settlements.next() => Step::Settled(settlement),
            done = poll(&mut self.publishing), if self.publishing.is_some() => Step::Published(done),
            work = self.works.recv(), if may_begin => Step::Work(work),
            () = tokio::time::sleep_until(look), if owes => Step::Silence,
        }
    }

    fn begin(&mut self, work: Work) -> Result<(), RunError> {
        let slot = self.next_slot;
        self.next_slot += 1;
        self.slots.insert(slot, Slot { work, owed: 0 });
        self.publish(slot)
    }

    /// Announces and publishes the work of a slot.
    fn publish(&mut self, slot: u32) -> Result<(), RunError> {
        let Some(pending) = self.slots.get_mut(&slot) else { return Ok(()) };
        let RunFacts { run, epoch, catalogue, lane, anew } = self.lines.facts.clone();
        let flight = ParcelId::root(&run).child(self.kind, self.again);
        let id = flight.child("round", u64::from(self.round)).child(self.kind, u64::from(slot));
        let stage = pending.work.stage();
        let parcel = Parcel {
            header: ParcelHeader { id, run, epoch, catalogue, lane, anew },
            work: pending.work.clone(),
        };
        let (queue, message) =
            parcel_message(&parcel).map_err(|source| RunError::Encode { what: "a parcel", source })?;
        pending.owed = 1;
        self.slot_of.insert(id, slot);
        self.ledger.announce(id);
        self.lines.tally.announced(stage);
        let span = trace::publish(queue, 1);
        let message = trace::carry(message, &span);
        let publishing = publish_patiently(self.lines.broker.clone(), queue, message);
        self.publishing = Some(Box::pin(publishing.instrument(span)));
        Ok(())
    }

    fn publish_again(&mut self) -> Result<(), RunError> {
        match self.repeated.pop() {
            Some(slot) => self.publish(slot),
            None => Ok(()),
        }
    }

    fn settled(&mut self, settlement: Settlement, take: &mut Take<'_>) -> Result<(), RunError> {
        let now = Instant::now();
        (self.last_settled, self.looked, self.last_moved) = (now, now, now);
        (self.found_nothing, self.in_vain) = (0, 0);
        let children = settlement.announced.iter().map(|announced| announced.id).collect();
        for (id, settlement) in self.ledger.settle(settlement.parcel, children, settlement) {
            let Some(slot) = self.slot_of.remove(&id) else { continue };
            match settlement.outcome {
                Outcome::InputLost { object } => return Err(StoreError::Missing(object).into()),
                Outcome::NoRoom { error } => return Err(RunError::NoRoom { error }),
                _ => {}
            }
            self.slot_of.extend(settlement.announced.iter().map(|child| (child.id, slot)));
            let over = self.slots.get_mut(&slot).is_some_and(|pending| {
                pending.owed = (pending.owed + settlement.announced.len()).saturating_sub(1);
                pending.owed == 0
            });
            if over {
                self.slots.remove(&slot);
            }
            self.tell(&settlement);
            take(slot, settlement)?;
        }
        Ok(())
    }

    fn tell(&mut self, settlement: &Settlement) {
        let tally = &mut self.lines.tally;
        settlement.announced.iter().for_each(|child| tally.announced(child.stage));
        let (settled, announced) = tally.settled(settlement);
        let event =
            Event::Settled { stage: settlement.stage, records: settlement.records, settled, announced };
        self.lines.progress.tell(&self.lines.facts.run, event);
    }

    /// Nothing came for a moment: waits on while the broker has parcels, or cannot tell, else plans again.
    fn look(&mut self) -> Result<(), RunError> {
        self.looked = Instant::now();
        // While there is no connection, what is known is old; and what is being published is not there yet.
        let can_tell =
            self.publishing.is_none() && *self.lines.broker.readiness().borrow() == Readiness::Ready;
        self.found_nothing = if can_tell && !self.broker_has_parcels() { self.found_nothing + 1 } else { 0 };
        if self.found_nothing < LOOKS && self.last_moved.elapsed() < self.lines.stall * PATIENCE {
            return Ok(());
        }
        self.plan_again()
    }

    fn plan_again(&mut self) -> Result<(), RunError> {
        let owed = self.ledger.owed();
        let silent = self.last_settled.elapsed();
        if self.in_vain >= MAX_STALLS && silent >= self.lines.stall * MAX_STALLS {
            return Err(RunError::Stalled { owed, seconds: silent.as_secs(), times: self.in_vain });
        }
        tracing::warn!(run = %self.lines.facts.run, owed, "no settlement for a while; planning again what is owed");
        self.lines.progress.tell(&self.lines.facts.run, Event::PlannedAgain);
        self.round += 1;
        self.in_vain += 1;
        self.found_nothing = 0;
        self.last_moved = Instant::now();
        self.ledger = Ledger::new();
        self.slot_of.clear();
        if !self.open {
            self.ledger.seal();
        }
        self.repeated = self.slots.keys().rev().copied().collect();
        if self.publishing.is_none() { self.publish_again() } else { Ok(()) }
    }

    fn broker_has_parcels(&self) -> bool {
        let lane = self.lines.facts.lane;
        let queues = StageName::ALL.into_iter().map(|stage| Queue::work(stage, lane)).chain([Queue::Settled]);
        queues.into_iter().any(|queue| self.lines.broker.info(queue).unsettled() > 0)
    }
}

/// Polls what is being published, if anything is.
async fn poll(publishing: &mut Option<Publishing>) -> Result<(), PublishError> {
    match publishing {
        Some(publishing) => publishing.await,
        None => std::future::pending().await,
    }
}

/// Publishes a message, however long the queue is full; the caller cancels by dropping.
async fn publish_patiently(broker: Broker, queue: Queue, message: Message) -> Result<(), PublishError> {
    loop {
        match broker.publish(queue, message.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_transient() => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error),
        }
    }
}
