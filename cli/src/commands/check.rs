//! `quire check`: the definition, then every record and page, without touching the site.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use quire_catalogue::Diagnostic;
use quire_coordinator::NoProgress;
use quire_proto::{Problem, RecordCounts, Severity};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    CheckArgs, Exit,
    embedded::{CatalogueFolder, Embedded, Options, State, find_catalogues},
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
    problems: Vec<Listed>,
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
    let mut folders = find_catalogues(std::slice::from_ref(path))?;
    let Some(folder) = folders.pop() else { return Ok(Exit::Usage) };
    let definition = definition_problems(&folder);
    let broken = !definition.is_empty();
    let (records, problems) = if broken || args.no_records {
        (None, Vec::new())
    } else {
        let (counts, problems) = dry_build(&folder)?;
        (Some(counts), problems)
    };
    let answer = Answer { catalogue: folder.name.clone(), definition, records, problems };
    if args.json {
        output::json(&answer)?
    } else {
        print(path, &answer)?
    }
    let rejected = answer.records.is_some_and(|counts| counts.rejected + counts.dead > 0);
    Ok(match (broken, rejected && args.strict) {
        (true, _) => Exit::Failed,
        (false, true) => Exit::Strict,
        (false, false) => Exit::Done,
    })
}

fn definition_problems(folder: &CatalogueFolder) -> Vec<Diagnostic> {
    let mut problems: Vec<_> = folder.catalogue.check().into_iter().collect();
    // A template that is named but not there is the definition's problem, and told already.
    for problem in quire_renderer::check(&folder.catalogue) {
        if !problems.iter().any(|known| known.message.contains(&problem.file)) {
            problems.push(Diagnostic {
                file: problem.file,
                line: problem.line,
                column: 1,
                len: 0,
                message: problem.message,
                help: None,
                snippet: None,
            });
        }
    }
    problems
}

/// Builds into a folder that is thrown away, so that templates meet every record too.
fn dry_build(folder: &CatalogueFolder) -> anyhow::Result<(RecordCounts, Vec<Listed>)> {
    let scratch = Scratch::new()?;
    let state = State::open(&scratch.0.join("state"))?;
    let out = scratch.0.join("site");
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let folders = std::slice::from_ref(folder);
    let report = runtime.block_on(async {
        let options = Options { out: out.clone(), workers, full: true, progress: Arc::new(NoProgress) };
        let embedded = Embedded::start(&state, folders, options)?;
        let report = embedded.build(folders, &CancellationToken::new()).await;
        embedded.stop().await?;
        report
    })?;
    let counts = report.runs.first().map(|run| run.records).unwrap_or_default();
    Ok((counts, read_rejects(&out.join(&folder.name).join("rejects.json"))?))
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
    let definition = match answer.definition.len() {
        0 => "the definition is right".to_owned(),
        1 => "1 problem in the definition".to_owned(),
        count => format!("{count} problems in the definition"),
    };
    let records = answer.records.map_or_else(String::new, |counts| {
        format!("; {} records: {} right, {} rejected", counts.seen, counts.published, counts.rejected)
    });
    output::text(&format!("{}: {definition}{records}", path.display()))
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
