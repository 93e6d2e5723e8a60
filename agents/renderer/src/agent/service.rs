//! `PageService`.

use std::sync::Arc;

use quire_api::page::{
    PreviewRequest, PreviewResponse, RenderRequest, RenderResponse,
    page_service_server::{PageService, PageServiceServer},
};
use quire_proto::manifest::Manifest;
use quire_runtime::{Store, chain, manifests, process::Process};
use tonic::{Request, Response, Status};

use super::{Shared, preview, render};

/// Largest question: the body of a preview.
const MAX_QUESTION_BYTES: usize = 8 << 20;

/// The service's implementation.
pub(super) struct Pages(Arc<Shared>);

impl Pages {
    pub(super) fn service(shared: Arc<Shared>) -> PageServiceServer<Self> {
        PageServiceServer::new(Self(shared)).max_decoding_message_size(MAX_QUESTION_BYTES)
    }

    fn process(&self) -> Result<Arc<Process>, Status> {
        let process = self.0.process.get();
        process.cloned().ok_or_else(|| Status::unavailable("the renderer has only begun: ask again"))
    }
}

#[tonic::async_trait]
impl PageService for Pages {
    async fn render(&self, request: Request<RenderRequest>) -> Result<Response<RenderResponse>, Status> {
        let process = self.process()?;
        render::render(&process, request.into_inner()).await.map(Response::new)
    }

    async fn preview(&self, request: Request<PreviewRequest>) -> Result<Response<PreviewResponse>, Status> {
        let (process, shared) = (self.process()?, Arc::clone(&self.0));
        let Ok(_turn) = self.0.previews.acquire().await else {
            return Err(Status::unavailable("the renderer ends"));
        };
        let request = request.into_inner();
        let made = blocking(move || preview::preview(&shared, &process.store, request)).await?;
        Ok(Response::new(made))
    }
}

/// Does `work` where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Status::internal(error.to_string())))
}

/// The newest manifest of the catalogue that was asked for.
pub(super) fn newest(store: &Store, catalogue: &str) -> Result<Manifest, Status> {
    if catalogue.is_empty() {
        return Err(Status::invalid_argument("no catalogue is named: name one"));
    }
    match manifests::newest(store, catalogue) {
        Ok(Some((manifest, _))) => Ok(manifest),
        Ok(None) => Err(Status::not_found(format!("no catalogue {catalogue:?} is committed: run it first"))),
        Err(error) => Err(failed(&error)),
    }
}

/// What the store or a catalogue did not do.
pub(super) fn failed(error: &(dyn std::error::Error + 'static)) -> Status {
    Status::internal(chain(error))
}
