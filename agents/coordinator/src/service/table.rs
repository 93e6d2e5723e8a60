//! The runs that a coordinator knows: those under way, and the last reports.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quire_api::run::{Run, StageProgress, State};
use quire_proto::{Epoch, RunId, StageName};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Event, Phase, Progress};

/// Reports that are kept a catalogue.
pub(super) const MAX_KEPT: usize = 50;

/// All runs by id: a run that went on under a greater epoch is found under each that it had. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Table(Arc<Mutex<BTreeMap<String, Arc<Known>>>>);

/// A run that is or was.
pub(super) struct Known {
    told: watch::Sender<Run>,
    /// Ends it early.
    pub(super) cancelled: CancellationToken,
    /// Epochs that it had before.
    former: Mutex<BTreeSet<u64>>,
}

impl Known {
    /// A run that is about to get its id.
    pub(super) fn new(cancelled: CancellationToken) -> Self {
        Self::of(Run { state: State::Running.into(), ..Run::default() }, cancelled)
    }

    fn of(run: Run, cancelled: CancellationToken) -> Self {
        Self { told: watch::Sender::new(run), cancelled, former: Mutex::default() }
    }

    /// What is known of it now.
    pub(super) fn now(&self) -> Run {
        self.told.borrow().clone()
    }

    /// To hear of changes.
    pub(super) fn watch(&self) -> watch::Receiver<Run> {
        self.told.subscribe()
    }

    /// Changes what is known of it.
    pub(super) fn change(&self, change: impl FnOnce(&mut Run)) {
        self.told.send_modify(change);
    }

    /// Epochs that it had before, and those of runs in whose place it is.
    pub(super) fn replaced(&self) -> Vec<u64> {
        self.former().iter().copied().collect()
    }

    fn former(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.former.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing more happens to it.
pub(super) fn is_over(run: &Run) -> bool {
    !matches!(run.state(), State::Running | State::Unspecified)
}

impl Table {
    pub(super) fn get(&self, id: &str) -> Option<Arc<Known>> {
        self.lock().get(id).cloned()
    }

    /// Has a run found under the ids of those that it takes the place of.
    pub(super) fn also(&self, catalogue: &str, replaced: &[Epoch], known: &Arc<Known>) {
        known.former().extend(replaced.iter().map(|epoch| epoch.0));
        let mut runs = self.lock();
        for epoch in replaced {
            runs.insert(RunId::new(catalogue, *epoch).to_string(), Arc::clone(known));
        }
    }

    /// A run that has ended before this coordinator led.
    pub(super) fn ended(&self, run: Run, replaced: &[u64]) {
        let (id, catalogue) = (run.id.clone(), run.catalogue.clone());
        let known = Arc::new(Known::of(run, CancellationToken::new()));
        let replaced: Vec<Epoch> = replaced.iter().copied().map(Epoch).collect();
        self.also(&catalogue, &replaced, &known);
        self.lock().insert(id, known);
    }

    /// Forgets the oldest of a catalogue's ended runs beyond [`MAX_KEPT`].
    pub(super) fn forget_old(&self, catalogue: &str) {
        let mut runs = self.lock();
        let over = |run: &Run| run.catalogue == catalogue && is_over(run);
        let found = runs.values().map(|known| known.now()).filter(over);
        let epochs: BTreeSet<u64> = found.map(|run| run.epoch).collect();
        if let Some(&oldest_kept) = epochs.iter().nth_back(MAX_KEPT - 1) {
            runs.retain(|_, known| {
                let run = known.now();
                !over(&run) || run.epoch >= oldest_kept
            });
        }
    }

    /// Runs of `catalogue` (of all, if it is empty), at most `limit`: those under way, then those that ended, newest first.
    pub(super) fn list(&self, catalogue: &str, limit: usize) -> Vec<Run> {
        let runs = self.lock();
        let mut found: Vec<Run> = runs
            .iter()
            .map(|(id, known)| (id, known.now()))
            .filter(|(id, run)| **id == run.id && (catalogue.is_empty() || run.catalogue == catalogue))
            .map(|(_, run)| run)
            .collect();
        found.sort_by(|one, other| {
            is_over(one)
                .cmp(&is_over(other))
                .then(other.started_ms.cmp(&one.started_ms))
                .then(other.epoch.cmp(&one.epoch))
                .then_with(|| one.catalogue.cmp(&other.catalogue))
        });
        found.truncate(limit);
        found
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Known>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears of a run's progress for the table.
pub(super) struct Watching {
    pub(super) table: Table,
    pub(super) known: Arc<Known>,
}

impl Watching {
    /// The run's id. One that is planned anew goes on under a greater epoch: whoever knows one of its ids finds it.
    pub(super) fn named(&self, id: &RunId) {
        let now = self.known.now();
        if now.id == id.as_str() {
            return;
        }
        if !now.id.is_empty() {
            self.known.former().insert(now.epoch);
        }
        self.known.change(|run| name(run, id));
        self.table.lock().insert(id.to_string(), Arc::clone(&self.known));
    }
}

impl Progress for Watching {
    fn tell(&self, id: &RunId, event: Event) {
        self.named(id);
        self.known.change(|run| note(run, event));
    }
}

/// Gives a run its id.
fn name(run: &mut Run, id: &RunId) {
    run.id = id.as_str().to_owned();
    run.catalogue = id.catalogue().to_owned();
    run.epoch = id.epoch().map_or(0, |epoch| epoch.0);
    run.stages.clear();
}

fn note(run: &mut Run, event: Event) {
    match event {
        Event::Entered(phase) => phase_name(phase).clone_into(&mut run.phase),
        Event::Settled { stage, records, settled, announced } => {
            let progress = stage_of(&mut run.stages, stage);
            progress.records += records;
            progress.settled = settled;
            progress.announced = announced;
        }
        Event::ToRender(_) | Event::PlannedAgain => {}
    }
}

fn stage_of(stages: &mut Vec<StageProgress>, stage: StageName) -> &mut StageProgress {
    let name = stage.as_str();
    let at = stages.iter().position(|known| known.stage == name).unwrap_or_else(|| {
        stages.push(StageProgress { stage: name.to_owned(), ..StageProgress::default() });
        stages.len() - 1
    });
    &mut stages[at]
}

const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Wait => "wait",
        Phase::Gather => "gather",
        Phase::Decide => "decide",
        Phase::Make => "make",
        Phase::Commit => "commit",
        Phase::Publish => "publish",
        Phase::Done => "done",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_listed_by_when_they_were_begun_whatever_their_epochs() {
        let table = Table::default();
        let run = |catalogue: &str, epoch, started_ms, state: State| Run {
            id: format!("{catalogue}-{epoch}"),
            catalogue: catalogue.to_owned(),
            epoch,
            started_ms,
            state: state.into(),
            ..Run::default()
        };
        for run in [
            run("a", 9, 0, State::Done),
            run("a", 10, 20, State::Done),
            run("b", 1, 30, State::Failed),
            run("b", 2, 10, State::Running),
        ] {
            table.ended(run, &[]);
        }
        let listed: Vec<String> = table.list("", 9).into_iter().map(|run| run.id).collect();
        assert_eq!(listed, ["b-2", "b-1", "a-10", "a-9"]);
    }
}
