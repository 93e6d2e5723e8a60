//! Watching a run, through changes of the leader.

use std::time::{Duration, Instant};

use quire_api::run::{Run, State, WatchRequest};
use quire_coordinator::{Event, Phase, Progress as _};
use quire_proto::{Epoch, RunId, StageName};

use super::client;
use crate::{
    commands::lanes::{lanes_of, standstill},
    exit::Unreachable,
    progress::Reporter,
    remote::{DEADLINE, Servers, is_away, refused, said},
};

/// How long somebody may take to lead again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between attempts to find out who does.
const PAUSE: Duration = Duration::from_millis(250);

/// Without news for so long, it is found out whether anybody takes the run's work.
const STILL: Duration = Duration::from_secs(5);

/// A run as it is watched.
struct Watched {
    /// The run, as it was last heard of.
    run: Run,
    reporter: Reporter,
    /// Whether the run is known to be there: until then nothing is waited for.
    is_there: bool,
    /// Since when nobody could tell of it.
    away: Option<Instant>,
    /// Why nothing went on, as it was told last.
    still: Option<String>,
}

/// Watches a run until it is over, showing how it goes on. When the leader goes, whoever leads next is asked: the run goes
/// on there, and is known by the id that it had.
pub(in crate::commands) async fn watch(
    servers: &mut Servers,
    id: String,
    is_there: bool,
) -> anyhow::Result<Run> {
    let run = Run { id, ..Run::default() };
    let mut watched = Watched { run, reporter: Reporter::new(), is_there, away: None, still: None };
    loop {
        let Err(error) = watched.follow(servers).await else { return Ok(watched.run) };
        if !watched.is_there || !error.is::<Unreachable>() {
            return Err(error);
        }
        let id = &watched.run.id;
        if watched.away.is_none() {
            eprintln!("{error}; looking for whoever goes on with {id}");
        }
        if watched.away.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
            let waited = PATIENCE.as_secs();
            let context = format!("nobody leads since {waited} s; `quire run watch {id}` asks again later");
            return Err(error.context(context));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Watched {
    /// Until the run is over.
    async fn follow(&mut self, servers: &mut Servers) -> anyhow::Result<()> {
        let request = || WatchRequest { id: self.run.id.clone() };
        let mut changes =
            servers.ask(DEADLINE, async |channel| client(channel).watch(request()).await).await?;
        loop {
            let Ok(heard) = tokio::time::timeout(STILL, changes.message()).await else {
                self.tell_standstill(servers).await;
                continue;
            };
            let change = match heard {
                Ok(Some(change)) => change,
                Ok(None) => return Err(left("it said no more").into()),
                Err(status) if is_away(&status) => return Err(left(&said(&status)).into()),
                Err(status) => return Err(refused(&status)),
            };
            (self.is_there, self.away, self.still) = (true, None, None);
            let Some(run) = change.run else { continue };
            self.tell(&run);
            self.run = run;
            if !matches!(self.run.state(), State::Running | State::Unspecified) {
                return Ok(());
            }
        }
    }

    /// Tells why nothing goes on, once, if nobody takes what the run waits for. Who cannot say is asked again later.
    async fn tell_standstill(&mut self, servers: &mut Servers) {
        let stages = phase(&self.run.phase).map_or(&[][..], stages_of);
        let mut lanes = lanes_of(servers).await.unwrap_or_default();
        lanes.retain(|lane| lane.is(stages, &self.run.lane));
        let why = standstill(&lanes);
        if why.is_some() && why != self.still {
            self.still = why;
            let why = self.still.as_deref().unwrap_or_default();
            self.reporter.say(&format!("{}: nothing new for {} s: {why}", self.run.id, STILL.as_secs()));
        }
    }

    /// Tells what has changed, as a run in this process would.
    fn tell(&self, now: &Run) {
        let id = RunId::new(&now.catalogue, Epoch(now.epoch));
        if now.id != self.run.id {
            eprintln!("{} goes on as {}", self.run.id, now.id);
        }
        if now.phase != self.run.phase
            && let Some(phase) = phase(&now.phase)
        {
            self.reporter.tell(&id, Event::Entered(phase));
        }
        for progress in &now.stages {
            let before = self.run.stages.iter().find(|known| known.stage == progress.stage);
            let Some(stage) = StageName::ALL.into_iter().find(|stage| stage.as_str() == progress.stage)
            else {
                continue;
            };
            if before != Some(progress) {
                let records =
                    progress.records - before.map_or(0, |before| before.records.min(progress.records));
                let (settled, announced) = (progress.settled, progress.announced);
                self.reporter.tell(&id, Event::Settled { stage, records, settled, announced });
            }
        }
    }
}

/// The server that told of the run does so no more.
fn left(why: &str) -> Unreachable {
    Unreachable { server: "the coordinator".to_owned(), why: format!("tells no more ({why})") }
}

/// The stages that a run waits for in a phase.
const fn stages_of(phase: Phase) -> &'static [StageName] {
    match phase {
        Phase::Gather => &[StageName::Fetch, StageName::Validate],
        Phase::Make => &[StageName::Index, StageName::Render],
        Phase::Publish => &[StageName::Render],
        Phase::Wait | Phase::Decide | Phase::Commit | Phase::Done => &[],
    }
}

fn phase(name: &str) -> Option<Phase> {
    Some(match name {
        "wait" => Phase::Wait,
        "gather" => Phase::Gather,
        "decide" => Phase::Decide,
        "make" => Phase::Make,
        "commit" => Phase::Commit,
        "publish" => Phase::Publish,
        "done" => Phase::Done,
        _ => return None,
    })
}
