//! The site and the queue's state over HTTP.

use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use quire_queue::QueueFolder;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::commands::queue::Told;

/// What is served.
pub(super) struct Served {
    pub(super) site: PathBuf,
    pub(super) queue: QueueFolder,
}

/// Serves until it is cancelled.
pub(super) async fn serve(
    listener: TcpListener,
    served: Arc<Served>,
    cancelled: CancellationToken,
) -> anyhow::Result<()> {
    let app = Router::new()
        .route("/-/livez", get(|| async { "ok" }))
        .route("/-/queue", get(queue))
        .fallback(get(file))
        .with_state(served);
    let stop = cancelled.clone();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await });
    tokio::select! {
        served = serving => served.context("cannot serve"),
        // Who keeps a connection open is not waited for.
        () = async { cancelled.cancelled().await; tokio::time::sleep(std::time::Duration::from_secs(1)).await } => Ok(()),
    }
}

async fn queue(State(served): State<Arc<Served>>) -> Response {
    let looked = tokio::task::spawn_blocking(move || Told::of(&served.queue)).await;
    match looked {
        Ok(Ok(told)) => Json(told).into_response(),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn file(State(served): State<Arc<Served>>, uri: Uri) -> Response {
    let Some(path) = path_of(uri.path()) else { return missing() };
    let path = served.site.join(path);
    match tokio::fs::metadata(&path).await {
        Ok(metadata) if metadata.is_dir() && !uri.path().ends_with('/') => {
            Redirect::permanent(&format!("{}/", uri.path())).into_response()
        }
        Ok(metadata) if metadata.is_dir() => send(&path.join("index.html")).await,
        Ok(_) => send(&path).await,
        Err(_) => missing(),
    }
}

async fn send(path: &Path) -> Response {
    // Pages change: a reader asks each time.
    let headers = [(header::CONTENT_TYPE, content_type(path)), (header::CACHE_CONTROL, "no-cache")];
    match tokio::fs::read(path).await {
        Ok(bytes) => (headers, bytes).into_response(),
        Err(_) => missing(),
    }
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "there is no such page\n").into_response()
}

/// The path below the site that a request names; `None` if it leads out of it.
fn path_of(path: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    let path = String::from_utf8(bytes).ok().filter(|path| !path.contains('\0'))?;
    let path = Path::new(path.trim_start_matches('/')).to_path_buf();
    path.components().all(|part| matches!(part, Component::Normal(_))).then_some(path)
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("xml") => "application/xml",
        Some("csv") => "text/csv; charset=utf-8",
        Some("md") => "text/markdown; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_stay_in_the_site() {
        assert_eq!(path_of("/a/b%20c.html"), Some("a/b c.html".into()));
        assert_eq!(path_of("/"), Some(PathBuf::new()));
        for bad in ["/../x", "/a/%2e%2e/x", "/%zz", "/%", "/a%00", "/%ff"] {
            assert_eq!(path_of(bad), None, "{bad}");
        }
    }
}
