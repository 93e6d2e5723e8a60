//! Builds the ready catalogues and serves the site on a loopback port: a look at the result, not a web server.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Component, Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;

use crate::command::{self, cargo, root};

/// Where to serve.
#[derive(Args)]
pub(crate) struct SiteArgs {
    /// Loopback port; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

pub(crate) fn run(args: &SiteArgs) -> anyhow::Result<()> {
    command::run(cargo().args(["run", "--release", "--quiet", "--", "build"]))?;
    let listener =
        TcpListener::bind(("127.0.0.1", args.port)).context("cannot listen; try another --port")?;
    println!("http://{}/  (Ctrl-C ends)", listener.local_addr()?);
    for connection in listener.incoming() {
        // One bad connection is no reason to stop the preview.
        if let Err(error) =
            connection.map_err(anyhow::Error::from).and_then(|stream| answer(stream, &root().join("site")))
        {
            eprintln!("{error:#}");
        }
    }
    Ok(())
}

fn answer(mut stream: TcpStream, site: &Path) -> anyhow::Result<()> {
    let mut request = String::new();
    BufReader::new(&stream).read_line(&mut request)?;
    let path =
        request.split_whitespace().nth(1).and_then(|target| target.split(['?', '#']).next()).unwrap_or("/");
    let found = locate(site, path).and_then(|file| std::fs::read(&file).ok().map(|bytes| (file, bytes)));
    let (status, kind, body) = match found {
        Some((file, bytes)) => ("200 OK", content_type(&file), bytes),
        None => ("404 Not Found", "text/plain; charset=utf-8", b"not found\n".to_vec()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)?;
    Ok(())
}

/// The file behind a request path; `None` for anything that would leave the site.
fn locate(site: &Path, path: &str) -> Option<PathBuf> {
    let relative = Path::new(path.trim_start_matches('/'));
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let file = site.join(relative);
    Some(if file.is_dir() { file.join("index.html") } else { file })
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("xml") => "application/xml",
        Some("csv") => "text/csv; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    }
}
