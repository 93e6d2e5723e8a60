//! A run of the service: from its registration to its end in the table.

use std::{panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use futures_util::FutureExt as _;
use quire_api::run::State;
use quire_catalogue::Bundle;
use quire_proto::{BuildReport, Epoch, Lane, RunReport};
use quire_runtime::telemetry::trace;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument as _, Span};

use super::{
    dead::Tried,
    lead::Leading,
    table::{Known, Watching, is_over},
};
use crate::{Part, Registered, RunError, RunRequest, SiteReport};

/// What is told of a run that somebody ended early, beside its state.
const CANCELLED: &str = "finished work is kept";

/// What is asked of a run.
pub(super) struct Asked {
    pub(super) bundle: Bundle,
    pub(super) full: bool,
    pub(super) anew: bool,
    pub(super) lane: Lane,
    pub(super) part: Part,
    /// Runs that did not end and that this one takes the place of.
    pub(super) replaces: Vec<Epoch>,
}

impl Asked {
    /// A run that mends what of a catalogue is damaged.
    fn mending(bundle: Bundle) -> Self {
        Self {
            bundle,
            full: false,
            anew: true,
            lane: Lane::Normal,
            part: Part::default(),
            replaces: Vec::new(),
        }
    }
}

/// Registers a run and has it end in the table; `span` is the run's. Not to be dropped before it returns: the run would be
/// nobody's.
pub(super) async fn start(
    leading: Arc<Leading>,
    asked: Asked,
    place: Option<OwnedSemaphorePermit>,
    span: Span,
) -> Result<Arc<Known>, RunError> {
    let Asked { bundle, full, anew, lane, part, replaces } = asked;
    let cancelled = leading.cancelled.child_token();
    let known = Arc::new(Known::new(cancelled.clone()));
    let progress = Arc::new(Watching { table: leading.table.clone(), known: Arc::clone(&known) });
    let request = RunRequest { bundle, full, anew, part, lane, progress: progress.clone(), cancelled };
    let mut registered = leading.coordinator.register(&request, &replaces).instrument(span.clone()).await?;
    trace::note_run(&span, registered.catalogue(), &registered.id());
    known.change(|run| (run.started_ms, run.lane) = (registered.started_ms(), lane.to_string()));
    progress.named(&registered.id());
    leading.table.also(registered.catalogue(), &replaces, &known);
    let (working, ending) = (Arc::clone(&leading), Arc::clone(&known));
    let work = async move {
        let ended = caught(run(&working, &mut registered, &request)).await;
        if let Ok(report) = &ended {
            forget_letters(&working, &registered.facts.part, report).await;
        }
        end(&working, &ending, registered, ended).await;
        drop(place);
    };
    leading.tasks.spawn(work.instrument(span));
    Ok(known)
}

/// Takes away the letters of what this run has tried again, unless a source could not be asked: those for the sake of which it
/// was begun, and all before it of what it has looked at. What died again has a new letter.
async fn forget_letters(leading: &Leading, part: &Part, report: &BuildReport) {
    for run in report.runs.iter().filter(|run| run.unlisted == 0) {
        let mut looked_at = part.clone();
        looked_at.locations.extend(run.looked_at.iter().cloned());
        let tried = Tried {
            catalogue: &run.catalogue,
            epoch: run.epoch,
            part: &looked_at,
            revived: &run.revived,
            some_died: run.records.dead > 0 || !run.failures.is_empty(),
        };
        if let Err(error) = tried.forget(&leading.broker).await {
            let why = error.message();
            tracing::warn!(run = %run.run, why, "dead letters that this run has tried again are still there");
        }
    }
}

/// A panic is the end of one run only.
async fn caught<T>(work: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    ended.unwrap_or_else(|_| Err(RunError::Task("it panicked: the log says where".to_owned())))
}

/// The run itself, and the site with it.
async fn run(
    leading: &Arc<Leading>,
    registered: &mut Registered,
    request: &RunRequest,
) -> Result<BuildReport, RunError> {
    let mut report = leading.coordinator.run_registered(registered, request).await?;
    let finished = match leading.coordinator.finish_site(&request.cancelled).await {
        Err(error) if error.is_damage() && !request.anew => {
            let damaged = damaged(leading, &error).await?;
            if damaged.contains(&report.catalogue) {
                // What is damaged may be any part of it.
                let anew = RunRequest { anew: true, part: request.part.widened(), ..request.clone() };
                report = leading.coordinator.run_registered(registered, &anew).await?;
            }
            mend(leading, damaged.into_iter().filter(|name| *name != report.catalogue).collect()).await?;
            leading.coordinator.finish_site(&request.cancelled).await?
        }
        finished => finished?,
    };
    Ok(told(report, finished))
}

fn told(mut report: RunReport, finished: SiteReport) -> BuildReport {
    for (catalogue, pages, bytes) in finished.republished {
        if catalogue == report.catalogue {
            report.pages += pages;
            report.bytes += bytes;
        }
    }
    BuildReport { runs: vec![report], manifest: finished.manifest }
}

/// Finishes the site; what is found damaged is made anew once.
pub(super) async fn finish(leading: &Arc<Leading>) -> Result<(), RunError> {
    match leading.coordinator.finish_site(&leading.cancelled).await {
        Err(error) if error.is_damage() => {
            mend(leading, damaged(leading, &error).await?).await?;
            leading.coordinator.finish_site(&leading.cancelled).await.map(drop)
        }
        finished => finished.map(drop),
    }
}

/// Catalogues whose state is damaged: all, where it is not known which.
async fn damaged(leading: &Leading, error: &RunError) -> Result<Vec<String>, RunError> {
    tracing::warn!(
        error = quire_runtime::chain(error),
        "the site cannot be finished; building anew what is damaged"
    );
    match error {
        RunError::Damaged { catalogue, .. } => Ok(vec![catalogue.clone()]),
        _ => leading.coordinator.others(Vec::new()).await,
    }
}

/// Has catalogues made anew, each by a run of its own, and waits for these. Boxed, as those runs are begun as all are.
fn mend<'a>(
    leading: &'a Arc<Leading>,
    catalogues: Vec<String>,
) -> Pin<Box<dyn Future<Output = Result<(), RunError>> + Send + 'a>> {
    Box::pin(async move {
        for catalogue in catalogues {
            let Some(bundle) = leading.definition(&catalogue, None).await? else {
                tracing::warn!(catalogue, "its definition is gone as well: start a run of it");
                continue;
            };
            // Within the run that found the damage, or what else is finishing the site.
            let span = trace::run(&trace::Nobody);
            let known = start(Arc::clone(leading), Asked::mending(bundle), None, span).await?;
            let mut told = known.watch();
            tokio::select! {
                biased;
                () = leading.cancelled.cancelled() => return Err(RunError::Interrupted),
                // How it ended, it tells itself.
                _ = told.wait_for(is_over) => {}
            }
        }
        Ok(())
    })
}

async fn end(leading: &Leading, known: &Known, registered: Registered, ended: Result<BuildReport, RunError>) {
    if leading.cancelled.is_cancelled() && ended.is_err() {
        // Whoever leads next plans it again; whoever waits here hears that this one stops.
        return;
    }
    let report = ended.as_ref().ok().cloned();
    let (state, error, json) = match ended {
        Ok(report) => (State::Done, String::new(), serde_json::to_string(&report).unwrap_or_default()),
        Err(RunError::Interrupted) => (State::Cancelled, CANCELLED.to_owned(), String::new()),
        Err(error) => (State::Failed, quire_runtime::chain(&error), String::new()),
    };
    let mut run = known.now();
    run.set_state(state);
    (run.error, run.report_json) = (error, json);
    leading.instruments.ended(&run, report.as_ref());
    tracing::info!(run = run.id, state = state.as_str_name(), error = run.error, "run ended");
    let noted = match (leading.keep(&run, known.replaced()).await, state) {
        // First the report: a run without a mark and without a report would never have been.
        (Ok(()), State::Done) => registered.over().await,
        (Ok(()), _) => registered.abandon().await,
        (Err(error), _) => Err(error),
    };
    if let Err(error) = noted {
        tracing::warn!(
            run = run.id,
            error = quire_runtime::chain(&error),
            "the end of a run is not noted: the next leader plans it again"
        );
    }
    let catalogue = run.catalogue.clone();
    known.change(|known| *known = run);
    leading.table.forget_old(&catalogue);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_of_its_run() {
        let panics = async {
            if std::hint::black_box(true) {
                panic!("of a run");
            }
            Ok(())
        };
        let error = caught(panics).await.unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
        caught(async { Ok(()) }).await.unwrap();
    }
}
