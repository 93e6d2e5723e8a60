//! `quire run`: runs on agents, through the coordinator.

use quire_api::run::{
    CancelRequest, DefinitionFile, GetRequest, ListRequest, Run, StartRequest, State, WatchRequest,
    run_service_client::RunServiceClient,
};
use quire_coordinator::{Event, Phase, Progress as _};
use quire_proto::{BuildReport, Epoch, RunId, StageName};
use serde::Serialize;
use tonic::transport::Channel;

use crate::{
    Exit, LaneArg, RunAction, RunArgs, ServerArgs, StartArgs,
    commands::build::is_incomplete,
    embedded::find_catalogues,
    output,
    progress::Reporter,
    remote::{MAX_ANSWER_BYTES, block_on, connect, refused},
};

/// Talks to the coordinator.
///
/// # Errors
/// If it cannot be reached or refuses, or the run that was waited for failed.
pub fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    block_on(async {
        match &args.action {
            RunAction::Start(args) => start(args).await,
            RunAction::List { catalogue, server, json } => list(catalogue.as_deref(), server, *json).await,
            RunAction::Show { run, server, json } => {
                let request = GetRequest { id: run.clone() };
                let answer = client(server).await?.get(request).await.map_err(|status| refused(&status))?;
                show(answer.into_inner().run.unwrap_or_default(), *json)
            }
            RunAction::Watch { run, server, json } => {
                let mut client = client(server).await?;
                end(watch(&mut client, run.clone()).await?, *json, false)
            }
            RunAction::Cancel { run, server, json } => {
                let request = CancelRequest { id: run.clone() };
                let answer =
                    client(server).await?.cancel(request).await.map_err(|status| refused(&status))?;
                show(answer.into_inner().run.unwrap_or_default(), *json)
            }
        }
    })
}

pub(super) async fn client(server: &ServerArgs) -> anyhow::Result<RunServiceClient<Channel>> {
    let channel = connect(&server.server, &server.tls).await?;
    Ok(RunServiceClient::new(channel)
        .max_encoding_message_size(usize::MAX)
        .max_decoding_message_size(MAX_ANSWER_BYTES))
}

async fn start(args: &StartArgs) -> anyhow::Result<Exit> {
    let folders = find_catalogues(std::slice::from_ref(&args.catalogue))?;
    let mut client = client(&args.server).await?;
    let mut last = Exit::Done;
    for folder in folders {
        let files = folder.bundle.files();
        let files =
            files.map(|(path, content)| DefinitionFile { path: path.to_owned(), content: content.to_vec() });
        let request = StartRequest { files: files.collect(), full: args.full, lane: args.lane.number() };
        let answer = client.start(request).await.map_err(|status| refused(&status))?;
        let run = answer.into_inner().run.unwrap_or_default();
        if args.watch {
            last = end(watch(&mut client, run.id).await?, args.json, args.strict)?;
        } else if args.json {
            output::json(&Told::from(run))?;
        } else {
            output::text(&run.id)?;
        }
    }
    Ok(last)
}

/// Watches a run until it has ended, showing how it goes on.
async fn watch(client: &mut RunServiceClient<Channel>, id: String) -> anyhow::Result<Run> {
    let answer = client.watch(WatchRequest { id }).await.map_err(|status| refused(&status))?;
    let mut changes = answer.into_inner();
    let reporter = Reporter::new();
    let mut seen = Run::default();
    while let Some(change) = changes.message().await.map_err(|status| refused(&status))? {
        let Some(run) = change.run else { continue };
        tell(&reporter, &seen, &run);
        seen = run;
    }
    Ok(seen)
}

/// Tells what has changed in a run, as a run in this process would.
fn tell(reporter: &Reporter, seen: &Run, now: &Run) {
    let id = RunId::new(&now.catalogue, Epoch(now.epoch));
    if now.phase != seen.phase
        && let Some(phase) = phase(&now.phase)
    {
        reporter.tell(&id, Event::Entered(phase));
    }
    for progress in &now.stages {
        let before = seen.stages.iter().find(|known| known.stage == progress.stage);
        let Some(stage) = StageName::ALL.into_iter().find(|stage| stage.as_str() == progress.stage) else {
            continue;
        };
        if before != Some(progress) {
            let records = progress.records - before.map_or(0, |before| before.records.min(progress.records));
            let (settled, announced) = (progress.settled, progress.announced);
            reporter.tell(&id, Event::Settled { stage, records, settled, announced });
        }
    }
}

fn phase(name: &str) -> Option<Phase> {
    Some(match name {
        "gather" => Phase::Gather,
        "decide" => Phase::Decide,
        "make" => Phase::Make,
        "commit" => Phase::Commit,
        "publish" => Phase::Publish,
        "done" => Phase::Done,
        _ => return None,
    })
}

/// How a command ends that has waited for a run.
fn end(run: Run, json: bool, strict: bool) -> anyhow::Result<Exit> {
    match run.state() {
        State::Done => {
            let report: BuildReport = serde_json::from_str(&run.report_json)?;
            if json {
                output::json(&report)?;
            } else {
                output::text(&line(&run))?;
                output::text(&format!("site manifest {}", report.manifest))?;
            }
            let incomplete = report.runs.iter().any(is_incomplete);
            Ok(if strict && incomplete { Exit::Strict } else { Exit::Done })
        }
        State::Running | State::Unspecified => {
            anyhow::bail!(
                "the coordinator stopped telling of {}: `quire run watch {}` asks again",
                run.id,
                run.id
            )
        }
        State::Failed | State::Cancelled => anyhow::bail!("{}: {}", run.id, run.error),
    }
}

async fn list(catalogue: Option<&str>, server: &ServerArgs, json: bool) -> anyhow::Result<Exit> {
    let request = ListRequest { catalogue: catalogue.unwrap_or_default().to_owned(), limit: 0 };
    let answer = client(server).await?.list(request).await.map_err(|status| refused(&status))?;
    let runs = answer.into_inner().runs;
    if json {
        let told: Vec<Told> = runs.into_iter().map(Told::from).collect();
        output::json(&told)?;
    } else {
        for run in &runs {
            output::text(&line(run))?;
        }
    }
    Ok(Exit::Done)
}

fn show(run: Run, json: bool) -> anyhow::Result<Exit> {
    if json {
        output::json(&Told::from(run))?;
    } else {
        output::text(&line(&run))?;
        if !run.error.is_empty() {
            output::text(&format!("  {}", run.error))?;
        }
    }
    Ok(Exit::Done)
}

/// A run in a line.
fn line(run: &Run) -> String {
    let counts = serde_json::from_str::<BuildReport>(&run.report_json).ok();
    let counts = counts.as_ref().and_then(|report| report.runs.first()).map(|report| {
        let records = report.records;
        format!(
            "{} seen = {} published + {} unchanged + {} rejected + {} dead; {} removed",
            records.seen,
            records.published,
            records.unchanged,
            records.rejected,
            records.dead,
            records.removed
        )
    });
    let about = counts.unwrap_or_else(|| run.phase.clone());
    format!("{}  {}  {about}", run.id, state(run.state()))
}

pub(super) const fn state(state: State) -> &'static str {
    match state {
        State::Unspecified => "unknown",
        State::Running => "running",
        State::Done => "done",
        State::Failed => "failed",
        State::Cancelled => "cancelled",
    }
}

/// A run as `--json` prints it.
#[derive(Serialize)]
struct Told {
    run: String,
    catalogue: String,
    epoch: u64,
    state: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    phase: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<BuildReport>,
}

impl From<Run> for Told {
    fn from(run: Run) -> Self {
        let state = state(run.state());
        let report = serde_json::from_str(&run.report_json).ok();
        let Run { id, catalogue, epoch, phase, error, .. } = run;
        Self { run: id, catalogue, epoch, state, phase, error, report }
    }
}

impl LaneArg {
    /// Its word.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// As the service numbers it.
    pub(super) fn number(self) -> i32 {
        use quire_api::run::Lane;
        match self {
            Self::Critical => Lane::Critical,
            Self::High => Lane::High,
            Self::Normal => Lane::Normal,
            Self::Low => Lane::Low,
        }
        .into()
    }
}
