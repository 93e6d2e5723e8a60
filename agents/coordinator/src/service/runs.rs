//! `RunService`.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use futures_util::stream::{Stream, unfold};
use quire_api::run::{
    CancelRequest, CancelResponse, DefinitionFile, DropDeadRequest, DropDeadResponse, ExplainRequest,
    ExplainResponse, GetDeadRequest, GetDeadResponse, GetRequest, GetResponse, Lane as ApiLane,
    ListDeadRequest, ListDeadResponse, ListRequest, ListResponse, ReplayDeadRequest, ReplayDeadResponse, Run,
    StartRequest, StartResponse, State, WatchRequest, WatchResponse,
    run_service_server::{RunService, RunServiceServer},
};
use quire_catalogue::{Bundle, MAX_BUNDLE_BYTES, MAX_BUNDLE_FILES};
use quire_proto::{BuildReport, Epoch, Lane};
use quire_runtime::telemetry::trace::{self, Extractor};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, metadata::MetadataMap};
use tracing::{Instrument as _, Span};

use super::{
    dead, explain,
    lead::Leading,
    table::{Known, Watching, is_over},
};
use crate::{RunError, RunRequest};

/// Runs that are told unless the request says how many.
const LISTED: u32 = 100;
/// Room for names and lengths around the files of a definition.
const FRAMING_BYTES: usize = 1 << 20;

/// The service's implementation; it answers while this process leads.
pub(super) struct Runs {
    leading: watch::Receiver<Option<Arc<Leading>>>,
}

type Answer<T> = Result<Response<T>, Status>;

impl Runs {
    pub(super) fn service(leading: watch::Receiver<Option<Arc<Leading>>>) -> RunServiceServer<Self> {
        RunServiceServer::new(Self { leading }).max_decoding_message_size(MAX_BUNDLE_BYTES + FRAMING_BYTES)
    }

    fn leading(&self) -> Result<Arc<Leading>, Status> {
        let leading = self.leading.borrow().clone();
        leading.ok_or_else(|| Status::unavailable("this coordinator is a standby: another one leads"))
    }

    fn known(&self, id: &str) -> Result<Arc<Known>, Status> {
        let unknown = || Status::not_found(format!("no run is named `{id}`"));
        self.leading()?.table.get(id).ok_or_else(unknown)
    }
}

#[tonic::async_trait]
impl RunService for Runs {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn start(&self, request: Request<StartRequest>) -> Answer<StartResponse> {
        let span = trace::run(&Caller(request.metadata()));
        let StartRequest { files, full, lane } = request.into_inner();
        let lane = lane_of(lane)?;
        let bundle = bundle(files)?;
        let known = start(&self.leading()?, Asked { bundle, full, lane, replaces: None }, span);
        let mut told = known.watch();
        let begun = told.wait_for(|run| !run.id.is_empty() || is_over(run)).await;
        let run = begun.map_err(|_| Status::unavailable("the coordinator stops"))?.clone();
        if run.id.is_empty() {
            return Err(Status::failed_precondition(run.error));
        }
        Ok(Response::new(StartResponse { run: Some(run) }))
    }

    async fn get(&self, request: Request<GetRequest>) -> Answer<GetResponse> {
        let run = self.known(&request.get_ref().id)?.now();
        Ok(Response::new(GetResponse { run: Some(run) }))
    }

    async fn list(&self, request: Request<ListRequest>) -> Answer<ListResponse> {
        let ListRequest { catalogue, limit } = request.into_inner();
        let limit = if limit == 0 { LISTED } else { limit };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Response::new(ListResponse { runs: self.leading()?.table.list(&catalogue, limit) }))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        let known = self.known(&request.get_ref().id)?;
        let told = unfold(Some((known.watch(), true)), |state| async {
            let (mut watching, is_first) = state?;
            if !is_first && watching.changed().await.is_err() {
                return None;
            }
            let run = watching.borrow_and_update().clone();
            let rest = (!is_over(&run)).then_some((watching, false));
            Some((Ok(WatchResponse { run: Some(run) }), rest))
        });
        Ok(Response::new(Box::pin(told)))
    }

    async fn cancel(&self, request: Request<CancelRequest>) -> Answer<CancelResponse> {
        let known = self.known(&request.get_ref().id)?;
        known.cancelled.cancel();
        let mut told = known.watch();
        let ended = told.wait_for(is_over).await;
        let run = ended.map_err(|_| Status::unavailable("the coordinator stops"))?.clone();
        Ok(Response::new(CancelResponse { run: Some(run) }))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Answer<ExplainResponse> {
        let leading = self.leading()?;
        let explained = explain::explain(&leading.store, &leading.broker, request.into_inner()).await?;
        Ok(Response::new(explained))
    }

    async fn list_dead(&self, request: Request<ListDeadRequest>) -> Answer<ListDeadResponse> {
        let listed = dead::list(&self.leading()?.broker, request.into_inner()).await?;
        Ok(Response::new(listed))
    }

    async fn get_dead(&self, request: Request<GetDeadRequest>) -> Answer<GetDeadResponse> {
        let letter = dead::get(&self.leading()?.broker, request.get_ref().number).await?;
        Ok(Response::new(GetDeadResponse { letter: Some(letter) }))
    }

    async fn replay_dead(&self, request: Request<ReplayDeadRequest>) -> Answer<ReplayDeadResponse> {
        let request = request.into_inner();
        let lane = if request.lane == 0 { None } else { Some(lane_of(request.lane)?) };
        let replayed = dead::replay(&self.leading()?.broker, request, lane).await?;
        Ok(Response::new(replayed))
    }

    async fn drop_dead(&self, request: Request<DropDeadRequest>) -> Answer<DropDeadResponse> {
        let DropDeadRequest { filter, dry_run } = request.into_inner();
        let dropped = dead::drop_all(&self.leading()?.broker, filter, dry_run).await?;
        Ok(Response::new(DropDeadResponse { dropped }))
    }
}

/// Metadata of a call, as trace contexts are read from it.
struct Caller<'a>(&'a MetadataMap);

impl Extractor for Caller<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// What is asked of a run.
pub(super) struct Asked {
    pub(super) bundle: Bundle,
    pub(super) full: bool,
    pub(super) lane: Lane,
    pub(super) replaces: Option<Epoch>,
}

/// Begins a run and has it end in the table.
pub(super) fn start(leading: &Arc<Leading>, asked: Asked, span: Span) -> Arc<Known> {
    let Asked { bundle, full, lane, replaces } = asked;
    let cancelled: CancellationToken = leading.cancelled.child_token();
    let known = Arc::new(Known::new(cancelled.clone()));
    let progress = Arc::new(Watching { table: leading.table.clone(), known: Arc::clone(&known) });
    let request = RunRequest { bundle, full, anew: false, lane, replaces, progress, cancelled };
    let (leading, ending) = (Arc::clone(leading), Arc::clone(&known));
    let tracker = leading.tasks.clone();
    let work = async move {
        let ended = run(&leading, request).await;
        end(&leading, &ending, ended).await;
    };
    tracker.spawn(work.instrument(span));
    known
}

/// The run itself, and the site with it.
async fn run(leading: &Leading, request: RunRequest) -> Result<BuildReport, RunError> {
    let cancelled = request.cancelled.clone();
    let mut report = leading.coordinator.run(request).await?;
    let finished = leading.coordinator.finish_site(&cancelled).await?;
    for (catalogue, pages, bytes) in finished.republished {
        if catalogue == report.catalogue {
            report.pages += pages;
            report.bytes += bytes;
        }
    }
    Ok(BuildReport { runs: vec![report], manifest: finished.manifest })
}

async fn end(leading: &Leading, known: &Known, ended: Result<BuildReport, RunError>) {
    if leading.cancelled.is_cancelled() && matches!(ended, Err(RunError::Interrupted)) {
        // Whoever leads next plans it again.
        known.change(|run| {
            run.set_state(State::Cancelled);
            "the coordinator stopped; whoever leads next goes on".clone_into(&mut run.error);
        });
        return;
    }
    let report = ended.as_ref().ok().cloned();
    let (state, error, json) = match ended {
        Ok(report) => (State::Done, String::new(), serde_json::to_string(&report).unwrap_or_default()),
        Err(RunError::Interrupted) => (State::Cancelled, RunError::Interrupted.to_string(), String::new()),
        Err(error) => (State::Failed, quire_runtime::chain(&error), String::new()),
    };
    let mut run = known.now();
    run.set_state(state);
    (run.error, run.report_json) = (error, json);
    leading.instruments.ended(&run, report.as_ref());
    tracing::info!(run = run.id, state = state.as_str_name(), error = run.error, "run ended");
    leading.keep(&run).await;
    let catalogue = run.catalogue.clone();
    known.change(|known| *known = run);
    leading.table.forget_old(&catalogue);
}

fn lane_of(lane: i32) -> Result<Lane, Status> {
    match ApiLane::try_from(lane) {
        Ok(ApiLane::Unspecified | ApiLane::Normal) => Ok(Lane::Normal),
        Ok(ApiLane::Critical) => Ok(Lane::Critical),
        Ok(ApiLane::High) => Ok(Lane::High),
        Ok(ApiLane::Low) => Ok(Lane::Low),
        Err(_) => Err(Status::invalid_argument(format!("no lane has the number {lane}"))),
    }
}

fn bundle(files: Vec<DefinitionFile>) -> Result<Bundle, Status> {
    if files.len() > MAX_BUNDLE_FILES {
        return Err(Status::invalid_argument(format!(
            "a catalogue's definition has at most {MAX_BUNDLE_FILES} files, not {}",
            files.len()
        )));
    }
    let mut named = BTreeMap::new();
    for DefinitionFile { path, content } in files {
        if let Some(first) = named.insert(path.clone(), content) {
            drop(first);
            return Err(Status::invalid_argument(format!("the file {path} is there twice")));
        }
    }
    Ok(Bundle::new(named))
}

/// A run as it is kept in the store.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Kept {
    id: String,
    catalogue: String,
    epoch: u64,
    state: String,
    error: String,
    report: String,
}

impl From<&Run> for Kept {
    fn from(run: &Run) -> Self {
        Self {
            id: run.id.clone(),
            catalogue: run.catalogue.clone(),
            epoch: run.epoch,
            state: run.state().as_str_name().to_owned(),
            error: run.error.clone(),
            report: run.report_json.clone(),
        }
    }
}

impl From<Kept> for Run {
    fn from(kept: Kept) -> Self {
        let state = State::from_str_name(&kept.state).unwrap_or_default();
        Self {
            id: kept.id,
            catalogue: kept.catalogue,
            epoch: kept.epoch,
            state: state.into(),
            error: kept.error,
            report_json: kept.report,
            ..Self::default()
        }
    }
}
