//! Serving what whole builds make: one, or with `--watch` one after each change.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use quire_runtime::{State, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{http, listen, watch::Watcher};
use crate::{
    Exit, ServeArgs,
    commands::{build, place},
    definition,
    embedded::{CatalogueFolder, ENTRY_MEMORY_BYTES, Embedded, Options, find_catalogues},
    output,
    progress::Reporter,
    summary,
};

/// Builds, and serves until it is told to end.
///
/// # Errors
/// If the catalogues, the state or the address cannot be used; without `--watch`, if the build fails.
pub(super) fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    let folders = find_catalogues(&args.catalogues)?;
    place::refuse_overlap(&args.work.out, &args.work.state.state, &folders)?;
    let state = State::open(&args.work.state.state)?;
    let workers = args.work.workers();
    build::runtime(workers)?.block_on(serve(args, &state, &folders, workers))
}

async fn serve(
    args: &ServeArgs,
    state: &State,
    folders: &[CatalogueFolder],
    workers: usize,
) -> anyhow::Result<Exit> {
    let cancelled = build::interruptible();
    let (listener, address) = listen(args.listen).await?;
    let options = Options {
        out: args.work.out.clone(),
        workers,
        full: false,
        prune: false,
        entry_bytes: ENTRY_MEMORY_BYTES,
        progress: Arc::new(Reporter::new()),
    };
    let embedded = Embedded::start(state, folders, options)?;
    let (changed, changes) = watch::channel(0);
    let builder = Builder { args, state, folders, embedded: &embedded, cancelled: &cancelled, changed };
    // Before the first build, so that nothing that changes during it goes unseen.
    let mut watcher =
        if args.watch { Some(Watcher::start(folders, &[&args.work.out, state.folder()])?) } else { None };
    let mut ended = builder.build().await;
    if let (Some(_), Err(error)) = (&watcher, &ended)
        && !cancelled.is_cancelled()
    {
        output::note(&format!("{error:#}"));
        ended = Ok(());
    }
    if ended.is_ok() {
        let site = args.work.out.clone();
        let served = http::Served { site, queue: None, changes: args.watch.then_some(changes) };
        let serving = tokio::spawn(http::serve(listener, served, cancelled.clone()));
        let watched = watcher.as_ref().map_or_else(String::new, |watcher| format!(", {watcher}"));
        eprintln!("serving {} at http://{address}/{watched}", args.work.out.display());
        match &mut watcher {
            Some(watcher) => builder.follow(watcher).await,
            None => cancelled.cancelled().await,
        }
        serving.await.context("the server failed")??;
    }
    embedded.stop().await?;
    match ended {
        Err(_) if cancelled.is_cancelled() => Ok(Exit::Interrupted),
        ended => ended.map(|()| Exit::Done),
    }
}

/// Who builds, each time in the same process.
struct Builder<'a> {
    args: &'a ServeArgs,
    state: &'a State,
    /// As they were at the start.
    folders: &'a [CatalogueFolder],
    embedded: &'a Embedded,
    cancelled: &'a CancellationToken,
    /// Counts the builds, for browsers that wait for the next.
    changed: watch::Sender<u64>,
}

impl Builder<'_> {
    /// Builds after each change until it is cancelled; what goes wrong is told, and mended by the next change.
    async fn follow(&self, watcher: &mut Watcher) {
        loop {
            tokio::select! {
                () = self.cancelled.cancelled() => return,
                () = watcher.changed() => {}
            }
            if let Err(error) = self.build().await
                && !self.cancelled.is_cancelled()
            {
                output::note(&format!("{error:#}"));
            }
        }
    }

    async fn build(&self) -> anyhow::Result<()> {
        let folders = find_catalogues(&self.args.catalogues)?;
        let same = |(now, then): (&CatalogueFolder, &CatalogueFolder)| {
            now.name == then.name && now.path == then.path
        };
        if folders.len() != self.folders.len() || !folders.iter().zip(self.folders).all(same) {
            bail!("there are other catalogues now, or one has another name: start `quire serve` again");
        }
        let store = Store::open(&self.state.store()).context("cannot open the store")?;
        definition::refuse_broken(&folders, &store)?;
        let built = self.embedded.build(&folders, self.cancelled).await?;
        for run in &built.report.runs {
            eprint!("{}", summary::of_run(run));
        }
        self.changed.send_modify(|builds| *builds += 1);
        Ok(())
    }
}
