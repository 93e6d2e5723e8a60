//! The site over HTTP, for people on this machine; and the state of a queue, or word of changes.

use std::{convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    handler::Handler as _,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::{Stream, stream};
use quire_queue::QueueFolder;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use tower_http::services::ServeDir;

use crate::commands::queue::Told;

/// Loads a page again after a change.
const RELOAD: &str = include_str!("reload.js");
/// What a page gets for it. The policy of our pages lets them have scripts and connections of their own server.
const RELOAD_TAG: &[u8] = b"<script src=\"/-/reload.js\" async></script>\n";
/// Whoever keeps a connection open is waited for no longer than this.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is served.
pub(super) struct Served {
    pub(super) site: PathBuf,
    /// Its state is at `/-/queue`.
    pub(super) queue: Option<QueueFolder>,
    /// Counts changes, after which pages are loaded again.
    pub(super) changes: Option<watch::Receiver<u64>>,
}

/// Serves until it is cancelled.
pub(super) async fn serve(
    listener: TcpListener,
    served: Served,
    cancelled: CancellationToken,
) -> anyhow::Result<()> {
    let stop = cancelled.clone();
    let serving =
        axum::serve(listener, app(served)).with_graceful_shutdown(async move { stop.cancelled().await });
    tokio::select! {
        served = serving => served.context("cannot serve"),
        () = async { cancelled.cancelled().await; tokio::time::sleep(PATIENCE).await } => Ok(()),
    }
}

fn app(Served { site, queue, changes }: Served) -> Router {
    let missing = missing.with_state(Arc::new(site.clone()));
    let files = Router::new()
        .fallback_service(ServeDir::new(site).not_found_service(missing))
        .layer(middleware::from_fn(fresh));
    let (files, changed) = match changes {
        None => (files, Router::new()),
        Some(changes) => (
            files.layer(middleware::from_fn(with_reload)),
            Router::new()
                .route("/-/changes", get(told_of_changes))
                .route(
                    "/-/reload.js",
                    get(|| async { ([(header::CONTENT_TYPE, "text/javascript")], RELOAD) }),
                )
                .with_state(changes),
        ),
    };
    let queue = queue
        .map_or_else(Router::new, |queue| Router::new().route("/-/queue", get(queue_now)).with_state(queue));
    Router::new().route("/-/livez", get(|| async { "ok" })).merge(changed).merge(queue).merge(files)
}

async fn queue_now(State(queue): State<QueueFolder>) -> Response {
    match tokio::task::spawn_blocking(move || Told::of(&queue)).await {
        Ok(Ok(told)) => Json(told).into_response(),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// An event after each change that is still to come.
async fn told_of_changes(
    State(mut changes): State<watch::Receiver<u64>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    changes.mark_unchanged();
    let next = |mut changes: watch::Receiver<u64>| async move {
        changes.changed().await.ok()?;
        let number = changes.borrow_and_update().to_string();
        Some((Ok(Event::default().event("change").data(number)), changes))
    };
    Sse::new(stream::unfold(changes, next)).keep_alive(KeepAlive::default())
}

/// The site's own page for addresses that lead nowhere, if there is a site.
async fn missing(State(site): State<Arc<PathBuf>>) -> Response {
    match tokio::fs::read(site.join("404.html")).await {
        Ok(page) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response(),
        Err(_) if !site.join("index.html").exists() => "nothing has been built yet\n".into_response(),
        Err(_) => "there is no such page\n".into_response(),
    }
}

/// Pages change, often within the second that their times tell: a reader gets what is there now.
async fn fresh(mut request: Request, next: Next) -> Response {
    request.headers_mut().remove(header::IF_MODIFIED_SINCE);
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Puts the script into pages as they are sent; the site itself stays as it was made.
async fn with_reload(mut request: Request, next: Next) -> Response {
    request.headers_mut().remove(header::RANGE);
    let (mut head, body) = next.run(request).await.into_parts();
    if !is_page(&head.headers) {
        return Response::from_parts(head, body);
    }
    let Ok(page) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    head.headers.remove(header::CONTENT_LENGTH);
    let end = page.windows(b"</head>".len()).position(|text| text == b"</head>");
    let (before, after) = page.split_at(end.unwrap_or_default());
    Response::from_parts(head, Body::from([before, RELOAD_TAG, after].concat()))
}

fn is_page(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}
