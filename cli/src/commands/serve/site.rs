//! Serving what whole builds make: one, or with `--watch` one after each change.

use std::{
    io::{self, IsTerminal as _},
    net::SocketAddr,
    sync::Arc,
};

use anyhow::{Context as _, bail};
use quire_coordinator::{NoProgress, Progress};
use quire_runtime::{State, Store};
use tokio::{net::TcpListener, sync::watch};
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
    let left_out = [&args.work.out, state.folder()];
    let watcher = if args.watch { Some(Watcher::new(&left_out)?) } else { None };
    let options = Options {
        out: args.work.out.clone(),
        workers,
        full: false,
        prune: false,
        entry_bytes: ENTRY_MEMORY_BYTES,
        progress: progress(args.watch),
    };
    let embedded = Embedded::start(state, folders, options)?;
    let (changed, changes) = watch::channel(String::new());
    let mut builder = Builder {
        args,
        state,
        folders,
        embedded: &embedded,
        cancelled: &cancelled,
        changed,
        watcher,
        said: None,
        lost: Vec::new(),
    };
    let ended = serve_from(&mut builder, listener, address, changes).await;
    embedded.stop().await?;
    match ended {
        Err(_) if cancelled.is_cancelled() => Ok(Exit::Interrupted),
        ended => ended.map(|()| Exit::Done),
    }
}

async fn serve_from(
    builder: &mut Builder<'_>,
    listener: TcpListener,
    address: SocketAddr,
    changes: http::Changes,
) -> anyhow::Result<()> {
    let site = builder.args.work.out.clone();
    if builder.watcher.is_some() {
        builder.build_and_tell().await;
        if builder.cancelled.is_cancelled() {
            bail!("interrupted");
        }
    } else {
        let _ = builder.build().await?;
    }
    let watched = builder.watcher.as_ref().map_or_else(String::new, |watcher| format!(", {watcher}"));
    eprintln!("serving {} at http://{address}/{watched}", site.display());
    let changes = builder.watcher.is_some().then_some(changes);
    let served = http::Served { site, queue: None, changes };
    let serving = tokio::spawn(http::serve(listener, served, builder.cancelled.clone()));
    builder.follow().await;
    serving.await.context("the server failed")?
}

/// Many builds are told on a terminal only: elsewhere what they come to is enough.
fn progress(watch: bool) -> Arc<dyn Progress> {
    if watch && !io::stderr().is_terminal() { Arc::new(NoProgress) } else { Arc::new(Reporter::new()) }
}

/// Who builds, each time in the same process.
struct Builder<'a> {
    args: &'a ServeArgs,
    state: &'a State,
    /// As they were at the start.
    folders: &'a [CatalogueFolder],
    embedded: &'a Embedded,
    cancelled: &'a CancellationToken,
    /// The digest of the site, for browsers that wait for another one.
    changed: watch::Sender<String>,
    /// With `--watch`.
    watcher: Option<Watcher>,
    /// What went wrong last: it is not said again until something else is.
    said: Option<String>,
    /// What the last build could not have.
    lost: Vec<String>,
}

impl Builder<'_> {
    /// Builds after each change until it is cancelled.
    async fn follow(&mut self) {
        while !self.cancelled.is_cancelled() {
            let Some(watcher) = &mut self.watcher else { return self.cancelled.cancelled().await };
            tokio::select! {
                () = self.cancelled.cancelled() => {}
                () = watcher.changed() => self.build_and_tell().await,
            }
        }
    }

    /// What goes wrong is told, and mended by the next change. What comes to nothing is not told: what we say may itself be a
    /// change, if it is written to a file in a catalogue's folder.
    async fn build_and_tell(&mut self) {
        match self.build().await {
            Ok(is_told) => {
                if self.said.take().is_some() && !is_told {
                    output::note("that is mended; the site is as it was");
                }
            }
            Err(_) if self.cancelled.is_cancelled() => {}
            Err(error) => {
                let told = format!("{error:#}");
                if self.said.as_ref() != Some(&told) {
                    output::note(&told);
                }
                self.said = Some(told);
            }
        }
    }

    /// The catalogues as they now are.
    fn catalogues(&self) -> anyhow::Result<Vec<CatalogueFolder>> {
        let folders = find_catalogues(&self.args.catalogues)?;
        let same = |(now, then): (&CatalogueFolder, &CatalogueFolder)| {
            now.name == then.name && now.path == then.path
        };
        if folders.len() != self.folders.len() || !folders.iter().zip(self.folders).all(same) {
            bail!("there are other catalogues now, or one has another name: start `quire serve` again");
        }
        place::refuse_overlap(&self.args.work.out, self.state.folder(), &folders)?;
        Ok(folders)
    }

    /// Whether it said what it did.
    async fn build(&mut self) -> anyhow::Result<bool> {
        // A definition that cannot be read now may be mended later: that shall be heard.
        if let Some(watcher) = &mut self.watcher {
            watcher.watch_again();
        }
        let mut folders = self.catalogues()?;
        // Before the build, so that nothing that changes during it goes unseen.
        if self.watcher.as_mut().is_some_and(|watcher| watcher.watch(&folders)) {
            folders = self.catalogues()?;
        }
        let store = Store::open(&self.state.store()).context("cannot open the store")?;
        definition::refuse_broken(&folders, &store)?;
        let built = self.embedded.build(&folders, self.cancelled).await?;
        let runs = &built.report.runs;
        let now = built.report.manifest.to_string();
        let lost: Vec<String> = runs.iter().flat_map(|run| run.failures.iter().cloned()).collect();
        // What a source that is away has stays on the site: that is told though nothing has changed.
        let is_new = *self.changed.borrow() != now;
        if is_new {
            self.changed.send_replace(now);
        }
        if let Some((run, why)) = runs.iter().find_map(|run| Some((run, build::nothing(run)?))) {
            bail!("{}: {why}: {}", run.catalogue, run.failures.join("; "));
        }
        let is_told = is_new || lost != self.lost;
        if is_told {
            runs.iter().for_each(|run| eprint!("{}", summary::of_run(run)));
        }
        self.lost = lost;
        Ok(is_told)
    }
}
