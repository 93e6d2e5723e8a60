//! `quire run`: runs on agents, through the coordinator.

mod start;
mod watch;

use quire_api::run::{
    CancelRequest, GetRequest, ListRequest, Run, State, run_service_client::RunServiceClient,
};
use quire_proto::BuildReport;
use serde::Serialize;
use tonic::transport::Channel;

use crate::{
    Exit, LaneArg, RunAction, RunArgs, ServerArgs, output,
    remote::{DEADLINE, LONG_DEADLINE, MAX_ANSWER_BYTES, Servers, block_on},
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
                let ended = watch::watch(&mut Servers::of(server)?, run.clone(), false).await?;
                let report = report(&ended)?;
                if *json {
                    output::json(&report)?
                } else {
                    tell(&ended, &report)?
                }
                Ok(Exit::Done)
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
fn report(run: &Run) -> anyhow::Result<BuildReport> {
    match run.state() {
        State::Done => Ok(serde_json::from_str(&run.report_json)?),
        _ => anyhow::bail!("{}: {}", run.id, run.error),
    }
}

/// What a command that has waited for a run ends with.
fn tell(run: &Run, report: &BuildReport) -> anyhow::Result<()> {
    output::text(&line(run))?;
    output::text(&format!("site manifest {}", report.manifest))
}

async fn list(catalogue: Option<&str>, server: &ServerArgs, json: bool) -> anyhow::Result<Exit> {
    let request = || ListRequest { catalogue: catalogue.unwrap_or_default().to_owned(), limit: 0 };
    let list = async |channel| client(channel).list(request()).await;
    let runs = Servers::of(server)?.ask(DEADLINE, list).await?.runs;
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

const fn state(state: State) -> &'static str {
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
