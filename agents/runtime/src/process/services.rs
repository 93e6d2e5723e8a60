//! The gRPC services of a process, and their names: reflection tells those that are there, and no others.

use std::convert::Infallible;

use axum::response::IntoResponse;
use tonic::{
    body::Body,
    codegen::{Service, http::Request},
    server::NamedService,
    service::RoutesBuilder,
};

/// What a process serves by gRPC.
#[derive(Debug, Default)]
pub struct Services {
    routes: RoutesBuilder,
    names: Vec<&'static str>,
}

impl Services {
    /// Serves one more.
    pub fn add<S>(&mut self, service: S) -> &mut Self
    where
        S: Service<Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.names.push(S::NAME);
        self
    }

    /// Full names of the services so far.
    pub(super) fn names(&self) -> &[&'static str] {
        &self.names
    }

    pub(super) fn into_routes(self) -> RoutesBuilder {
        self.routes
    }
}
