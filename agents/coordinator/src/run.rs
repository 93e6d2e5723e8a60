//! One run from its plan to its report.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use quire_proto::{
    RecordCounts, RunReport,
    manifest::{FORMAT, Manifest},
};
use quire_runtime::{Store, crash_point};
use tokio::sync::{RwLock, RwLockReadGuard, mpsc};

use crate::{
    CoordinatorOptions, Event, Phase, RunError,
    announce::announce,
    carry::each_verdict,
    commit::commit,
    flight::{LIST, Lines},
    gather::Gathered,
    manifest_io::{self, Committed},
    plan::Plan,
    project::{Last, Projected, project},
    publish::{Wanted, Written, publish_catalogue},
    rounds::Rows,
    runs::Sorted,
    scope::Scope,
    shelf::Shelf,
    site_record::SiteRecords,
    task::on_thread,
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
    /// Where a run of some keys looked, once that is known.
    pub(crate) looked_at: BTreeSet<(String, String)>,
    /// Keys of records that died in a round and could be made in the end.
    pub(crate) revived: BTreeSet<String>,
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) report: RunReport,
    /// The manifest, if this run committed one, and the files that it wants in the site, if it published them.
    pub(crate) committed: Option<(Committed, Option<Sorted<Wanted>>)>,
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
        self.unlisted = gathered.unlisted();
        let rows = self.rows(gathered).await?;
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

    pub(crate) fn enter(&self, phase: Phase) {
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
        let gathered = self.list((LIST, 0)).await?;
        if self.scope.is_none() {
            return Ok(gathered);
        }
        let (gathered, moved) = self.look_for_moved(gathered).await?;
        // Where they are now, only a listing of everything tells.
        if moved { self.list((LIST, 1)).await } else { Ok(gathered) }
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

    async fn list(&mut self, flight: (&'static str, u64)) -> Result<Gathered, RunError> {
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
        self.lines.fly(flight, receiver, &mut |slot, settlement| gathered.take(slot, settlement)).await?;
        Ok(gathered)
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
    async fn unchanged_keys(&mut self, gathered: &Gathered) -> Result<Option<RecordCounts>, RunError> {
        let Some(scope) = &self.scope else { return Ok(None) };
        if self.plan.nothing_changed_in(scope, gathered).is_none() {
            return Ok(None);
        }
        self.looked_at = scope.places();
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
            looked_at: self.looked_at,
            revived: self.revived,
        };
        Ok(Ended { report, committed })
    }
}

/// Whether two manifests differ in their run only.
fn says_the_same(last: &Manifest, new: &Manifest) -> bool {
    let unnamed = Manifest { run: new.run.clone(), epoch: new.epoch, ..last.clone() };
    unnamed == *new
}
