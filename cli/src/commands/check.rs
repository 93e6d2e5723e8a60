//! `quire check`: the definition, then every record and page, without touching the site.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use quire_catalogue::Diagnostic;
use quire_coordinator::{Event, Loss, NoProgress, Progress, RunError};
use quire_proto::{Problem, RecordCounts, RunId, RunReport, Severity};
use quire_runtime::{State, Store};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    CheckArgs, Exit,
    commands::build::is_incomplete,
    definition,
    embedded::{CatalogueFolder, ENTRY_MEMORY_BYTES, Embedded, Options, listed_keys, load_catalogue},
    output,
};

/// A problem of a record as `rejects.json` lists it.
#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    source: String,
    location: String,
    ordinal: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(flatten)]
    problem: Problem,
}

/// What a check found.
#[derive(Debug, Serialize)]
struct Answer {
    catalogue: String,
    definition: Vec<Diagnostic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<RecordCounts>,
    /// Why records were not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    unseen: Option<String>,
    /// Sources that could not be listed, records that could not be processed.
    failures: Vec<String>,
    /// Sources among these.
    #[serde(skip)]
    unlisted: usize,
    /// What is worth a look and no failure.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    notes: BTreeSet<String>,
    problems: Vec<Listed>,
}

impl Answer {
    const fn of_definition(catalogue: String, definition: Vec<Diagnostic>) -> Self {
        Self {
            catalogue,
            definition,
            records: None,
            unseen: None,
            failures: Vec::new(),
            unlisted: 0,
            notes: BTreeSet::new(),
            problems: Vec::new(),
        }
    }
}

/// Checks.
///
/// # Errors
/// If the catalogue cannot be read, or its definition cannot even be parsed.
pub fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    if args.schema {
        let schema = serde_json::to_string_pretty(&quire_catalogue::Catalogue::definition_schema())?;
        output::text(&schema)?;
        return Ok(Exit::Done);
    }
    let Some(path) = &args.catalogue else { return Ok(Exit::Usage) };
    let (answer, incomplete) = match load_catalogue(path)? {
        Ok(folder) => look(&folder, args.no_records)?,
        Err(problems) => (Answer::of_definition(named_after(path), problems.into_iter().collect()), false),
    };
    if args.json {
        output::json(&answer)?
    } else {
        print(path, &answer)?
    }
    // As in a build: if nothing at all can be processed, that is the definition's fault or the sources'.
    let all_dead = answer.records.is_some_and(|records| records.dead > 0 && records.dead == records.seen);
    let ended = answer.records.is_none() && !answer.failures.is_empty();
    Ok(match (!answer.definition.is_empty() || all_dead || ended, incomplete && args.strict) {
        (true, _) => Exit::Failed,
        (false, true) => Exit::Strict,
        (false, false) => Exit::Done,
    })
}

/// What a check of the folder finds, and whether anything would be missing from a site.
fn look(folder: &CatalogueFolder, no_records: bool) -> anyhow::Result<(Answer, bool)> {
    let answer = Answer::of_definition(folder.name.clone(), definition::problems(folder));
    if !answer.definition.is_empty() || no_records {
        return Ok((answer, false));
    }
    if let Some(source) =
        folder.catalogue.definition().sources.iter().find(|source| source.connector.neuprint().is_some())
    {
        let unseen = format!(
            "records are not looked at: those of the source {} are on a neuPrint server; `quire doctor` asks it, `quire build` reads them",
            source.name
        );
        return Ok((Answer { unseen: Some(unseen), ..answer }, false));
    }
    let rejects = Path::new("site").join(&folder.name).join("rejects.json");
    let built = dry_build(folder, Arc::new(NoProgress), |scratch| read_rejects(&scratch.join(rejects)));
    let (run, problems) = match built {
        Ok(built) => built,
        Err(error) if is_of_catalogue(&error) => {
            let unseen = "what else is wrong with the records shows once that is mended".to_owned();
            let failures = vec![format!("{error:#}")];
            return Ok((Answer { unseen: Some(unseen), failures, ..answer }, true));
        }
        Err(error) => return Err(error),
    };
    let incomplete = is_incomplete(&run);
    let (failures, notes, unlisted) = (run.failures, run.notes, run.unlisted);
    Ok((Answer { records: Some(run.records), failures, unlisted, notes, problems, ..answer }, incomplete))
}

/// Whether what ended the build is a mistake in what the catalogue makes of all records together.
fn is_of_catalogue(error: &anyhow::Error) -> bool {
    let of_all = |error: &RunError| matches!(error, RunError::Project(_) | RunError::Aggregates { .. });
    error.chain().any(|cause| cause.downcast_ref::<RunError>().is_some_and(of_all))
}

/// The name of a catalogue whose definition cannot tell it: its folder's.
fn named_after(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Builds into a folder that is thrown away, so that templates meet every record too; what `look` sees in it.
fn dry_build<T>(
    folder: &CatalogueFolder,
    progress: Arc<dyn Progress>,
    look: impl FnOnce(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<(RunReport, T)> {
    let scratch = Scratch::new()?;
    let state = State::open(&scratch.0.join("state"))?;
    let out = scratch.0.join("site");
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let runtime = runtime()?;
    let folders = std::slice::from_ref(folder);
    let built = runtime.block_on(async {
        let options = Options {
            out: out.clone(),
            workers,
            full: true,
            prune: false,
            entry_bytes: ENTRY_MEMORY_BYTES,
            progress,
        };
        let embedded = Embedded::start(&state, folders, options)?;
        let built = embedded.build(folders, &CancellationToken::new()).await;
        let stopped = embedded.stop().await;
        // What ended the build is the cause of what went wrong after it.
        built.and_then(|built| stopped.map(|()| built))
    })?;
    let run = built.report.runs.into_iter().next().context("the catalogue was not run")?;
    drop(state);
    Ok((run, look(&scratch.0)?))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the runtime")
}

/// Keys of all records that the sources have, published, rejected or dead.
///
/// # Errors
/// As of a check.
pub(super) fn keys(folder: &CatalogueFolder) -> anyhow::Result<BTreeSet<String>> {
    let scratch = Scratch::new()?;
    if let Some(keys) = runtime()?.block_on(listed_keys(folder, &scratch.0))? {
        return Ok(keys);
    }
    drop(scratch);
    let dead = Arc::new(DeadKeys::default());
    let progress = Arc::clone(&dead) as Arc<dyn Progress>;
    let (_, mut keys) = dry_build(folder, progress, |scratch| {
        let store =
            Store::open(&State::open(&scratch.join("state"))?.store()).context("cannot open the store")?;
        Ok(quire_coordinator::known_keys(&store, &folder.name)?)
    })?;
    keys.append(&mut dead.0.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(keys)
}

/// Keys of records that could not be made.
#[derive(Default)]
struct DeadKeys(Mutex<BTreeSet<String>>);

impl Progress for DeadKeys {
    fn tell(&self, _run: &RunId, _event: Event) {}

    fn lost(&self, _run: &RunId, loss: &Loss<'_>) {
        if let Loss::Record { key, .. } = loss {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((*key).to_owned());
        }
    }
}

fn read_rejects(path: &Path) -> anyhow::Result<Vec<Listed>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).context("rejects.json is not what this version writes")
}

fn print(path: &Path, answer: &Answer) -> anyhow::Result<()> {
    for problem in &answer.definition {
        output::text(&problem.to_string())?;
    }
    for listed in &answer.problems {
        let Listed { location, problem, .. } = listed;
        let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
        let word = if problem.severity == Severity::Reject { "reject" } else { "warning" };
        let pointer = if problem.pointer.is_empty() { "the record" } else { &problem.pointer };
        output::text(&format!(
            "{location}{line}: {word} {} at {pointer}: {}",
            problem.rule, problem.message
        ))?;
    }
    for failure in &answer.failures {
        output::text(&format!("failed: {failure}"))?;
    }
    for note in &answer.notes {
        output::text(&format!("note: {note}"))?;
    }
    let definition = match answer.definition.len() {
        0 => "the definition is right".to_owned(),
        count => format!("{} in the definition", output::counted(count, "problem")),
    };
    let records = answer.records.map_or_else(String::new, |counts| {
        let RecordCounts { seen, published, rejected, dead, .. } = counts;
        format!(
            "; {}: {published} right, {rejected} rejected, {dead} failed",
            output::counted(seen, "record")
        )
    });
    // Records that failed are counted already.
    let sources = match answer.unlisted {
        0 => String::new(),
        count => format!("; {} failed", output::counted(count, "source")),
    };
    if let Some(unseen) = &answer.unseen {
        output::text(unseen)?;
    }
    output::text(&format!("{}: {definition}{records}{sources}", path.display()))
}

/// A folder that goes away with us.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("quire-check-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed from the temporary folder is left to the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
