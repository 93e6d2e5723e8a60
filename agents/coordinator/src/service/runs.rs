//! `RunService`.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use futures_util::stream::{Stream, unfold};
use quire_api::run::{
    CancelRequest, CancelResponse, DefinitionFile, DropDeadRequest, DropDeadResponse, ExplainRequest,
    ExplainResponse, GetDeadRequest, GetDeadResponse, GetRequest, GetResponse, Lane as ApiLane,
    ListDeadRequest, ListDeadResponse, ListRequest, ListResponse, ReplayDeadRequest, ReplayDeadResponse,
    StartRequest, StartResponse, WatchRequest, WatchResponse,
    run_service_server::{RunService, RunServiceServer},
};
use quire_catalogue::{Bundle, Catalogue, MAX_BUNDLE_BYTES, MAX_BUNDLE_FILES};
use quire_proto::Lane;
use quire_runtime::{
    process::{audit, caller},
    telemetry::trace::{self, Extractor},
};
use tokio::sync::watch;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::{
    dead, explain,
    lead::Leading,
    table::{Known, is_over},
    work::{Asked, start},
};
use crate::{Part, RunError, task::on_thread};

/// Runs that are told unless the request says how many.
const LISTED: u32 = 100;
/// Room for names and lengths around the files of a definition.
const FRAMING_BYTES: usize = 1 << 20;
/// Why a run was not begun is told in a header. Clients refuse headers beyond 16 KiB, in which each blank takes three bytes.
const TOLD_BYTES: usize = 4 << 10;
/// What tells all of a definition's mistakes.
const BY_CHECK: &str = "`quire check`";

/// The service's implementation; it answers while this process leads.
pub(super) struct Runs {
    leading: watch::Receiver<Option<Arc<Leading>>>,
}

type Answer<T> = Result<Response<T>, Status>;

impl Runs {
    pub(super) fn service(leading: watch::Receiver<Option<Arc<Leading>>>) -> RunServiceServer<Self> {
        RunServiceServer::new(Self::new(leading)).max_decoding_message_size(MAX_BUNDLE_BYTES + FRAMING_BYTES)
    }

    pub(super) const fn new(leading: watch::Receiver<Option<Arc<Leading>>>) -> Self {
        Self { leading }
    }

    fn leading(&self) -> Result<Arc<Leading>, Status> {
        let leading = self.leading.borrow().clone();
        let why = "this coordinator does not lead: another one does, or it cannot reach the broker (`/readyz` says which)";
        leading.ok_or_else(|| Status::unavailable(why))
    }

    fn known(&self, id: &str) -> Result<(Arc<Leading>, Arc<Known>), Status> {
        let unknown = || Status::not_found(format!("no run is named `{id}`"));
        let leading = self.leading()?;
        let known = leading.table.get(id).ok_or_else(unknown)?;
        Ok((leading, known))
    }
}

/// What a call hears that is under way when this coordinator stops leading. A run is no worse off for that.
fn stops() -> Status {
    Status::unavailable("this coordinator stops; whoever leads next goes on")
}

#[tonic::async_trait]
impl RunService for Runs {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn start(&self, request: Request<StartRequest>) -> Answer<StartResponse> {
        let (span, from) = (trace::run(&Caller(request.metadata())), caller(&request));
        let StartRequest { files, full, lane, keys } = request.into_inner();
        let part = Part::of_keys(keys);
        part.check().map_err(Status::invalid_argument)?;
        let lane = if lane == 0 && !part.is_all() { Lane::Critical } else { lane_of(lane)? };
        let bundle = bundle(files)?;
        let leading = self.leading()?;
        let place = leading.place()?;
        refuse_broken(&leading, bundle.clone()).await?;
        let asked = Asked { bundle, full, anew: false, lane, part, replaces: Vec::new() };
        let starting = start(Arc::clone(&leading), asked, Some(place), span);
        // On its own: whoever asks may go away meanwhile.
        let starting = leading.tasks.spawn(async move {
            let known = starting.await?;
            audit(&from, "start", &known.now().id);
            Ok(known)
        });
        let known = tokio::select! {
            biased;
            started = starting => started.map_err(|error| Status::internal(error.to_string()))?,
            () = leading.cancelled.cancelled() => return Err(stops()),
        };
        let run = known.map_err(|error: RunError| not_begun(&error))?.now();
        Ok(Response::new(StartResponse { run: Some(run) }))
    }

    async fn get(&self, request: Request<GetRequest>) -> Answer<GetResponse> {
        let run = self.known(&request.get_ref().id)?.1.now();
        Ok(Response::new(GetResponse { run: Some(run) }))
    }

    async fn list(&self, request: Request<ListRequest>) -> Answer<ListResponse> {
        let ListRequest { catalogue, limit } = request.into_inner();
        let limit = if limit == 0 { LISTED } else { limit };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Response::new(ListResponse { runs: self.leading()?.table.list(&catalogue, limit) }))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        let (leading, known) = self.known(&request.get_ref().id)?;
        let first = (known.watch(), leading.cancelled.clone(), true);
        let told = unfold(Some(first), |state| async {
            let (mut watching, stopped, is_first) = state?;
            if !is_first {
                tokio::select! {
                    biased;
                    // Nobody tells of the run any more, and it has not ended.
                    changed = watching.changed() => if changed.is_err() {
                        return Some((Err(stops()), None));
                    },
                    () = stopped.cancelled() => return Some((Err(stops()), None)),
                }
            }
            let run = watching.borrow_and_update().clone();
            let rest = (!is_over(&run)).then_some((watching, stopped, false));
            Some((Ok(WatchResponse { run: Some(run) }), rest))
        });
        Ok(Response::new(Box::pin(told)))
    }

    async fn cancel(&self, request: Request<CancelRequest>) -> Answer<CancelResponse> {
        let (leading, known) = self.known(&request.get_ref().id)?;
        audit(&caller(&request), "cancel", &request.get_ref().id);
        known.cancelled.cancel();
        let mut told = known.watch();
        let run = tokio::select! {
            biased;
            ended = told.wait_for(is_over) => ended.map_err(|_| stops())?.clone(),
            () = leading.cancelled.cancelled() => return Err(stops()),
        };
        Ok(Response::new(CancelResponse { run: Some(run) }))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Answer<ExplainResponse> {
        let leading = self.leading()?;
        let explained = explain::explain(&leading.store, &leading.broker, request.into_inner()).await?;
        Ok(Response::new(explained))
    }

    async fn list_dead(&self, request: Request<ListDeadRequest>) -> Answer<ListDeadResponse> {
        let (leading, request) = (self.leading()?, request.into_inner());
        dead::check_catalogue(&leading, request.filter.as_ref()).await?;
        let listed = dead::list(&leading.broker, request).await?;
        Ok(Response::new(listed))
    }

    async fn get_dead(&self, request: Request<GetDeadRequest>) -> Answer<GetDeadResponse> {
        let leading = self.leading()?;
        let letter = dead::get(&leading.broker, &leading.store, request.get_ref().number).await?;
        Ok(Response::new(GetDeadResponse { letter: Some(letter) }))
    }

    async fn replay_dead(&self, request: Request<ReplayDeadRequest>) -> Answer<ReplayDeadResponse> {
        let from = caller(&request);
        let (called, _, request) = request.into_parts();
        let lane = if request.lane == 0 { None } else { Some(lane_of(request.lane)?) };
        let leading = self.leading()?;
        dead::check_catalogue(&leading, request.filter.as_ref()).await?;
        let replayed = dead::replay(&leading, request, lane, &Caller(&called), &from).await?;
        Ok(Response::new(replayed))
    }

    async fn drop_dead(&self, request: Request<DropDeadRequest>) -> Answer<DropDeadResponse> {
        let from = caller(&request);
        let DropDeadRequest { filter, dry_run } = request.into_inner();
        let leading = self.leading()?;
        dead::check_catalogue(&leading, filter.as_ref()).await?;
        let dropped = dead::drop_all(&leading.broker, filter, dry_run, &from).await?;
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

/// Why a run was not begun.
pub(super) fn not_begun(error: &RunError) -> Status {
    let said = quire_runtime::chain(error);
    match error {
        RunError::Catalogue(_) => Status::failed_precondition(bounded(&said, BY_CHECK)),
        _ => {
            tracing::error!(error = said, "a run cannot be begun");
            Status::internal(bounded(&said, "the coordinator's log"))
        }
    }
}

/// As much of a text as fits the header that it travels in, and who tells all of it.
fn bounded(text: &str, whole: &str) -> String {
    let end = text.floor_char_boundary(TOLD_BYTES.min(text.len()));
    match text.get(..end) {
        Some(told) if end < text.len() => format!("{told} ...\nand more: {whole} tells all of it"),
        _ => text.to_owned(),
    }
}

/// Refuses a definition with problems, so that a slip of the pen never empties a site. One that the store has passed before,
/// and is not looked at again.
async fn refuse_broken(leading: &Arc<Leading>, bundle: Bundle) -> Result<(), Status> {
    let leading = Arc::clone(leading);
    let look = move || {
        if leading.store.has_blob(&bundle.digest())? {
            return Ok(None);
        }
        let catalogue = Catalogue::load(bundle).map_err(|problems| RunError::Catalogue(problems.into()))?;
        let problems = leading.coordinator.projector().problems(&catalogue);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Ok((!told.is_empty())
            .then(|| format!("{}:\n{}\nthe site stays as it is", catalogue.name(), told.join("\n"))))
    };
    match on_thread(look).await {
        Ok(None) => Ok(()),
        Ok(Some(told)) => Err(Status::failed_precondition(bounded(&told, BY_CHECK))),
        Err(error) => Err(not_begun(&error)),
    }
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
