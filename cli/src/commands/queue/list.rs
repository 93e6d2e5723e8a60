//! `quire queue list`.

use std::{collections::BTreeMap, path::Path};

use quire_proto::Lane;
use quire_queue::{Dead, Listed, QueueFolder, UnderWay, unix_now};
use serde::Serialize;

use crate::{Exit, output};

/// Most jobs of each kind that people are shown.
const SHOWN: usize = 20;

/// A queue as `--json` prints it.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Told {
    /// How many jobs wait, by priority.
    waiting_by_priority: BTreeMap<&'static str, usize>,
    waiting: Vec<TheyWait>,
    odd: Vec<Odd>,
    under_way: Vec<UnderWay>,
    dead: Vec<Dead>,
}

/// A job that waits.
#[derive(Debug, Serialize)]
struct TheyWait {
    name: String,
    key: String,
    priority: Lane,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalogue: Option<String>,
    attempts: u32,
    /// Seconds until it may be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_seconds: Option<u64>,
}

/// A file that is no job: the next one that works on the queue moves it to the dead letters.
#[derive(Debug, Serialize)]
struct Odd {
    file: String,
    reason: String,
}

/// Lists.
///
/// # Errors
/// If the queue cannot be read.
pub(super) fn run(path: &Path, json: bool) -> anyhow::Result<Exit> {
    let queue = super::opened(path)?;
    let told = Told::of(&queue)?;
    if json {
        output::json(&told)?
    } else {
        output::text(&told.text())?
    }
    Ok(Exit::Done)
}

impl Told {
    /// What is in the queue.
    pub(in crate::commands) fn of(queue: &QueueFolder) -> anyhow::Result<Self> {
        let Listed { waiting, odd, under_way, dead } = queue.list()?;
        let now = unix_now();
        let mut by_priority: BTreeMap<&'static str, usize> = Lane::ALL.map(|lane| (lane.as_str(), 0)).into();
        for job in &waiting {
            *by_priority.entry(job.lane.as_str()).or_default() += 1;
        }
        let waiting = waiting.into_iter().map(|job| TheyWait {
            pause_seconds: (job.not_before > now).then(|| job.not_before - now),
            name: job.name,
            key: job.key,
            priority: job.lane,
            catalogue: job.catalogue,
            attempts: job.attempts,
        });
        let odd = odd.into_iter();
        let odd = odd.map(|odd| Odd { file: odd.file.to_string_lossy().into_owned(), reason: odd.why.0 });
        Ok(Self {
            waiting: waiting.collect(),
            waiting_by_priority: by_priority,
            odd: odd.collect(),
            under_way,
            dead,
        })
    }

    fn text(&self) -> String {
        let counts = Lane::ALL.map(|lane| {
            format!("{} {lane}", self.waiting_by_priority.get(lane.as_str()).copied().unwrap_or_default())
        });
        let mut lines = vec![format!(
            "{} wait ({}), {} under way, {} dead",
            self.waiting.len(),
            counts.join(", "),
            self.under_way.len(),
            self.dead.len()
        )];
        section(&mut lines, "waiting", &self.waiting, |job| {
            let tried = if job.attempts > 0 {
                format!(", tried {}", output::counted(job.attempts, "time"))
            } else {
                String::new()
            };
            let pause =
                job.pause_seconds.map(|seconds| format!(", not before {seconds} s")).unwrap_or_default();
            format!("{}  {}{tried}{pause}", job.key, job.priority)
        });
        section(&mut lines, "no jobs", &self.odd, |odd| format!("{}  {}", odd.file, odd.reason));
        section(&mut lines, "under way", &self.under_way, |job| {
            let who = match (&job.host, job.pid) {
                (Some(host), Some(pid)) if job.abandoned => format!("process {pid} on {host}, which is gone"),
                (Some(host), Some(pid)) => format!("process {pid} on {host}"),
                _ => "another tool".to_owned(),
            };
            format!("{}  {who}, for {} s", job.key.as_deref().unwrap_or(&job.name), job.seconds)
        });
        section(&mut lines, "dead", &self.dead, |dead| {
            format!("{}  {}", dead.key.as_deref().unwrap_or(&dead.file), dead.reason)
        });
        lines.join("\n")
    }
}

fn section<T>(lines: &mut Vec<String>, head: &str, all: &[T], line: impl Fn(&T) -> String) {
    if all.is_empty() {
        return;
    }
    lines.push(format!("{head}:"));
    lines.extend(all.iter().take(SHOWN).map(|one| format!("  {}", line(one))));
    if all.len() > SHOWN {
        lines.push(format!("  … {} more (--json lists all)", all.len() - SHOWN));
    }
}
