//! From what was gathered to the manifest's rows: the decision is taken, pages and documents are made, and both again without
//! what died, until nothing more dies (see [`Dead`]).

use std::{collections::BTreeSet, sync::Arc};

use quire_proto::{
    RecordCounts, Work,
    manifest::{Basis, Chunk},
};
use quire_runtime::{crash_point, telemetry::trace};
use tokio::sync::mpsc;

use crate::{
    Event, Loss, Phase, RunError,
    aggregates::Together,
    assemble::{Assembled, Products, assemble},
    carry::{Found, carry},
    dead::Dead,
    decide::{Decided, decide},
    gather::Gathered,
    make::{self, MakePlan},
    manifest_io::{ChunkWriter, RejectReader},
    run::Run,
    scope::{HeldRejects, Scope},
    task::{blocking, on_thread, send},
};

/// Everything of a manifest but its files.
pub(crate) struct Rows {
    pub(crate) entries: Vec<Chunk>,
    pub(crate) rejects: Vec<Chunk>,
    pub(crate) counts: RecordCounts,
    pub(crate) basis: Basis,
    pub(crate) complete: bool,
    pub(crate) failures: Vec<String>,
}

/// After so many rounds, what still dies keeps its last page and is for others what it is now: each round may cost as much as
/// a run, and pages that die of each other one by one are no case worth more.
const MAX_ROUNDS: u64 = 16;

/// What the rounds before this one left to it.
#[derive(Default)]
struct Round {
    number: u64,
    dead: Dead,
    /// Rows of the last one.
    made: Vec<Chunk>,
    together: Arc<Together>,
    /// Records that were to be rendered.
    rendered: u64,
}

/// What the decision left, with the rejects written.
struct Settled {
    decided: Decided,
    rejects: Vec<Chunk>,
    lost: u64,
    failures: Vec<String>,
}

/// How a round ended.
enum Outcome {
    /// With the keys of records that died before and could be made.
    Rows(Box<Rows>, BTreeSet<String>),
    Again(Round),
}

impl Run<'_> {
    /// Decides and has made what is to be published.
    pub(crate) async fn rows(&mut self, gathered: Gathered) -> Result<Rows, RunError> {
        self.enter(Phase::Decide);
        let found = Arc::new(self.found(gathered).await?);
        self.looked_at = found.scope.as_ref().map(Scope::places).unwrap_or_default();
        let mut round = Round::default();
        loop {
            let this = Arc::new(round);
            let settled = self.decide(&found, &this).await?;
            crash_point("coordinator.decided");
            if this.number == 0 {
                self.enter(Phase::Make);
            }
            match self.make(&found, settled, &this).await? {
                Outcome::Rows(rows, revived) => {
                    self.revived = revived;
                    return Ok(*rows);
                }
                Outcome::Again(next) => round = next,
            }
        }
    }

    async fn found(&self, gathered: Gathered) -> Result<Found, RunError> {
        let (scope, shelf, workspace) = (self.scope.clone(), self.shelf.clone(), self.workspace.clone());
        on_thread(move || Found::of(gathered, scope.as_ref(), &shelf, &workspace)).await
    }

    async fn decide(&self, found: &Arc<Found>, round: &Arc<Round>) -> Result<Settled, RunError> {
        let (shelf, workspace, plan) = (self.shelf.clone(), self.workspace.clone(), Arc::clone(&self.plan));
        let (found, round, progress) =
            (Arc::clone(found), Arc::clone(round), Arc::clone(&self.lines.progress));
        on_thread(move || {
            let base = plan.base.as_ref();
            let basis = (base, plan.catalogue.validation_digest());
            let lost = &mut |loss: &Loss<'_>| {
                if round.number == 0 {
                    progress.lost(&plan.run, loss);
                }
            };
            let carried = carry(&found, basis, &round.dead, &shelf, &workspace, lost)?;
            let mut held = HeldRejects::of(found.scope.as_ref(), base, &shelf);
            let mut rejects = ChunkWriter::new(&shelf);
            let decided = decide(carried.candidates, &plan.messages(), &workspace, &mut |row| {
                held.before(Some(&row.item), &mut |held| rejects.push(held))?;
                rejects.push(row)
            })?;
            held.before(None, &mut |held| rejects.push(held))?;
            let (lost, failures) = (carried.lost, carried.failures);
            Ok(Settled { decided, rejects: rejects.finish()?, lost, failures })
        })
        .await
    }

    /// Has documents and pages made.
    async fn make(
        &mut self,
        found: &Arc<Found>,
        settled: Settled,
        round: &Arc<Round>,
    ) -> Result<Outcome, RunError> {
        let Settled { decided, rejects, lost, failures } = settled;
        let (items, rejected, dead_before) = (decided.items, decided.rejected, decided.dead + lost);
        self.reasons.clone_from(&decided.reasons);
        let sources = decided.sources.clone();
        let (decided, together) = self.together(decided, round).await?;
        let planning = self.planning(decided, Arc::clone(&together), round);
        let mut products = Products::new(&self.workspace);
        let flight = ("make", round.number);
        let flown =
            self.lines.fly(flight, planning.works, &mut |_, settlement| products.take(settlement)).await;
        // The flight's own error is the cause; planning only sees that nobody takes its work any more.
        let made = blocking(planning.task).await;
        flown?;
        let (made, rendered) = made?;

        let (shelf, workspace, plan) = (self.shelf.clone(), self.workspace.clone(), Arc::clone(&self.plan));
        let (progress, number, found) =
            (Arc::clone(&self.lines.progress), round.number + 1, Arc::clone(found));
        let mut dead = round.dead.clone();
        on_thread(move || {
            let Assembled { entries, mut counts, deaths, held_died } =
                assemble(made.planned, products.finish(), plan.epoch, &shelf, &workspace)?;
            if dead.add(deaths) && number < MAX_ROUNDS {
                return Ok(Outcome::Again(Round { number, dead, made: entries, together, rendered }));
            }
            dead.tell(&mut |loss| progress.lost(&plan.run, loss));
            counts.seen = items + lost;
            counts.rejected = rejected;
            counts.dead += dead_before;
            counts.removed = make::removed(made.gone, RejectReader::new(&shelf, rejects.clone()))?;
            if !counts.adds_up() {
                return Err(RunError::Counts(counts));
            }
            let dead_records = plan.dead(&counts, held_died);
            let others = plan.base.iter().flat_map(|base| base.manifest.basis.dead_bodies.iter().cloned());
            let basis = Basis {
                sources: plan.basis_sources(sources, &entries, &rejects),
                index: dead.are_indexed().then(|| plan.catalogue.validation_digest()),
                projection: Some(plan.projection(&entries, &rejects, dead_records)),
                inputs: Vec::new(),
                dead: dead_records,
                dead_bodies: dead.bodies(others.filter(|body| !found.looks_at(&body.item))),
                together: together.slices.clone(),
                figures: together.figures.clone(),
            };
            let failures = failures.into_iter().chain(dead.failures()).collect();
            let complete = found.complete;
            let rows = Rows { entries, rejects, counts, basis, complete, failures };
            Ok(Outcome::Rows(Box::new(rows), dead.into_revived()))
        })
        .await
    }

    /// What the accepted records give together.
    async fn together(
        &self,
        decided: Decided,
        round: &Arc<Round>,
    ) -> Result<(Decided, Arc<Together>), RunError> {
        let (shelf, workspace, plan) = (self.shelf.clone(), self.workspace.clone(), Arc::clone(&self.plan));
        let (projector, round) = (Arc::clone(&self.options.projector), Arc::clone(round));
        on_thread(move || {
            let (accepted, drawn) = (&decided.accepted, &round.together.figures);
            let together = Together::of(accepted, &plan, drawn, projector.as_ref(), &shelf, &workspace)?;
            Ok((decided, Arc::new(together)))
        })
        .await
    }

    fn planning(&self, decided: Decided, together: Arc<Together>, round: &Arc<Round>) -> Planning {
        let (sender, works) = mpsc::channel(4);
        let (shelf, workspace, plan) = (self.shelf.clone(), self.workspace.clone(), Arc::clone(&self.plan));
        let (progress, round) = (Arc::clone(&self.lines.progress), Arc::clone(round));
        let task = trace::spawn_blocking(move || {
            let making = MakePlan {
                base: plan.base.as_ref(),
                shelf: &shelf,
                epoch: plan.epoch,
                frame: plan.frame(),
                index: plan.catalogue.validation_digest(),
                lookups: plan.catalogue.definition().lookups.len(),
                together: &together,
                full: plan.full,
                made: &round.made,
                dead: &round.dead,
            };
            let mut rendered = round.rendered;
            let made = make::plan(decided, &making, &workspace, &mut |work| {
                if let Work::Render(records) = &work {
                    rendered += records.len() as u64;
                    progress.tell(&plan.run, Event::ToRender(rendered));
                }
                send(&sender, work)
            })?;
            Ok((made, rendered))
        });
        Planning { works, task }
    }
}

/// The second phase's works as they are found, and who finds them, with how many records are to be rendered.
struct Planning {
    works: mpsc::Receiver<Work>,
    task: tokio::task::JoinHandle<Result<(make::Made, u64), RunError>>,
}
