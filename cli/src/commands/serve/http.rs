//! The site over HTTP, for people on this machine; and the state of a queue, or word of changes.

use std::{convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Query, Request, State},
    handler::Handler as _,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{
        Html, IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::{Stream, stream};
use quire_queue::QueueFolder;
use serde::Deserialize;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use tower_http::services::ServeDir;

use crate::commands::queue::Told;

/// Loads a page again after a change.
const RELOAD: &str = include_str!("reload.js");
/// Whoever keeps a connection open is waited for no longer than this.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is served.
pub(super) struct Served {
    pub(super) site: PathBuf,
    /// Its state is at `/-/queue`.
    pub(super) queue: Option<QueueFolder>,
    /// The digest of the site, as it changes: pages are loaded again then.
    pub(super) changes: Option<Changes>,
}

/// The digest of the site, as it changes.
pub(super) type Changes = watch::Receiver<String>;

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
            files.layer(middleware::from_fn_with_state(changes.clone(), with_reload)),
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

/// What a page was sent from.
#[derive(Deserialize)]
struct Seen {
    #[serde(default)]
    seen: String,
}

/// An event as soon as the site is another one than the page was sent from.
async fn told_of_changes(
    State(changes): State<Changes>,
    Query(Seen { seen }): Query<Seen>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let next = |(mut changes, seen): (Changes, String)| async move {
        let now = changes.wait_for(|now| *now != seen).await.ok()?.clone();
        Some((Ok(Event::default().event("change").data(&now)), (changes, now)))
    };
    Sse::new(stream::unfold((changes, seen), next)).keep_alive(KeepAlive::default())
}

/// The site's own page for addresses that lead nowhere, if there is one.
async fn missing(State(site): State<Arc<PathBuf>>) -> Html<Vec<u8>> {
    let told = if site.join("index.html").exists() {
        "There is no such page."
    } else {
        "Nothing has been built yet."
    };
    let plain = || format!("<!doctype html><title>Quire</title><p>{told}</p>\n").into_bytes();
    Html(tokio::fs::read(site.join("404.html")).await.unwrap_or_else(|_| plain()))
}

/// Pages change, often within the second that their times tell: a reader gets what is there now.
async fn fresh(mut request: Request, next: Next) -> Response {
    request.headers_mut().remove(header::IF_MODIFIED_SINCE);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // All that we write is UTF-8.
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.filter(|kind| kind.starts_with("text/") && !kind.contains("charset"));
    if let Some(Ok(kind)) = kind.map(|kind| HeaderValue::try_from(format!("{kind}; charset=utf-8"))) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    response
}

/// Puts the script into pages as they are sent; the site itself stays as it was made. The policy of our pages lets them have
/// scripts and connections of their own server.
async fn with_reload(State(changes): State<Changes>, mut request: Request, next: Next) -> Response {
    request.headers_mut().remove(header::RANGE);
    let is_head = request.method() == Method::HEAD;
    if is_head {
        // The page is read all the same, for its length.
        *request.method_mut() = Method::GET;
    }
    // Before the page is read: if it is newer than this it is loaded once too often, and never too seldom.
    let tag = format!("<script src=\"/-/reload.js?seen={}\"></script>\n", *changes.borrow());
    let (mut head, body) = next.run(request).await.into_parts();
    if !is_page(&head.headers) {
        return Response::from_parts(head, if is_head { Body::empty() } else { body });
    }
    let Ok(page) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let end = page.windows(b"</head>".len()).position(|text| text == b"</head>");
    let (before, after) = page.split_at(end.unwrap_or(page.len()));
    let page = [before, tag.as_bytes(), after].concat();
    head.headers.insert(header::CONTENT_LENGTH, page.len().into());
    Response::from_parts(head, if is_head { Body::empty() } else { Body::from(page) })
}

fn is_page(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}
