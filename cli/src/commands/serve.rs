//! `quire serve`: does the jobs of a queue as they come, and serves the site.

mod http;

use std::sync::Arc;

use anyhow::Context as _;
use quire_queue::QueueFolder;
use quire_runtime::State;
use tokio::net::TcpListener;

use crate::{
    Exit, ServeArgs,
    commands::{build, place, queue},
    exit::wrong_usage,
};

/// Works until it is told to end.
///
/// # Errors
/// If the queue, the state or the address cannot be used.
pub fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    let listen = args.listen;
    if !listen.ip().is_loopback() {
        wrong_usage!("cannot serve at {listen}: it is for this machine only, such as 127.0.0.1:8000");
    }
    let catalogue = queue::catalogue(args.catalogue.as_deref())?;
    place::refuse_overlap(&args.work.out, &args.work.state.state, std::slice::from_ref(&catalogue))?;
    let folder = QueueFolder::create(&args.work.folder.queue)?;
    let state = State::open(&args.work.state.state)?;
    let worker = queue::Worker { args: &args.work, catalogue, queue: folder.clone(), state };
    worker.runtime()?.block_on(async {
        let cancelled = build::interruptible();
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen at {listen}"))?;
        let address = listener.local_addr().context("cannot listen")?;
        let served = Arc::new(http::Served { site: args.work.out.clone(), queue: folder.clone() });
        let serving = tokio::spawn(http::serve(listener, served, cancelled.clone()));
        let begun = |site: &std::path::Path| {
            eprintln!(
                "serving {} at http://{address}/, watching {}",
                site.display(),
                folder.path().display()
            );
        };
        let worked = worker.work(args.work.options(None, true), &cancelled, begun).await;
        cancelled.cancel();
        serving.await.context("the server failed")??;
        let (drained, ended) = worked?;
        eprintln!("queue: {}", drained.teller.summary());
        ended.map(|()| Exit::Done)
    })
}
