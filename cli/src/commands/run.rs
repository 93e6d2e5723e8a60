//! `quire run`: runs on agents, through the coordinator.

mod start;
mod watch;

use quire_api::run::{
    CancelRequest, GetRequest, ListRequest, Run, State, run_service_client::RunServiceClient,
};
use quire_proto::BuildReport;
use serde::Serialize;
use tonic::transport::Channel;

pub(super) use watch::watch;

use crate::{
    Exit, LaneArg, RunAction, RunArgs, ServerArgs,
    commands::build::{is_incomplete, nothing},
    output,
    remote::{DEADLINE, LONG_DEADLINE, MAX_ANSWER_BYTES, Servers, block_on},
    summary,
};

/// Talks to the coordinator.
///
/// # Errors
/// If it cannot be reached or refuses, or the run that was waited for failed.
pub fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    block_on(async {
        match &args.action {
            RunAction::Start(args) => start::start(args).await,
            RunAction::List { catalogue, server, json } => list(catalogue.as_deref(), server, *json).await,
            RunAction::Show { run, server, json } => {
                let request = || GetRequest { id: run.clone() };
                let get = async |channel| client(channel).get(request()).await;
                let answer = Servers::of(server)?.ask(DEADLINE, get).await?;
                show(answer.run.unwrap_or_default(), *json)
            }
            RunAction::Watch { run, server, json } => {
                let ended = watch(&mut Servers::of(server)?, run.clone(), false).await?;
                let report = report(&ended)?;
                if *json {
                    output::json(&report)?
                } else {
                    tell(&ended, &report)?
                }
                Ok(exit_of(&report, false))
            }
            RunAction::Cancel { run, server, json } => {
                let request = || CancelRequest { id: run.clone() };
                let cancel = async |channel| client(channel).cancel(request()).await;
                let answer = Servers::of(server)?.ask(LONG_DEADLINE, cancel).await?;
                show(answer.run.unwrap_or_default(), *json)
            }
        }
    })
}

pub(super) fn client(channel: Channel) -> RunServiceClient<Channel> {
    RunServiceClient::new(channel)
        .max_encoding_message_size(usize::MAX)
        .max_decoding_message_size(MAX_ANSWER_BYTES)
}

/// The report of a run that has ended well.
pub(super) fn report(run: &Run) -> anyhow::Result<BuildReport> {
    match run.state() {
        State::Done => Ok(serde_json::from_str(&run.report_json)?),
        State::Cancelled => anyhow::bail!("{}: cancelled; {}", run.id, run.error),
        _ => anyhow::bail!("{}: {}", run.id, run.error),
    }
}

/// What a command that has waited for a run tells of it.
fn tell(run: &Run, report: &BuildReport) -> anyhow::Result<()> {
    output::text(&line(run))?;
    lost(report).try_for_each(|line| output::text(&line))?;
    output::text(&format!("site manifest {}", report.manifest))
}

/// How a command ends that has waited for a run.
fn exit_of(report: &BuildReport, strict: bool) -> Exit {
    if let Some((run, why)) = report.runs.iter().find_map(|run| Some((run, nothing(run)?))) {
        output::note(&format!("{}: {why}: `quire run show {}` tells more", run.catalogue, run.run));
        Exit::Failed
    } else if strict && report.runs.iter().any(is_incomplete) {
        Exit::Strict
    } else {
        Exit::Done
    }
}

/// What a run did not do, line by line.
fn lost(report: &BuildReport) -> impl Iterator<Item = String> {
    report.runs.iter().flat_map(|run| {
        let mut lines: Vec<String> = summary::losses(run).lines().map(str::to_owned).collect();
        if run.records.dead > 0 {
            lines.push(format!("  dead: quire dead list --catalogue {}", run.catalogue));
        }
        lines
    })
}

async fn list(catalogue: Option<&str>, server: &ServerArgs, json: bool) -> anyhow::Result<Exit> {
    let request = || ListRequest { catalogue: catalogue.unwrap_or_default().to_owned(), limit: 0 };
    let list = async |channel| client(channel).list(request()).await;
    let runs = Servers::of(server)?.ask(DEADLINE, list).await?.runs;
    if json {
        let told: Vec<Told> = runs.into_iter().map(Told::from).collect();
        output::json(&told)?;
    } else if runs.is_empty() {
        let of = catalogue.map_or_else(String::new, |catalogue| format!(" of {catalogue}"));
        output::text(&format!("no runs{of} yet"))?;
    } else {
        for run in &runs {
            output::text(&line(run))?;
            first_lost(run).iter().try_for_each(|line| output::text(line))?;
        }
    }
    Ok(Exit::Done)
}

fn show(run: Run, json: bool) -> anyhow::Result<Exit> {
    if json {
        output::json(&Told::from(run))?;
    } else {
        output::text(&line(&run))?;
        read(&run).iter().flat_map(lost).try_for_each(|line| output::text(&line))?;
        if run.error.lines().count() > 1 {
            output::text(&run.error)?;
        }
    }
    Ok(Exit::Done)
}

/// The report, if the run has one.
fn read(run: &Run) -> Option<BuildReport> {
    serde_json::from_str(&run.report_json).ok()
}

/// A run in a line: when it was begun, how it stands, and what it did, is at, or failed of.
fn line(run: &Run) -> String {
    let report = read(run).and_then(|report| report.runs.into_iter().next());
    let partial = report.as_ref().is_some_and(|report| !report.failures.is_empty());
    let about = match &report {
        Some(report) => summary::counts(&report.records),
        None if run.error.is_empty() => run.phase.clone(),
        None => run.error.lines().map(str::trim).collect::<Vec<_>>().join(" "),
    };
    let started = started(run).unwrap_or_else(|| "-".to_owned());
    let partial = if partial { ", partial" } else { "" };
    format!("{}  {started}  {}{partial}  {about}", run.id, state(run.state())).trim_end().to_owned()
}

/// When it was begun, if the coordinator knows.
fn started(run: &Run) -> Option<String> {
    (run.started_ms > 0).then(|| quire_queue::iso(run.started_ms / 1_000))
}

/// The first thing that a run did not do: `quire run show` tells the others.
fn first_lost(run: &Run) -> Option<String> {
    let report = read(run)?.runs.into_iter().next()?;
    let (first, others) = report.failures.split_first()?;
    Some(match others.len() {
        0 => format!("  partial: {first}"),
        others => format!("  partial: {first}; and {others} more: quire run show {}", run.id),
    })
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
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    lane: String,
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
        let (report, started) = (read(&run), started(&run));
        let Run { id, catalogue, epoch, lane, phase, error, .. } = run;
        Self { run: id, catalogue, epoch, state, started, lane, phase, error, report }
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
