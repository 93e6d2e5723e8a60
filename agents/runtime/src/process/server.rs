//! The process's port: gRPC with health and reflection, and HTTP for probes and metrics.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing::get,
    serve::ListenerExt as _,
};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    service::{Routes, RoutesBuilder},
    transport::server::TcpIncoming,
};
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};

use super::{ProcessError, Ready, ReadySwitch, Services, tls::Guard};
use crate::telemetry::Telemetry;

/// What probes and metrics look at.
#[derive(Debug, Clone)]
pub(super) struct Vitals {
    pub(super) ready: ReadySwitch,
    pub(super) telemetry: Telemetry,
}

/// Serves until it is told to stop.
#[derive(Debug)]
pub(super) struct Server {
    /// Where it listens.
    pub(super) address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Server {
    /// Listens at `listen`, which without TLS must be loopback, with everything, and at `health_listen` with health alone.
    pub(super) async fn start(
        listen: SocketAddr,
        tls: Option<Guard>,
        health_listen: Option<SocketAddr>,
        vitals: Vitals,
        http: Router,
        add: impl FnOnce(&mut Services),
    ) -> Result<Self, ProcessError> {
        if tls.is_none() && !listen.ip().is_loopback() {
            return Err(ProcessError::NotLoopback { address: listen });
        }
        let stop = CancellationToken::new();
        let (health, watching) = health_service(&vitals.ready, &stop).await;
        let mut services = Services::default();
        services.add(health.clone());
        add(&mut services);
        let reflection = reflection_service(services.names())?;
        services.add(reflection);
        let app_here = app(services.into_routes(), vitals.clone()).merge(http);
        let (address, main) = match tls {
            None => serve(listen, app_here, stop.clone()).await?,
            Some(tls) => serve_tls(listen, app_here, tls, stop.clone()).await?,
        };
        let mut tasks = vec![watching, main];
        if let Some(listen) = health_listen {
            let mut routes = Routes::builder();
            routes.add_service(health);
            tasks.push(serve(listen, app(routes, vitals), stop.clone()).await?.1);
        }
        Ok(Self { address, tasks, stop })
    }

    /// Takes no more connections and ends those that are idle; the caller bounds the wait.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            // It ends by itself or with the process.
            let _ = task.await;
        }
    }
}

fn app(routes: RoutesBuilder, vitals: Vitals) -> Router {
    let http = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(vitals));
    // Its fallback answers for the whole port.
    routes.routes().prepare().into_axum_router().layer(from_fn(only_grpc)).merge(http)
}

/// Lets calls of gRPC through. To anything else a path of gRPC, or one that nobody serves, is not found: gRPC would
/// answer 200, and tell what is wrong in a header that browsers and probes do not look at.
async fn only_grpc(request: Request, next: Next) -> Response {
    let kind = request.headers().get(CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        return next.run(request).await;
    }
    let path = request.uri().path();
    (StatusCode::NOT_FOUND, format!("nothing is served at {path}\n")).into_response()
}

async fn readyz(State(vitals): State<Arc<Vitals>>) -> (StatusCode, String) {
    match vitals.ready.get() {
        Ready::Yes => (StatusCode::OK, "ready\n".to_owned()),
        Ready::No { reason } => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn metrics(State(vitals): State<Arc<Vitals>>) -> Result<String, (StatusCode, String)> {
    vitals.telemetry.scrape().map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")))
}

async fn listener(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), ProcessError> {
    let failed = |source| ProcessError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

async fn serve(
    listen: SocketAddr,
    app: Router,
    stop: CancellationToken,
) -> Result<(SocketAddr, JoinHandle<()>), ProcessError> {
    let (listener, address) = listener(listen).await?;
    // Small answers do not wait for the other side's acknowledgement of what went before: that is 40 ms an answer.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "answers on a connection may be late");
        }
    });
    let task = tokio::spawn(async move {
        // Control planes write down who calls.
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(error = %error, %address, "no longer listening");
        }
    });
    Ok((address, task))
}

/// Serves with certificates that may be renewed: then the same port is served with the new ones, and connections with
/// the old ones are ended after their answers.
async fn serve_tls(
    listen: SocketAddr,
    app: Router,
    mut guard: Guard,
    stop: CancellationToken,
) -> Result<(SocketAddr, JoinHandle<()>), ProcessError> {
    let failed = |source| ProcessError::Listen { address: listen, source };
    let (listener, address) = listener(listen).await?;
    let listener = listener.into_std().map_err(failed)?;
    let mut serving = (stop.child_token(), JoinSet::new());
    serve_guarded(&listener, app.clone(), &guard, &mut serving)?;
    let task = tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                renewed = guard.renewed() => {
                    let (old, next) = (serving.0.clone(), stop.child_token());
                    serving.0 = next;
                    match serve_guarded(&listener, app.clone(), &renewed, &mut serving) {
                        Ok(()) => {
                            old.cancel();
                            tracing::info!(%address, "listening with renewed certificates");
                        }
                        Err(error) => {
                            serving.0 = old;
                            tracing::warn!(error = crate::chain(&error), "renewed certificates are no use; those before stay");
                        }
                    }
                    guard = renewed;
                }
            }
            while serving.1.try_join_next().is_some() {}
        }
        serving.1.join_all().await;
    });
    Ok((address, task))
}

fn serve_guarded(
    listener: &std::net::TcpListener,
    app: Router,
    guard: &Guard,
    (stop, tasks): &mut (CancellationToken, JoinSet<()>),
) -> Result<(), ProcessError> {
    // Probes and metrics are asked for in HTTP/1.
    let server = tonic::transport::Server::builder().accept_http1(true).tls_config(guard.config());
    let mut server = server.map_err(|error| ProcessError::Tls(error.into()))?;
    let listener = listener.try_clone().and_then(TcpListener::from_std);
    let listener = listener.map_err(|error| ProcessError::Start(error.into()))?;
    let served = server.add_routes(Routes::from(app)).serve_with_incoming_shutdown(
        TcpIncoming::from(listener).with_nodelay(Some(true)),
        stop.clone().cancelled_owned(),
    );
    tasks.spawn(async move {
        if let Err(error) = served.await {
            tracing::error!(error = crate::chain(&error), "no longer listening");
        }
    });
    Ok(())
}

/// `grpc.reflection.v1` of the services of these names, and of itself.
fn reflection_service(
    names: &[&str],
) -> Result<ServerReflectionServer<impl ServerReflection + use<>>, ProcessError> {
    let builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(quire_api::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name("grpc.reflection.v1.ServerReflection");
    let builder = names.iter().fold(builder, |builder, name| builder.with_service_name(*name));
    builder.build_v1().map_err(|error| ProcessError::Start(error.into()))
}

/// `grpc.health.v1`, which follows the switch.
async fn health_service(
    ready: &ReadySwitch,
    stop: &CancellationToken,
) -> (
    tonic_health::pb::health_server::HealthServer<impl tonic_health::pb::health_server::Health + use<>>,
    JoinHandle<()>,
) {
    use tonic_health::ServingStatus;
    let (reporter, service) = tonic_health::server::health_reporter();
    let (mut ready, stop) = (ready.watch(), stop.clone());
    let status =
        |ready: &Ready| if ready.is_yes() { ServingStatus::Serving } else { ServingStatus::NotServing };
    let first = status(&ready.borrow_and_update().both());
    reporter.set_service_status("", first).await;
    let watching = tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = ready.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = status(&ready.borrow_and_update().both());
                    reporter.set_service_status("", now).await;
                }
            }
        }
    });
    (service, watching)
}
