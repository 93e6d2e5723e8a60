//! The renderer as a process: beside its stage, pages on demand.

mod preview;
mod render;
mod service;

use std::sync::{Arc, OnceLock};

use quire_catalogue::Catalogues;
use quire_runtime::{
    BoxError,
    process::{Process, Role, Services},
};
use tokio::sync::Semaphore;

use crate::Engines;
use service::Pages;

/// Previews at once: each may take as long as a template may run.
const MAX_PREVIEWS: usize = 2;

/// The stage's role, with pages on demand beside it.
pub struct RendererRole<R> {
    stage: R,
    shared: Arc<Shared>,
}

/// What answers need.
pub(super) struct Shared {
    /// There once the role has begun to work.
    process: OnceLock<Arc<Process>>,
    engines: Engines,
    catalogues: Catalogues,
    previews: Semaphore,
}

impl<R: Role> RendererRole<R> {
    /// `stage` with pages on demand beside it, made with the same `engines`.
    #[must_use]
    pub fn new(stage: R, engines: Engines) -> Self {
        let shared = Shared {
            process: OnceLock::new(),
            engines,
            catalogues: Catalogues::new(),
            previews: Semaphore::new(MAX_PREVIEWS),
        };
        Self { stage, shared: Arc::new(shared) }
    }
}

impl<R: Role> Role for RendererRole<R> {
    fn serve(&self, services: &mut Services) {
        self.stage.serve(services);
        services.add(Pages::service(Arc::clone(&self.shared)));
    }

    async fn work(self, process: Arc<Process>) -> Result<(), BoxError> {
        // Set once: a role works once.
        let _ = self.shared.process.set(Arc::clone(&process));
        self.stage.work(process).await
    }
}
