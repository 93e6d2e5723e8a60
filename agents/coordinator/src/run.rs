//! One run from its plan to its report.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use quire_proto::{
    RecordCounts, RunReport, Work,
    manifest::{Basis, Chunk, FORMAT, Manifest},
};
use quire_runtime::{Store, crash_point, telemetry::trace};
use tokio::sync::{RwLock, RwLockReadGuard, mpsc};

use crate::{
    CoordinatorOptions, Event, Loss, Phase, RunError,
    aggregates::Together,
    announce::announce,
    assemble::{Assembled, Products, assemble},
    carry::{carry, each_verdict},
    commit::commit,
    decide::{Decided, decide},
    flight::{LIST, Lines},
    gather::Gathered,
    make::{self, MakePlan},
    manifest_io::{self, ChunkWriter, Committed, RejectReader},
    plan::Plan,
    project::{Last, Projected, project},
    publish::{Wanted, Written, publish_catalogue},
    runs::Sorted,
    scope::{HeldRejects, Scope},
    shelf::Shelf,
    site_record::SiteRecords,
    task::{blocking, on_thread, send},
    turns::Turns,
    workspace::Workspace,
};

/// A run under way.
pub(crate) struct Run<'a> {
    pub(crate) options: &'a CoordinatorOptions,
    pub(crate) plan: Arc<Plan>,
    pub(crate) lines: Lines,
    pub(crate) workspace: Workspace,
    pub(crate) shelf: Shelf,
    pub(crate) records: SiteRecords,
    pub(crate) started: Instant,
    /// Held shared from commit to publication; whoever finishes the site has it alone.
    pub(crate) publishing: &'a RwLock<()>,
    /// Who may commit and publish.
    pub(crate) turns: &'a Turns,
    /// What it looks at; `None`: everything.
    pub(crate) scope: Option<Scope>,
    /// Reasons of rejects, by rule, once they are known.
    pub(crate) reasons: BTreeMap<String, u64>,
    /// Sources that were not listed completely, once that is known.
    pub(crate) unlisted: usize,
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) report: RunReport,
    /// The manifest, if this run committed one, and the files that it wants in the site, if it published them.
    pub(crate) committed: Option<(Committed, Option<Sorted<Wanted>>)>,
}

/// What the decision left, with the rejects written.
struct Settled {
    decided: Decided,
    rejects: Vec<Chunk>,
    lost: u64,
    complete: bool,
    failures: Vec<String>,
}

/// Everything of a manifest but its files.
struct Rows {
    entries: Vec<Chunk>,
    rejects: Vec<Chunk>,
    counts: RecordCounts,
    basis: Basis,
    complete: bool,
    failures: Vec<String>,
}

impl<'a> Run<'a> {
    pub(crate) async fn run(mut self) -> Result<Ended, RunError> {
        self.enter(Phase::Gather);
        let gathered = self.gather().await?;
        crash_point("coordinator.gathered");
        if self.plan.nothing_changed(&gathered) {
            return self.end_unchanged().await;
        }
        if let Some(counts) = self.unchanged_keys(&gathered).await? {
            self.enter(Phase::Publish);
            return self.end(counts, Vec::new(), Written::default(), None).await;
        }
        self.enter(Phase::Decide);
        self.unlisted = gathered.unlisted();
        let settled = self.decide(gathered).await?;
        crash_point("coordinator.decided");
        self.enter(Phase::Make);
        let rows = self.make(settled).await?;
        crash_point("coordinator.made");
        self.plan.may_commit(&rows.counts, rows.complete, &rows.failures)?;
        self.enter(Phase::Commit);
        // One run of a catalogue at a time: of two that publish one file, the later has to be the newer.
        let _turn = self.turns.commit(&self.plan.reference.name, &self.lines.cancelled).await?;
        // What is committed and not yet in the site would be removed as nobody's, or be named before it is there.
        let _publishing = self.may_publish().await?;
        let Some(committed) = self.commit(&rows).await? else {
            // Whoever follows the manifests looks again: what it has of the last one may be damaged.
            self.enter(Phase::Publish);
            return self.end(rows.counts, rows.failures, Written::default(), None).await;
        };
        crash_point("coordinator.committed");
        announce(&self.options.broker, &self.plan.reference.name, committed.manifest.epoch);
        self.enter(Phase::Publish);
        let (wanted, written) = self.publish(&committed).await?;
        self.end(rows.counts, rows.failures, written, Some((committed, wanted))).await
    }

    fn enter(&self, phase: Phase) {
        self.lines.progress.tell(&self.plan.run, Event::Entered(phase));
    }

    async fn may_publish(&self) -> Result<RwLockReadGuard<'a, ()>, RunError> {
        tokio::select! {
            biased;
            () = self.lines.cancelled.cancelled() => Err(RunError::Interrupted),
            publishing = self.publishing.read() => Ok(publishing),
        }
    }

    fn store(&self) -> Store {
        self.options.store.clone()
    }

    async fn gather(&mut self) -> Result<Gathered, RunError> {
        let gathered = self.list(LIST).await?;
        if self.scope.is_none() {
            return Ok(gathered);
        }
        let (gathered, moved) = self.look_for_moved(gathered).await?;
        // Where they are now, only a listing of everything tells.
        if moved { self.list("list-all").await } else { Ok(gathered) }
    }

    async fn look_for_moved(&mut self, gathered: Gathered) -> Result<(Gathered, bool), RunError> {
        let Some(mut scope) = self.scope.take() else { return Ok((gathered, false)) };
        let (shelf, workspace, plan) = (self.shelf.clone(), self.workspace.clone(), Arc::clone(&self.plan));
        let (scope, gathered, moved) = on_thread(move || {
            let moved = scope.seek_moved(&gathered, &plan.catalogue, &mut |visit| {
                each_verdict(&gathered, &shelf, &workspace, visit)
            })?;
            Ok((scope, gathered, moved))
        })
        .await?;
        self.scope = Some(scope);
        Ok((gathered, moved))
    }

    async fn list(&mut self, kind: &'static str) -> Result<Gathered, RunError> {
        let listed = self.plan.listed(self.scope.as_ref());
        let names = listed.iter().map(|(source, _)| source.clone());
        let mut gathered = Gathered::new(names, &self.workspace);
        let works = self.plan.works(listed);
        let (sender, receiver) = mpsc::channel(works.len().max(1));
        for work in works {
            // There is room for all of them, and the receiver is here.
            let _ = sender.send(work).await;
        }
        drop(sender);
        self.lines.fly(kind, receiver, &mut |slot, settlement| gathered.take(slot, settlement)).await?;
        Ok(gathered)
    }

    async fn decide(&self, gathered: Gathered) -> Result<Settled, RunError> {
        let (shelf, workspace, plan) = (self.shelf.clone(), self.workspace.clone(), Arc::clone(&self.plan));
        let (scope, progress) = (self.scope.clone(), Arc::clone(&self.lines.progress));
        on_thread(move || {
            let base = plan.base.as_ref();
            let lost = &mut |loss: &Loss<'_>| progress.lost(&plan.run, loss);
            let carried = carry(gathered, base, scope.as_ref(), &shelf, &workspace, lost)?;
            let mut held = HeldRejects::of(carried.scope.as_ref(), base, &shelf);
            let mut rejects = ChunkWriter::new(&shelf);
            let decided = decide(carried.candidates, &plan.messages(), &workspace, &mut |row| {
                held.before(Some(&row.item), &mut |held| rejects.push(held))?;
                rejects.push(row)
            })?;
            held.before(None, &mut |held| rejects.push(held))?;
            let (lost, complete, failures) = (carried.lost, carried.complete, carried.failures);
            Ok(Settled { decided, rejects: rejects.finish()?, lost, complete, failures })
        })
        .await
    }

    /// Has documents and pages made; the manifest's rows.
    async fn make(&mut self, settled: Settled) -> Result<Rows, RunError> {
        let Settled { decided, rejects, lost, complete, failures } = settled;
        let (items, rejected, dead) = (decided.items, decided.rejected, decided.dead + lost);
        self.reasons.clone_from(&decided.reasons);
        let sources = decided.sources.clone();
        let (decided, together) = self.together(decided).await?;
        let planning = self.planning(decided, Arc::clone(&together));
        let mut products = Products::new(&self.workspace);
        let flown =
            self.lines.fly("make", planning.works, &mut |_, settlement| products.take(settlement)).await;
        // The flight's own error is the cause; planning only sees that nobody takes its work any more.
        let made = blocking(planning.task).await;
        flown?;
        let made = made?;

        let (shelf, workspace, plan) = (self.shelf.clone(), self.workspace.clone(), Arc::clone(&self.plan));
        let progress = Arc::clone(&self.lines.progress);
        on_thread(move || {
            let tell = &mut |loss: &Loss<'_>| progress.lost(&plan.run, loss);
            let Assembled { entries, mut counts, losses, held_died } =
                assemble(made.planned, products.finish(), plan.epoch, &shelf, &workspace, tell)?;
            counts.seen = items + lost;
            counts.rejected = rejected;
            counts.dead += dead;
            counts.removed = make::removed(made.gone, RejectReader::new(&shelf, rejects.clone()))?;
            if !counts.adds_up() {
                return Err(RunError::Counts(counts));
            }
            let dead = plan.dead(&counts, held_died);
            let basis = Basis {
                sources: plan.basis_sources(sources, &entries, &rejects),
                index: Some(plan.catalogue.validation_digest()),
                projection: Some(plan.projection(&entries, &rejects, dead)),
                inputs: Vec::new(),
                dead,
                together: together.slices.clone(),
                figures: together.figures.clone(),
            };
            let failures = failures.into_iter().chain(losses.told("records")).collect();
            Ok(Rows { entries, rejects, counts, basis, complete, failures })
        })
        .await
    }

    /// What the accepted records give together.
    async fn together(&self, decided: Decided) -> Result<(Decided, Arc<Together>), RunError> {
        let (shelf, workspace, plan) = (self.shelf.clone(), self.workspace.clone(), Arc::clone(&self.plan));
        let projector = Arc::clone(&self.options.projector);
        on_thread(move || {
            let together = Together::of(&decided.accepted, &plan, projector.as_ref(), &shelf, &workspace)?;
            Ok((decided, Arc::new(together)))
        })
        .await
    }

    fn planning(&self, decided: Decided, together: Arc<Together>) -> Planning {
        let (sender, works) = mpsc::channel(4);
        let (shelf, workspace, plan) = (self.shelf.clone(), self.workspace.clone(), Arc::clone(&self.plan));
        let progress = Arc::clone(&self.lines.progress);
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
            };
            let mut to_render = 0;
            let made = make::plan(decided, &making, &workspace, &mut |work| {
                if let Work::Render(records) = &work {
                    to_render += records.len() as u64;
                    progress.tell(&plan.run, Event::ToRender(to_render));
                }
                send(&sender, work)
            })?;
            Ok(made)
        });
        Planning { works, task }
    }

    /// Makes the lists and commits; `None` if the manifest would say what the last one says.
    async fn commit(&self, rows: &Rows) -> Result<Option<Committed>, RunError> {
        let (entries, rejects) = (rows.entries.clone(), rows.rejects.clone());
        let (basis, complete) = (rows.basis.clone(), rows.complete);
        let (shelf, workspace, plan) = (self.shelf.clone(), self.workspace.clone(), Arc::clone(&self.plan));
        let projector = Arc::clone(&self.options.projector);
        on_thread(move || {
            let mut manifest = Manifest {
                format: FORMAT,
                catalogue: plan.reference.clone(),
                validation: plan.catalogue.validation_digest(),
                run: plan.run.clone(),
                epoch: plan.epoch,
                complete,
                entries,
                rejects,
                files: Vec::new(),
                basis,
            };
            let last = plan.base.as_ref().map(|base| &base.manifest);
            let known = last.map(Last::of).unwrap_or_default();
            let stands = last.is_some_and(|last| last.basis.projection == manifest.basis.projection);
            let stands = stands && shelf.store().has_slices(known.files.iter().map(|file| &file.from))?;
            let Projected { files, inputs } = if stands && !plan.full {
                known.as_they_are()
            } else {
                let known = if plan.full { Last { inputs: &[], ..known } } else { known };
                let sections = (manifest.entries.as_slice(), manifest.rejects.as_slice());
                let made = (manifest.basis.dead, manifest.basis.figures.as_slice());
                project(projector.as_ref(), &plan, made, sections, &known, &shelf, &workspace)?
            };
            (manifest.files, manifest.basis.inputs) = (files, inputs);
            workspace.check()?;
            if last.is_some_and(|last| says_the_same(last, &manifest)) {
                return Ok(None);
            }
            commit(shelf.store(), manifest, plan.newest).map(Some)
        })
        .await
    }

    async fn publish(
        &mut self,
        committed: &Committed,
    ) -> Result<(Option<Sorted<Wanted>>, Written), RunError> {
        let Some(site) = &self.options.site else { return Ok((None, Written::default())) };
        let (records, store, begun) = (self.records.clone(), self.store(), Arc::clone(site));
        let catalogue = self.plan.reference.name.clone();
        on_thread(move || records.begin(&store, begun.as_ref(), &[catalogue])).await?;
        let wanted = self.workspace.small_runs();
        let (shelf, lines) = (&self.shelf, &mut self.lines);
        let (wanted, written) =
            publish_catalogue(lines, site, shelf, committed, &self.workspace, wanted).await?;
        Ok((Some(wanted.finish()), written))
    }

    /// What a run of some keys looked at, if nothing of it has changed.
    async fn unchanged_keys(&self, gathered: &Gathered) -> Result<Option<RecordCounts>, RunError> {
        let Some(scope) = &self.scope else { return Ok(None) };
        if self.plan.nothing_changed_in(scope, gathered).is_none() {
            return Ok(None);
        }
        let (plan, scope, shelf) = (Arc::clone(&self.plan), scope.clone(), self.shelf.clone());
        on_thread(move || plan.base.as_ref().map(|base| scope.count(base, &shelf)).transpose()).await
    }

    /// Nothing is new, nothing is gone: the site is looked at when it is finished.
    async fn end_unchanged(self) -> Result<Ended, RunError> {
        let mut counts = RecordCounts::default();
        if let Some(Committed { manifest, .. }) = &self.plan.base {
            counts.unchanged = manifest_io::count(&manifest.entries);
            counts.rejected = manifest_io::count(&manifest.rejects);
            counts.seen = counts.unchanged + counts.rejected;
        }
        self.enter(Phase::Publish);
        self.end(counts, Vec::new(), Written::default(), None).await
    }

    async fn end(
        self,
        records: RecordCounts,
        failures: Vec<String>,
        written: Written,
        committed: Option<(Committed, Option<Sorted<Wanted>>)>,
    ) -> Result<Ended, RunError> {
        self.enter(Phase::Done);
        let tally = &self.lines.tally;
        let report = RunReport {
            catalogue: self.plan.reference.name.clone(),
            run: self.plan.run.clone(),
            epoch: self.plan.epoch,
            records,
            pages: written.pages,
            bytes: written.bytes,
            duration_ms: self.started.elapsed().as_secs_f64() * 1_000.0,
            stages: tally.stages(),
            caches: tally.caches(),
            upstream: tally.upstream(),
            notes: tally.notes(),
            bottleneck: tally.bottleneck(),
            rejects: self.reasons,
            failures,
            unlisted: self.unlisted,
        };
        Ok(Ended { report, committed })
    }
}

/// The second phase's works as they are found, and who finds them.
struct Planning {
    works: mpsc::Receiver<Work>,
    task: tokio::task::JoinHandle<Result<make::Made, RunError>>,
}

/// Whether two manifests differ in their run only.
fn says_the_same(last: &Manifest, new: &Manifest) -> bool {
    let unnamed = Manifest { run: new.run.clone(), epoch: new.epoch, ..last.clone() };
    unnamed == *new
}
