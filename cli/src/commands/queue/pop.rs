//! `quire queue pop`.

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use quire_coordinator::NoProgress;
use quire_queue::{Claims, QueueFolder, Scan, Waiting};
use quire_runtime::{State, StateError, Store};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    Exit, PopArgs, WorkArgs,
    commands::{build, place},
    definition,
    embedded::{self, CatalogueFolder, Embedded},
    output,
    queue::{Counts, Drain, Options, Told as ToldJob},
};

/// How long to wait for a state folder that another process uses.
const PATIENCE: Duration = Duration::from_secs(600);
/// Memory for entries of manifests: those of some ten thousand records. Each run goes over all of them.
const ENTRY_BYTES: usize = 64 << 20;
/// Between two looks at whether it still does.
const LOOK: Duration = Duration::from_millis(200);

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Answer {
    catalogue: String,
    /// Jobs that are over.
    done: u64,
    #[serde(flatten)]
    counts: Counts,
    /// Jobs of the catalogue that still wait.
    waiting: usize,
    seconds: f64,
    rejects: Vec<ToldJob>,
    letters: Vec<ToldJob>,
}

/// Does jobs.
///
/// # Errors
/// If the queue or the state cannot be used, or a run failed for no fault of a job.
pub(super) fn run(args: &PopArgs) -> anyhow::Result<Exit> {
    let catalogue = super::catalogue(args.catalogue.as_deref())?;
    let queue = super::opened(&args.folder.queue)?;
    if args.dry_run {
        return dry_run(&queue, &catalogue, args);
    }
    let limit = if args.all { None } else { Some(args.count.unwrap_or(1) as usize) };
    place::refuse_overlap(&args.work.out, &args.work.state.state, std::slice::from_ref(&catalogue))?;
    let Some(state) = state(&args.work.state.state, &queue, &catalogue.name)? else {
        return nothing(&queue, &catalogue.name, args.json);
    };
    if is_empty(&queue, &catalogue.name)? {
        return nothing(&queue, &catalogue.name, args.json);
    }
    let name = catalogue.name.clone();
    let options = args.work.options(limit, false);
    let worker = Worker { args: &args.work, catalogue, queue, state };
    build::runtime(args.work.workers())?.block_on(async {
        let cancelled = build::interruptible();
        let (drained, ended) = worker.work(options, &cancelled, |_| {}).await?;
        tell(&name, &drained, args, &cancelled)?;
        ended?;
        Ok(exit(&drained, args.strict, &cancelled))
    })
}

fn exit(drained: &Drain, strict: bool, cancelled: &CancellationToken) -> Exit {
    let Counts { rejected, dead, retried, .. } = drained.teller.counts;
    if cancelled.is_cancelled() {
        return Exit::Interrupted;
    }
    // A job that failed and waits again was asked for, and is not done.
    let is_undone = retried > 0 && drained.left() > 0 || drained.held() > 0;
    if is_undone {
        Exit::Failed
    } else if strict && rejected + dead > 0 {
        Exit::Strict
    } else {
        Exit::Done
    }
}

fn tell(
    catalogue: &str,
    drained: &Drain,
    args: &PopArgs,
    cancelled: &CancellationToken,
) -> anyhow::Result<()> {
    let (teller, waiting) = (&drained.teller, drained.left());
    if drained.held() > 0 {
        output::note(&format!(
            "waiting for a source that could not be asked: {}",
            output::counted(drained.held(), "job")
        ));
    }
    if drained.young > 0 {
        let seconds = args.work.orphan_after;
        output::note(&format!(
            "{} of another tool, younger than {seconds} s: those that are older are given back (--orphan-after)",
            output::counted(drained.young, "claim")
        ));
    }
    if args.json {
        return output::json(&Answer {
            catalogue: catalogue.to_owned(),
            done: teller.counts.over(),
            counts: teller.counts.clone(),
            waiting,
            seconds: teller.seconds(),
            rejects: teller.rejected.clone(),
            letters: teller.dead.clone(),
        });
    }
    if teller.counts.over() == 0 && waiting == 0 && !cancelled.is_cancelled() {
        return output::text("the queue is empty");
    }
    output::text(&format!("{}; {waiting} wait", teller.summary()))
}

/// The queue is empty, or others empty it.
fn nothing(queue: &QueueFolder, catalogue: &str, json: bool) -> anyhow::Result<Exit> {
    if json {
        let (counts, rejects, letters) = (Counts::default(), Vec::new(), Vec::new());
        let catalogue = catalogue.to_owned();
        output::json(&Answer { catalogue, done: 0, counts, waiting: 0, seconds: 0.0, rejects, letters })?;
    } else {
        output::text(&format!("the queue {} is empty", queue.path().display()))?;
    }
    Ok(Exit::Done)
}

/// Whether nothing waits and nothing may be given back.
fn is_empty(queue: &QueueFolder, catalogue: &str) -> anyhow::Result<bool> {
    let mut scan = Scan::new(queue);
    scan.look()?;
    let ours = |job: &Waiting| job.is_of(catalogue);
    Ok(scan.locked == 0 && scan.odd().is_empty() && !scan.waiting().any(ours))
}

/// The state folder, as soon as no other process uses it; `None` if the queue was emptied first.
fn state(path: &Path, queue: &QueueFolder, catalogue: &str) -> anyhow::Result<Option<State>> {
    let began = Instant::now();
    let mut told = false;
    loop {
        match State::open(path) {
            Err(StateError::Busy { folder }) if began.elapsed() < PATIENCE => {
                if !told {
                    let shown = folder.display();
                    output::note(&format!("another quire uses the state folder {shown}: waiting for it"));
                    told = true;
                }
                if is_empty(queue, catalogue)? {
                    return Ok(None);
                }
                thread::sleep(LOOK);
            }
            state => return Ok(Some(state?)),
        }
    }
}

fn dry_run(queue: &QueueFolder, catalogue: &CatalogueFolder, args: &PopArgs) -> anyhow::Result<Exit> {
    let ours = |job: &Waiting| job.is_of(&catalogue.name);
    let mut waiting = queue.list()?.waiting;
    waiting.retain(ours);
    let count = if args.all { usize::MAX } else { args.count.unwrap_or(1) as usize };
    waiting.truncate(count);
    let keys: Vec<&str> = waiting.iter().map(|job| job.key.as_str()).collect();
    if args.json {
        output::json(&serde_json::json!({ "catalogue": catalogue.name, "would": keys }))?;
    } else {
        for job in &waiting {
            output::text(&format!("{}  {}", job.key, job.lane))?;
        }
    }
    Ok(Exit::Done)
}

/// Who does the jobs of a queue.
pub(in crate::commands) struct Worker<'a> {
    pub(in crate::commands) args: &'a WorkArgs,
    pub(in crate::commands) catalogue: CatalogueFolder,
    pub(in crate::commands) queue: QueueFolder,
    pub(in crate::commands) state: State,
}

impl Worker<'_> {
    /// Works until there is nothing left or it is cancelled; `begun` is told when the first job may be claimed. What
    /// became of the jobs is told also if the queue could not be used to the end.
    pub(in crate::commands) async fn work(
        self,
        options: Options,
        cancelled: &CancellationToken,
        begun: impl FnOnce(&Path),
    ) -> anyhow::Result<(Drain, anyhow::Result<()>)> {
        let folders = std::slice::from_ref(&self.catalogue);
        let store = Store::open(&self.state.store()).context("cannot open the store")?;
        definition::refuse_broken(folders, &store)?;
        let wanted = embedded::Options {
            out: self.args.out.clone(),
            workers: self.args.workers(),
            full: false,
            prune: false,
            entry_bytes: ENTRY_BYTES,
            progress: Arc::new(NoProgress),
        };
        let embedded = Arc::new(Embedded::start(&self.state, folders, wanted)?);
        begun(&self.args.out);
        let claims = Claims::new(&self.queue)?;
        let catalogue = self.catalogue.clone();
        let mut drain = Drain::new(Arc::clone(&embedded), catalogue, claims, options, cancelled.clone());
        let mut ended = drain.run().await;
        drain.leave();
        if let Some(trouble) = drain.trouble.take()
            && ended.is_ok()
        {
            ended = Err(trouble);
        }
        // No run is under way: nobody else has it.
        if let Some(embedded) = Arc::into_inner(embedded) {
            embedded.stop().await?;
        }
        Ok((drain, ended))
    }
}

impl WorkArgs {
    /// Threads for CPU-heavy work.
    pub(in crate::commands) fn workers(&self) -> usize {
        self.workers.map_or_else(build::cores, usize::from)
    }

    /// How the queue is drained.
    pub(in crate::commands) fn options(&self, limit: Option<usize>, watch: bool) -> Options {
        Options {
            limit,
            watch,
            together: self.batch.into(),
            attempts: self.attempts,
            orphan_after: Duration::from_secs(self.orphan_after),
        }
    }
}
