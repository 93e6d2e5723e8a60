//! Serving while the jobs of a queue are done as they come.

use std::path::Path;

use anyhow::Context as _;
use quire_queue::QueueFolder;
use quire_runtime::State;

use super::{http, listen};
use crate::{
    Exit, ServeArgs,
    commands::{build, place, queue},
    exit::wrong_usage,
};

/// Works until it is told to end.
///
/// # Errors
/// If the queue, the state or the address cannot be used.
pub(super) fn run(args: &ServeArgs, folder: &Path) -> anyhow::Result<Exit> {
    if args.catalogues.len() > 1 {
        wrong_usage!("a queue is of one catalogue: name its folder alone");
    }
    let catalogue = queue::catalogue(args.catalogues.first().map(AsRef::as_ref))?;
    place::refuse_overlap(&args.work.out, &args.work.state.state, std::slice::from_ref(&catalogue))?;
    let folder = QueueFolder::create(folder)?;
    let state = State::open(&args.work.state.state)?;
    let worker = queue::Worker { args: &args.work, catalogue, queue: folder.clone(), state };
    build::runtime(args.work.workers())?.block_on(async {
        let cancelled = build::interruptible();
        let (listener, address) = listen(args.listen).await?;
        let served = http::Served { site: args.work.out.clone(), queue: Some(folder.clone()), changes: None };
        let serving = tokio::spawn(http::serve(listener, served, cancelled.clone()));
        let begun = |site: &Path| {
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
