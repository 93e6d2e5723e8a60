//! The runs that a coordinator knows: those under way, and the last reports.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quire_api::run::{Run, StageProgress, State};
use quire_proto::{RunId, StageName};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Event, Phase, Progress};

/// Reports that are kept a catalogue.
pub(super) const MAX_KEPT: usize = 50;

/// All runs, by id. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Table(Arc<Mutex<BTreeMap<String, Arc<Known>>>>);

/// A run that is or was.
pub(super) struct Known {
    told: watch::Sender<Run>,
    /// Ends it early.
    pub(super) cancelled: CancellationToken,
}

impl Known {
    /// A run that has no id yet: it gets one with the first word of its progress.
    pub(super) fn new(cancelled: CancellationToken) -> Self {
        let run = Run { state: State::Running.into(), ..Run::default() };
        Self { told: watch::Sender::new(run), cancelled }
    }

    /// A run that has ended.
    pub(super) fn ended(run: Run) -> Self {
        Self { told: watch::Sender::new(run), cancelled: CancellationToken::new() }
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
}

/// Whether nothing more happens to it.
pub(super) fn is_over(run: &Run) -> bool {
    !matches!(run.state(), State::Running | State::Unspecified)
}

impl Table {
    pub(super) fn get(&self, id: &str) -> Option<Arc<Known>> {
        self.lock().get(id).cloned()
    }

    pub(super) fn insert(&self, id: &str, known: Arc<Known>) {
        self.lock().insert(id.to_owned(), known);
    }

    /// Forgets the oldest of a catalogue's ended runs beyond [`MAX_KEPT`].
    pub(super) fn forget_old(&self, catalogue: &str) {
        let mut runs = self.lock();
        let mut over: Vec<(u64, String)> = runs
            .iter()
            .map(|(id, known)| (id, known.now()))
            .filter(|(_, run)| run.catalogue == catalogue && is_over(run))
            .map(|(id, run)| (run.epoch, id.clone()))
            .collect();
        over.sort_unstable();
        let surplus = over.len().saturating_sub(MAX_KEPT);
        for (_, id) in over.into_iter().take(surplus) {
            runs.remove(&id);
        }
    }

    /// Runs of `catalogue` (of all, if it is empty), newest first, at most `limit`.
    pub(super) fn list(&self, catalogue: &str, limit: usize) -> Vec<Run> {
        let runs = self.lock();
        let mut found: Vec<Run> = runs
            .values()
            .map(|known| known.now())
            .filter(|run| catalogue.is_empty() || run.catalogue == catalogue)
            .collect();
        found.sort_by(|one, other| {
            is_over(one)
                .cmp(&is_over(other))
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

impl Progress for Watching {
    fn tell(&self, id: &RunId, event: Event) {
        // A run that is planned anew goes on under a greater epoch: whoever knows one of its ids finds it.
        if self.known.now().id != id.as_str() {
            self.known.change(|run| name(run, id));
            self.table.insert(id.as_str(), Arc::clone(&self.known));
        }
        self.known.change(|run| note(run, event));
    }
}

/// Gives a run its id.
fn name(run: &mut Run, id: &RunId) {
    let (catalogue, epoch) = id.as_str().rsplit_once('-').unwrap_or((id.as_str(), ""));
    run.id = id.as_str().to_owned();
    run.catalogue = catalogue.to_owned();
    run.epoch = epoch.parse().unwrap_or_default();
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
        Phase::Gather => "gather",
        Phase::Decide => "decide",
        Phase::Make => "make",
        Phase::Commit => "commit",
        Phase::Publish => "publish",
        Phase::Done => "done",
    }
}
